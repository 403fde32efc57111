"""The marked part of a git hook: put into a shell script, and taken out again, byte for byte."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

SYNC = "sync --staged"
"""Ticks and unticks rows in what is about to be committed; takes part in every commit."""
CHECK = "ledger check"
"""Tells of contradictions when the ledger is part of a commit; CI is where they count."""
LEDGER = "docs/fix_plan.md"
_BEGIN = "# >>> planctl hooks v1 >>>"
_END = "# <<< planctl hooks v1 <<<"
_SHEBANG = "#!/bin/sh\n"
_PART = re.compile(
    r"^# >>> planctl hooks v\d+ >>>\n.*?^# <<< planctl hooks v\d+ <<<\n", re.M | re.S
)
_SHELLS = re.compile(
    r"#! ?(?:/usr)?/bin/(?:env (?:-S )?)?(?:/bin/)?(?:sh|bash|dash|ksh|zsh)( -\w+)*\n"
)
MARK = f"planctl {SYNC}"
"""By this a hook manager's configuration is known to have the snippet."""


@dataclass(frozen=True)
class HookPart:
    """What planctl adds to a hook.

    Attributes:
        program: Absolute path of planctl, as it was when this was written.
    """

    program: str

    @property
    def text(self) -> str:
        """The part with its marks."""
        return (
            f"{_BEGIN}\n"
            "# `planctl hooks remove` takes this part out; the rest of the file is yours.\n"
            f"_planctl={shlex.quote(self.program)}\n"
            '[ -x "$_planctl" ] || _planctl=$(command -v planctl || true)\n'
            'if [ -n "$_planctl" ]; then\n'
            f'  "$_planctl" {SYNC} || exit 1\n'
            f"  git diff --cached --quiet -- {LEDGER} ||\n"
            f'    "$_planctl" {CHECK} >&2 || echo "planctl: the commit goes on" >&2\n'
            "else\n"
            '  echo "planctl is not here: rows and ledger go unchecked" >&2\n'
            "fi\n"
            f"{_END}\n"
        )

    def within(self, script: str | None) -> str | None:
        """Return a script with this part in the place of an earlier one, or as its beginning.

        Args:
            script: The hook; None when there is none.

        Returns:
            None when it is no script for a shell that can take the part.
        """
        if script is None:
            return _SHEBANG + self.text
        if _PART.search(script):
            return _PART.sub(lambda _: self.text, script, count=1)
        first = _SHELLS.match(script)
        # At the end it might never be reached: many hooks end with `exec`.
        return None if first is None else first[0] + self.text + script[first.end() :]


def has_part(script: str) -> bool:
    """Tell whether a hook has a part of planctl's."""
    return _PART.search(script) is not None


def without_part(script: str) -> str | None:
    """Return a hook without planctl's part; None when nothing else is in it."""
    rest = _PART.sub("", script, count=1)
    return None if rest == _SHEBANG else rest


def snippet(framework: str) -> str:
    """Return what a person adds to the configuration of a hook manager.

    Args:
        framework: `pre-commit`, `lefthook`, or anything that runs lines of shell.
    """
    return {"pre-commit": _PRE_COMMIT, "lefthook": _LEFTHOOK}.get(framework, _LINES)


_LINES = f"planctl {SYNC} || exit 1\n"
_PRE_COMMIT = f"""\
  - repo: local
    hooks:
      - id: planctl-sync
        name: planctl {SYNC}
        entry: planctl {SYNC}
        language: system
        pass_filenames: false
        always_run: true
"""
_LEFTHOOK = f"""\
pre-commit:
  commands:
    planctl-sync:
      run: planctl {SYNC}
"""

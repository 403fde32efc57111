"""How many tests a selector collects: asked of pytest, which runs none of them."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from planctl._files import atomic_write, git_blob_id, read_plain
from planctl._process import ShellCommand, Stop, run_shell
from planctl.ops.record import DROPPED
from planctl.workspace import Workspace

_SUM = re.compile(
    r"^(?:=+ )?(?:(?P<n>\d+)(?:/\d+)? tests? (?:collected|selected)|no tests (?:collected|ran))",
    re.MULTILINE,
)
_NODE = re.compile(r"^\S[^\n]*?::\S[^\n]*$", re.MULTILINE)
_PER_FILE = re.compile(r"^\S+\.py: (\d+)$", re.MULTILINE)
_MAX_OUTPUT = 400_000
_MAX_BYTES = 4_000
_MAX_FILES = 2_000
# What else decides what pytest collects.
_CONFIG = ("pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg", ".pytest.ini")
_TIMED_OUT = 124


@dataclass(frozen=True)
class Collected:
    """What pytest said of a selector.

    Attributes:
        count: How many tests it collects; None when pytest could not tell.
        why: What it said instead, one line.
    """

    words: tuple[str, ...]
    count: int | None
    why: str = ""


def collect(workspace: Workspace, words: Sequence[str]) -> Collected:
    """Count the tests that some words select; counted anew when a test file changed.

    Args:
        workspace: The repository.
        words: As after `pytest`: selectors, `-k EXPRESSION`, `-m EXPRESSION`.
    """
    settings = workspace.settings().brief
    program = settings.pytest or f"{shlex.quote(sys.executable)} -m pytest"
    place = _kept_at(workspace, program, words)
    kept = _kept(place)
    if kept is not None:
        return Collected(tuple(words), kept)
    said: list[bytes] = []
    command = f"{program} --collect-only -q -p no:cacheprovider {shlex.join(words)}"
    shell = ShellCommand(command, workspace.root, _environment(), settings.collect_timeout)

    def take(piece: bytes) -> None:
        if sum(map(len, said)) < _MAX_OUTPUT:
            said.append(piece)

    ended = run_shell(shell, take, Stop(), grace_s=1.0)
    text = b"".join(said).decode("utf-8", "replace")
    if ended.exit_code == _TIMED_OUT:
        return Collected(tuple(words), None, f"no answer in {settings.collect_timeout:g} s")
    found = _counted(text, ended.exit_code)
    if found.count:
        atomic_write(place, json.dumps({"count": found.count}))
    return Collected(tuple(words), found.count, found.why)


def _counted(text: str, code: int) -> Collected:
    """Read pytest's answer: 0 some, 5 none, anything else an error."""
    if code == 5:
        return Collected((), 0, "pytest collects no test")
    if code != 0:
        lines = [line for line in text.split("\n") if re.match(r"ERROR|E  |.*Error\b", line)]
        rest = [line for line in text.split("\n") if line.strip()]
        return Collected((), None, " ".join((lines or rest or ["no answer"])[-1].split())[:200])
    found = _SUM.search(text)
    if found is not None:
        return Collected((), int(found["n"] or 0))
    per_file = [int(number) for number in _PER_FILE.findall(text)]
    return Collected((), sum(per_file) or len(_NODE.findall(text)))


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in DROPPED}
    folders = [str(Path(sys.executable).parent), kept.get("PATH", os.defpath)]
    return kept | {"PATH": os.pathsep.join(folders), "PYTHONDONTWRITEBYTECODE": "1"}


def _kept_at(workspace: Workspace, program: str, words: Sequence[str]) -> Path:
    """Return where the answer to this question is kept: by the content of all that decides it."""
    digest = hashlib.sha256("\0".join((program, *words)).encode("utf-8", "surrogateescape"))
    for path in _deciding(workspace.root, words):
        digest.update(f"\0{path}\0".encode("utf-8", "surrogateescape"))
        place = workspace.root / path
        if place.is_file():
            digest.update(git_blob_id(place).encode())
    return workspace.repo.git_dir / "planctl" / "collected" / f"{digest.hexdigest()[:32]}.json"


def _deciding(root: Path, words: Sequence[str]) -> list[str]:
    """Return the files that decide what is collected: tests, every `conftest.py`, settings."""
    found = dict.fromkeys(_CONFIG)
    names = [word.partition("::")[0] for word in words if not word.startswith("-")]
    for name in names:
        place = root / name
        if place.is_dir():
            below = sorted(place.rglob("*.py"))[:_MAX_FILES]
            found |= dict.fromkeys(path.relative_to(root).as_posix() for path in below)
        found[name] = None
        for above in Path(name).parents:
            found[(above / "conftest.py").as_posix()] = None
    return list(found)


def _kept(place: Path) -> int | None:
    try:
        raw = json.loads(read_plain(place, _MAX_BYTES))
    except (OSError, ValueError):
        return None  # nothing is kept, or not as it was written: pytest is asked
    count = raw.get("count") if isinstance(raw, dict) else None
    return count if isinstance(count, int) and not isinstance(count, bool) and count > 0 else None

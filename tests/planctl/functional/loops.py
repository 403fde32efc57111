"""A project that a loop runs in, and its agents."""

from __future__ import annotations

import json
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.planctl.functional.conftest import ID, Project

_RUN = "import sys; from planctl.cli.app import run; sys.exit(run(sys.argv[1:]))"
PLANCTL = shlex.join([sys.executable, "-c", _RUN])
AGENT = Path(__file__).parent / "agents" / "agent.py"
WORDS = (
    "The file src/one.txt was changed as the brief says. Nothing else was needed for it. "
    "The evidence of the rows comes next. Next: look at the verdicts."
)

EDIT = ("append", "src/one.txt", "more\\n")
SAID = ("summary", WORDS)


def agent(*actions: tuple[str, ...]) -> str:
    """Return the command of an agent that does some things in order."""
    words = [word for action in actions for word in (*action, "--")]
    return shlex.join([sys.executable, str(AGENT), *words[:-1]])


@dataclass(frozen=True)
class Loops:
    """Loops in a project."""

    project: Project

    def run(self, *words: str, expect: int | None = 0) -> dict[str, Any]:
        """Run a loop and return its result."""
        code, out, err = self.project.call("loop", "--json", *words)
        assert expect is None or code == expect, err
        found: dict[str, Any] = json.loads(out)
        return found

    def engineer(
        self, *actions: tuple[str, ...], words: tuple[str, ...] = ("-n", "1"), expect: int = 0
    ) -> dict[str, Any]:
        """Run a loop without a supervisor."""
        return self.run("--focus", ID, "--engineer", agent(*actions), *words, expect=expect)

    def records(self) -> list[dict[str, Any]]:
        """Return the records of all turns, oldest first."""
        paths = sorted(self.project.root.glob("plans/active/*/turns/*.json"))
        return [json.loads(path.read_text("utf-8")) for path in paths]

    @property
    def folder(self) -> Path:
        """The loop's own folder."""
        return self.project.root / ".git/planctl/loop"

    def log(self, number: int, role: str = "engineer") -> str:
        """Return an agent's log."""
        return (self.folder / f"{number:05d}_{role}.log").read_bytes().decode("utf-8")

    def prompt(self, number: int, role: str = "engineer") -> str:
        """Return what an agent was told last in a turn."""
        return (self.folder / f"{number:05d}_{role}_prompt.md").read_text("utf-8")

    def state(self) -> dict[str, Any]:
        """Return the loop's state."""
        found: dict[str, Any] = json.loads(
            (self.project.root / ".git/planctl/loop.json").read_text("utf-8")
        )
        return found

    def subject(self, revision: str = "HEAD") -> str:
        """Return the first line of a commit."""
        return self.project.repo.git("log", "-1", "--format=%s", revision)

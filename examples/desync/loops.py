"""Two ways to let the scripts take turns: one after the other, and through planctl."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Container, Sequence
from pathlib import Path
from typing import Any

from examples.desync.day import DAY, ENGINEER, SUPERVISOR
from examples.desync.repository import FOLDER, INITIATIVE, git

HERE = Path(__file__).resolve().parent
TIMEOUT_S = 280


def environment(journal: Path) -> dict[str, str]:
    """Return what both scripts find around them: this interpreter first, and the journal."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("PLANCTL_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    fast = {"OMP_NUM_THREADS": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return kept | fast | {"PATH": path, "DESYNC_JOURNAL": str(journal)}


def script(role: str) -> list[str]:
    """Return the command that takes one turn of a role."""
    return [sys.executable, str(HERE / f"{role}.py")]


def run(words: Sequence[str], root: Path, journal: Path, codes: Container[int] = (0,)) -> str:
    """Run a command in the project and return what it printed.

    Args:
        words: The command.
        root: The project.
        journal: Where scripts and commands say what they do.
        codes: How it may end.

    Raises:
        subprocess.CalledProcessError: It ended otherwise.
    """
    done = subprocess.run(
        words,
        cwd=root,
        env=environment(journal),
        check=False,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    if done.returncode not in codes:
        raise subprocess.CalledProcessError(done.returncode, list(words), done.stdout, done.stderr)
    return done.stdout


def plain(root: Path, journal: Path, day: Sequence[tuple[str, str]] = DAY) -> None:
    """Let the scripts take their turns with nothing between them but files and git.

    What a script prints goes on top of the summary; after each turn everything is committed.

    Args:
        root: The project.
        journal: Where scripts and commands say what they do.
        day: Whose turn it is, in order.
    """
    for role, _stamp in day:
        said = run(script(role), root, journal)
        block = f"### Turn Summary\n{said}\n"
        summary = root / FOLDER / "summary.md"
        summary.write_text(block + summary.read_text("utf-8"), "utf-8")
        git(root, "add", "--all")
        author = f"{role} <{role}@example.org>"
        subject = f"{role.upper()} AUTO: {'the brief' if role == SUPERVISOR else 'the commands'}"
        git(root, "commit", "--quiet", "--allow-empty", "--author", author, "--message", subject)


def through_planctl(
    root: Path, journal: Path, day: Sequence[tuple[str, str]] = DAY
) -> dict[str, Any]:
    """Let the same scripts take their turns through `planctl loop`, for as many of them.

    Args:
        root: The project, with its plan.
        journal: Where scripts and commands say what they do.
        day: Whose turn it was. The loop lets the two alternate until the supervisor had as many
            turns as on that day before it accepted.

    Returns:
        What the loop answered.
    """
    orders = sum(role == SUPERVISOR for role, _ in day) - 1
    roles = (f"--{role}={shlex.join(script(role))}" for role in (SUPERVISOR, ENGINEER))
    words = ["planctl", "loop", *roles, "--focus", INITIATIVE, "--turns", str(2 * orders), "--json"]
    answer: dict[str, Any] = json.loads(run(words, root, journal, codes=(0, 1)))
    return answer

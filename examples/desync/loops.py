"""Two ways to let the scripts take turns: one after the other, and through planctl."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from examples.desync.day import DAY, SUPERVISOR
from examples.desync.repository import FOLDER, git

HERE = Path(__file__).resolve().parent
TIMEOUT_S = 120


def environment(journal: Path) -> dict[str, str]:
    """Return what both scripts find around them: this interpreter first, and the journal."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("PLANCTL_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    fast = {"OMP_NUM_THREADS": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return kept | fast | {"PATH": path, "DESYNC_JOURNAL": str(journal)}


def script(role: str) -> str:
    """Return the command that takes one turn of a role."""
    return shlex.join([sys.executable, str(HERE / f"{role}.py")])


def plain(root: Path, journal: Path, day: Sequence[tuple[str, str]] = DAY) -> None:
    """Let the scripts take their turns with nothing between them but files and git.

    What a script prints goes on top of the summary; after each turn everything is committed.

    Args:
        root: The project.
        journal: Where scripts and commands say what they do.
        day: Whose turn it is, in order.
    """
    for role, _stamp in day:
        said = subprocess.run(
            shlex.split(script(role)),
            cwd=root,
            env=environment(journal),
            check=True,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
        ).stdout
        block = f"### Turn Summary\n{said}\n"
        summary = root / FOLDER / "summary.md"
        summary.write_text(block + summary.read_text("utf-8"), "utf-8")
        git(root, "add", "--all")
        author = f"{role} <{role}@example.org>"
        subject = f"{role.upper()} AUTO: {'the brief' if role == SUPERVISOR else 'the commands'}"
        git(root, "commit", "--quiet", "--allow-empty", "--author", author, "--message", subject)

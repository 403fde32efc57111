"""What agents and CI services read: the section of `AGENTS.md`, and a workflow file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from planctl._files import atomic_write, read_plain
from planctl._text import printable
from planctl.errors import BadFileError
from planctl.models.agents_section import Fate, placed
from planctl.workspace import Workspace

AGENTS = "AGENTS.md"
CLAUDE = "CLAUDE.md"
WORKFLOW = ".github/workflows/planctl.yml"
_MAX_BYTES = 4_000_000
_KEPT: Mapping[Fate, str] = {
    Fate.EDITED: "was edited, and stays; `planctl init --upgrade` replaces it",
    Fate.NEWER: "is of a newer planctl, and stays; `planctl init --upgrade` replaces it",
}


@dataclass(frozen=True)
class AgentsFile:
    """What became of `AGENTS.md`.

    Attributes:
        fate: Of the section.
        existed: There was such a file.
        notes: What a person should know.
    """

    fate: Fate
    existed: bool
    notes: tuple[str, ...]


def section_text() -> str:
    """Return what the section says now."""
    return (files("planctl") / "templates" / "agents_section.md.j2").read_text("utf-8")


def write_agents_file(workspace: Workspace, upgrade: bool = False) -> AgentsFile:
    """Put the section into `AGENTS.md`, or bring it up to date; nothing else there changes.

    Args:
        workspace: The repository.
        upgrade: Replace a section that somebody edited.

    Raises:
        BadFileError: The file cannot be read, its marks do not pair, or it is a link that leads
            out of the repository.
    """
    place = _place(workspace)
    existed = os.path.lexists(place)
    try:
        old = read_plain(place, _MAX_BYTES) if existed else b""
    except OSError as error:
        raise BadFileError(AGENTS, f"cannot be read: {error.strerror}") from error
    result = placed(old, section_text(), AGENTS, upgrade)
    if result.content != old or not existed:
        atomic_write(place, result.content)
    notes = [f"the section in {AGENTS} {_KEPT[result.fate]}"] if result.fate in _KEPT else []
    return AgentsFile(result.fate, existed, (*notes, *_of_claude(workspace, place)))


def _place(workspace: Workspace) -> Path:
    """Return the file itself: `AGENTS.md` may be a link to another document of the repository."""
    place = workspace.root / AGENTS
    if not place.is_symlink():
        return place
    target = place.resolve()
    if not target.is_relative_to(workspace.root.resolve()):
        raise BadFileError(
            AGENTS,
            f"is a link that leads out of the repository, to `{printable(str(target))}`",
            hint="make it a file of its own",
        )
    return target


def _of_claude(workspace: Workspace, agents: Path) -> tuple[str, ...]:
    """Say how a client that reads another file gets to this one; that file is the person's."""
    place = workspace.root / CLAUDE
    try:
        if not place.exists() or place.resolve() == agents.resolve():
            return ()
        if AGENTS.encode() in read_plain(place, _MAX_BYTES):
            return ()
    except OSError:
        return (f"{CLAUDE} cannot be read; whether it names {AGENTS} is not known",)
    return (f"{CLAUDE} does not name {AGENTS}: a line `@{AGENTS}` there makes Claude Code read it",)

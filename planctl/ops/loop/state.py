"""What the loop remembers between turns: one file, written whole, never reset because it is odd."""

from __future__ import annotations

import os
from pathlib import Path

from planctl import clock
from planctl._files import atomic_write, free_name, read_text
from planctl.errors import BadFileError
from planctl.models.loop import LoopState, dumped, parse_state
from planctl.workspace import Workspace

NAME = "loop.json"
_MAX_BYTES = 4_000_000


def state_path(workspace: Workspace) -> Path:
    """Return where the state of this work tree's loop lies."""
    return workspace.repo.git_dir / "planctl" / NAME


def folder(workspace: Workspace) -> Path:
    """Return the folder of agents' logs, prompts and summaries."""
    return workspace.repo.git_dir / "planctl" / "loop"


def copy_path(workspace: Workspace) -> Path:
    """Return where its copy lies: outside the folder that somebody may clear as a whole."""
    return workspace.repo.git_dir / "planctl-loop.json"


def read_state(workspace: Workspace) -> LoopState | None:
    """Return the state, or None when no loop ever ran here.

    Raises:
        BadFileError: It cannot be read, or is not what a loop wrote.
    """
    for path in (state_path(workspace), copy_path(workspace)):
        if os.path.lexists(path):
            return read_one(path)
    return None


def read_one(path: Path) -> LoopState:
    """Return the state that one file holds.

    Raises:
        BadFileError: It cannot be read, or is not what a loop wrote.
    """
    try:
        return parse_state(read_text(path, _MAX_BYTES), str(path))
    except (OSError, UnicodeDecodeError) as error:
        hint = "`planctl loop --recover` keeps it aside and rebuilds it from the turn records"
        raise BadFileError(str(path), f"cannot be read: {error}", hint=hint) from error


def write_state(workspace: Workspace, state: LoopState) -> LoopState:
    """Write the state and return it with the time of writing.

    The copy is written first: where the file itself is gone, it is never behind.
    """
    now = state.model_copy(update={"updated": clock.iso(workspace.clock())})
    for path in (copy_path(workspace), state_path(workspace)):
        atomic_write(path, dumped(now))
    return now


def put_aside(workspace: Workspace, path: Path) -> Path:
    """Give a file of the loop another name beside its own, so that nothing in it is lost."""
    stamp = clock.stamp(workspace.clock())
    kept = free_name(path.with_name(f"{path.name}.unreadable-{stamp}"))
    os.replace(path, kept)
    return kept

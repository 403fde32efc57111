"""The turn that is open in this work tree: its file, its number, what was dirty before it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path

from planctl._files import atomic_write, read_plain
from planctl._git import Repository
from planctl.errors import BadFileError
from planctl.models.turn.record import MAX_BYTES, OpenTurn, file_text, parse_open
from planctl.ops.turn.records import record_names
from planctl.workspace import Workspace

# Larger files are told apart by size and time of last change: only to tell whose they are.
_LARGE_BYTES = 64 << 20
_LOOP_STATE = "loop.json"


def turn_path(workspace: Workspace) -> Path:
    """Return where the open turn of this work tree is kept: below git's own folder."""
    return workspace.repo.git_dir / "planctl" / "turn.json"


def current_turn(workspace: Workspace) -> OpenTurn | None:
    """Return the open turn of this work tree, or None.

    Raises:
        BadFileError: Its file cannot be read; it is never reset by itself.
    """
    path = turn_path(workspace)
    if not os.path.lexists(path):
        return None
    shown = str(path)
    try:
        content = read_plain(path, MAX_BYTES)
    except OSError as error:
        raise BadFileError(shown, f"cannot be read: {error.strerror or error}") from error
    return parse_open(content, shown)


def keep(workspace: Workspace, turn: OpenTurn) -> None:
    """Write the state of the open turn."""
    atomic_write(turn_path(workspace), file_text(turn))


def forget(workspace: Workspace) -> None:
    """Remove the state: the turn has ended."""
    turn_path(workspace).unlink(missing_ok=True)


def next_number(workspace: Workspace) -> int:
    """Return the number of the next turn: one more than any that this work tree knows of."""
    known = [name.number for name, _ in record_names(workspace)]
    return max([0, *known, _loop_number(workspace)]) + 1


def _loop_number(workspace: Workspace) -> int:
    """Return the highest number a loop has given out; its own errors are told by the loop."""
    path = workspace.repo.git_dir / "planctl" / _LOOP_STATE
    try:
        raw = json.loads(read_plain(path, MAX_BYTES))
        return int(raw["last_number"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return 0


def entries_of(repo: Repository, paths: Iterable[str]) -> dict[str, str]:
    """Return for each path what it is on disk: mode and blob id, or nothing when it is gone.

    Files of more than 64 MiB are not read: size and times stand for them.
    """
    found = dict.fromkeys(paths, "")
    plain: list[str] = []
    for path in found:
        try:
            about = (repo.root / path).lstat()
        except (FileNotFoundError, NotADirectoryError):
            continue
        if about.st_size > _LARGE_BYTES:
            found[path] = f"large {about.st_size} {about.st_mtime_ns} {about.st_ctime_ns}"
        else:
            plain.append(path)
    for path, entry in repo.work_tree_entries(plain).items():
        found[path] = f"{entry.mode} {entry.blob}"
    return found

"""Records about a focus on disk: waits, their ends, and locks that a person lifted."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from planctl._files import atomic_write, free_name, read_plain
from planctl.errors import BadFileError
from planctl.models.focus_record import FocusRecord, file_name, parse_record, record_text
from planctl.workspace import ACTIVE, Workspace

_MAX_BYTES = 100_000


def waits_folder(initiative: str) -> str:
    """Return the repository-relative folder of an initiative's records."""
    return f"{ACTIVE}/{initiative}/waits"


def focus_records(workspace: Workspace, initiative: str) -> tuple[FocusRecord, ...]:
    """Read the records of an initiative, oldest first.

    Raises:
        BadFileError: One of them cannot be read: nothing is guessed about a lock.
    """
    folder = workspace.root / waits_folder(initiative)
    if not folder.is_dir():
        return ()
    found = [_read(workspace, path) for path in folder.glob("*.json")]
    return tuple(sorted(found, key=lambda item: item.id))


def _read(workspace: Workspace, path: Path) -> FocusRecord:
    shown = workspace.relative(path)
    try:
        content = read_plain(path, _MAX_BYTES)
    except OSError as error:
        raise BadFileError(shown, f"cannot be read: {error.strerror or error}") from error
    return parse_record(content, shown)


def write_record(workspace: Workspace, record: FocusRecord) -> str:
    """Write a record that nobody has written yet; return its repository-relative path."""
    folder = workspace.root / waits_folder(record.initiative)
    path = free_name(folder / file_name(record))
    atomic_write(path, record_text(record))
    return workspace.relative(path)


def new_id(workspace: Workspace, initiative: str) -> tuple[str, dt.datetime]:
    """Return a ULID later than every record of the initiative, and the time it stands for."""
    from ulid import ULID

    now = workspace.clock()
    made = ULID.from_datetime(now)
    known = [ULID.from_str(item.id) for item in focus_records(workspace, initiative)]
    latest = max((item for item in known if item.milliseconds == made.milliseconds), default=None)
    if latest is not None:
        made = ULID.from_int(int(latest) + 1)
    return str(made), now


def newest_turn(workspace: Workspace) -> int:
    """Return the number of the newest turn, the open one included; 0 without any."""
    from planctl.ops.turn.state import current_turn, next_number

    turn = current_turn(workspace)
    return next_number(workspace) - 1 if turn is None else turn.number

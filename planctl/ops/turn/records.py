"""Records of turns on disk: one immutable file each, found by name, read only when asked for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from planctl._files import read_plain
from planctl.errors import BadFileError
from planctl.models.turn.record import (
    MAX_BYTES,
    RecordName,
    TurnRecord,
    parse_record,
    record_name,
)
from planctl.workspace import ACTIVE, Workspace

TURNS = "turns"


def turn_records(
    workspace: Workspace, initiative: str | None = None, last: int | None = None
) -> tuple[TurnRecord, ...]:
    """Return the turns that ended, newest first.

    Args:
        workspace: The repository.
        initiative: Only those of this one; None for all.
        last: At most so many; the others are not read.

    Raises:
        BadFileError: A record that cannot be read.
    """
    names = sorted(record_names(workspace, initiative), key=lambda item: item[0], reverse=True)
    chosen = names if last is None else names[:last]
    return tuple(read_record(workspace, path) for _, path in chosen)


def record_names(
    workspace: Workspace, initiative: str | None = None
) -> Iterator[tuple[RecordName, Path]]:
    """Yield number and id of every record with its path, by file names alone."""
    top = workspace.root / ACTIVE
    folders = [top / initiative] if initiative is not None else _folders(top)
    for folder in folders:
        for path in _folders(folder / TURNS):
            name = record_name(path.name)
            if name is not None:
                yield name, path


def _folders(top: Path) -> list[Path]:
    try:
        return list(top.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def record_path(workspace: Workspace, record: TurnRecord) -> Path:
    """Return where a turn's record belongs."""
    return workspace.root / ACTIVE / record.focus / TURNS / record.name


def read_record(workspace: Workspace, path: Path) -> TurnRecord:
    """Read one record.

    Raises:
        BadFileError: It is none, or lies with another initiative.
    """
    shown = workspace.relative(path)
    try:
        record = parse_record(read_plain(path, MAX_BYTES), shown)
    except OSError as error:
        raise BadFileError(shown, f"cannot be read: {error.strerror or error}") from error
    if record.focus != path.parent.parent.name:
        raise BadFileError(shown, f"is of a turn on `{record.focus}`", key="focus")
    return record

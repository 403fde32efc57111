"""The closing of a turn as it is written: begun once, finished whatever ends planctl in between.

What shall be written is decided first and put down in one file. From then on every step can be
done again: a summary that has the block is not given it twice, a commit that is there is not made
again. A hook that refuses takes everything back.
"""

from __future__ import annotations

import os
import shutil
from contextlib import AbstractContextManager
from pathlib import Path

from pydantic import ValidationError

from planctl import clock
from planctl._files import atomic_write, behind_link, read_plain
from planctl._git_commit import HookRefusedError, remove_own_indexes
from planctl._lock import hold
from planctl.errors import BadFileError
from planctl.models.strict_json import strict_json
from planctl.models.turn.record import file_text
from planctl.ops.leftovers import remove_written_by_halves
from planctl.ops.turn.committing import commit, follow
from planctl.ops.turn.edits import Closing, edited, without
from planctl.ops.turn.records import record_path
from planctl.ops.turn.state import current_turn, forget
from planctl.ops.write_lock import write_lock
from planctl.workspace import LEDGER, Workspace

_MAX_BYTES = 64_000_000


def closing_lock(workspace: Workspace, purpose: str) -> AbstractContextManager[None]:
    """Hold the lock of turns; hooks may take the lock of shared files meanwhile.

    Raises:
        LockedError: Another planctl closes or opens a turn here.
    """
    path = workspace.repo.git_dir / "planctl" / "turn.lock"
    return hold(path, purpose, clock.iso(workspace.clock()), wait_s=2.0)


def _folder(workspace: Workspace) -> Path:
    return workspace.repo.git_dir / "planctl" / "closing"


def _journal(workspace: Workspace) -> Path:
    return _folder(workspace) / "journal.json"


def begun(workspace: Workspace) -> Closing | None:
    """Return the closing that was begun and not finished, or None.

    Raises:
        BadFileError: Its file cannot be read.
    """
    path = _journal(workspace)
    if not os.path.lexists(path):
        return None
    try:
        return Closing.model_validate(strict_json(read_plain(path, _MAX_BYTES)))
    except (OSError, ValueError, ValidationError, RecursionError) as error:
        raise BadFileError(
            str(path),
            "the closing of a turn that was begun cannot be read",
            hint="look at what is uncommitted, then remove the folder it lies in",
        ) from error


def finish(workspace: Workspace, closing: Closing) -> tuple[str | None, tuple[str, ...]]:
    """Write and commit what a closing says, as far as that is not done.

    Args:
        workspace: The repository.
        closing: What to write.

    Returns:
        Id of the commit, None for none; and what the reader should know.

    Raises:
        HookRefusedError: A hook refused; everything is taken back, and the turn is still open.
        GitError: Git refused.
    """
    if _journal(workspace).exists():
        remove_written_by_halves(_places(workspace, closing))
    else:
        _begin(workspace, closing)
    there = _committed(workspace, closing)
    notes: tuple[str, ...] = ()
    if there is None:
        written = _apply(workspace, closing)
        blocker = _escalated(workspace, closing, written)
        notes = () if blocker is None else (f"the focus stands still: {blocker} was opened",)
        if closing.message:
            try:
                there, more = commit(workspace, closing)
            except HookRefusedError:
                _take_back(workspace, closing, written)
                if blocker is not None:
                    (workspace.root / blocker).unlink(missing_ok=True)
                _end(workspace)
                raise
            notes += more
    else:
        notes = follow(workspace, closing, there)
    _forget(workspace, closing)
    _end(workspace)
    return there, notes


def _places(workspace: Workspace, closing: Closing) -> list[Path]:
    """Return the folders that a closing writes to."""
    paths = [workspace.root / edit.path for edit in closing.edits]
    paths += [record_path(workspace, closing.record), _folder(workspace)]
    return list(dict.fromkeys(path.parent for path in paths))


def require_writable(workspace: Workspace, closing: Closing) -> None:
    """Make sure that the shared files can take what a closing adds.

    Raises:
        BadFileError: One is, or lies behind, a symbolic link, or cannot be read as what it is.
        PlanError: The plan of the focus cannot be used.
    """
    record = record_path(workspace, closing.record)
    for place in (record, *(workspace.root / edit.path for edit in closing.edits)):
        if behind_link(workspace.root, place):
            raise BadFileError(
                workspace.relative(place),
                "is, or lies behind, a symbolic link",
                hint="make it a file of its own",
            )
    for edit in closing.edits:
        place = workspace.root / edit.path
        edited(workspace, closing, edit, place.read_bytes() if place.is_file() else None)


def settle(workspace: Workspace) -> None:
    """Clear away the journal of a closing that was finished but for that."""
    closing = begun(workspace)
    if closing is None or _is_over(workspace, closing):
        _end(workspace)


def _is_over(workspace: Workspace, closing: Closing) -> bool:
    turn = current_turn(workspace)
    return turn is None or turn.id != closing.record.id


def _forget(workspace: Workspace, closing: Closing) -> None:
    turn = current_turn(workspace)
    if turn is not None and turn.id == closing.record.id:
        forget(workspace)


def _end(workspace: Workspace) -> None:
    remove_own_indexes(workspace.repo)
    # The journal goes first of its folder: without it the rest means nothing.
    _journal(workspace).unlink(missing_ok=True)
    shutil.rmtree(_folder(workspace), ignore_errors=True)


def _begin(workspace: Workspace, closing: Closing) -> None:
    """Write the journal, once it is sure that everything in it can be written."""
    require_writable(workspace, closing)
    folder = _folder(workspace)
    shutil.rmtree(folder, ignore_errors=True)
    for number, edit in enumerate(closing.edits):
        place = workspace.root / edit.path
        if place.is_file():
            atomic_write(folder / f"{number}.before", place.read_bytes())
    text = closing.model_dump_json(by_alias=True, indent=1) + "\n"
    atomic_write(_journal(workspace), text)


def _committed(workspace: Workspace, closing: Closing) -> str | None:
    """Return the commit that has the record, if there is one."""
    if not closing.message:
        return None
    path = workspace.relative(record_path(workspace, closing.record))
    since = f"{closing.record.base}..HEAD"
    found = workspace.repo.ask("log", "--format=%H", "--diff-filter=A", since, "--", path)
    return found.decode().split()[-1] if found.strip() else None


def _escalated(workspace: Workspace, closing: Closing, written: dict[str, bytes]) -> str | None:
    """File the blocker of a focus that stands still; return its path."""
    from planctl.ops.escalate import escalate

    told = any(edit.kind == "attempt" for edit in closing.edits)
    if not told or workspace.load_plan(closing.record.focus).hub is None:
        return None  # there is no place for a blocker
    found = escalate(workspace, closing.record.focus)
    if found is None:
        return None
    written[LEDGER] = (workspace.root / LEDGER).read_bytes()
    return found.path


def _apply(workspace: Workspace, closing: Closing) -> dict[str, bytes]:
    """Write what a closing says; return path → content of the shared files."""
    written: dict[str, bytes] = {}
    with write_lock(workspace, f"turn {closing.record.shown}"):
        for edit in closing.edits:
            place = workspace.root / edit.path
            old = place.read_bytes() if place.is_file() else None
            new = edited(workspace, closing, edit, old)
            if new != old:
                atomic_write(place, new)
            written[edit.path] = new
        atomic_write(record_path(workspace, closing.record), file_text(closing.record))
    return written


def _take_back(workspace: Workspace, closing: Closing, written: dict[str, bytes]) -> None:
    """Undo what `_apply` wrote; what somebody else changed since stays."""
    with write_lock(workspace, f"turn {closing.record.shown}, taken back"):
        for number, edit in enumerate(closing.edits):
            place = workspace.root / edit.path
            copy = _folder(workspace) / f"{number}.before"
            before = copy.read_bytes() if copy.is_file() else None
            now = place.read_bytes() if place.is_file() else None
            if now is None:
                continue
            if now == written[edit.path]:
                _restore(place, before)
            else:
                atomic_write(place, without(edit, now))
        place = record_path(workspace, closing.record)
        place.unlink(missing_ok=True)
        if place.parent.is_dir() and not any(place.parent.iterdir()):
            place.parent.rmdir()


def _restore(place: Path, before: bytes | None) -> None:
    if before is None:
        place.unlink()
    else:
        atomic_write(place, before)

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
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from planctl import clock
from planctl._files import atomic_write, read_plain
from planctl._git import Entry
from planctl._git_commit import (
    HookRefusedError,
    commit_entries,
    index_entries,
    store_blob,
    store_files,
    update_index,
)
from planctl._lock import hold
from planctl.errors import BadFileError
from planctl.models import turn as blocks
from planctl.models.ledger import Attempt
from planctl.models.strict_json import strict_json
from planctl.models.turn_record import TurnRecord, file_text, unquoted_path
from planctl.ops.ledger import attempt_edit
from planctl.ops.merge_rules import MERGE_RULES, with_lines
from planctl.ops.turn.records import record_path
from planctl.ops.turn.state import current_turn, forget
from planctl.ops.write_lock import write_lock
from planctl.workspace import Workspace

_MAX_BYTES = 64_000_000
_TITLE = b"# Fix plan\n"
_INDEX_HELD = (
    "the index was held by another git: `git status` shows the commit's files as changed; "
    "`git restore --staged .` mends it"
)


class Edit(BaseModel):
    """One shared file that a closing adds to.

    Attributes:
        kind: `prepend` puts `text` on top, `attempt` adds it to the focus's item of the ledger,
            `rules` adds the merge rules that are missing, `whole` is a file as it shall be.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["prepend", "attempt", "rules", "whole"]
    path: str
    text: str = ""


class Closing(BaseModel):
    """Everything that the closing of a turn writes.

    Attributes:
        entries: Quoted path → mode and blob id of each file of the turn; empty takes it out.
        message: Of the commit; empty for none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    schema_: Literal["planctl/closing/v1"] = Field("planctl/closing/v1", alias="schema")
    record: TurnRecord
    dirty: dict[str, str]
    edits: tuple[Edit, ...] = ()
    entries: dict[str, str] = Field(default_factory=dict)
    message: str = ""


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
    if not _journal(workspace).exists():
        _begin(workspace, closing)
    there = _committed(workspace, closing)
    notes: tuple[str, ...] = ()
    if there is None:
        _apply(workspace, closing)
        if closing.message:
            try:
                there, notes = _commit(workspace, closing)
            except HookRefusedError:
                _take_back(workspace, closing)
                _end(workspace)
                raise
    _forget(workspace, closing)
    _end(workspace)
    return there, notes


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
    # The journal last goes first: without it the rest means nothing.
    _journal(workspace).unlink(missing_ok=True)
    shutil.rmtree(_folder(workspace), ignore_errors=True)


def _begin(workspace: Workspace, closing: Closing) -> None:
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


def edited(workspace: Workspace, closing: Closing, edit: Edit, old: bytes | None) -> bytes:
    """Return what a file becomes; what has the edit already stays as it is."""
    content = old or b""
    if edit.kind == "prepend":
        known = edit.text.encode() in content
        return content if known else blocks.prepended(edit.text, content)
    if edit.kind == "whole":
        return edit.text.encode()
    if edit.kind == "rules":
        return with_lines(content, MERGE_RULES)
    text = (content or _TITLE).decode("utf-8", "surrogateescape")
    if closing.record.id in text:
        return content
    plan = workspace.load_plan(closing.record.focus)
    note = Attempt(when=clock.iso(closing.record.closed), text=edit.text)
    return attempt_edit(plan, note)(text).encode("utf-8", "surrogateescape")


def _apply(workspace: Workspace, closing: Closing) -> None:
    with write_lock(workspace, f"turn {closing.record.shown}"):
        for edit in closing.edits:
            place = workspace.root / edit.path
            old = place.read_bytes() if place.is_file() else None
            new = edited(workspace, closing, edit, old)
            if new != old:
                atomic_write(place, new)
        atomic_write(record_path(workspace, closing.record), file_text(closing.record))


def _commit(workspace: Workspace, closing: Closing) -> tuple[str, tuple[str, ...]]:
    repo = workspace.repo
    head = workspace.repo.resolve("HEAD") or closing.record.base
    dirty = {unquoted_path(path) for path in closing.dirty}
    shared = [edit.path for edit in closing.edits]
    at_head = repo.tree(head)
    staged = index_entries(repo, shared)
    entries: dict[str, Entry | None] = {
        unquoted_path(path): _entry(text) for path, text in closing.entries.items()
    }
    index: dict[str, Entry | None] = dict(entries)
    for edit in closing.edits:
        before, now = at_head.get(edit.path), staged.get(edit.path)
        mode = before.mode if before else "100644"
        if edit.path in dirty and edit.path not in entries:
            # Somebody's own changes: the commit gets what HEAD has with the addition, and what is
            # staged gets the addition too.
            entries[edit.path] = _with(workspace, closing, edit, before, mode)
            mine = now is None or now == before
            index[edit.path] = (
                entries[edit.path] if mine else _with(workspace, closing, edit, now, mode)
            )
        else:
            blob = _stored(workspace, edit.path)
            entries[edit.path] = index[edit.path] = Entry(mode, blob)
    record = workspace.relative(record_path(workspace, closing.record))
    entries[record] = index[record] = Entry("100644", _stored(workspace, record))
    made = commit_entries(repo, entries, closing.message, closing.record.id)
    return made, () if update_index(repo, index) else (_INDEX_HELD,)


def _entry(text: str) -> Entry | None:
    mode, _, blob = text.partition(" ")
    return Entry(mode, blob) if blob else None


def _with(
    workspace: Workspace, closing: Closing, edit: Edit, entry: Entry | None, mode: str
) -> Entry:
    blob = entry.blob if entry is not None else None
    old = workspace.repo.blobs([blob]).get(blob) if blob is not None else None
    return Entry(mode, store_blob(workspace.repo, edited(workspace, closing, edit, old)))


def _stored(workspace: Workspace, path: str) -> str:
    return store_files(workspace.repo, [path])[path].blob


def _take_back(workspace: Workspace, closing: Closing) -> None:
    """Undo what `_apply` wrote; what somebody else changed since stays."""
    with write_lock(workspace, f"turn {closing.record.shown}, taken back"):
        for number, edit in enumerate(closing.edits):
            place = workspace.root / edit.path
            copy = _folder(workspace) / f"{number}.before"
            before = copy.read_bytes() if copy.is_file() else None
            now = place.read_bytes() if place.is_file() else None
            if now is None:
                continue
            if now == edited(workspace, closing, edit, before):
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


def without(edit: Edit, content: bytes) -> bytes:
    """Return a file without what an edit added, whatever else was changed in it since."""
    if edit.kind == "prepend":
        block = edit.text.encode()
        return content.replace(block + b"\n", b"", 1) if block in content else content
    if edit.kind != "attempt":
        return content
    mark = edit.text.encode()
    lines = content.splitlines(keepends=True)
    return b"".join(line for line in lines if mark not in line)

"""The commit of a closing: its files, its additions to shared ones; then the index follows."""

from __future__ import annotations

import re

from planctl._git import Entry
from planctl._git_commit import (
    commit_entries,
    committed_entries,
    index_entries,
    store_blob,
    store_files,
    update_index,
)
from planctl._text import listed
from planctl.models.turn_record import unquoted_path
from planctl.ops.turn.edits import Closing, Edit, edited
from planctl.ops.turn.records import record_path
from planctl.workspace import ACTIVE, Workspace

_INDEX_HELD = (
    "the index was held by another git: `git status` shows the commit's files as changed; "
    "`git restore --staged .` mends it"
)


def commit(workspace: Workspace, closing: Closing) -> tuple[str, tuple[str, ...]]:
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
    for path in (record, *_further(workspace, closing, dirty)):
        entries[path] = index[path] = Entry("100644", _stored(workspace, path))
    made = commit_entries(repo, entries, closing.message, closing.record.id)
    actual = committed_entries(repo, made)
    moved = sorted(path for path, entry in actual.items() if entries.get(path) != entry)
    index |= {path: actual[path] for path in moved if path not in dirty}
    notes = (f"a hook changed what was judged: {listed(moved)}",) if moved else ()
    return made, notes if update_index(repo, index) else (*notes, _INDEX_HELD)


def _further(workspace: Workspace, closing: Closing, dirty: set[str]) -> list[str]:
    """Return what planctl wrote beside the shared files: blockers, the ledger's archive."""
    pattern = re.compile(
        rf"{re.escape(ACTIVE)}/[^/]+/reports/.*/red/blocked_[^/]*\.md|docs/archive/.*"
    )
    known = {unquoted_path(path) for path in closing.entries}
    return [
        path
        for path in workspace.repo.changed_paths()
        if pattern.fullmatch(path)
        and path not in dirty
        and path not in known
        and (workspace.root / path).is_file()
    ]


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

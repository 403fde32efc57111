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
from planctl.models.turn.record import unquoted_path
from planctl.ops.turn.edits import Closing, Edit, edited
from planctl.ops.turn.records import record_path
from planctl.workspace import ACTIVE, Workspace

_INDEX_HELD = (
    "the index was held by another git: `git status` shows the commit's files as changed; "
    "`git restore --staged .` mends it"
)


def commit(workspace: Workspace, closing: Closing) -> tuple[str, tuple[str, ...]]:
    """Make the commit of a closing that is written.

    Returns:
        Its id, and what the reader should know.
    """
    repo = workspace.repo
    head = repo.tree(repo.resolve("HEAD") or closing.record.base)
    dirty = _dirty(closing)
    entries: dict[str, Entry | None] = {
        unquoted_path(path): _entry(text) for path, text in closing.entries.items()
    }
    for edit in closing.edits:
        if edit.path in dirty and edit.path not in entries:
            # Somebody's own changes: the commit gets what HEAD has, with the addition.
            entries[edit.path] = _with(workspace, closing, edit, head.get(edit.path))
        else:
            mode = head[edit.path].mode if edit.path in head else "100644"
            entries[edit.path] = Entry(mode, _stored(workspace, edit.path))
    record = workspace.relative(record_path(workspace, closing.record))
    for path in (record, *_further(workspace, closing, dirty)):
        entries[path] = Entry("100644", _stored(workspace, path))
    made = commit_entries(repo, entries, closing.message, closing.record.id)
    changed = committed_entries(repo, made)
    moved = sorted(path for path, (_, new) in changed.items() if entries.get(path) != new)
    notes = (f"a hook changed what was judged: {listed(moved)}",) if moved else ()
    return made, (*notes, *follow(workspace, closing, made))


def follow(workspace: Workspace, closing: Closing, made: str) -> tuple[str, ...]:
    """Let the person's index follow a commit that was made beside it.

    What somebody staged of their own stays staged; an addition of the commit is put into it.

    Returns:
        What the reader should know.
    """
    repo = workspace.repo
    changed = committed_entries(repo, made)
    staged = index_entries(repo, list(changed))
    dirty = _dirty(closing)
    shared = {edit.path: edit for edit in closing.edits}
    wanted: dict[str, Entry | None] = {}
    for path, (old, new) in changed.items():
        now = staged.get(path)
        if path not in dirty or now == old:
            wanted[path] = new
        elif path in shared and now is not None:
            wanted[path] = _with(workspace, closing, shared[path], now)
    differing = {path: entry for path, entry in wanted.items() if staged.get(path) != entry}
    return () if not differing or update_index(repo, differing) else (_INDEX_HELD,)


def _dirty(closing: Closing) -> set[str]:
    return {unquoted_path(path) for path in closing.dirty}


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


def _with(workspace: Workspace, closing: Closing, edit: Edit, entry: Entry | None) -> Entry:
    blob = entry.blob if entry is not None else None
    old = workspace.repo.blobs([blob]).get(blob) if blob is not None else None
    content = edited(workspace, closing, edit, old)
    mode = entry.mode if entry is not None else "100644"
    return Entry(mode, store_blob(workspace.repo, content))


def _stored(workspace: Workspace, path: str) -> str:
    return store_files(workspace.repo, [path])[path].blob

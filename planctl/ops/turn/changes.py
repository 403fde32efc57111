"""What a turn changed: committed and uncommitted, without what was dirty before it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from planctl._git import Repository
from planctl._git_commit import messages
from planctl._git_history import touched_by
from planctl.errors import GitError
from planctl.models.turn.record import OpenTurn
from planctl.ops.turn.state import entries_of
from planctl.workspace import Workspace

_TURN = re.compile(r"^Turn: \d+ ([0-7][0-9A-HJKMNP-TV-Z]{25})\s*$", re.MULTILINE)


@dataclass(frozen=True)
class Changes:
    """What differs from the commit a turn started from.

    Attributes:
        head: The commit that HEAD is now.
        commits: Those made since, oldest first, whoever made them.
        committed: Paths that these commits changed and that differ from the base; merges and
            commits of other turns do not count.
        own: Uncommitted paths that are the turn's.
        before: Uncommitted paths that were dirty before it, and are as they were.
        mixed: Uncommitted paths that were dirty before it, and were changed since.
    """

    head: str
    commits: tuple[str, ...]
    committed: tuple[str, ...]
    own: tuple[str, ...]
    before: tuple[str, ...]
    mixed: tuple[str, ...]

    @property
    def touched(self) -> tuple[str, ...]:
        """Every path the turn changed, sorted."""
        return tuple(sorted({*self.committed, *self.own, *self.mixed}))


def changes_of(workspace: Workspace, turn: OpenTurn) -> Changes:
    """Compare the work tree and HEAD with what they were when a turn opened.

    Raises:
        GitError: The base is no longer in HEAD's history.
    """
    repo = workspace.repo
    head = workspace.now_head
    if not repo.is_ancestor(turn.base, head):
        raise GitError(
            f"HEAD no longer contains `{turn.base[:12]}`, the commit that turn `{turn.shown}` "
            "started from",
            f"go back to its branch (`{turn.branch}`), or `planctl turn abandon --reason WHY`",
        )
    made = messages(repo, f"{turn.base}..{head}") if head != turn.base else {}
    dirty = turn.dirty
    now = entries_of(repo, repo.changed_paths())
    kept = {path for path in now if path in dirty}
    same = {path for path in kept if now[path] == dirty[path]}
    return Changes(
        head=head,
        commits=tuple(reversed(made)),
        committed=_committed(repo, turn, made, dirty),
        own=tuple(sorted(path for path in now if path not in dirty)),
        before=tuple(sorted(same)),
        mixed=tuple(sorted(kept - same)),
    )


def _committed(
    repo: Repository,
    turn: OpenTurn,
    made: dict[str, tuple[tuple[str, ...], str]],
    dirty: dict[str, str],
) -> tuple[str, ...]:
    if not made:
        return ()
    own = [
        commit
        for commit, (parents, message) in made.items()
        if len(parents) < 2 and _is_own(message, turn.id)
    ]
    touched = {path for paths in touched_by(repo, own).values() for path in paths}
    words = ("diff", "--raw", "--no-abbrev", "--no-renames", "--no-ext-diff", "-z")
    records = repo.ask(*words, turn.base, repo.head or "HEAD").decode("utf-8", "surrogateescape")
    fields = [item for item in records.split("\0") if item]
    found = []
    for meta, path in zip(fields[::2], fields[1::2], strict=True):
        _, mode, _, blob, _ = meta.split(" ")
        entry = f"{mode} {blob}" if blob.strip("0") else ""
        # What somebody had changed before and committed since is not the turn's.
        if path in touched and dirty.get(path) != entry:
            found.append(path)
    return tuple(sorted(found))


def _is_own(message: str, turn: str) -> bool:
    named = _TURN.findall(message)
    return not named or turn in named

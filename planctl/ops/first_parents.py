"""The line of first parents of a commit, and what each commit of it brought."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from planctl._git import Added, Commit
from planctl._git_history import HistoryCommit
from planctl.errors import PreconditionError


@dataclass
class Line:
    """The first parents of a commit, oldest first, and what each brought.

    Attributes:
        commits: The line.
        brought: Commit of the line → commits that came with it: itself, and those of merged lines.
    """

    commits: list[HistoryCommit]
    brought: dict[str, list[HistoryCommit]]


def line_of(history: list[HistoryCommit], tip: str) -> Line:
    """Follow first parents.

    Args:
        history: Every commit of the tip's history, parents before children.
        tip: The last commit.
    """
    by_id = {item.id: item for item in history}
    commits: list[HistoryCommit] = []
    name: str | None = tip
    while name in by_id:
        commits.append(by_id[name])
        name = next(iter(by_id[name].parents), None)
    commits.reverse()
    owner: dict[str, str] = {}
    for item in commits:
        open_ids = [item.id]
        while open_ids:
            here = open_ids.pop()
            if here in by_id and here not in owner:
                owner[here] = item.id
                open_ids += by_id[here].parents
    brought: dict[str, list[HistoryCommit]] = defaultdict(list)
    for item in history:
        if item.id in owner:
            brought[owner[item.id]].append(item)
    return Line(commits, brought)


def commit_of(item: HistoryCommit) -> Commit:
    """Return a commit of a walk; its author's time is left to those who tell of it."""
    return Commit(item.id, item.committed, item.committed)


def require_on(line: Line, start: Commit | None, end: Commit) -> None:
    """Refuse a start that is not on the line.

    Raises:
        PreconditionError: It is not among the first parents; names the merge that brought it.
    """
    if start is None or any(item.id == start.id for item in line.commits):
        return
    merge = next(
        (
            owner
            for owner, brought in line.brought.items()
            if any(item.id == start.id for item in brought)
        ),
        None,
    )
    if merge is None:
        hint = f"`git merge-base {start.id[:8]} {end.id[:8]}` names a commit that both have"
    else:
        hint = f"`{merge[:8]}` merged it; take that one or its first parent"
    raise PreconditionError(
        f"`{start.id[:8]}` is not among the first parents of `{end.id[:8]}`", hint
    )


def receipts_in(brought: list[HistoryCommit]) -> list[tuple[str, Added]]:
    """Return the versions of receipts that entered history; what a merge joins was there before."""
    return [
        (change.path, Added(commit_of(item), change.new))
        for item in brought
        if len(item.parents) < 2
        for change in item.changes
        if change.new is not None and "/receipts/" in change.path and change.path.endswith(".json")
    ]

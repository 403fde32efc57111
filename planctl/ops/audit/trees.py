"""The files of every commit, from one walk: each tree is its parent's with what changed.

A tree is held only until the last commit that builds on it was seen, and handed on instead of
copied where it can be. So the memory of an audit grows with the files of the repository and with
the branches open at once, not with the number of commits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from planctl._git import Repository
from planctl._git_history import Change, HistoryCommit, parents_of, walk
from planctl.models.claims.paths import PathIndex


@dataclass
class Ever:
    """Every path of the walk, whenever it was there.

    Attributes:
        index: For finding paths as in one tree.
        entered: Path → positions in the walk of the commits that added it.
    """

    index: PathIndex
    entered: dict[str, list[int]] = field(default_factory=dict)

    def enter(self, path: str, position: int) -> None:
        """Take note that a commit added a path."""
        if path not in self.entered:
            self.index.add(path)
        self.entered.setdefault(path, []).append(position)

    def later(self, path: str, position: int) -> bool:
        """Tell whether a commit after this position added the path."""
        return self.entered.get(path, [-1])[-1] > position


@dataclass(frozen=True)
class Step:
    """One commit of the walk with the files around it.

    Attributes:
        position: From 0, in the order of the walk: parents before children.
        tree: Path → blob id, at this commit. Only true until the next step.
        others: The trees of the second and further parents.
        index: The paths of `tree`, for searching.
        cut: History ends here because the clone is shallow: what the commit brings is older.
    """

    commit: HistoryCommit
    position: int
    tree: dict[str, str]
    others: tuple[dict[str, str], ...]
    index: PathIndex
    cut: bool

    def own_changes(self) -> Iterator[Change]:
        """Yield what this commit itself did: not what a merge took over from another parent."""
        for change in self.commit.changes:
            if not any(tree.get(change.path) == change.new for tree in self.others):
                yield change


class TreeWalk:
    """Steps through a history.

    Args:
        repo: The repository.
        revisions: Ids, `^id` to leave out.
        cut: Commits whose parents a shallow clone lacks.

    Attributes:
        seen: Every commit of the walk.
        ever: Every path up to the last step.
    """

    def __init__(self, repo: Repository, revisions: tuple[str, ...], cut: frozenset[str]) -> None:
        self._repo = repo
        self._revisions = revisions
        self._cut = cut
        parents = parents_of(repo, *revisions)
        self.seen = frozenset(parents)
        self.ever = Ever(PathIndex(()))
        self._trees: dict[str, dict[str, str]] = {}
        self._waiting = _uses(parents)
        self._index = PathIndex(())
        self._indexed: dict[str, str] = {}

    def __iter__(self) -> Iterator[Step]:
        for position, commit in enumerate(walk(self._repo, *self._revisions)):
            others = tuple(self._tree(parent) for parent in commit.parents[1:])
            before = self._tree(commit.parents[0]) if commit.parents else {}
            self._point_index_at(before)
            tree = self._handed_on(commit, before)
            self._apply(commit, tree, position)
            yield Step(commit, position, tree, others, self._index, commit.id in self._cut)
            self._release(commit, tree)

    def _tree(self, commit: str) -> dict[str, str]:
        if commit not in self._trees:
            # A parent outside the walk: the files the range starts from.
            found = {path: entry.blob for path, entry in self._repo.tree(commit).items()}
            for path in found:
                self.ever.enter(path, -1)
            self._trees[commit] = found
        return self._trees[commit]

    def _handed_on(self, commit: HistoryCommit, before: dict[str, str]) -> dict[str, str]:
        last = commit.parents and self._waiting.get(commit.parents[0], 1) <= 1
        # The same parent named twice is no reason to change it under the other's feet.
        return before if last and commit.parents.count(commit.parents[0]) == 1 else dict(before)

    def _point_index_at(self, tree: dict[str, str]) -> None:
        if tree is self._indexed:
            return
        for path in self._indexed.keys() - tree.keys():
            self._index.remove(path)
        for path in tree.keys() - self._indexed.keys():
            self._index.add(path)

    def _apply(self, commit: HistoryCommit, tree: dict[str, str], position: int) -> None:
        for change in commit.changes:
            if change.new is None:
                if tree.pop(change.path, None) is not None:
                    self._index.remove(change.path)
                continue
            if change.path not in tree:
                self._index.add(change.path)
                self.ever.enter(change.path, position)
            tree[change.path] = change.new
        self._indexed = tree

    def _release(self, commit: HistoryCommit, tree: dict[str, str]) -> None:
        if self._waiting.get(commit.id):
            self._trees[commit.id] = tree
        for parent in dict.fromkeys(commit.parents):
            self._waiting[parent] = self._waiting.get(parent, 1) - 1
            if self._waiting[parent] <= 0:
                self._trees.pop(parent, None)


def _uses(parents: dict[str, tuple[str, ...]]) -> dict[str, int]:
    """Return how many commits build on each."""
    return dict(Counter(parent for above in parents.values() for parent in set(above)))

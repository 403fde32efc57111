"""Gates: which commits contain the change that evidence must come from."""

from __future__ import annotations

from collections.abc import Iterable, Set

from planctl._git import Repository
from planctl._git_ancestry import Ancestry


class GateHistory:
    """Which commits contain a gate: one walk over history for all that is named in advance.

    Args:
        repo: The repository.
        gates: Gates that will be asked about, as plans name them.
        commits: Commits that will be asked about.
    """

    def __init__(
        self, repo: Repository, gates: Iterable[str] = (), commits: Iterable[str] = ()
    ) -> None:
        self._repo = repo
        self._commits = frozenset(commits)
        known = frozenset(gates)
        ancestry = Ancestry(repo, known, self._commits)
        self._known = dict.fromkeys(known, ancestry)

    def of(self, gate: str) -> tuple[str | None, Set[str]]:
        """Return the gate's full id (None: not in this clone) and the commits that contain it.

        The commits are those of HEAD's history, and of the commits named in advance.
        """
        if gate not in self._known:
            self._known[gate] = Ancestry(self._repo, [gate], self._commits)
        ancestry = self._known[gate]
        return ancestry.full.get(gate), ancestry.containing(gate)

    def contained_in(self, full: str, commit: str, inside: Set[str]) -> bool:
        """Tell whether `commit` contains the gate; False when this clone lacks the commit."""
        if commit in inside:
            return True
        if commit in self._commits:
            return False
        return self._repo.resolve(commit) is not None and self._repo.is_ancestor(full, commit)

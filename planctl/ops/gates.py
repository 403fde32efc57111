"""Gates: which commits contain the change that evidence must come from."""

from __future__ import annotations

from collections.abc import Iterable, Set

from planctl._git import Repository
from planctl._git_ancestry import Ancestry
from planctl.models.receipt import Receipt


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
        # Named with the others, HEAD asks for nothing more, and a run from it for nothing new.
        tips = self._commits | {repo.head or ""}
        ancestry = repo.once(("gates", repo.head, known, tips), lambda: Ancestry(repo, known, tips))
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


def eased(history: GateHistory, wanted: str | None, receipt: Receipt) -> str | None:
    """Say that the gate a run was held to is gone from the plan, or was moved to an older commit.

    Args:
        history: What it asks.
        wanted: The gate as the plan names it now, or None.
        receipt: The run's.

    Returns:
        What to warn of; None when the gate is as strict as it was.
    """
    had = receipt.gate
    if had is None or had == wanted:
        return None
    if wanted is None:
        return f"gate: the run was held to gate `{had[:8]}`, and the plan names none any more"
    full, inside = history.of(wanted)
    if full is None or full == had or had not in inside:
        return None
    return f"gate: the run was held to gate `{had[:8]}`, and the plan names the older `{full[:8]}`"

"""Which commits contain which: one walk over history for all gates and all receipts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set
from functools import cached_property

from planctl._git import Repository

# More gates than this have hardly a start in common that is worth looking for.
_MAX_FOR_BASE = 16


class Containing(Set[str]):
    """The commits of a walk that contain one commit.

    Args:
        masks: Commit id → bits of what it contains.
        bit: The bit of that one commit.
    """

    def __init__(self, masks: dict[str, int], bit: int) -> None:
        self._masks = masks
        self._bit = bit

    def __contains__(self, commit: object) -> bool:
        """Tell whether a commit contains it."""
        return bool(self._masks.get(str(commit), 0) & self._bit)

    def __iter__(self) -> Iterator[str]:
        """Yield the commits, those that came first first."""
        return (commit for commit, mask in self._masks.items() if mask & self._bit)

    def __len__(self) -> int:
        """Count the commits."""
        return sum(1 for _ in self)


class Ancestry:
    """Which of some commits contain which of some others, and which are in this clone.

    Args:
        repo: The repository.
        ancestors: Revisions that may be contained: hex ids, also short ones.
        commits: Full ids of commits that may contain them; HEAD is always one.
    """

    def __init__(self, repo: Repository, ancestors: Iterable[str], commits: Iterable[str]) -> None:
        self._repo = repo
        self._ancestors = sorted({*ancestors})
        self._commits = sorted({*commits} - {""})

    @cached_property
    def full(self) -> dict[str, str]:
        """Revision or id → full id, for those that this clone has."""
        asked = [*self._ancestors, *self._commits]
        text = "".join(f"{name}^{{commit}}\n" for name in asked)
        form = "--batch-check=%(objectname) %(objecttype)"
        lines = self._repo.ask("cat-file", form, stdin=text).decode().splitlines()
        found = zip(asked, lines, strict=True)
        return {name: line.split(" ")[0] for name, line in found if line.endswith(" commit")}

    def containing(self, ancestor: str) -> Containing:
        """Return the commits that contain one of the ancestors."""
        known = self.full.get(ancestor)
        return Containing(self._masks, 0 if known is None else self._bits[known])

    @cached_property
    def _bits(self) -> dict[str, int]:
        known = sorted({self.full[name] for name in self._ancestors if name in self.full})
        return {commit: 1 << place for place, commit in enumerate(known)}

    @cached_property
    def _masks(self) -> dict[str, int]:
        """Commit → bits of the ancestors it contains, for all commits since the first of them."""
        if self._repo.head is None or not self._bits:
            return {}
        tips = {self._repo.head, *(self.full[name] for name in self._commits if name in self.full)}
        asked = "\n".join([*sorted(tips), *(f"^{item}^@" for item in self._base()), ""])
        words = ("rev-list", "--parents", "--topo-order", "--reverse", "--stdin")
        masks: dict[str, int] = {}
        for line in self._repo.ask(*words, stdin=asked).decode().splitlines():
            commit, *parents = line.split(" ")
            mask = self._bits.get(commit, 0)
            for parent in parents:
                mask |= masks.get(parent, 0)
            masks[commit] = mask
        return masks

    def _base(self) -> list[str]:
        """Return a commit that all ancestors contain: no history before it can matter."""
        known = [*self._bits]
        if len(known) == 1:
            return known
        if len(known) > _MAX_FOR_BASE:
            return []
        found = self._repo.ask_if("merge-base", "--octopus", *known)
        return [] if found is None else found.decode().split()

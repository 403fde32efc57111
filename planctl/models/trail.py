"""Trails: how the verdict of a step went from commit to commit."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Moved:
    """One thing that is not what a receipt recorded.

    Attributes:
        name: A path, or a key of the contract.
        recorded: What the receipt says; `now` what the commit has.
        commit: The commit that moved it: the turn's own, or one that a merge brought.
        subject: First line of that commit's message.
    """

    name: str
    recorded: str | None
    now: str | None
    commit: str | None = None
    subject: str = ""


@dataclass(frozen=True)
class Turn:
    """A commit at which the verdict of a step changed.

    Attributes:
        kind: `lost`, `regained`, `proven` (for the first time) or `changed`.
        authored: What the commit says of itself; `committed` likewise.
        before: The verdict at the commit before; `after` at this one.
        reasons: Why, as `verify` says it.
        chain: Step ids, from the one asked about to the one where it began.
        predicate: The question that no longer holds there.
        merge: The commit joins lines of history; `moved` names the commits inside.
    """

    commit: str
    authored: str
    committed: str
    subject: str
    kind: str
    before: str
    after: str
    reasons: tuple[str, ...] = ()
    chain: tuple[str, ...] = ()
    predicate: str | None = None
    moved: tuple[Moved, ...] = ()
    merge: bool = False


@dataclass(frozen=True)
class Trail:
    """The turns of one step along a line of history, oldest first.

    Attributes:
        verdict: At the end of the line.
        proven: It is accepted there.
    """

    initiative: str
    phase: str | None
    step: str
    rows: tuple[str, ...]
    verdict: str
    proven: bool
    turns: tuple[Turn, ...]

    @property
    def lost(self) -> Turn | None:
        """The last commit at which a proof was lost, if it has not come back since."""
        losses = [turn for turn in self.turns if turn.kind == "lost"]
        return losses[-1] if losses and not self.proven else None

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for `--json`."""
        lost = self.lost
        return asdict(self) | {"lost": None if lost is None else asdict(lost)}

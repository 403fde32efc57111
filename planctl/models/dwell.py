"""Dwell: how long a focus has been worked on without anything moving that its rows depend on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StrictInt, field_validator

from planctl.models.diff_kinds import Kind

Tiers = tuple[StrictInt, StrictInt, StrictInt]


class DwellSettings(BaseModel):
    """`[dwell]`: when standing still has consequences, and who may not lift the last one.

    Attributes:
        tiers: Turns without progress: hand off or switch; open a blocker; locked.
        agents: Roles that may neither unlock a focus nor unblock one with a mere reason.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    tiers: Tiers = (2, 4, 6)
    agents: tuple[Annotated[str, Field(min_length=1)], ...] = ("supervisor", "engineer", "agent")

    @field_validator("tiers")
    @classmethod
    def _rising(cls, tiers: Tiers) -> Tiers:
        if tiers[0] < 1 or any(first >= second for first, second in pairwise(tiers)):
            raise ValueError("are three rising numbers of turns, the first at least 1")
        return tiers

    def is_agent(self, role: str) -> bool:
        """Tell whether a role is one of an agent."""
        return role.casefold() in {name.casefold() for name in self.agents}


def loosened(old: DwellSettings, new: DwellSettings) -> tuple[str, ...]:
    """Return in what settings let a focus stand still for longer than others did."""
    found: list[str] = []
    if any(after > before for before, after in zip(old.tiers, new.tiers, strict=True)):
        found.append(f"the tiers were {list(old.tiers)} and are {list(new.tiers)}")
    gone = sorted(role for role in old.agents if not new.is_agent(role))
    if gone:
        found.append(f"{', '.join(gone)} counted as an agent, and no longer")
    return tuple(found)


class ProgressSettings(BaseModel):
    """`[progress]`: how many turns a row may stand still before it is listed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    budget: Annotated[StrictInt, Field(ge=1)] = 4


class Only(StrEnum):
    """What a turn without progress came to."""

    RERUNS = "re-runs"
    TOOLS = "tools"
    DOCS = "docs"
    OTHER = "other code"
    NOTHING = "nothing"


@dataclass(frozen=True)
class TurnWork:
    """What one turn did to its focus, told by git and the receipts.

    Attributes:
        id: The turn's ULID; `number` is what people call it.
        touched: Changed paths that a step of the plan declares as input.
        gained: Steps with proof of something that was not proven before.
        failed: Steps that failed where they had not failed before.
        reran: Steps that ran again although nothing they depend on had changed.
        reran_s: How many seconds those runs took.
        lost: Steps that were proven, and whose inputs the turn changed; told only where asked for.
        steps: Those of the plan that it began with; None where there was no plan.
        moved: Steps whose inputs changed, or that were gained or failed.
        kinds: How many paths of each kind changed; what planctl writes itself is left out.
        counted: It adds to the dwell when it brought nothing: an agent closed it, and the focus
            was not waiting.
        evidence: What is known of it comes from `git`, or from the turn's own `record` because
            its commits are not in this history any more.
    """

    id: str
    number: int
    role: str
    touched: tuple[str, ...] = ()
    gained: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    reran: tuple[str, ...] = ()
    reran_s: float = 0.0
    lost: tuple[str, ...] = ()
    steps: tuple[str, ...] | None = None
    moved: tuple[str, ...] = ()
    kinds: tuple[tuple[str, int], ...] = ()
    counted: bool = True
    evidence: str = "git"

    @property
    def progress(self) -> bool:
        """Something moved that the exit criteria depend on."""
        return bool(self.touched or self.gained)

    @property
    def only(self) -> Only:
        """What the turn came to, if it is not progress: the costliest first."""
        kinds = {kind for kind, number in self.kinds if number}
        if self.reran:
            return Only.RERUNS
        if kinds & {Kind.PRODUCTION.value, Kind.TEST.value}:
            return Only.OTHER
        if Kind.TOOL.value in kinds:
            return Only.TOOLS
        if kinds:
            return Only.DOCS
        return Only.NOTHING


def dwell_of(turns: Iterable[TurnWork]) -> int:
    """Count the turns since the last progress.

    Args:
        turns: Newest first.
    """
    found = 0
    for turn in turns:
        if turn.progress:
            break
        found += turn.counted
    return found


def tier_of(dwell: int, tiers: Tiers) -> int:
    """Return the highest tier that a dwell reaches; 0 below the first."""
    return sum(dwell >= threshold for threshold in tiers)


@dataclass(frozen=True)
class RowProgress:
    """How long a step has stood still.

    Attributes:
        turns: Turns on the focus since the step's state last moved, by what they came to.
        over: It has used up its budget.
    """

    step: str
    rows: tuple[str, ...]
    verdict: str
    turns: int
    tools: int
    docs: int
    reruns: int
    other: int
    over: bool


def row_progress(
    step: str, rows: tuple[str, ...], verdict: str, turns: Sequence[TurnWork], budget: int
) -> RowProgress:
    """Tell what the turns since a step's state last moved came to.

    Args:
        step: Its id, with its checklist `rows` and its verdict now.
        rows: Of the checklist.
        verdict: What is proven of it now.
        turns: Of the focus, newest first.
        budget: How many may pass.
    """
    still: list[TurnWork] = []
    for turn in turns:
        # No turn dwells on a step that its plan did not have yet.
        if step in turn.moved or (turn.steps is not None and step not in turn.steps):
            break
        if turn.counted:
            still.append(turn)
    came_to = [turn.only for turn in still if not turn.progress]
    tools, docs = came_to.count(Only.TOOLS), came_to.count(Only.DOCS)
    reruns = came_to.count(Only.RERUNS)
    return RowProgress(
        step=step,
        rows=rows,
        verdict=verdict,
        turns=len(still),
        tools=tools,
        docs=docs,
        reruns=reruns,
        other=len(still) - tools - docs - reruns,
        over=len(still) > budget,
    )

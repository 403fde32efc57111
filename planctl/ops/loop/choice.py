"""What comes next: the initiative to work on, or why the loop ends here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from planctl.models.verdict import VerifyReport
from planctl.ops.focus import FocusBoard, focus_state
from planctl.ops.ledger.next_item import NextAnswer, next_item
from planctl.ops.verify import verify
from planctl.workspace import Workspace

Why = Literal[
    "done",
    "turns",
    "blocked",
    "waiting",
    "locked",
    "nothing-ready",
    "failing",
    "evidence-changed",
    "uncommitted",
    "interrupted",
]
_YES: tuple[Why, ...] = ("done", "turns")
_HELD: tuple[Why, ...] = ("locked", "blocked", "waiting")
_SHOWN = 5


@dataclass(frozen=True)
class End:
    """Why a loop ended.

    Attributes:
        why: A word for machines.
        text: One line.
        way_out: How to go on.
    """

    why: Why
    text: str
    way_out: str

    @property
    def exit_code(self) -> int:
        """0 the work, or the turns asked for, are done; 130 interrupted; 1 else."""
        if self.why == "interrupted":
            return 130
        return 0 if self.why in _YES else 1


@dataclass(frozen=True)
class Choice:
    """The initiative of the next turn.

    Attributes:
        why: Why this one, a sentence.
        report: What is proven of it; all of it, when only its item of the ledger is left to close.
    """

    focus: str
    why: str
    report: VerifyReport
    hints: tuple[str, ...] = ()


def choose(workspace: Workspace, wanted: str | None, cache: bool = True) -> Choice | End:
    """Choose the initiative of the next turn.

    Args:
        workspace: The repository, freshly opened.
        wanted: Only this one; else what the ledger says.
        cache: What verify sees may be kept for the next time.

    Raises:
        NotFoundError: There is no such initiative.
        PlanctlError: A plan or the ledger cannot be used.
    """
    if wanted is not None:
        return _ready(workspace, wanted, "the loop was started for it", cache)
    answer = next_item(workspace)
    if answer.item is None:
        return _none(workspace, answer)
    focus = answer.item.id
    why = f"the ledger's next: {answer.item.priority}, {answer.item.status}"
    return _ready(workspace, focus, why, cache)


def _ready(workspace: Workspace, focus: str, why: str, cache: bool) -> Choice | End:
    report = verify(workspace, workspace.load_plan(focus), cache=cache)
    now = focus_state(workspace, focus)
    if report.ok and not now.blocked:
        return Choice(focus, why, report)
    for word in _HELD:
        if getattr(now, word):
            return End(word, f"`{focus}` is {word}: {now.why}", now.way_out)
    hints = tuple(text for text in (now.why, now.way_out) if text)
    return Choice(focus, why, report, hints)


def _none(workspace: Workspace, answer: NextAnswer) -> End:
    """Say why the ledger has nothing: all of it is done, or what is left cannot go on."""
    if answer.empty:
        made = f"`{answer.command}` makes the first one"
        return End("nothing-ready", "there is no initiative yet", made)
    if not answer.passed_over:
        return End("done", "every item of the ledger is done", "`planctl new ID` begins another")
    why = _held_by(workspace, [item.id for item in answer.passed_over])
    told = "; ".join(f"`{item.id}`: {item.why}" for item in answer.passed_over[:_SHOWN])
    more = len(answer.passed_over) - _SHOWN
    told += f"; and {more} more" if more > 0 else ""
    first = answer.passed_over[0].way_out
    return End(why, f"nothing is ready: {told}", f"`{first}`")


def _held_by(workspace: Workspace, names: list[str]) -> Why:
    planned = set(workspace.initiatives())
    states = FocusBoard(workspace).states(name for name in names if name in planned)
    for word in _HELD:
        if any(getattr(item, word) for item in states):
            return word
    return "nothing-ready"

"""Which item of the ledger is next, and why the ones before it are not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from planctl._text import listed
from planctl.errors import BadFileError
from planctl.models.ledger.document import PRIORITIES, Ledger, LedgerItem
from planctl.ops.focus import FocusBoard, FocusState
from planctl.ops.ledger.file import new_item, show
from planctl.workspace import LEDGER, Workspace

# Where there is no initiative yet.
NEW = "planctl new ID"


@dataclass(frozen=True)
class PassedOver:
    """An item that is not done and cannot be worked on now.

    Attributes:
        why: What stands in the way, in words.
        way_out: The command that shows it or takes it away.
    """

    id: str
    status: str
    priority: str
    why: str
    way_out: str


@dataclass(frozen=True)
class NextAnswer:
    """The next item, if there is one.

    Attributes:
        item: The item; None when nothing is ready.
        command: What to do with it; where there is no initiative yet, what makes the first one.
        passed_over: Items that are open and not ready, in their order.
        finished: How many items are done or archived.
        waiting_turn: How many items are ready too, and come later.
    """

    item: LedgerItem | None
    command: str | None
    passed_over: tuple[PassedOver, ...]
    finished: int
    waiting_turn: int

    @property
    def ok(self) -> bool:
        """Something is ready."""
        return self.item is not None

    @property
    def empty(self) -> bool:
        """There is no initiative at all, not even one that is done."""
        return self.item is None and not self.passed_over and not self.finished

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for `--json`."""
        return {
            "ok": self.ok,
            "item": None if self.item is None else self.item.model_dump(mode="json"),
            "command": self.command,
            "passed_over": [vars(one) for one in self.passed_over],
            "finished": self.finished,
            "waiting_turn": self.waiting_turn,
        }


def next_item(workspace: Workspace) -> NextAnswer:
    """Find the item to work on: by priority, then what is in progress, then the ledger's order.

    An item is ready when it is pending or in progress, all it depends on is done, and its focus
    neither waits nor is locked. Initiatives that the ledger has no item of count as pending, with
    what their plan says.

    Raises:
        NotFoundError: There is no ledger.
        BadFileError: The ledger cannot be read, or holds a priority that is none.
    """
    planned = frozenset(workspace.initiatives())
    known = with_unlisted(workspace, show(workspace), planned)
    by_id = {item.id: item for item in known}
    still = sorted((item for item in known if not item.finished), key=_rank)
    board = FocusBoard(workspace)
    reasons: dict[str, PassedOver] = {}
    chosen: LedgerItem | None = None
    command: str | None = None
    for item in still:
        # What comes after the one that is ready is asked for what the ledger knows, no more.
        found = _held(item, by_id)
        if found is None and chosen is None:
            state = board.state(item.id)
            found = _stopped(state, item)
            if found is None:
                chosen, command = item, _command(item, state, planned)
        if found is not None:
            reasons[item.id] = found
    return NextAnswer(
        item=chosen,
        command=command if known else NEW,
        passed_over=tuple(reasons.values()),
        finished=len(known) - len(still),
        waiting_turn=len(still) - len(reasons) - (chosen is not None),
    )


def with_unlisted(
    workspace: Workspace, known: Ledger, planned: frozenset[str]
) -> tuple[LedgerItem, ...]:
    """Return the items of a ledger, and after them the initiatives that it has none of.

    Only the plans of those are read.

    Args:
        workspace: The repository.
        known: The ledger.
        planned: All initiatives that have a plan.

    Raises:
        PlanError: Such a plan cannot be used.
    """
    there = {item.id for item in known.items}
    absent = sorted(planned - there)
    return (*known.items, *(new_item(workspace.load_plan(name)) for name in absent))


def _rank(item: LedgerItem) -> tuple[int, int]:
    if item.priority not in PRIORITIES:
        raise BadFileError(
            LEDGER,
            f"`{item.priority}` is no priority",
            key=item.id,
            hint=f"`planctl ledger set {item.id} priority medium`; there are {listed(PRIORITIES)}",
        )
    return PRIORITIES.index(item.priority), int(item.status != "in_progress")


def _held(item: LedgerItem, by_id: Mapping[str, LedgerItem]) -> PassedOver | None:
    """Return why an item cannot be next by what the ledger says, or None."""
    if item.status == "blocked":
        return _over(item, "it is blocked", f"planctl unblock {item.id}")
    missing = open_dependencies(item, by_id)
    if missing:
        first = missing[0].partition(" ")[0].strip("`")
        return _over(item, f"it depends on {', '.join(missing)}", f"planctl verify {first}")
    return None


def open_dependencies(item: LedgerItem, by_id: Mapping[str, LedgerItem]) -> list[str]:
    """Return what an item depends on and is not done, each with its status."""
    return list(_open_dependencies(item, by_id))


def _open_dependencies(item: LedgerItem, by_id: Mapping[str, LedgerItem]) -> Iterator[str]:
    for name in item.depends_on:
        found = by_id.get(name)
        if found is None:
            yield f"`{name}`, which does not exist"
        elif not found.finished:
            yield f"`{name}` ({found.status})"


def _stopped(state: FocusState, item: LedgerItem) -> PassedOver | None:
    """Return why an item cannot be next by what its focus went through, or None."""
    return None if state.workable else _over(item, state.why, state.way_out)


def _over(item: LedgerItem, why: str, way_out: str) -> PassedOver:
    return PassedOver(item.id, item.status, item.priority, why, way_out)


def _command(item: LedgerItem, state: FocusState, planned: frozenset[str]) -> str:
    if state.due:
        return state.way_out  # the day has come to look whether the wait is over
    return f"planctl {'brief' if item.id in planned else 'new'} {item.id}"

"""What a loop would do next, told without doing or writing anything."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from planctl.errors import LockedError
from planctl.models.loop import LoopRole, LoopState, other_role
from planctl.models.loop_settings import LoopSettings
from planctl.ops.loop import briefs, guard
from planctl.ops.loop.choice import Choice, End, choose
from planctl.ops.loop.lease import may_not_take, read_lease
from planctl.ops.loop.run import checked
from planctl.ops.loop.state import read_state
from planctl.ops.turn import current_turn
from planctl.ops.turn.state import next_number
from planctl.workspace import BRIEF, Workspace


@dataclass(frozen=True)
class PlannedTurn:
    """A turn that would be taken.

    Attributes:
        does: What would happen in it, a line each.
    """

    number: int
    role: LoopRole
    focus: str
    command: str
    timeout_s: float
    does: tuple[str, ...]


@dataclass(frozen=True)
class Preview:
    """The next turns, or why there are none.

    Attributes:
        first: What would happen before them.
        end: Why the loop would end at once; None when it would not.
    """

    branch: str
    first: tuple[str, ...]
    turns: tuple[PlannedTurn, ...]
    end: End | None

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for `--json`."""
        return asdict(self)


def preview(workspace: Workspace, settings: LoopSettings) -> Preview:
    """Look at the next two turns of a loop.

    Raises:
        LockedError: Another loop runs here.
        PlanctlError: What else would stop the loop at its start.
    """
    checked(workspace, settings)
    branch = guard.branch_of(workspace, settings.branch)
    state = read_state(workspace)
    first = tuple(_before(workspace, state))
    found = choose(workspace, settings.focus, cache=False)
    if isinstance(found, End):
        return Preview(branch, first, (), found)
    number = next_number(workspace)
    there = current_turn(workspace)
    number = max(number, there.number + 1) if there is not None else number
    role = _role(state, settings)
    turns = [_planned(workspace, settings, found, role, number)]
    role = "engineer" if settings.supervisor is None else other_role(role)
    if settings.turns is None or settings.turns > 1:
        turns.append(_planned(workspace, settings, found, role, number + 1, later=True))
    return Preview(branch, first, tuple(turns), None)


def _before(workspace: Workspace, state: LoopState | None) -> list[str]:
    told: list[str] = []
    lease = read_lease(workspace)
    if lease is not None:
        refused = may_not_take(lease, workspace.clock())
        if refused is not None:
            raise LockedError(*refused)
        told.append("would take over a lease left over")
    if state is not None and state.turn is not None:
        turn = state.turn
        told.append(f"would close turn {turn.number:05d} ({turn.role} on {turn.focus}) as it is")
    return told


def _role(state: LoopState | None, settings: LoopSettings) -> LoopRole:
    if settings.supervisor is None:
        return "engineer"
    return "supervisor" if state is None else state.next_role


def _planned(
    workspace: Workspace,
    settings: LoopSettings,
    choice: Choice,
    role: LoopRole,
    number: int,
    later: bool = False,
) -> PlannedTurn:
    does = _supervisor() if role == "supervisor" else _engineer(workspace, settings, later)
    if choice.report.ok:
        does = ["every step is proven: tick its rows, set its item in the ledger to done"]
    command = settings.supervisor if role == "supervisor" else settings.engineer
    done = [f"close the turn and commit (prompt={settings.prompt})"]
    return PlannedTurn(number, role, choice.focus, command or "", settings.timeout, (*does, *done))


def _supervisor() -> list[str]:
    return [
        "tell the supervisor what is proven and what the ledger says",
        "check the input.md it leaves; a refused one is never handed on",
    ]


def _engineer(workspace: Workspace, settings: LoopSettings, later: bool) -> list[str]:
    told = "hand the checked brief to the engineer, then verify and tick the rows"
    if later and settings.supervisor is not None:
        return [told]
    order = briefs.judged(workspace, settings.focus, collect=False)
    if order.kept_by(settings.supervisor):
        return [f"`{BRIEF}` holds for `{order.focus}`", told]
    if order.good:
        return ["write planctl's own brief anew, for what is not proven then", told]
    return [f"write planctl's own brief, because: {line}" for line in order.refused[:5]] + [told]

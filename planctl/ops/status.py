"""Status: one line an initiative."""

from __future__ import annotations

from dataclasses import dataclass

from planctl.models.plan.plan import Plan
from planctl.models.verdict import StepVerdict, Verdict, VerifyReport
from planctl.ops.focus import FocusBoard, FocusState
from planctl.ops.together import verify_all
from planctl.workspace import Workspace


@dataclass(frozen=True)
class InitiativeStatus:
    """Where an initiative stands.

    Attributes:
        proven: Steps that are fresh or waived, of `steps`.
        stale: Steps that were proven once, and whose inputs, plan or gate moved.
        blocked: The ledger says that the focus is blocked.
        next: The way out of what stands in the way, else the command for the first step that is
            not proven, or None.
        state: `locked`, `blocked`, `waiting`, `due`, `open` or `done`.
    """

    initiative: str
    title: str
    priority: str
    hub: str | None
    steps: int
    proven: int
    stale: int
    blocked: bool
    open: tuple[str, ...]
    next: str | None
    state: str


def status(workspace: Workspace) -> tuple[InitiativeStatus, ...]:
    """Look at every active initiative.

    Raises:
        PlanError: A plan cannot be used.
        BadFileError: The ledger, a wait or the record of a turn cannot be read.
    """
    plans = [workspace.load_plan(name) for name in workspace.initiatives()]
    # Which commits moved what is not shown here, and asking takes a walk over history.
    reports = verify_all(workspace, plans, named=False)
    board = FocusBoard(workspace)
    states = board.outlines([plan.id for plan in plans])
    return tuple(_one(*found) for found in zip(plans, reports, states, strict=True))


def _one(plan: Plan, report: VerifyReport, state: FocusState) -> InitiativeStatus:
    name = plan.id
    not_proven = [step for step in report.steps if not step.verdict.accepted]
    following = _next(name, not_proven)
    return InitiativeStatus(
        initiative=name,
        title=plan.title,
        priority=plan.priority,
        hub=report.hub,
        steps=len(report.steps),
        proven=len(report.steps) - len(not_proven),
        stale=sum(step.verdict is Verdict.STALE for step in not_proven),
        blocked=state.blocked,
        open=tuple(f"{step.step}: {step.verdict}" for step in not_proven),
        next=_way_out(state) or (f"planctl hub new {name}" if plan.hub is None else following),
        state=state.word or ("open" if not_proven else "done"),
    )


def _way_out(state: FocusState) -> str | None:
    return state.way_out if state.word else None


def _next(name: str, not_proven: list[StepVerdict]) -> str | None:
    return f"planctl run-phase {name} {not_proven[0].phase}" if not_proven else None

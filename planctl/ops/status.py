"""Status: one line an initiative."""

from __future__ import annotations

from dataclasses import dataclass

from planctl.models.plan import Plan
from planctl.models.verdict import StepVerdict, Verdict, VerifyReport
from planctl.ops import ledger
from planctl.ops.together import verify_all
from planctl.workspace import LEDGER, Workspace


@dataclass(frozen=True)
class InitiativeStatus:
    """Where an initiative stands.

    Attributes:
        proven: Steps that are fresh or waived, of `steps`.
        stale: Steps that were proven once, and whose inputs, plan or gate moved.
        blocked: The ledger says that the focus is blocked.
        next: The command for the first step that is not proven, or None.
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


def status(workspace: Workspace) -> tuple[InitiativeStatus, ...]:
    """Look at every active initiative.

    Raises:
        PlanError: A plan cannot be used.
        BadFileError: The ledger cannot be read.
    """
    blocked = _blocked(workspace)
    plans = [workspace.load_plan(name) for name in workspace.initiatives()]
    # Which commits moved what is not shown here, and asking takes a walk over history.
    reports = verify_all(workspace, plans, named=False)
    return tuple(
        _one(plan, report, plan.id in blocked) for plan, report in zip(plans, reports, strict=True)
    )


def _blocked(workspace: Workspace) -> set[str]:
    if not (workspace.root / LEDGER).is_file():
        return set()
    return {item.id for item in ledger.show(workspace).items if item.status == "blocked"}


def _one(plan: Plan, report: VerifyReport, blocked: bool) -> InitiativeStatus:
    name = plan.id
    not_proven = [step for step in report.steps if not step.verdict.accepted]
    return InitiativeStatus(
        initiative=name,
        title=plan.title,
        priority=plan.priority,
        hub=report.hub,
        steps=len(report.steps),
        proven=len(report.steps) - len(not_proven),
        stale=sum(step.verdict is Verdict.STALE for step in not_proven),
        blocked=blocked,
        open=tuple(f"{step.step}: {step.verdict}" for step in not_proven),
        next=f"planctl hub new {name}" if plan.hub is None else _next(name, not_proven),
    )


def _next(name: str, not_proven: list[StepVerdict]) -> str | None:
    return f"planctl run-phase {name} {not_proven[0].phase}" if not_proven else None

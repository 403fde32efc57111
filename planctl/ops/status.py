"""Status: one line an initiative."""

from __future__ import annotations

from dataclasses import dataclass

from planctl.models.verdict import StepVerdict, Verdict
from planctl.ops import ledger
from planctl.ops.verify import verify
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
    return tuple(_one(workspace, name, name in blocked) for name in workspace.initiatives())


def _blocked(workspace: Workspace) -> set[str]:
    if not (workspace.root / LEDGER).is_file():
        return set()
    return {item.id for item in ledger.show(workspace).items if item.status == "blocked"}


def _one(workspace: Workspace, name: str, blocked: bool) -> InitiativeStatus:
    plan = workspace.load_plan(name)
    report = verify(workspace, plan)
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

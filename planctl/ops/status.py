"""Status: one line an initiative."""

from __future__ import annotations

from dataclasses import dataclass

from planctl.ops.verify import verify
from planctl.workspace import Workspace


@dataclass(frozen=True)
class InitiativeStatus:
    """Where an initiative stands.

    Attributes:
        proven: Steps that are fresh or waived, of `steps`.
        next: The command for the first step that is not, or None.
    """

    initiative: str
    title: str
    priority: str
    hub: str | None
    steps: int
    proven: int
    open: tuple[str, ...]
    next: str | None


def status(workspace: Workspace) -> tuple[InitiativeStatus, ...]:
    """Look at every active initiative."""
    return tuple(_one(workspace, name) for name in workspace.initiatives())


def _one(workspace: Workspace, name: str) -> InitiativeStatus:
    plan = workspace.load_plan(name)
    report = verify(workspace, plan)
    not_proven = [step for step in report.steps if not step.verdict.accepted]
    first = not_proven[0] if not_proven else None
    command = None if first is None else f"planctl run-phase {name} {first.phase}"
    if plan.hub is None:
        command = f"planctl hub new {name}"
    return InitiativeStatus(
        initiative=name,
        title=plan.title,
        priority=plan.priority,
        hub=report.hub,
        steps=len(report.steps),
        proven=len(report.steps) - len(not_proven),
        open=tuple(f"{step.step}: {step.verdict}" for step in not_proven),
        next=command,
    )

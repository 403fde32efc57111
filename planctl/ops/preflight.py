"""What must be true before a phase runs."""

from __future__ import annotations

import shutil

from planctl.errors import GitError, NotFoundError, PreconditionError
from planctl.models.plan import Plan
from planctl.workspace import Workspace

MIN_FREE_BYTES = 256 * 1024 * 1024


def preflight(workspace: Workspace, plan: Plan, phase: str, step: str | None) -> tuple[str, ...]:
    """Check repository, disk, gate and names; return the ids of the steps asked for.

    Args:
        workspace: The repository.
        plan: The plan, already valid.
        phase: The phase.
        step: Only this step of it, or None.

    Raises:
        GitError: Git is in the middle of something.
        NotFoundError: No such phase or step, no commit yet.
        PreconditionError: Too little disk, or HEAD does not contain the gate.
    """
    if phase not in plan.phases:
        known = ", ".join(f"`{name}`" for name in plan.phases)
        raise NotFoundError(f"`{plan.id}` has no phase `{phase}`", f"it has {known}")
    steps = tuple(item.id for item in plan.phases[phase].steps)
    if step is not None and step not in steps:
        known = ", ".join(f"`{name}`" for name in steps)
        raise NotFoundError(f"phase `{phase}` has no step `{step}`", f"it has {known}")
    under_way = workspace.repo.in_progress()
    if under_way is not None:
        raise GitError(
            f"{under_way} is under way: the code is between two states",
            "finish or abort it, then run again",
        )
    free = shutil.disk_usage(workspace.root).free
    if free < MIN_FREE_BYTES:
        raise PreconditionError(
            f"only {free // 1_000_000} MB are free on this disk", "make room; 256 MB are kept"
        )
    _gate(workspace, plan.phases[phase].gate)
    return steps if step is None else (step,)


def _gate(workspace: Workspace, gate: str | None) -> None:
    head = workspace.now_head
    if gate is None:
        return
    full = workspace.repo.resolve(gate)
    if full is None:
        raise PreconditionError(
            f"the gate commit `{gate}` is not in this clone",
            "fetch the branch that holds it, or correct `gate` in plan.yaml",
        )
    if not workspace.repo.is_ancestor(full, head):
        raise PreconditionError(
            f"HEAD `{head[:8]}` does not contain the gate `{gate}`: evidence would not count",
            "merge or rebase onto the gate commit first",
        )

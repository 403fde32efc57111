"""What must be true before a phase runs."""

from __future__ import annotations

import shutil

from planctl.errors import GitError, NotFoundError, PlanError, PreconditionError
from planctl.models.plan.plan import Plan
from planctl.ops.lint.commands import undeclared
from planctl.ops.lint.site import Site, sites
from planctl.workspace import Workspace

MIN_FREE_BYTES = 256 * 1024 * 1024


def preflight(
    workspace: Workspace,
    plan: Plan,
    phase: str,
    step: str | None,
    environment: frozenset[str] | None = None,
) -> tuple[str, ...]:
    """Check repository, disk, gate and names; return the ids of the steps asked for.

    Args:
        workspace: The repository.
        plan: The plan, already valid.
        phase: The phase.
        step: Only this step of it, or None.
        environment: Names that commands will find in their environment beside the plan's; None
            when that is not known here.

    Raises:
        PlanError: A command reads a name that nothing sets: it could only fail.
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
    wanted = steps if step is None else (step,)
    _refuse_unset(workspace, plan, wanted, environment)
    return wanted


def _refuse_unset(
    workspace: Workspace, plan: Plan, wanted: tuple[str, ...], environment: frozenset[str] | None
) -> None:
    shown = workspace.relative(workspace.initiative_dir(plan.id) / "plan.yaml")
    for name in _with_needs(plan, wanted):
        phase, step = plan.step(name)
        found = undeclared(Site(plan, phase, step, shown), environment or frozenset())
        for finding in found:
            if environment is None and finding.key.endswith(".run"):
                continue
            line = next(site.line for site in sites(workspace, plan) if site.step.id == name)
            hint = "add the name to `env` in the plan, with its value, or correct it"
            raise PlanError(shown, finding.message, line=line, key=finding.key, hint=hint)


def _with_needs(plan: Plan, wanted: tuple[str, ...]) -> list[str]:
    """Return steps and everything they need, directly or not."""
    found: dict[str, None] = {}
    open_steps = list(wanted)
    while open_steps:
        name = open_steps.pop()
        if name not in found:
            found[name] = None
            open_steps += plan.step(name)[1].needs
    return list(found)


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

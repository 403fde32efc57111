"""Which steps must run, in what order, and why."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from planctl.models.plan.plan import Plan, ordered
from planctl.models.verdict import StepVerdict, Verdict, VerifyReport
from planctl.ops.inputs import absent_or_moved


@dataclass(frozen=True)
class Task:
    """One step of a schedule.

    Attributes:
        needs: Steps of the same schedule that must have run before.
        reason: Why it runs, or which receipt satisfies it.
        receipt: The receipt that satisfies it, when it does not run.
    """

    phase: str
    step: str
    runs: bool
    reason: str
    needs: tuple[str, ...] = ()
    receipt: str | None = None


def schedule(
    plan: Plan, report: VerifyReport, root: Path, wanted: tuple[str, ...], force: bool
) -> tuple[Task, ...]:
    """Decide what a run of some steps means.

    A step runs when it is not proven (or `force` asks for it). What it needs runs too when it is
    not proven, or when files it must leave outside the hub are not on this machine as recorded.

    Args:
        plan: The plan.
        report: The verdicts of the whole plan.
        root: What `outputs` are relative to.
        wanted: Step ids asked for.
        force: Run the wanted steps even if they are fresh.

    Returns:
        The wanted steps and everything that must run for them, in dependency order.
    """
    order = ordered({step.id: step.needs for _, step in plan.steps()})
    verdicts = {step: report.step(step) for step in order}
    reasons = {
        step: "forced" if _settled(verdicts[step]) else _not_proven(verdicts[step])
        for step in order
        if step in wanted and (force or not _settled(verdicts[step]))
    }
    for step in reversed(order):
        if step in reasons:
            for need in plan.step(step)[1].needs:
                reason = _needed(verdicts[need], step, root)
                if need not in reasons and reason is not None:
                    reasons[need] = reason
    return tuple(
        _task(plan, step, verdicts[step], reasons)
        for step in order
        if step in wanted or step in reasons
    )


def _settled(verdict: StepVerdict) -> bool:
    # What ran on uncommitted changes that are still as they were would only run the same again.
    return verdict.verdict.accepted or verdict.verdict is Verdict.DIRTY or _unsigned(verdict)


def _unsigned(verdict: StepVerdict) -> bool:
    """Tell whether a receipt only lacks a signature; running again would add none but ours."""
    return verdict.verdict is Verdict.UNPROVEN and verdict.receipt is not None


def _not_proven(verdict: StepVerdict) -> str:
    why = verdict.reasons[0] if verdict.reasons else ""
    return f"{verdict.verdict}: {why}" if why else str(verdict.verdict)


def _needed(verdict: StepVerdict, by: str, root: Path) -> str | None:
    if not _settled(verdict):
        return f"`{by}` needs it and it is {_not_proven(verdict)}"
    if verdict.stored is None:
        return None
    gone = absent_or_moved(root, verdict.stored.receipt.outputs)
    if not gone:
        return None
    return f"`{by}` needs its output `{gone[0].path}`, which is not here as it was recorded"


def _task(plan: Plan, step: str, verdict: StepVerdict, reasons: dict[str, str]) -> Task:
    phase, model = plan.step(step)
    needs = tuple(need for need in model.needs if need in reasons)
    if step in reasons:
        return Task(phase, step, True, reasons[step], needs)
    if _unsigned(verdict):
        reason = f"{_not_proven(verdict)}; `planctl sign` adds what is missing"
        return Task(phase, step, False, reason, receipt=verdict.receipt)
    proof = verdict.receipt or (verdict.reasons[0] if verdict.reasons else str(verdict.verdict))
    return Task(
        phase, step, False, f"{verdict.verdict}, satisfied by {proof}", receipt=verdict.receipt
    )

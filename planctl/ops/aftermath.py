"""After a run: inventory, blocker, summary and ledger, told from the receipts."""

from __future__ import annotations

from planctl.models.plan.plan import Plan
from planctl.models.receipt import StoredReceipt
from planctl.ops import hub as hubs
from planctl.ops import summary
from planctl.ops.ledger import items as ledger
from planctl.ops.record import StepRun
from planctl.workspace import Hub, Workspace


def after_step(
    workspace: Workspace,
    plan: Plan,
    hub: Hub,
    phase: str,
    run: StepRun,
    receipts: list[StoredReceipt],
) -> str | None:
    """Rewrite the inventory; a failed step also gets a blocker file.

    Args:
        receipts: Every receipt of the hub.

    Returns:
        Repository-relative path of the blocker, or None.
    """
    hubs.write_inventory(hub, receipts)
    if run.ok or hub.scratch:
        return None
    from planctl.ops.blocking import block

    _, step = plan.step(run.stored.receipt.step)
    log = hub.path / run.stored.receipt.log
    return block.block_step(workspace, plan, hub, phase, step, run.stored, log).path


def after_phase(
    workspace: Workspace, plan: Plan, hub: Hub, phase: str, receipts: list[StoredReceipt]
) -> None:
    """Prepend the turn summary, file the attempt, tick the rows; nothing for a scratch hub.

    Args:
        receipts: Every receipt of the hub; those no summary has told of yet are told now.
    """
    if hub.scratch:
        return
    from planctl.ops.sync import sync_plans
    from planctl.ops.verify import verify

    hubs.write_inventory(hub, receipts)
    # All phases: what ran here may be what a step of another one rests on.
    report = verify(workspace, plan)
    steps = [step for step in report.steps if step.phase == phase]
    proven = sum(step.verdict.accepted for step in steps)
    verdict = f"Phase {phase}: {proven} of {len(steps)} steps proven."
    still_open = [step.step for step in steps if not step.verdict.accepted]
    following = f"planctl run-phase {plan.id} {phase}" if still_open else _next_phase(plan, phase)
    sync_plans(workspace, [(plan, report)])
    # The summary last: a run it does not tell of is one whose aftermath is not complete.
    ledger.record_run(workspace, plan, phase, receipts, verdict)
    summary.record_run(workspace, plan, hub, phase, receipts, verdict, following)


def _next_phase(plan: Plan, phase: str) -> str:
    names = list(plan.phases)
    later = names[names.index(phase) + 1 :]
    return f"planctl run-phase {plan.id} {later[0]}" if later else f"planctl verify {plan.id}"

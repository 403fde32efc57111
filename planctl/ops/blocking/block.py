"""Blockers: a failed step, or a person, says what stands in the way and what must hold again."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from planctl import clock
from planctl._files import atomic_write, free_name
from planctl.errors import NotFoundError, UsageError
from planctl.models.blocker import Blocker, render
from planctl.models.failures.signs import Failure, Signature, signature, words_of
from planctl.models.findings import finding_rows
from planctl.models.plan.plan import AD_HOC, Plan, Step
from planctl.models.receipt import StoredReceipt
from planctl.ops.hub import slugged
from planctl.ops.ledger import items as ledger
from planctl.ops.receipts import receipts_of
from planctl.ops.run_log import body
from planctl.ops.write_lock import write_lock
from planctl.workspace import FINDINGS, Hub, Workspace

_MAX_LOG_BYTES = 8_000_000
_QUOTED = re.compile(r"['\"`]([A-Za-z_][\w.-]{3,})['\"`]")


def block_step(
    workspace: Workspace,
    plan: Plan,
    hub: Hub,
    phase: str,
    step: Step,
    stored: StoredReceipt,
    log: Path,
) -> Blocker:
    """Write `red/blocked_<stamp>_<step>.md` for a failed run.

    The same signature twice in a row (no other end of this step between) marks the focus blocked
    in the ledger.

    Args:
        workspace: The repository.
        plan: The plan.
        hub: The hub of the run.
        phase: The step's phase.
        step: The step.
        stored: The failed run's receipt.
        log: The run's log.
    """
    receipt = stored.receipt
    problems = tuple(result.seen for result in receipt.checks if not result.ok)
    failure = Failure(receipt.exit_code, receipt.timed_out, _output(log), problems)
    sign = signature(failure)
    in_a_row = 1 + _repeated(workspace, plan, stored, sign)
    made = Blocker(
        path="",
        initiative=plan.id,
        title=step.id,
        stamp=clock.iso(workspace.clock()),
        signature=sign,
        reason=_reason(failure, step),
        command=receipt.command,
        commit=receipt.commit,
        return_condition=f"planctl run-phase {plan.id} {phase} --step {step.id}",
        phase=phase,
        step=step.id,
        receipt=stored.path,
        log=f"{hub.name}/{receipt.log}",
        exit_code=receipt.exit_code,
        attempts=_attempts(workspace, plan, hub, step.id),
        in_a_row=in_a_row,
        focus_blocked=in_a_row > 1,
        findings=findings_for(workspace, plan, sign),
    )
    return file_blocker(workspace, plan, hub, made)


def block_by_hand(
    workspace: Workspace,
    initiative: str,
    reason: str,
    step: str | None = None,
    return_condition: str | None = None,
) -> Blocker:
    """Write a blocker a person or an agent reports, and mark the focus blocked.

    Args:
        workspace: The repository.
        initiative: The initiative.
        reason: What stands in the way.
        step: The step it stops, if it is one.
        return_condition: Command that succeeds once it is gone; running the step without it.

    Raises:
        NotFoundError: No such initiative, step or hub.
        UsageError: The reason says nothing.
    """
    said = " ".join(reason.split())
    if not said:
        raise UsageError("a blocker needs a reason", "`--reason 'what stands in the way'`")
    plan = workspace.load_plan(initiative)
    hub = workspace.hub(plan)
    phase, command = None, "(none)"
    if step is not None:
        phase, found = _step(plan, step)
        command = found.run
    first = next(iter(plan.phases))
    again = f"planctl run-phase {plan.id} {phase or first}" + (f" --step {step}" if step else "")
    made = Blocker(
        path="",
        initiative=plan.id,
        title=step or said[:60],
        stamp=clock.iso(workspace.clock()),
        signature=Signature("by-hand", (said,)),
        reason=said,
        command=command,
        commit=workspace.now_head,
        return_condition=return_condition or again,
        phase=phase,
        step=step,
        attempts=0 if step is None else _attempts(workspace, plan, hub, step),
        focus_blocked=True,
        findings=findings_for(workspace, plan, None),
    )
    filed = file_blocker(workspace, plan, hub, made)
    ledger.attempt(workspace, plan.id, f"blocked: {said} See {filed.path}.")
    return filed


def _step(plan: Plan, step: str) -> tuple[str, Step]:
    try:
        return plan.step(step)
    except KeyError as error:
        known = ", ".join(f"`{item.id}`" for _, item in plan.steps())
        raise NotFoundError(f"`{plan.id}` has no step `{step}`", f"it has {known}") from error


def file_blocker(workspace: Workspace, plan: Plan, hub: Hub, made: Blocker) -> Blocker:
    """Write a blocker's file, and set the ledger to `blocked` if it blocks the focus.

    Returns:
        The blocker with its path.
    """
    name = f"blocked_{clock.stamp(clock.parse(made.stamp))}_{slugged(made.title)}.md"
    on_branches = workspace.repo.paths_on_branches(f"{hub.name}/red")
    taken = frozenset((workspace.root / path).as_posix() for path in on_branches)
    with write_lock(workspace, f"blocker of {plan.id}"):
        path = free_name(hub.path / "red" / name, taken)
        atomic_write(path, render(made))
    if made.focus_blocked:
        ledger.set_status(workspace, plan, "blocked")
    return replace(made, path=workspace.relative(path))


def _output(log: Path) -> str:
    if not log.is_file():
        return ""
    with log.open("rb") as stream:
        size = log.stat().st_size
        if size <= _MAX_LOG_BYTES:
            return body(stream.read()).decode("utf-8", "replace")
        # What ended the run stands at the end of a huge log.
        stream.seek(size - _MAX_LOG_BYTES)
        return stream.read().decode("utf-8", "replace")


def _reason(failure: Failure, step: Step) -> str:
    if failure.timed_out:
        # Slurm has limits of its own, for steps that name none too.
        limit = "" if step.timeout_s is None else f" ({step.timeout_s:g} s)"
        return f"`{step.id}` ran out of its time{limit}."
    if failure.exit_code != 0:
        return f"`{step.id}` ended with exit code {failure.exit_code}."
    return " ".join(f"`{step.id}` ended with 0, but: {'; '.join(failure.problems)}.".split())


def _repeated(workspace: Workspace, plan: Plan, stored: StoredReceipt, sign: Signature) -> int:
    """Return how often the runs right before this one failed with the same signature.

    Right before it are the latest runs of its own step, and the latest of any step that had ended
    when it began: a full disk is the same failure whichever step meets it.
    """
    earlier = {digest[:16] for digest in stored.receipt.previous}
    before = [
        item.stored
        for item in receipts_of(workspace, plan, None)
        if item.stored is not None
        and item.stored.receipt.phase != AD_HOC
        and item.stored.receipt.finished <= stored.receipt.started
        and item.stored.payload_sha256 != stored.payload_sha256
    ]
    if before:
        last = max(before, key=lambda item: (item.receipt.finished, item.receipt.ulid))
        earlier.add(last.payload_sha256[:16])
    counts = [
        facts.in_a_row
        for facts in ledger.blockers(workspace, plan).values()
        if facts.receipt is not None
        and ledger.digest_in_name(facts.receipt) in earlier
        and facts.signature == str(sign)
    ]
    return max(counts, default=0)


def _attempts(workspace: Workspace, plan: Plan, hub: Hub, step: str) -> int:
    return sum(
        1
        for item in receipts_of(workspace, plan, hub)
        if item.stored is not None and item.stored.receipt.step == step
    )


def findings_for(workspace: Workspace, plan: Plan, sign: Signature | None) -> dict[str, str]:
    """Return the rows of `docs/findings.md` that apply: id → text.

    Those that the plan names; those that the failure names, or that name what it quotes; those
    with words of its kind.
    """
    path = workspace.root / FINDINGS
    if not path.is_file():
        return dict.fromkeys(plan.findings, "(no `docs/findings.md` here)")
    rows = finding_rows(path.read_text("utf-8", "replace"))
    found = {name: rows.get(name, "(not in `docs/findings.md`)") for name in plan.findings}
    if sign is None:
        return found
    said = "\n".join(sign.lines)
    words = (*words_of(sign.kind), *_QUOTED.findall(said))
    for name, text in rows.items():
        told = any(re.search(rf"\b{re.escape(word)}", text, re.IGNORECASE) for word in words)
        if told or re.search(rf"\b{re.escape(name)}\b", said):
            found.setdefault(name, text)
    return found

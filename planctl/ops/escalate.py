"""What standing still and failing turns lead to: a blocker that marks the focus."""

from __future__ import annotations

import shlex
from dataclasses import replace

from planctl import clock
from planctl.models.blocker import Blocker
from planctl.models.failures.signs import Failure, Signature, signature
from planctl.models.plan.plan import Plan
from planctl.ops.blocking.block import file_blocker, findings_for
from planctl.ops.blocking.open_blockers import open_blockers
from planctl.ops.blocking.unblock import DWELL_KIND
from planctl.ops.dwell import Dwell, advice
from planctl.ops.focus_records import focus_records
from planctl.ops.ledger import items as ledger
from planctl.workspace import Workspace

TURN_KIND = "turn"


def escalate(workspace: Workspace, initiative: str) -> Blocker | None:
    """Open the blocker of a focus that has stood still for as long as the second tier says.

    To be asked after every turn that was closed; one blocker is enough for the whole while.

    Args:
        workspace: The repository.
        initiative: The focus.

    Returns:
        The blocker that was filed, or None: it has not stood still for so long, or one is open.

    Raises:
        NotFoundError: No such initiative.
        BadFileError: A record or the settings cannot be read.
    """
    plan = workspace.load_plan(initiative)
    counter = Dwell(workspace)
    found = counter.of(initiative, focus_records(workspace, initiative))
    known = open_blockers(workspace, initiative)
    if found.tier < 2 or any(item.facts.kind == DWELL_KIND for item in known):
        return None
    reason = advice(initiative, found.tier, found.dwell) + "."
    below = found.tiers[0]
    made = replace(
        _blank(workspace, plan),
        title="dwell",
        signature=Signature(DWELL_KIND, (reason,)),
        reason=reason,
        return_condition=f"planctl dwell {initiative} --below {below}",
        attempts=found.dwell,
        focus_blocked=True,
    )
    return _filed(workspace, plan, made, f"blocked: {reason}")


def block_turn(
    workspace: Workspace,
    initiative: str,
    number: int,
    role: str,
    command: str,
    failure: Failure,
) -> Blocker:
    """File a blocker for a turn whose agent failed, hung or was killed.

    The second turn in a row of a role on the focus that ends with the same signature marks it as
    blocked; what other roles do between them changes nothing.

    Args:
        workspace: The repository.
        initiative: The focus.
        number: The turn's.
        role: Whose turn it was.
        command: What was to do it.
        failure: How it ended, and what it printed.

    Raises:
        NotFoundError: No such initiative.
    """
    plan = workspace.load_plan(initiative)
    sign = signature(failure)
    before = [
        item.facts
        for item in open_blockers(workspace, initiative)
        if item.facts.turn and item.facts.turn < number and item.facts.title.endswith(f" {role}")
    ]
    last = max(before, key=lambda facts: facts.turn or 0, default=None)
    again = (
        last is not None
        and last.signature == str(sign)
        and _nothing_since(workspace, plan, last.turn, role)
    )
    in_a_row = 1 + (last.in_a_row if last is not None and again else 0)
    ended = "ran out of its time" if failure.timed_out else f"ended with {failure.exit_code}"
    reason = f"Turn {number:05} of the {role} {ended}."
    first = next(iter(shlex.split(command)), "true") if _splits(command) else "true"
    made = replace(
        _blank(workspace, plan),
        title=f"turn {number:05} {role}",
        signature=sign,
        reason=reason,
        command=command,
        exit_code=failure.exit_code,
        return_condition=f"command -v {shlex.quote(first)}",
        turn=number,
        in_a_row=in_a_row,
        focus_blocked=in_a_row > 1,
        findings=findings_for(workspace, plan, sign),
    )
    text = f"{reason} Signature {sign}, {in_a_row} in a row."
    return _filed(workspace, plan, made, text)


def _nothing_since(workspace: Workspace, plan: Plan, number: int | None, role: str) -> bool:
    """Tell whether a role has closed no turn on the focus since one that failed."""
    from planctl.ops.turn import turn_records

    newer = (item for item in turn_records(workspace, plan.id) if item.number > (number or 0))
    return not any(item.outcome == "closed" and item.role == role for item in newer)


def _splits(command: str) -> bool:
    try:
        return bool(shlex.split(command))
    except ValueError:
        return False


def _blank(workspace: Workspace, plan: Plan) -> Blocker:
    return Blocker(
        path="",
        initiative=plan.id,
        title="",
        stamp=clock.iso(workspace.clock()),
        signature=Signature("unknown", ()),
        reason="",
        command="(none)",
        commit=workspace.now_head,
        return_condition="",
        findings=findings_for(workspace, plan, None),
    )


def _filed(workspace: Workspace, plan: Plan, made: Blocker, text: str) -> Blocker:
    if plan.hub is None:
        # There is no place for the file yet: the ledger alone says it.
        if made.focus_blocked:
            ledger.set_status(workspace, plan, "blocked")
        ledger.attempt(workspace, plan.id, text)
        return made
    filed = file_blocker(workspace, plan, workspace.hub(plan), made)
    ledger.attempt(workspace, plan.id, f"{text} See {filed.path}.")
    return filed

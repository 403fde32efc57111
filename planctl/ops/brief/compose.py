"""The facts of a brief, gathered from plan, verdicts, logs and findings."""

from __future__ import annotations

import json
from collections.abc import Iterator

from planctl import clock
from planctl._text import listed
from planctl.errors import NotFoundError
from planctl.models.anchor import Anchor, cited
from planctl.models.brief.text import BriefFacts, PointerFacts, StepFacts, summary_of
from planctl.models.plan.plan import Step
from planctl.models.verdict import StepVerdict, Verdict
from planctl.ops.brief.pointing import pointed_at
from planctl.ops.brief.task import Task
from planctl.ops.ledger.next_item import next_item

_MOST_TOLD = 4


def facts_of(
    task: Task, tests: tuple[tuple[str, str], ...]
) -> tuple[BriefFacts, tuple[Anchor, ...]]:
    """Gather what a brief says.

    Args:
        task: What it is about.
        tests: Its selectors and what they collect.

    Returns:
        The facts, and the anchors of the pointers in them.
    """
    pointed = list(pointed_at(task))
    anchors = tuple(anchor for anchor, _ in pointed)
    told = [f"`{item.step}` is {_state(item)}" for item in task.open[:_MOST_TOLD]]
    more = len(task.open) - len(told)
    reason = "; ".join(told) + (f"; and {more} more" if more > 0 else "")
    phase = task.plan.phases[task.phase]
    ran = tuple(step.step for step in task.open)
    facts = BriefFacts(
        focus=task.plan.id,
        title=task.plan.title,
        phase=task.phase,
        phase_title=phase.title,
        branch=task.workspace.repo.branch or "none (HEAD is detached)",
        written=clock.iso(task.workspace.clock()),
        summary=f"a person wants phase {task.phase} again: {task.because}"
        if task.because
        else summary_of(task.phase, ran, len(task.steps), reason),
        hub=task.hub,
        run=_run(task),
        steps=tuple(_step(task, verdict) for verdict in task.open),
        implement=tuple((item.name, item.why) for item in task.targets),
        first=tuple(_first(task)),
        tests=tests,
        notes=task.notes,
        env=tuple(_env(task)),
        pitfalls=tuple(_pitfalls(task)),
        blocked=tuple(_if_blocked(task)),
        findings=tuple(_findings(task)),
        pointers=tuple(PointerFacts(cited(a.path, a.line, a.last), why) for a, why in pointed),
        next_up=tuple(_next_up(task)),
        because=task.because,
        closes=task.closes,
    )
    return facts, anchors


def _run(task: Task) -> str:
    wanted = {item.step for item in task.open}
    command = f"planctl run-phase {task.plan.id} {task.phase}"
    if task.because:
        return f"{command} --force"
    # What is only to be committed, restored or signed needs no run.
    runs = any(item.kind == "run" and wanted & set(item.steps) for item in task.actions)
    return command if runs else ""


def _first(task: Task) -> Iterator[tuple[str, str]]:
    if task.state.due:
        yield task.state.way_out, task.state.why
    wanted = {f"{task.plan.id}/{item.step}" for item in task.open}
    for action in task.actions:
        ours = not action.steps or wanted & set(action.steps)
        if action.kind != "run" and ours:
            yield action.command, action.reason


def _env(task: Task) -> Iterator[tuple[str, str]]:
    yield "HUB", task.hub
    if task.plan.commands_doc is not None:
        yield "AUTHORITATIVE_CMDS_DOC", task.plan.commands_doc
    yield from task.plan.env.items()


def _step(task: Task, verdict: StepVerdict) -> StepFacts:
    _, step = task.plan.step(verdict.step)
    return StepFacts(
        id=step.id,
        rows=step.rows,
        state=_state(verdict),
        command=step.run,
        duration=_duration(task, step),
        expects=(step.log, *(item.to for item in step.collect)),
        checks=tuple(_checks(step)),
        data=step.data,
    )


def _state(verdict: StepVerdict) -> str:
    reason = verdict.reasons[0] if verdict.reasons else ""
    return f"{verdict.verdict} ({reason})" if reason else str(verdict.verdict)


def _checks(step: Step) -> Iterator[str]:
    for check in step.checks:
        raw = check.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True)
        yield f"`{json.dumps(raw, ensure_ascii=False)}`"
    if step.kind == "pytest" and not step.checks:
        yield "at least one test passes, none fails"


def _duration(task: Task, step: Step) -> str:
    for action in task.actions:
        ours = action.kind == "run" and action.steps[-1:] == (step.id,)
        if ours and action.duration_s is not None:
            if "never ran" in action.basis:
                return f"It never ran; its time limit is {action.duration_s:.0f} s."
            return f"Before, it took {action.duration_s:.0f} s ({action.basis})."
    return ""


def _pitfalls(task: Task) -> Iterator[str]:
    fresh = [item for item in task.steps if item.verdict is Verdict.FRESH]
    if fresh and not task.because:
        names = listed([item.step for item in fresh])
        yield f"Fresh, and not to be run again: {names}; `planctl run-phase` skips them."
    for blocker in task.state.blockers[:3]:
        told = blocker.facts
        yield f"It failed before: {told.signature}: {told.reason} See `{blocker.path}`."
    for verdict in task.open:
        if verdict.verdict is Verdict.DIRTY:
            yield f"`{verdict.step}` ran on uncommitted changes: commit, do not run again."
        yield from (f"`{verdict.step}`: {text}" for text in verdict.warnings[:3])
    for name in task.plan.findings:
        row = task.findings.get(name)
        if row is not None:
            yield f"{name}: {row.text}"
    yield "Evidence is filed by `planctl run-phase`; nothing in the hub is edited by hand."


def _if_blocked(task: Task) -> Iterator[str]:
    first = task.open[0].step
    yield f"`planctl block {task.plan.id} --step {first} --reason 'what stands in the way'`"
    yield f"`planctl why {first}` says what decided."


def _findings(task: Task) -> Iterator[tuple[str, str]]:
    for name in task.plan.findings:
        row = task.findings.get(name)
        if row is not None:
            yield name, row.text


def _next_up(task: Task) -> Iterator[str]:
    for name in [name for name in task.later if name != task.phase][:1]:
        phase = task.plan.phases[name]
        rows = [row for step in phase.steps for row in step.rows]
        yield f"phase {name}: {phase.title} ({', '.join(rows[:6]) or 'no rows'})"
    try:
        found = next_item(task.workspace)
    except NotFoundError:
        return  # no ledger: nothing is known beyond this plan
    if found.item is not None and found.item.id != task.plan.id:
        yield f"{found.item.id}: {found.item.title} (`{found.command}`)"
    else:
        yield "`planctl ledger next`"

"""Verdicts as findings beside files and lines, and as suites of cases."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from planctl._text import count, listed
from planctl.models.annotation import Annotation, Level, Place, Rule
from planctl.models.lint import RULES
from planctl.models.plan.parse import step_lines
from planctl.models.plan.plan import Plan
from planctl.models.verdict import ArtifactVerdict, StepVerdict, Verdict, VerifyReport
from planctl.report.junit import Case, Outcome, Suite
from planctl.workspace import Workspace

_SHOWN = 20
_LINT = {rule.id: rule for rule in RULES}
_LOOSE = "loose-file"
_WARNING = "warning"
_CHANGING = re.compile(r"[0-9a-f]{7,64}|\d+")
_MEANING = {
    Verdict.WAIVED: "A person accepts the step without proof, until a date.",
    Verdict.DIRTY: "It ran on changes that are not committed as they were.",
    Verdict.STALE: "It was proven once; since then an input, the contract or the gate moved.",
    Verdict.FAILED: "The run or a check failed.",
    Verdict.MODIFIED: "Its content is not what the receipt recorded.",
    Verdict.MISSING: "It is required and absent, or was never produced.",
    Verdict.UNPROVEN: "It exists, but no receipt says where it comes from.",
}
# What could not be asked, as opposed to what was asked and answered with no.
_NOTHING_TO_JUDGE = (Verdict.MISSING, Verdict.UNPROVEN)


@dataclass(frozen=True)
class Judged:
    """The verdicts of an initiative, with what is needed to point at them.

    Attributes:
        plan: Repository-relative path of its `plan.yaml`.
        lines: Step → line in the plan.
        titles: Phase → title.
    """

    report: VerifyReport
    plan: str
    lines: Mapping[str, int]
    titles: Mapping[str, str]


def judged(workspace: Workspace, plan: Plan, report: VerifyReport) -> Judged:
    """Return a report with the lines of its plan."""
    place = workspace.initiative_dir(plan.id) / "plan.yaml"
    shown = workspace.relative(place)
    titles = {name: phase.title for name, phase in plan.phases.items()}
    return Judged(report, shown, step_lines(place.read_text("utf-8"), shown), titles)


def findings(judged: Iterable[Judged]) -> tuple[tuple[Annotation, ...], tuple[Rule, ...]]:
    """Return what is not proven, and what must not pass unseen, with the rules.

    There is an `error` exactly if `verify` answers no.
    """
    found = tuple(item for one in judged for item in _of_initiative(one))
    return found, tuple(_rule(name) for name in sorted({item.rule for item in found}))


def suites(judged: Iterable[Judged], now: dt.datetime) -> tuple[Suite, ...]:
    """Return one suite a phase, one case a step.

    Args:
        judged: The verdicts.
        now: Stands for the start of a phase without receipts.
    """
    return tuple(
        _suite(one, phase, steps, now)
        for one in judged
        for phase, steps in _phases(one.report.steps).items()
    )


def _phases(steps: Sequence[StepVerdict]) -> dict[str, list[StepVerdict]]:
    found: dict[str, list[StepVerdict]] = {}
    for step in steps:
        found.setdefault(step.phase, []).append(step)
    return found


def _of_initiative(one: Judged) -> Iterator[Annotation]:
    for step in one.report.steps:
        if not step.verdict.accepted:
            yield from _of_step(one, step)
        elif step.verdict is Verdict.WAIVED:
            yield _at_plan(one, step, Level.NOTE, _rule_id(step), _said(step))
        for warning in step.warnings:
            yield _warned(one, step, warning)
    yield from _loose(one)


def _warned(one: Judged, step: StepVerdict, warning: str) -> Annotation:
    # What lint finds says its rule first.
    number, _, rest = warning.partition(" ")
    rule, text = (number, rest) if number in _LINT else (_WARNING, warning)
    # Ids and counts in a warning change; the finding stays the same.
    topic = f"{_subject(one, step)}: {_CHANGING.sub('#', text)}"
    return Annotation(one.plan, one.lines.get(step.step), Level.WARNING, rule, text, subject=topic)


def _loose(one: Judged) -> Iterator[Annotation]:
    subject = one.report.initiative
    for item in one.report.unproven:
        if item.verdict is not Verdict.UNPROVEN:
            yield Annotation(item.path, None, Level.WARNING, _LOOSE, item.text, subject=subject)
    files = [item.path for item in one.report.unproven if item.verdict is Verdict.UNPROVEN]
    if files:
        # One finding: a hub may hold thousands, and services show ten.
        text = f"{count(len(files), 'file')} of the hub without a receipt: {listed(files)}"
        yield Annotation(one.plan, 1, Level.NOTE, _LOOSE, text, subject=subject)


def _of_step(one: Judged, step: StepVerdict) -> Iterator[Annotation]:
    lost = [item for item in step.artifacts if _is_lost(item, step)]
    if not lost:
        inputs = [i for p in step.predicates if p.name == "inputs" and not p.ok for i in p.ids]
        moved = tuple(Place(i.name, "changed since the run") for i in inputs[:_SHOWN])
        yield _at_plan(one, step, Level.ERROR, _rule_id(step), _said(step), moved)
        return
    for item in lost[:_SHOWN]:
        rule = f"{item.verdict}-{'present' if item.verdict is Verdict.MISSING else 'intact'}"
        text = f"{item.verdict}: {item.text} (step `{step.step}`)"
        related = (Place(one.plan, f"step `{step.step}`"),)
        subject, hint = _subject(one, step), _hint(one, step)
        yield Annotation(item.path, None, Level.ERROR, rule, text, hint, subject, related)
    if (more := len(lost) - _SHOWN) > 0:
        text = f"{step.verdict}: and {count(more, 'more artifact')} of `{step.step}`"
        yield _at_plan(one, step, Level.ERROR, _rule_id(step), text)


def _is_lost(item: ArtifactVerdict, step: StepVerdict) -> bool:
    lost = (Verdict.MISSING, Verdict.MODIFIED)
    return step.verdict in lost and item.verdict in lost


def _at_plan(
    one: Judged,
    step: StepVerdict,
    level: Level,
    rule: str,
    text: str,
    related: tuple[Place, ...] = (),
) -> Annotation:
    line = one.lines.get(step.step)
    hint = "" if step.verdict.accepted else _hint(one, step)
    return Annotation(one.plan, line, level, rule, text, hint, _subject(one, step), related)


def _subject(one: Judged, step: StepVerdict) -> str:
    return f"{one.report.initiative} {step.phase}/{step.step}"


def _said(step: StepVerdict) -> str:
    rows = f" (proves {', '.join(step.rows)})" if step.rows else ""
    reason = f": {step.reasons[0]}" if step.reasons else ""
    return f"`{step.step}`{rows} is {step.verdict}{reason}"


def _hint(one: Judged, step: StepVerdict) -> str:
    return f"planctl why {step.step} --id {one.report.initiative}"


def _rule_id(step: StepVerdict) -> str:
    """Name the kind: the verdict, and the predicate that decided where one did."""
    decided = next((p.name for p in step.predicates if not p.ok and p.verdict), None)
    if step.verdict is Verdict.WAIVED or decided is None:
        return str(step.verdict)
    return f"{step.verdict}-{decided}"


def _rule(name: str) -> Rule:
    if name in _LINT:
        return _LINT[name]
    if name == _LOOSE:
        text = "A file or receipt of the hub that proves nothing for any step."
        return Rule(name, "file without a receipt that holds", text, _HELP, Level.NOTE)
    if name == _WARNING:
        text = "Something that does not decide the verdict but must not pass unseen."
        return Rule(name, "warning beside a verdict", text, _HELP, Level.WARNING)
    verdict, _, predicate = name.partition("-")
    text = _MEANING[Verdict(verdict)]
    if predicate:
        text += f" The predicate `{predicate}` decided."
    level = Level.NOTE if Verdict(verdict) is Verdict.WAIVED else Level.ERROR
    return Rule(
        name, f"evidence {verdict}" + (f": {predicate}" if predicate else ""), text, _HELP, level
    )


_HELP = "`planctl why ROW` explains it; see the page on verdicts in planctl's documentation."


def _suite(one: Judged, phase: str, steps: Sequence[StepVerdict], now: dt.datetime) -> Suite:
    starts = [step.stored.receipt.started for step in steps if step.stored is not None]
    title = f": {one.titles[phase]}" if one.titles.get(phase) else ""
    return Suite(
        name=f"{one.report.initiative} phase {phase}{title}",
        package=one.report.initiative,
        started=min(starts, default=now),
        cases=tuple(_case(one, step) for step in steps),
        properties=tuple(_properties(one, steps)),
        output="\n".join(f"warning: {s.step}: {text}" for s in steps for text in s.warnings),
    )


def _properties(one: Judged, steps: Sequence[StepVerdict]) -> Iterator[tuple[str, str]]:
    yield "head", one.report.head or ""
    yield "hub", one.report.hub or ""
    for step in steps:
        yield f"{step.step}.verdict", str(step.verdict)
        for name in ("tier", "receipt", "commit"):
            if (value := getattr(step, name)) is not None:
                yield f"{step.step}.{name}", value


def _case(one: Judged, step: StepVerdict) -> Case:
    rows = f" ({', '.join(step.rows)})" if step.rows else ""
    receipt = None if step.stored is None else step.stored.receipt
    spent = 0.0 if receipt is None else (receipt.finished - receipt.started).total_seconds()
    name, group = f"{step.step}{rows}", f"{one.report.initiative}.{step.phase}"
    return Case(name, group, max(spent, 0.0), _outcome(one, step))


def _outcome(one: Judged, step: StepVerdict) -> Outcome | None:
    if step.verdict is Verdict.FRESH:
        return None
    reason = step.reasons[0] if step.reasons else str(step.verdict)
    if step.verdict is Verdict.WAIVED:
        return Outcome("skipped", "waived", reason, "\n".join(step.reasons))
    told = [*step.reasons, *(f"{i.verdict} {i.path}: {i.text}" for i in step.artifacts[:_SHOWN])]
    told += [f"more: `{_hint(one, step)}`"]
    text = "\n".join(told)
    if step.verdict in _NOTHING_TO_JUDGE:
        return Outcome("error", str(step.verdict), reason, text)
    return Outcome("failure", str(step.verdict), reason, text)

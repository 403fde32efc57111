"""Guards that became weaker in a turn, for what the turn proves or may prove."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from planctl._files import read_plain
from planctl._git import Entry
from planctl._text import listed
from planctl.errors import BadFileError
from planctl.models.dwell import loosened
from planctl.models.plan.parse import parse_plan
from planctl.models.plan.plan import Plan
from planctl.models.signing.policy import Rule
from planctl.models.weakening import Guard, guards, is_test_file, weaker_checks, weaker_tests
from planctl.ops.lint.plan import cheap_findings
from planctl.ops.lint.site import Site
from planctl.ops.turn.changes import Changes
from planctl.ops.turn.evidence import InitiativeEvidence, TurnEvidence
from planctl.ops.turn.problems import Problem
from planctl.workspace import ACTIVE, SETTINGS, Workspace

_MAX_BYTES = 4_000_000
_SHOWN = 4
_MEND = "undo it, or close with `--accept-unsupported` and say why it is right"


def weaker_problems(
    workspace: Workspace, base: str, changes: Changes, evidence: TurnEvidence
) -> Iterator[Problem]:
    """Yield checks, commands, tests and policies that ask less than when the turn began.

    Args:
        workspace: The repository.
        base: The commit the turn started from.
        changes: What it changed.
        evidence: What it recorded.
    """
    touched = frozenset(changes.touched)
    tests = [path for path in sorted(touched) if is_test_file(path)]
    plans = {
        f"{ACTIVE}/{part.plan.id}/plan.yaml": part
        for part in evidence.initiatives
        if f"{ACTIVE}/{part.plan.id}/plan.yaml" in touched
    }
    wanted = [*tests, *plans, *([SETTINGS] if SETTINGS in touched else [])]
    if not wanted:
        return
    old = _at(workspace, base, wanted)
    for path, part in plans.items():
        if path in old:
            yield from _plan_problems(path, old[path], part)
    yield from _test_problems(workspace, tests, old, evidence)
    if SETTINGS in old:
        yield from _policy_problems(workspace, old[SETTINGS])


def _at(workspace: Workspace, commit: str, paths: list[str]) -> dict[str, bytes]:
    tree: dict[str, Entry] = workspace.repo.tree(commit)
    blobs = {path: tree[path].blob for path in paths if path in tree}
    contents = workspace.repo.blobs(blobs.values())
    return {path: contents[blob] for path, blob in blobs.items() if blob in contents}


def _problem(claim: str, facts: list[str]) -> Problem:
    more = f"; and {len(facts) - _SHOWN} more" if len(facts) > _SHOWN else ""
    return Problem("weaker", claim, "; ".join(facts[:_SHOWN]) + more, way_out=_MEND)


@dataclass(frozen=True)
class _Then:
    plan: Plan
    phase: str


def _plan_problems(path: str, before: bytes, part: InitiativeEvidence) -> Iterator[Problem]:
    try:
        old = parse_plan(before.decode("utf-8", "replace"), path)
    except BadFileError:
        return  # it could not be used then: nothing was asked by it
    then = {step.id: _Then(old, phase) for phase, step in old.steps()}
    now = {step.id for _, step in part.plan.steps()}
    for name in [name for name in then if name not in now]:
        yield _problem(f"{path}: step `{name}`", ["the step is gone from the plan"])
    for phase, step in part.plan.steps():
        if step.id not in then:
            continue
        was = then[step.id]
        facts = _looser(was.plan, was.phase, part.plan, phase, step.id)
        if facts:
            yield _problem(f"{path}: step `{step.id}`", facts)


def _looser(old: Plan, old_phase: str, new: Plan, phase: str, name: str) -> list[str]:
    _, was = old.step(name)
    _, step = new.step(name)
    before: Mapping[str, Any] = old.contract(old_phase, was)
    facts = [*weaker_checks(before, new.contract(phase, step))]
    known = {item.rule for item in cheap_findings(Site(old, old_phase, was, ""))}
    facts += [
        f"its command or checks are weaker ({item.rule}: {item.message})"
        for item in cheap_findings(Site(new, phase, step, ""))
        if item.rule not in known
    ]
    lost = [row for row in was.rows if row not in step.rows]
    facts += [f"it no longer proves {listed(lost)}"] if lost else []
    gates = old.phases[old_phase].gate, new.phases[phase].gate
    if gates[0] is not None and gates[0] != gates[1]:
        facts.append(f"its gate was `{gates[0]}` and is {f'`{gates[1]}`' if gates[1] else 'gone'}")
    inputs = set(old.inputs_of(old_phase, was)) - set(new.inputs_of(phase, step))
    facts += [f"it no longer declares the inputs {listed(sorted(inputs), 3)}"] if inputs else []
    if step.waive is not None and was.waive is None:
        facts.append(f"it is waived now, by {step.waive.who}")
    return facts


def _test_problems(
    workspace: Workspace, paths: list[str], old: Mapping[str, bytes], evidence: TurnEvidence
) -> Iterator[Problem]:
    """Yield weaker tests that a step of the turn's evidence declares as input, or that it ran."""
    before = {path: found for path in paths if (found := _read(old.get(path))) is not None}
    after: dict[str, dict[str, Guard]] = {}
    for path in paths:
        place = workspace.root / path
        try:
            content = read_plain(place, _MAX_BYTES) if place.is_file() else None
        except OSError:
            content = None
        found = _read(content)
        if found is not None:
            after[path] = found
    held = {item.path for stored in evidence.filed for item in stored.receipt.inputs}
    facts = [
        fact
        for fact in weaker_tests(before, after)
        if not evidence.filed or any(f"`{path}" in fact for path in held) or " is gone" in fact
    ]
    if facts:
        yield _problem(listed(sorted({*before, *after}), 2), facts)


def _read(content: bytes | None) -> dict[str, Guard] | None:
    return None if content is None else guards(content.decode("utf-8", "replace"))


def _policy_problems(workspace: Workspace, before: bytes) -> Iterator[Problem]:
    from planctl.models.settings import parse_settings

    try:
        then = parse_settings(before.decode("utf-8", "replace"), SETTINGS)
    except BadFileError:
        return
    longer = loosened(then.dwell, workspace.settings().dwell)
    if longer:
        yield _problem(f"{SETTINGS}: [dwell]", [*longer])
    old, new = then.policy, workspace.settings().policy
    facts = [*_eased("every phase", old, new)]
    for scope, rule in old.phases.items():
        facts += _eased(scope, rule, new.phases.get(scope, new))
    facts += [
        f"{scope} has a rule of its own now: {rule}"
        for scope, rule in new.phases.items()
        if scope not in old.phases and list(_eased(scope, old, rule))
    ]
    if facts:
        yield _problem(f"{SETTINGS}: [policy]", facts)


def _eased(scope: str, old: Rule, new: Rule) -> Iterator[str]:
    fewer = bool(old.roles) and (not new.roles or bool(set(new.roles) - set(old.roles)))
    if new.require.rank < old.require.rank or fewer:
        yield f"{scope} asked for {Rule.__str__(old)} and asks for {Rule.__str__(new)}"

"""Sentences that say something is proven, against the verdicts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache

from planctl.models.claims.proof import Known, ProofClaim, proof_claims
from planctl.models.plan.plan import Plan
from planctl.models.verdict import StepVerdict, Verdict, VerifyReport
from planctl.ops.turn.changes import Changes
from planctl.ops.turn.evidence import TurnEvidence
from planctl.ops.turn.policy import Chosen
from planctl.ops.turn.problems import Problem
from planctl.ops.turn.wording import Wording
from planctl.ops.verify import verify
from planctl.workspace import Workspace


@dataclass(frozen=True)
class Standing:
    """Where the steps of a plan stand once the turn is committed.

    Attributes:
        uncommitted: Paths that stay uncommitted; a run on them is not proven by the commit.
    """

    plan: Plan
    report: VerifyReport
    uncommitted: frozenset[str]

    def holds(self, step: str) -> bool:
        """Tell whether a step is proven then: a run on changes that are committed now counts."""
        verdict = self.report.step(step)
        if verdict.verdict is not Verdict.DIRTY:
            return verdict.verdict.accepted
        if verdict.stored is None or self.uncommitted & set(verdict.stored.receipt.dirty):
            return False
        _, declared = self.plan.step(step)
        return all(self.holds(need) for need in declared.needs)

    def open(self, steps: Sequence[str]) -> list[StepVerdict]:
        """Return those of some steps that are not proven then."""
        return [self.report.step(step) for step in steps if not self.holds(step)]


def standing_of(plan: Plan, report: VerifyReport, changes: Changes, chosen: Chosen) -> Standing:
    """Return where a plan stands once the turn is committed."""
    left = {*changes.own, *changes.before, *changes.mixed} - set(chosen.paths)
    return Standing(plan, report, frozenset(left))


def proof_problems(
    workspace: Workspace,
    sentences: Sequence[str],
    evidence: TurnEvidence,
    changes: Changes,
    chosen: Chosen,
    wording: Wording,
) -> Iterator[Problem]:
    """Yield sentences that call something proven whose verdict is not fresh.

    Args:
        workspace: The repository.
        sentences: Of the turn.
        evidence: What was recorded in it.
        changes: What it changed.
        chosen: What of that is committed.
        wording: Its judged claims: a count of tests that evidence supports needs no more.
    """
    known = {part.plan.id: part for part in evidence.initiatives}
    others = [name for name in workspace.initiatives() if name not in known]

    @cache
    def standing(name: str) -> Standing:
        if name in known:
            part = known[name]
            return standing_of(part.plan, part.report, changes, chosen)
        plan = workspace.load_plan(name)
        return standing_of(plan, verify(workspace, plan), changes, chosen)

    counted = wording.counted_sentences()
    for place, sentence in enumerate(sentences):
        named = [name for name in (*known, *others) if _names(name, sentence)]
        about = standing(named[0] if named else evidence.focus.plan.id)
        for claim in proof_claims(sentence, known_names(about.plan)):
            if claim.kind == "tests" and place in counted:
                continue
            problem = _problem(claim, about)
            if problem is not None:
                yield replace(problem, sentence=place)
    yield from _stale_counts(standing, wording, evidence)


def _names(initiative: str, sentence: str) -> bool:
    return re.search(rf"(?<![\w.-]){re.escape(initiative)}(?![\w-]|\.\w)", sentence) is not None


def known_names(plan: Plan) -> Known:
    """Return the names of a plan that mean something in a sentence."""
    steps = list(plan.steps())
    rows = {row: phase for phase, step in steps for row in step.rows}
    return Known(frozenset(plan.phases), rows, frozenset(step.id for _, step in steps))


def _problem(claim: ProofClaim, about: Standing) -> Problem | None:
    steps = steps_of(claim, about.plan)
    if claim.kind == "tests" and not steps:
        return Problem(
            "verdict",
            claim.text,
            f"no step of `{about.plan.id}` runs tests",
            way_out="`planctl run -- pytest …` records a run; then tell its count",
            answer="unsupported",
        )
    left = about.open(steps)
    if not left:
        return None
    first = left[0]
    why = f": {first.reasons[0]}" if first.reasons else ""
    more = f", and {len(left) - 1} more" if len(left) > 1 else ""
    proven = [step for step in steps if about.holds(step)]
    near = (
        f"{', '.join(f'`{step}`' for step in proven)} proven" if proven else "none of it is proven"
    )
    return Problem(
        "verdict",
        claim.text,
        f"`{first.step}` is {first.verdict}{why}{more}",
        near,
        f"`planctl run-phase {about.plan.id} {first.phase}`, or say what is open",
        answer="contradicted",
    )


def steps_of(claim: ProofClaim, plan: Plan) -> list[str]:
    """Return the steps that a claim is about."""
    every = list(plan.steps())
    if claim.kind == "phase":
        return [step.id for phase, step in every if phase in claim.names]
    if claim.kind == "row":
        return [step.id for _, step in every if set(step.rows) & set(claim.names)]
    if claim.kind == "step":
        return [step.id for _, step in every if step.id in claim.names]
    if claim.kind == "tests":
        return [step.id for _, step in every if step.kind == "pytest"]
    return [step.id for _, step in every]


def _stale_counts(
    standing: Callable[[str], Standing], wording: Wording, evidence: TurnEvidence
) -> Iterator[Problem]:
    """Yield counts of tests that a run supports which proves nothing any more."""
    loaded = (item for part in evidence.initiatives for item in part.loaded)
    known = {item.path: item.stored.receipt for item in loaded if item.stored is not None}
    known |= {f"{receipt.hub}/{receipt.log}": receipt for receipt in [*known.values()]}
    for item in wording.passed_tests():
        receipt = known.get(item.evidence)
        if receipt is None:
            continue
        about = standing(receipt.initiative)
        if all(step.id != receipt.step for _, step in about.plan.steps()):
            continue  # an ad hoc run: no step of the plan rests on it
        for verdict in about.open([receipt.step]):
            why = f": {verdict.reasons[0]}" if verdict.reasons else ""
            again = f"`planctl run-phase {about.plan.id} {verdict.phase}` and tell what it says"
            yield Problem(
                "verdict",
                item.told,
                f"that run was of `{receipt.step}`, which is {verdict.verdict} now{why}",
                way_out=again,
                sentence=item.place,
                answer="contradicted",
            )

"""Causes: from a step that is not proven, through what it needs, to where it began."""

from __future__ import annotations

from dataclasses import dataclass, replace

from planctl._git import Repository
from planctl.models.plan.plan import Step
from planctl.models.verdict import Predicate, Verdict
from planctl.ops.judge import Judge
from planctl.ops.predicates import name_commits


@dataclass(frozen=True)
class Cause:
    """Where a lost proof began.

    Attributes:
        chain: Step ids, from the one asked about to the one whose own proof does not hold.
        verdict: What that one's receipt proves.
        text: Why, in words.
        predicate: The deciding question; None when there is no receipt to ask.
        receipt: Repository-relative path of the receipt that was asked.
    """

    chain: tuple[str, ...]
    verdict: Verdict
    text: str
    predicate: Predicate | None = None
    receipt: str | None = None


def named(found: tuple[Cause, ...], repo: Repository) -> tuple[Cause, ...]:
    """Return causes with the commits that moved their inputs; one walk over history for all."""
    asked = [item.predicate for item in found if item.predicate and item.predicate.name == "inputs"]
    lost = {one.name for item in asked for one in item.ids if one.moved_by is None}
    commits = repo.last_changes(lost)

    def name(item: Cause) -> Cause:
        if item.predicate not in asked or item.predicate is None:
            return item
        predicate = name_commits(item.predicate, commits)
        return replace(item, predicate=predicate, text=predicate.text)

    return tuple(map(name, found))


def causes(
    judge: Judge, step: Step, predicates: tuple[Predicate, ...], receipt: str | None
) -> tuple[Cause, ...]:
    """Follow the deciding question of a step to where it began.

    Args:
        judge: Who gave the answers.
        step: The step that is not proven.
        predicates: The answers about its receipt.
        receipt: Path of that receipt.

    Returns:
        One cause a failing way, each step of the plan at most once a way; none when all holds.
    """
    deciding = next((item for item in predicates if not item.ok and item.verdict), None)
    if deciding is None or deciding.verdict is None:
        return ()
    if deciding.name != "parents":
        return (Cause((step.id,), deciding.verdict, deciding.text, deciding, receipt),)
    found = [_of_need(judge, item.name, item.recorded, (step.id,)) for item in deciding.ids]
    return tuple(cause for group in found for cause in group)


def _of_need(
    judge: Judge, name: str, digest: str | None, chain: tuple[str, ...]
) -> tuple[Cause, ...]:
    phase, step = judge.plan.step(name)
    here = (*chain, name)
    loaded = None if digest is None else judge.by_digest.get(digest)
    if loaded is None or loaded.stored is None or loaded not in judge.of_step(name):
        verdict, text = judge.judge_parent(name, digest)
        return (Cause(here, verdict, text or "the run recorded no receipt of it"),)
    result = judge.receipt(phase, step, loaded)
    deciding = next((item for item in result.predicates if not item.ok and item.verdict), None)
    if deciding is None or deciding.verdict is None:
        return ()
    if deciding.name == "parents" and name not in chain:
        found = [_of_need(judge, item.name, item.recorded, here) for item in deciding.ids]
        return tuple(cause for group in found for cause in group)
    return (Cause(here, deciding.verdict, deciding.text, deciding, result.stored.path),)

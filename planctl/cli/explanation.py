"""What `planctl why` prints: where it began, what was compared, and the way back."""

from __future__ import annotations

from planctl.cli.render import line
from planctl.models.verdict import Compared, Predicate
from planctl.ops.why import Why
from planctl.ops.why_commit import WhyCommit


def explain(item: Why | WhyCommit) -> None:
    """Print one answer."""
    if isinstance(item, WhyCommit):
        _commit(item)
        return
    name = (
        "" if item.step is None else f" ({_what(item)}step {item.step.step} of {item.initiative})"
    )
    line(f"{item.target}{name}: {item.verdict}")
    for cause in item.causes:
        way = " needs ".join(f"`{step}`" for step in cause.chain)
        line(f"  it began at `{cause.chain[-1]}` ({way}), which is {cause.verdict}: {cause.text}")
        if cause.predicate is not None:
            _ids(cause.predicate, item)
    for reason in item.reasons:
        line(f"  {reason}")
    named = {one for answer in item.failing for one in answer.ids}
    if item.moved is not None and item.moved not in named:
        _compared(item.moved, item)
    for answer in item.failing:
        line(f"  predicate `{answer.name}` does not hold: {answer.text}")
        _ids(answer, item)
    for warning in () if item.step is None else item.step.warnings:
        line(f"  warning: {warning}")
    if item.commands:
        line(f"  restore: {item.commands[0]}")
    for command in item.commands[1:]:
        line(f"           {command}")


def _what(item: Why) -> str:
    return "" if item.kind in ("step", "artifact") else f"an {item.kind} of ".replace("an r", "a r")


def _ids(answer: Predicate, item: Why) -> None:
    for one in answer.ids:
        _compared(one, item)


def _compared(one: Compared, item: Why) -> None:
    subject = item.subjects.get(one.moved_by or "", "")
    moved = f"  moved by {one.moved_by}" if one.moved_by else ""
    told = f" ({subject})" if subject else ""
    before, now = one.recorded or "nothing", one.now or "nothing"
    line(f"    {one.name}: recorded {before}, now {now}{moved}{told}")


def _commit(item: WhyCommit) -> None:
    line(f"{item.commit}  {item.subject}")
    line(f"  authored {item.authored}, committed {item.committed} (the commit says so)")
    if not item.effects:
        line("  it changed no verdict")
    for effect in item.effects:
        rows = f" ({' '.join(effect.rows)})" if effect.rows else ""
        line(f"  {effect.initiative}/{effect.step}{rows}: {effect.before} → {effect.after}")
        for reason in effect.reasons[:1]:
            line(f"    {reason}")

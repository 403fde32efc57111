"""Which part of an order asks for evidence that is there already."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from planctl import clock
from planctl._files import read_text
from planctl.models.brief.brief import Proof
from planctl.models.brief.reading import BriefSection, BriefText, read_brief
from planctl.models.mentions import PlanWords
from planctl.models.paths import matches
from planctl.models.plan.plan import Plan
from planctl.models.row_texts import rows_with_text
from planctl.models.verdict import StepVerdict, Verdict, VerifyReport
from planctl.models.wishes.wishes import Item, Wish, Wishes, wishes_in
from planctl.ops.verify import verify
from planctl.workspace import Workspace

_SETTLED = (Verdict.FRESH, Verdict.DIRTY)
_MAX_BYTES = 4_000_000


@dataclass(frozen=True)
class Judged:
    """One thing an order asks for, judged.

    Attributes:
        proven: What of it is proven already.
        remaining: Steps of it that are open.
        other: What it asks for that no step of the plan gives; then nothing is judged.
    """

    line: int
    text: str
    proven: tuple[Proof, ...] = ()
    remaining: tuple[str, ...] = ()
    other: str = ""


@dataclass(frozen=True)
class Satisfied:
    """An order, judged against the verdicts.

    Attributes:
        wishes: What it asks to be run.
        changes: Files it wants changed, with the line that says so.
        vague: Lines that want something changed and name no file.
    """

    request: str
    wishes: tuple[Judged, ...]
    changes: tuple[tuple[int, str], ...] = ()
    vague: tuple[tuple[int, str], ...] = ()

    @property
    def refused(self) -> bool:
        """It asks for something that is proven."""
        return bool(self.proven)

    @property
    def proven(self) -> tuple[Proof, ...]:
        """All that it asks for and that is proven."""
        return tuple(dict.fromkeys(proof for item in self.wishes for proof in item.proven))

    @property
    def remaining(self) -> tuple[str, ...]:
        """Steps that it asks for and that are open."""
        return tuple(dict.fromkeys(step for item in self.wishes for step in item.remaining))

    def text(self) -> str:
        """Say what is proven, and what remains."""
        said = "; ".join(proof.text for proof in self.proven) or "nothing of it is proven"
        left = ", ".join(f"`{step}`" for step in self.remaining)
        return said + (f"; open: {left}" if left else "")

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for `--json`."""
        return asdict(self) | {"refused": self.refused}


def satisfied(
    workspace: Workspace,
    plan: Plan,
    request: str,
    *,
    phase: str | None = None,
    report: VerifyReport | None = None,
) -> Satisfied:
    """Judge an order in prose: a Do Now, a `Next:` line, a command.

    Args:
        workspace: The repository.
        plan: The plan that the order is about.
        request: The order, or a brief with one; fenced blocks in it are commands.
        phase: What `the selector` or `the commands` mean where the order names none; all without.
        report: The plan's verdicts, where they are known already.

    Returns:
        Every thing it asks for, with what is proven of it and what is open.
    """
    brief = read_brief(request)
    # Of a whole brief the order counts, not the arguments around it.
    items = tuple(orders_of(brief)) or tuple(items_of(request, 1))
    scope = frozenset(step.id for name, step in plan.steps() if phase in (None, name))
    return judge_items(workspace, plan, items, scope, report, request)


def items_of(text: str, first_line: int) -> Iterator[Item]:
    """Yield the lines of an order, those of fenced blocks marked as commands."""
    fence = ""
    for number, line in enumerate(text.split("\n"), first_line):
        mark = line.strip()[:3]
        if mark in ("```", "~~~") and (not fence or mark == fence):
            fence = "" if fence else mark
        elif line.strip():
            yield Item(number, line.rstrip(), code=bool(fence))


def orders_of(brief: BriefText) -> Iterator[Item]:
    """Yield the lines of a brief's order."""
    for section in brief.all("do now"):
        yield from lines_of(section)


def lines_of(section: BriefSection) -> Iterator[Item]:
    """Yield the lines of an order; a wrapped line belongs to the one before."""
    kept: Item | None = None
    for number, text, code in section.lines:
        begins = code or kept is None or kept.code
        begins = begins or re.match(r"\s*(?:[-*+•]|\d{1,2}[.)])\s", text) is not None
        if not begins and kept is not None:
            kept = Item(kept.line, f"{kept.text.rstrip()} {text.strip()}")
            continue
        if kept is not None:
            yield kept
        kept = Item(number, text, code)
    if kept is not None:
        yield kept


def judge_items(
    workspace: Workspace,
    plan: Plan,
    items: Sequence[Item],
    scope: frozenset[str],
    report: VerifyReport | None = None,
    request: str = "",
    lenient: bool = True,
    also: Sequence[str] = (),
) -> Satisfied:
    """Judge the lines of an order; see `satisfied`.

    Args:
        workspace: The repository.
        plan: The plan that the order is about.
        items: The lines.
        scope: Steps that are meant where the order says only `the selector`, `the commands`.
        report: The plan's verdicts, where they are known already.
        request: What to call the order.
        lenient: A change for which no file is named may touch every step.
        also: Files that are to be changed by another part of the order.
    """
    words = plan_words(workspace, plan)
    verdicts = report or verify(workspace, plan)
    ready = {step.step: step for step in verdicts.steps}
    ran = frozenset(name for name, step in ready.items() if step.receipt is not None)
    found = wishes_in(items, words, scope, ran)
    changes = [*also, *(name for _, name in found.changes)]
    spared = _touched(plan, changes, lenient and bool(found.vague))
    judged = tuple(_judged(plan, wish, ready, spared) for wish in found.wishes)
    return Satisfied(request, judged, tuple(_targets(found)), tuple(found.vague))


def plan_words(workspace: Workspace, plan: Plan) -> PlanWords:
    """Return a plan by what its parts are called, rows by their text in the working plan."""
    path = workspace.working_plan(plan)
    text = read_text(path, _MAX_BYTES, "replace") if path.is_file() else ""
    return PlanWords(plan, {row: item.text for row, item in rows_with_text(text).items()})


def _targets(found: Wishes) -> Iterator[tuple[int, str]]:
    seen: set[str] = set()
    for line, name in found.changes:
        if name not in seen:
            seen.add(name)
            yield line, name


def _touched(plan: Plan, changes: Sequence[str], vague: bool) -> frozenset[str]:
    """Return the steps that an ordered change would make stale, and those that need them."""
    paths = [name.partition("::")[0].removeprefix("./") for name in changes]
    found: set[str] = set()
    for phase, step in plan.steps():
        globs = plan.inputs_of(phase, step)
        if vague or any(matches(path, globs) for path in paths):
            found.add(step.id)
    while more := {s.id for _, s in plan.steps() if found & set(s.needs)} - found:
        found |= more
    return frozenset(found)


def _judged(
    plan: Plan, wish: Wish, ready: dict[str, StepVerdict], spared: frozenset[str]
) -> Judged:
    proven, open_steps = [], []
    for _, step in plan.steps():
        if step.id not in wish.steps:
            continue
        verdict = ready.get(step.id)
        if verdict is None or verdict.verdict not in _SETTLED or step.id in spared:
            open_steps.append(step.id)
        else:
            proven.append(proof_of(plan.id, verdict))
    return Judged(wish.line, wish.text, tuple(proven), tuple(open_steps), wish.other)


def proof_of(initiative: str, verdict: StepVerdict) -> Proof:
    """Return what proves a step that is settled."""
    stored = verdict.stored
    ended = "" if stored is None else clock.iso(stored.receipt.finished)
    return Proof(
        initiative,
        verdict.phase,
        verdict.step,
        verdict.rows,
        str(verdict.verdict),
        verdict.receipt or "",
        verdict.commit or "",
        ended,
    )

"""`planctl brief`: the next turn's order, written from what is not proven."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from planctl import clock
from planctl._files import atomic_write, behind_link
from planctl._text import listed
from planctl.errors import BadFileError, NotFoundError, PreconditionError, UsageError
from planctl.models.brief.block import BriefBlock, anchored, digest_of, parted, with_block
from planctl.models.brief.brief import Brief
from planctl.models.brief.text import render
from planctl.models.plan.plan import Plan
from planctl.models.verdict import StepVerdict, VerifyReport
from planctl.ops.brief.check import read_text_of
from planctl.ops.brief.compose import facts_of
from planctl.ops.brief.refusals import (
    PERSON,
    AlreadyProvenError,
    NotReadyError,
    require_person,
)
from planctl.ops.brief.satisfied import proof_of, satisfied
from planctl.ops.brief.selectors import collect
from planctl.ops.brief.symbols import has_symbol, is_outside, symbols_like
from planctl.ops.brief.task import Task
from planctl.ops.focus import focus_state
from planctl.ops.ledger.next_item import next_item
from planctl.ops.next_green import Look, look_at, way_of
from planctl.ops.past.tree import temporary_blobs
from planctl.workspace import BRIEF, Workspace

Form = Literal["long", "short"]


def write_brief(
    workspace: Workspace,
    initiative: str | None = None,
    *,
    phase: str | None = None,
    form: Form = "long",
    implement: Sequence[str] = (),
    note: Sequence[str] = (),
    out: str | None = BRIEF,
    because: str | None = None,
    count: bool = True,
    closes: bool = True,
) -> Brief:
    """Write the order for the next turn, for what is not proven.

    Args:
        workspace: The repository.
        initiative: Whose; the next one of the ledger without it.
        phase: Of the plan; the first that is not proven without it.
        form: `short` has six of the sections.
        implement: What must change (`path[::symbol]`); found in logs and rows without it.
        note: Further lines for the reader.
        out: Where it goes, relative to the root; None writes nothing.
        because: Why a person wants a proven phase again.
        count: Ask pytest how many tests the selectors collect.
        closes: Who works on it closes the turn; False where somebody else does.

    Raises:
        AlreadyProvenError: There is nothing to order: names the receipts.
        NotReadyError: The focus is blocked, waits or is locked, or nothing of it can run.
        UsageError: `implement` names no file, or one outside the repository.
        NotFoundError: No such initiative or phase, file or symbol.
        NotAPersonError: `because` by an agent.
        PreconditionError: `out` holds what somebody wrote and did not commit.
    """
    focus = initiative or _next(workspace)
    plan = workspace.load_plan(focus)
    if phase is not None and phase not in plan.phases:
        raise NotFoundError(f"`{focus}` has no phase `{phase}`", f"it has {listed([*plan.phases])}")
    require_person(workspace, because)
    _require_targets(workspace, implement)
    state = focus_state(workspace, focus)
    if not state.workable:
        raise NotReadyError(f"`{focus}`: {state.why}", f"`{state.way_out}`")
    with temporary_blobs(workspace.repo) as (blobs, _):
        look = look_at(workspace, plan, blobs)
    way = way_of(workspace, [look])
    stopped = {item.step: item.reason for item in way.blocked}
    chosen = _phase(workspace, look, phase, because, frozenset(stopped))
    steps = tuple(step for step in look.now.steps if step.phase == chosen)
    still = tuple(step for step in steps if because or not step.verdict.accepted)
    if not because and all(step.step in stopped for step in still):
        told = "; ".join(f"`{step.step}` {stopped[step.step]}" for step in still)
        way_out = "`planctl next-green` says what has to be there first"
        raise NotReadyError(f"nothing of phase {chosen} of `{focus}` can run: {told}", way_out)
    _require_new(workspace, plan, note, look.now, because)
    task = Task(
        workspace,
        plan,
        chosen,
        steps,
        still,
        (*way.actions, *way.rest),
        state,
        tuple(dict.fromkeys(s.phase for s in look.now.steps if not s.verdict.accepted)),
        tuple(implement),
        tuple(note),
        " ".join((because or "").split()),
        closes,
    )
    return _written(task, form, out, count)


def _next(workspace: Workspace) -> str:
    found = next_item(workspace)
    if found.empty:
        raise NotReadyError("there is no initiative yet", f"`{found.command}` makes the first one")
    if found.item is None:
        over = "; ".join(f"`{item.id}`: {item.why}" for item in found.passed_over) or "all is done"
        raise NotReadyError(f"no initiative is ready: {over}", "`planctl ledger next`")
    return found.item.id


def _require_targets(workspace: Workspace, named: Sequence[str]) -> None:
    """Make sure that what is to be changed is there, or said to be new."""
    for target in named:
        path, _, symbol = target.partition("::")
        place = workspace.root / path
        if not path.strip() or path.strip() == "(new)":
            raise UsageError(f"`--implement {target!r}` names no file", "`path[::symbol]`")
        if is_outside(workspace.root, path):
            hint = "what a turn changes lies in the repository; name it relative to its root"
            raise UsageError(f"`{path}` of `--implement` lies outside the repository", hint)
        if target.rstrip().endswith("(new)"):
            continue
        if not place.exists():
            hint = f"write `--implement '{target} (new)'` if this turn creates it"
            raise NotFoundError(f"`{path}` does not exist", hint)
        if symbol and place.suffix == ".py" and not has_symbol(place, symbol):
            like = listed(symbols_like(place, symbol)) or "nothing like it"
            hint = f"it has {like}; `--implement '{target} (new)'` if it is new"
            raise NotFoundError(f"`{path}` has no `{symbol}`", hint)


def _phase(
    workspace: Workspace,
    look: Look,
    wanted: str | None,
    because: str | None,
    stopped: frozenset[str],
) -> str:
    """Return the phase that a brief is about: the first with a step that can run.

    Raises:
        AlreadyProvenError: Nothing of it is open, and no person wants it again.
    """
    still = [step for step in look.now.steps if not step.verdict.accepted]
    if wanted is not None and (because or any(step.phase == wanted for step in still)):
        return wanted
    if wanted is None and still:
        return next((step for step in still if step.step not in stopped), still[0]).phase
    if wanted is None and because:
        return next(iter(look.plan.phases))
    raise _proven(workspace, look, wanted, still)


def _proven(
    workspace: Workspace, look: Look, wanted: str | None, still: Sequence[StepVerdict]
) -> AlreadyProvenError:
    focus = look.plan.id
    named = [step for step in look.now.steps if wanted in (None, step.phase)]
    proofs = [proof_of(focus, step) for step in named]
    what = f"phase {wanted} of `{focus}`" if wanted else f"`{focus}`"
    if still:
        rows = listed([step.step for step in still])
        hint = f"open: {rows}: `planctl brief {focus} --phase {still[0].phase}`"
    else:
        hint = _elsewhere(workspace, focus)
    again = "a person who wants it again says why: `--because WHY`"
    return AlreadyProvenError(what, proofs, f"{hint}; {again}")


def _elsewhere(workspace: Workspace, focus: str) -> str:
    try:
        found = next_item(workspace)
    except NotFoundError:
        return "nothing of it is open"
    if found.item is None or found.item.id == focus:
        return f"`planctl ledger set {focus} status done`, then `planctl ledger next`"
    return f"next is `{found.item.id}`: `planctl brief {found.item.id}`"


def _require_new(
    workspace: Workspace,
    plan: Plan,
    notes: Sequence[str],
    report: VerifyReport,
    because: str | None,
) -> None:
    """Make sure that no note orders what is proven."""
    if because or not notes:
        return
    judged = satisfied(workspace, plan, "\n".join(notes), report=report)
    if judged.refused:
        raise AlreadyProvenError("what the note asks for", judged.proven, "leave it out")


def _written(task: Task, form: Form, out: str | None, count: bool) -> Brief:
    workspace = task.workspace
    counted = tuple(_tests(task, count))
    facts, anchors = facts_of(task, tuple((name, _told(number)) for name, number in counted))
    if form == "short":
        short = render(facts, form)
        anchors = tuple(item for item in anchors if item.name in short)
    block = BriefBlock(
        id=task.plan.id,
        phase=task.phase,
        form=form,
        head=workspace.repo.head or "",
        written=clock.iso(workspace.clock()),
        by=PERSON if task.because else workspace.role,
        because=task.because,
        pointers=anchored(anchors),
    )
    text = with_block(render(facts, form), block)
    if out is not None:
        _write(workspace, out, text)
    return Brief(
        path=out,
        focus=task.plan.id,
        phase=task.phase,
        form=form,
        text=text,
        steps=tuple(step.step for step in task.open),
        implement=tuple(item.name for item in task.targets),
        tests=counted,
        pointers=tuple(item.name for item in anchors),
        because=task.because,
    )


def _tests(task: Task, count: bool) -> Iterator[tuple[str, int | None]]:
    """Yield the selectors of the open steps and how many each collects."""
    seen: set[str] = set()
    asked = count and task.workspace.settings().brief.collect
    for verdict in task.open:
        item = task.words.steps[verdict.step]
        for made in item.commands if item.step.kind == "pytest" else ():
            for selector in made.selectors:
                if selector in seen:
                    continue
                seen.add(selector)
                there = (task.workspace.root / selector.partition("::")[0]).exists()
                number = collect(task.workspace, (selector,)).count if asked and there else None
                yield selector if there else f"{selector} (new)", number


def _told(number: int | None) -> str:
    if number is None:
        return "not counted"
    return f"collects {number}"


def _write(workspace: Workspace, out: str, text: str) -> None:
    place = workspace.root / out
    if place.is_relative_to(workspace.root) and behind_link(workspace.root, place):
        raise BadFileError(out, "is or lies behind a symbolic link", hint="remove the link")
    if place.exists() and out in workspace.repo.changed_paths():
        old, block = parted(read_text_of(workspace, out)[1])
        own = block is not None and block.sha256 == digest_of(old)
        if old.strip() and not own and not _of_this_turn(workspace, out):
            raise PreconditionError(
                f"`{out}` was written by hand and is not committed",
                "commit or remove it first; `--out FILE` writes elsewhere",
            )
    atomic_write(place, text)


def _of_this_turn(workspace: Workspace, out: str) -> bool:
    """Tell whether a file was written in the turn that is open: then it is the turn's own."""
    from planctl.ops.turn import current_turn

    turn = current_turn(workspace)
    return turn is not None and out not in turn.dirty

"""Why: what decided about a row, step, path or receipt, with both ids, back to where it began."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from planctl._git import Entry
from planctl._git_history import subjects
from planctl._text import listed
from planctl.errors import NotFoundError
from planctl.models.plan.plan import Step
from planctl.models.verdict import ArtifactVerdict, Compared, Predicate, StepVerdict, Verdict
from planctl.models.way_back import WayBack
from planctl.ops.causes import Cause, causes, named
from planctl.ops.next_green import Look, look_at, way_of
from planctl.ops.past.tree import temporary_blobs
from planctl.ops.receipts import LoadedReceipt
from planctl.ops.targets import near, reading, words_of
from planctl.workspace import Workspace

_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_SHORT = 8


@dataclass(frozen=True)
class Why:
    """What was asked about and what decided it.

    Attributes:
        target: A path, row, step or receipt as given.
        kind: What it is: `step`, `artifact`, `input`, `receipt` or `file`.
        step: The step it belongs to, or None for a file no step declares.
        artifact: The artifact, when a path of one was asked about.
        failing: The predicates that do not hold, the deciding one first.
        causes: Where it began, if not here: each with the way of needs that leads there.
        moved: Of an input: what the receipt recorded, what it is now, and the commit between.
        commands: What brings the proof back, in order; empty when nothing has to, or can.
        subjects: Full commit id → first line of its message, of the commits named here.
    """

    target: str
    initiative: str
    verdict: Verdict
    reasons: tuple[str, ...]
    step: StepVerdict | None = None
    artifact: ArtifactVerdict | None = None
    failing: tuple[Predicate, ...] = ()
    kind: str = "step"
    causes: tuple[Cause, ...] = ()
    moved: Compared | None = None
    receipt: str | None = None
    commands: tuple[str, ...] = ()
    subjects: dict[str, str] = field(default_factory=dict)

    @property
    def restore(self) -> str | None:
        """The commands as one line of a shell."""
        return " && ".join(self.commands) or None

    @property
    def ok(self) -> bool:
        """What was asked about is fresh or waived."""
        return self.verdict.accepted

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for `--json`."""
        raw = asdict(self) | {"restore": self.restore}
        if raw["step"] is not None:
            raw["step"].pop("stored")
        return raw


def why(workspace: Workspace, target: str, initiative: str | None = None) -> tuple[Why, ...]:
    """Explain the verdict of a checklist row, a step, a path or a receipt.

    Args:
        workspace: The repository.
        target: `A2`, `train`; the path of an artifact or an input, relative to the root, the hub or
            the working directory; a receipt's path, ULID or digest.
        initiative: Only look there; None looks through all.

    Returns:
        One answer a match (a row may be proven by several steps, a file may be read by several).

    Raises:
        NotFoundError: Nothing of that name; says what is near.
    """
    found: list[Why] = []
    known: set[str] = set()
    with temporary_blobs(workspace.repo) as (blobs, _):
        for name in [initiative] if initiative else workspace.initiatives():
            look = look_at(workspace, workspace.load_plan(name), blobs)
            answers = _matches(look, _spellings(workspace, look, target))
            known |= _names(look)
            way = way_of(workspace, [look]) if any(not item.ok for item in answers) else WayBack(())
            found += [_complete(workspace, look, way, replace(a, target=target)) for a in answers]
    if not found:
        where = f"`{initiative}`" if initiative else "any initiative"
        alike = near(target, known)
        raise NotFoundError(
            f"`{target}` is no row, step or artifact of {where}, no input, receipt or commit",
            f"did you mean {listed(alike)}?"
            if alike
            else "`planctl verify` lists the steps, `planctl verify --json` every artifact",
        )
    return tuple(found)


def _spellings(workspace: Workspace, look: Look, target: str) -> tuple[str, ...]:
    """Return what a target may mean: as it is, below the hub, and from the working directory."""
    here = Path(os.path.normpath(Path.cwd() / target))
    from_here = workspace.relative(here) if here.is_relative_to(workspace.root) else target
    plain = target.removeprefix("./").rstrip("/")
    return tuple(dict.fromkeys((plain, f"{look.now.hub}/{plain}", from_here)))


def _names(look: Look) -> set[str]:
    paths = {item.path for step in look.now.steps for item in step.artifacts}
    paths |= {item.path for item in look.now.unproven}
    inputs = {
        item.path
        for step in look.now.steps
        if step.stored is not None
        for item in step.stored.receipt.inputs
    }
    short = {path.removeprefix(f"{look.now.hub}/") for path in paths}
    return {*words_of(look.plan), *paths, *short, *inputs}


def _matches(look: Look, words: tuple[str, ...]) -> list[Why]:
    """Return what matches, of the first kind that does."""
    for kind in (_by_name, _by_artifact, _by_receipt, _by_input):
        found = list(kind(look, words))
        if found:
            return found
    return []


def _by_name(look: Look, words: tuple[str, ...]) -> Iterator[Why]:
    for step in look.now.steps:
        if words[0] == step.step or words[0] in step.rows:
            yield _about(look, step)


def _about(look: Look, step: StepVerdict, artifact: ArtifactVerdict | None = None) -> Why:
    verdict = step.verdict if artifact is None else artifact.verdict
    failing = tuple(item for item in step.predicates if not item.ok)
    kind = "step" if artifact is None else "artifact"
    return Why("", look.plan.id, verdict, step.reasons, step, artifact, failing, kind)


def _by_artifact(look: Look, words: tuple[str, ...]) -> Iterator[Why]:
    for step in look.now.steps:
        for item in step.artifacts:
            if item.path in words:
                yield _about(look, step, item)
    receipts = {item.path for item in look.judge.loaded}
    for item in look.now.unproven:
        if item.path in words and item.path not in receipts:
            yield Why("", look.plan.id, item.verdict, (item.text,), None, item, kind="file")


def _by_receipt(look: Look, words: tuple[str, ...]) -> Iterator[Why]:
    for item in look.judge.loaded:
        if _is_called(item, words):
            yield _of_receipt(look, item)


def _is_called(item: LoadedReceipt, words: tuple[str, ...]) -> bool:
    name, asked = item.path.rpartition("/")[2], words[0]
    if item.path in words or asked in (name, name.partition("_")[0], name.removesuffix(".json")):
        return True
    digest = "" if item.stored is None else item.stored.payload_sha256
    return len(asked) >= _SHORT and digest.startswith(asked)


def _of_receipt(look: Look, item: LoadedReceipt) -> Why:
    problem = item.broken or item.gone
    steps = {step.step: step for step in look.now.steps}
    own = None if item.stored is None else steps.get(item.stored.receipt.step)
    if own is None or item not in look.judge.of_step(own.step):
        text = problem or "it is of no step that the plan has"
        return Why("", look.plan.id, Verdict.UNPROVEN, (text,), kind="receipt", receipt=item.path)
    result = look.judge.receipt(own.phase, look.plan.step(own.step)[1], item)
    failing = result.failing()
    reasons = [f"{one.name}: {one.text}" for one in failing if one.verdict]
    speaks = "speaks" if own.receipt == item.path else "does not speak: a later or better one does"
    reasons.append(f"for `{own.step}` it {speaks}")
    return Why(
        target="",
        initiative=look.plan.id,
        verdict=result.verdict,
        reasons=tuple(reasons),
        step=own,
        failing=failing,
        kind="receipt",
        receipt=item.path,
    )


def _by_input(look: Look, words: tuple[str, ...]) -> Iterator[Why]:
    for path in words:
        readers = {step.id: step for _, step in reading(look.plan, path)}
        for own in look.now.steps:
            recorded = _recorded(own, path)
            if own.step not in readers and recorded is None:
                continue
            now = _on_disk(look, own.phase, look.plan.step(own.step)[1], path)
            if recorded is not None or now is not None:
                yield _of_input(look, own, path, recorded, now)


def _recorded(step: StepVerdict, path: str) -> Entry | None:
    inputs = () if step.stored is None else step.stored.receipt.inputs
    return next((Entry(item.mode, item.blob) for item in inputs if item.path == path), None)


def _on_disk(look: Look, phase: str, step: Step, path: str) -> Entry | None:
    return look.judge.tree.on_disk(look.plan.inputs_of(phase, step)).get(path)


def _of_input(
    look: Look, step: StepVerdict, path: str, recorded: Entry | None, now: Entry | None
) -> Why:
    named_ids = (i for item in step.predicates if item.name == "inputs" for i in item.ids)
    before, after = (None if entry is None else entry.blob for entry in (recorded, now))
    moved = next((i for i in named_ids if i.name == path), Compared(path, before, after))
    about = _about(look, step)
    if step.stored is None:
        said = f"`{step.step}` reads it and has no receipt"
    elif recorded == now:
        said = f"`{step.step}` ran on it as it is now"
    else:
        said = f"`{step.step}` ran on another content of it"
    return replace(about, kind="input", moved=moved, reasons=(said, *about.reasons))


def _complete(workspace: Workspace, look: Look, way: WayBack, item: Why) -> Why:
    """Add where it began, how it comes back, and what the commits say of themselves."""
    began: tuple[Cause, ...] = ()
    if item.step is not None and not item.ok:
        step = look.plan.step(item.step.step)[1]
        receipt = item.receipt or item.step.receipt
        answers = item.failing if item.receipt else item.step.predicates
        began = _distinct(causes(look.judge, step, answers, receipt))
        began = named(tuple(one for one in began if len(one.chain) > 1), workspace.repo)
    compared = [one for p in item.failing for one in p.ids]
    compared += [one for cause in began if cause.predicate for one in cause.predicate.ids]
    compared += [item.moved] if item.moved else []
    ids = {one.moved_by for one in compared if one.moved_by and _COMMIT.fullmatch(one.moved_by)}
    return replace(
        item,
        causes=began,
        commands=tuple(_commands(look, way, item)),
        subjects=subjects(workspace.repo, ids),
    )


def _distinct(found: Iterable[Cause]) -> tuple[Cause, ...]:
    """Keep the shortest way to each place where it began."""
    best: dict[str, Cause] = {}
    for cause in found:
        known = best.get(cause.chain[-1])
        if known is None or len(cause.chain) < len(known.chain):
            best[cause.chain[-1]] = cause
    return tuple(best.values())


def _commands(look: Look, way: WayBack, item: Why) -> Iterator[str]:
    """Yield those commands of the way back that the step and what it needs wait for."""
    if item.step is None or item.ok:
        return
    wanted = {item.step.step}
    open_steps = [item.step.step]
    while open_steps:
        needs = set(look.plan.step(open_steps.pop())[1].needs) - wanted
        wanted |= needs
        open_steps += needs
    keys = {f"{look.plan.id}/{name}" for name in wanted}
    for action in way.actions:
        mine = wanted if action.kind == "run" else keys
        if action.kind == "hub" or mine & set(action.steps):
            yield action.command

"""What each turn did to its focus: inputs it moved, steps it proved, runs it repeated."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from planctl._git_diffs import blob_ids
from planctl.errors import BadFileError, NotFoundError
from planctl.models.diff_kinds import Kind, TurnsSettings, is_own, kind_of
from planctl.models.dwell import TurnWork
from planctl.models.paths import matches
from planctl.models.plan.parse import parse_plan
from planctl.models.plan.plan import AD_HOC, Plan
from planctl.models.receipt import Receipt
from planctl.ops.receipts import receipts_of
from planctl.ops.turn_diffs import TurnDiff
from planctl.workspace import ACTIVE, Workspace

_RECEIPT = re.compile(rf"{ACTIVE}/[^/]+/reports/[^/]+/[^/]+/receipts/[^/]+\.json")


def turn_works(
    workspace: Workspace,
    initiative: str,
    diffs: Sequence[TurnDiff],
    plans: Mapping[str, Plan | None],
    waited: Iterable[str] = (),
    detail: bool = False,
) -> tuple[TurnWork, ...]:
    """Tell what turns did to their focus.

    Args:
        workspace: The repository.
        initiative: The focus of all of them.
        diffs: What git says that they changed.
        plans: See `plans_then`.
        waited: Ids of the turns that opened while the focus was waiting.
        detail: Also tell which steps lost their proof; receipts are read for that.

    Raises:
        BadFileError: The settings cannot be used.
    """
    runs = _Runs(workspace, initiative)
    waiting, rules = frozenset(waited), workspace.settings().turns
    works = (_work(item, plans.get(item.path), runs, rules, waiting) for item in diffs)
    if not detail:
        return tuple(works)
    pairs = zip(diffs, works, strict=True)
    return tuple(
        replace(work, lost=_lost(item, plans[item.path], runs, work)) for item, work in pairs
    )


def _lost(item: TurnDiff, plan: Plan | None, runs: _Runs, work: TurnWork) -> tuple[str, ...]:
    """Return the steps that were proven on what the turn then changed, and not proven anew."""
    if plan is None or not work.touched:
        return ()
    old = {change.path: change.old for change in item.changes if change.path in work.touched}
    found: list[str] = []
    for phase, step in plan.steps():
        globs = plan.inputs_of(phase, step)
        touched = [path for path in work.touched if matches(path, globs)]
        if touched and step.id not in work.gained:
            before = {path: old[path] for path in touched}
            found += [step.id] if runs.proven_on(step.id, before) else []
    return tuple(found)


def _work(
    item: TurnDiff, plan: Plan | None, runs: _Runs, rules: TurnsSettings, waiting: frozenset[str]
) -> TurnWork:
    record = item.record
    paths = [change.path for change in item.changes if not is_own(change.path)]
    kinds = Counter(kind_of(path, rules).value for path in paths)
    by_step = _inputs(plan, paths, rules)
    ends = _ended(item, plan, runs)
    ended = {step: end for step, (end, _) in ends.items()}
    moved = {step for step, touched in by_step.items() if touched and step}
    moved |= {step for step, end in ended.items() if end in ("gained", "failed")}
    return TurnWork(
        id=record.id,
        number=record.number,
        role=record.role,
        touched=tuple(sorted({path for touched in by_step.values() for path in touched})),
        gained=_with(ended, "gained"),
        failed=_with(ended, "failed"),
        reran=_with(ended, "reran"),
        reran_s=sum(_seconds(run) for end, run in ends.values() if end == "reran"),
        steps=None if plan is None else tuple(step.id for _, step in plan.steps()),
        moved=tuple(sorted(moved)),
        kinds=tuple((kind.value, kinds[kind.value]) for kind in Kind if kinds[kind.value]),
        counted=record.outcome == "closed" and record.id not in waiting,
        evidence="git" if item.from_git else "record",
    )


def _seconds(receipt: Receipt) -> float:
    return (receipt.finished - receipt.started).total_seconds()


def _with(ended: Mapping[str, str], word: str) -> tuple[str, ...]:
    return tuple(sorted(step for step, end in ended.items() if end == word))


def _inputs(
    plan: Plan | None, paths: Sequence[str], rules: TurnsSettings
) -> dict[str, tuple[str, ...]]:
    """Return, by step, the changed paths that it declares as inputs.

    A step that declares none (and a focus without a plan) depends on code and tests.
    """
    code = tuple(p for p in paths if kind_of(p, rules) in (Kind.PRODUCTION, Kind.TEST))
    if plan is None:
        return {"": code}
    found: dict[str, tuple[str, ...]] = {}
    known: dict[tuple[str, ...], tuple[str, ...]] = {(): code}
    for phase, step in plan.steps():
        globs = plan.inputs_of(phase, step)
        if globs not in known:
            known[globs] = tuple(path for path in paths if matches(path, globs))
        found[step.id] = known[globs]
    return found


def plans_then(workspace: Workspace, diffs: Sequence[TurnDiff]) -> dict[str, Plan | None]:
    """Return the plan that each turn began with, by the path of its record; two processes for all.

    Inputs that a turn adds to the plan count from the next turn on; a turn that brings the plan is
    judged by what it brings.
    """
    names = {(d.path, c): f"{c}:{_plan_path(d)}" for d in diffs for c in (d.base, d.commit) if c}
    ids = blob_ids(workspace.repo, names.values())
    parsed = {blob: _parsed(*text) for blob, text in _texts(workspace, ids).items()}
    now: dict[str, Plan | None] = {}
    found: dict[str, Plan | None] = {}
    for item in diffs:
        named = (names.get((item.path, c)) for c in (item.base, item.commit) if c)
        usable = (plan for n in named if n and (plan := parsed.get(ids.get(n, ""))) is not None)
        plan = next(usable, None)
        focus = item.record.focus
        if plan is None and focus not in now:
            now[focus] = _plan_now(workspace, focus)
        found[item.path] = plan or now.get(focus)
    return found


def _plan_path(item: TurnDiff) -> str:
    return f"{ACTIVE}/{item.record.focus}/plan.yaml"


def _texts(workspace: Workspace, ids: Mapping[str, str]) -> dict[str, tuple[bytes, str]]:
    """Return content and path of each blob."""
    blobs = workspace.repo.blobs(ids.values())
    paths = {blob: name.partition(":")[2] for name, blob in ids.items()}
    return {blob: (content, paths[blob]) for blob, content in blobs.items()}


def _parsed(content: bytes, path: str) -> Plan | None:
    try:
        return parse_plan(content.decode("utf-8"), path)
    except (BadFileError, UnicodeDecodeError):
        return None  # no plan then: the next best one is asked


def _plan_now(workspace: Workspace, initiative: str) -> Plan | None:
    try:
        return workspace.load_plan(initiative)
    except (BadFileError, NotFoundError):
        return None  # verify says what is wrong with it


@dataclass(frozen=True)
class _Run:
    path: str
    digest: str
    receipt: Receipt


class _Runs:
    """The receipts of an initiative, read when a turn filed one; those of history too."""

    def __init__(self, workspace: Workspace, initiative: str) -> None:
        self._workspace, self._initiative = workspace, initiative

    @cached_property
    def all(self) -> list[_Run]:
        """Every run of a step, oldest first."""
        plan = _plan_now(self._workspace, self._initiative)
        if plan is None:
            return []
        loaded = receipts_of(self._workspace, plan, None)
        stored = (item.stored for item in loaded if item.stored and item.broken is None)
        runs = (_Run(one.path, one.payload_sha256, one.receipt) for one in stored)
        return [run for run in runs if run.receipt.phase != AD_HOC]

    def proven_on(self, step: str, files: Mapping[str, str | None]) -> bool:
        """Tell whether a step passed with some of its inputs being these blobs."""
        for run in self.all:
            if run.receipt.step == step and run.receipt.ok:
                blobs = {one.path: one.blob for one in run.receipt.inputs}
                if all(blobs.get(path) == blob for path, blob in files.items()):
                    return True
        return False

    @cached_property
    def by_digest(self) -> dict[str, Receipt]:
        return {run.digest: run.receipt for run in self.all}

    def same(self, one: Receipt, other: Receipt, plan_moved: bool) -> bool:
        """Tell whether a run proves what another proved, on the very same things.

        Args:
            one: A run, and the `other` before it.
            other: The other.
            plan_moved: The plan's text was edited between them, which moves nothing by itself.
        """
        if _stuff(one) != _stuff(other):
            return False
        contracts = (one.contract_sha256, one.gate) == (other.contract_sha256, other.gate)
        if not contracts and not plan_moved:
            return False
        if one.parents.keys() != other.parents.keys():
            return plan_moved
        pairs = [(one.parents[step], other.parents[step]) for step in one.parents]
        return all(self._same_parent(ours, theirs, plan_moved) for ours, theirs in pairs)

    def _same_parent(self, ours: str, theirs: str, plan_moved: bool) -> bool:
        if ours == theirs:
            return True
        one, other = self.by_digest.get(ours), self.by_digest.get(theirs)
        return one is not None and other is not None and self.same(one, other, plan_moved)


def _stuff(receipt: Receipt) -> tuple[object, ...]:
    """Return what a run stood on; plans that planctl ticks itself are no part of it."""
    files = frozenset(item for item in receipt.inputs if not is_own(item.path))
    return files, frozenset(receipt.data)


def _ended(item: TurnDiff, plan: Plan | None, runs: _Runs) -> dict[str, tuple[str, Receipt]]:
    """Return how the steps that a turn ran ended: `gained`, `failed`, or `reran`; and the run."""
    added = {c.path for c in item.changes if c.old is None and _RECEIPT.fullmatch(c.path)}
    ulids = () if item.from_git else item.record.receipts
    if plan is None or not (added or ulids):
        return {}
    steps = {step.id for _, step in plan.steps()}
    own = [run for run in runs.all if run.path in added or run.receipt.ulid in ulids]
    mine = {run.digest for run in own}
    plan_moved = any(c.path == f"{ACTIVE}/{item.record.focus}/plan.yaml" for c in item.changes)
    found: dict[str, tuple[str, Receipt]] = {}
    for run in own:  # the last run of a step decides
        step, receipt = run.receipt.step, run.receipt
        earlier = [
            other.receipt
            for other in runs.all
            if other.receipt.step == step
            and other.digest not in mine
            and other.receipt.ulid < receipt.ulid
        ]
        before = earlier[-1] if earlier else None
        if step in steps:
            found[step] = (_end(receipt, before, runs, plan_moved), receipt)
    return found


def _end(receipt: Receipt, before: Receipt | None, runs: _Runs, plan_moved: bool) -> str:
    if before is not None and before.ok == receipt.ok and runs.same(receipt, before, plan_moved):
        return "reran"
    return "gained" if receipt.ok else "failed"

"""Next green: the cheapest ordered commands back to all-fresh, with the durations seen before."""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from statistics import median

from planctl._text import count, listed
from planctl.models.plan.plan import Plan, Step
from planctl.models.verdict import StepVerdict, Verdict, VerifyReport
from planctl.models.way_back import Action, Blocked, WayBack, open_rows, within
from planctl.ops.inputs import data_paths
from planctl.ops.judge import Judge
from planctl.ops.past.tree import BlobStore, temporary_blobs
from planctl.ops.restoring import RestoredJudge, Source, evidence_of, sources
from planctl.ops.schedule import Task, schedule
from planctl.ops.verify import judge_of, verify
from planctl.workspace import Workspace

_MAGIC = set("*?[:\\")
_INPUTS = "Inputs as evidence needs them"
_EVIDENCE = "Evidence as it was recorded"


@dataclass(frozen=True)
class Look:
    """An initiative as it is, and as it would be once all that costs no run is done.

    Attributes:
        judge: Who answered for what is.
        now: What is.
        then: What would be.
        found: Path → where git has it as it was recorded.
        tasks: What would run then.
    """

    plan: Plan
    judge: Judge
    now: VerifyReport
    then: VerifyReport
    found: dict[str, Source]
    tasks: tuple[Task, ...]

    @property
    def mended(self) -> list[StepVerdict]:
        """Steps that are not proven, and would be without a run."""
        then = {step.step for step in self.then.steps if step.verdict.accepted}
        return [s for s in self.now.steps if not s.verdict.accepted and s.step in then]

    @property
    def running(self) -> list[str]:
        """Steps that have to run, in dependency order."""
        return [task.step for task in self.tasks if task.runs]


def next_green(
    workspace: Workspace, initiatives: tuple[str, ...] = (), budget_s: float | None = None
) -> WayBack:
    """Find the way back to all-fresh.

    What git still has as it was recorded is restored, what ran on uncommitted inputs is committed,
    and only what then is not proven runs again.

    Args:
        workspace: The repository.
        initiatives: Only these; all without any.
        budget_s: Seconds that the runs may take; the most rows that fit are chosen.

    Raises:
        NotFoundError: No such initiative.
        PlanError: A plan cannot be used.
    """
    names = initiatives or tuple(workspace.every_initiative())
    with temporary_blobs(workspace.repo) as (blobs, _):
        looks = [look_at(workspace, workspace.load_plan(name), blobs) for name in names]
    return way_of(workspace, looks, budget_s)


def way_of(workspace: Workspace, looks: list[Look], budget_s: float | None = None) -> WayBack:
    """Return the way back of some initiatives; see `next_green`."""
    first = [*_hubs(looks), *_restores(looks), *_commits(looks), *_signs(looks)]
    runs = [run for look in looks for run in _runs(look)]
    blocked = [item for look in looks for item in _blocked(workspace, look)]
    stopped = {(item.initiative, item.step) for item in blocked}
    runs = [run for run in runs if not stopped & {(run.initiative, step) for step in run.steps}]
    chosen, exact = runs, True
    if budget_s is not None:
        chosen, exact = within(runs, _rows(looks), budget_s)
    return WayBack(
        actions=(*first, *chosen),
        rest=tuple(run for run in runs if run not in chosen),
        blocked=tuple(blocked),
        waived=tuple(_waived(looks)),
        budget_s=budget_s,
        exact=exact,
    )


def look_at(workspace: Workspace, plan: Plan, blobs: BlobStore) -> Look:
    """Look at an initiative; nothing more than `verify` does when all is fresh."""
    judge = judge_of(workspace, plan)
    now = verify(workspace, plan, judge=judge)
    found: dict[str, Source] = {}
    then = now
    if not now.ok:
        found = sources(judge, blobs)
        then = verify(workspace, plan, judge=RestoredJudge(judge, found, blobs))
    wanted = tuple(step.step for step in then.steps if not step.verdict.accepted)
    tasks = schedule(plan, then, workspace.root, wanted, force=False)
    return Look(plan, judge, now, then, found, tasks)


def _hubs(looks: list[Look]) -> Iterator[Action]:
    for look in looks:
        if look.plan.hub is None and look.running:
            command = shlex.join(["planctl", "hub", "new", look.plan.id])
            yield Action("hub", command, "it has no hub yet", look.plan.id)


def _restores(looks: list[Look]) -> Iterator[Action]:
    """Bring back what git has, and only what the mended steps rest on."""
    wanted: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for look in looks:
        for step in look.mended:
            then = look.then.step(step.step)
            rests_on = set[str]()
            if then.stored is not None:
                rests_on = evidence_of(look.judge, then.stored.payload_sha256)
            for path in sorted(rests_on & set(look.found)):
                wanted[look.found[path].commit][path].append(f"{look.plan.id}/{step.step}")
    for commit, paths in wanted.items():
        steps = tuple(dict.fromkeys(name for names in paths.values() for name in names))
        things = sorted(paths)
        where = commit if commit == "HEAD" else commit[:8]
        reason = f"{count(len(things), 'file')} as recorded in {where}"
        command = _git("checkout", commit if commit == "HEAD" else commit[:12], "--", paths=things)
        if commit != "HEAD":
            command += " && " + _git("commit", "-m", _EVIDENCE, "--", paths=things)
        yield Action("restore", command, reason, steps=steps)


def _commits(looks: list[Look]) -> Iterator[Action]:
    """Commit the inputs that a run has been on, or is about to be on."""
    paths: dict[str, None] = {}
    steps: list[str] = []
    for look in looks:
        named = [step.step for step in look.mended] + look.running
        for name in dict.fromkeys(named):
            phase, step = look.plan.step(name)
            dirty = _dirty(look, phase, step)
            paths |= dict.fromkeys(dirty)
            steps += [f"{look.plan.id}/{name}"] if dirty else []
    if paths:
        things = sorted(paths)
        command = _git("add", "--", paths=things) + " && "
        command += _git("commit", "-m", _INPUTS, "--", paths=things)
        reason = f"inputs with uncommitted changes: {listed(things)}"
        yield Action("commit", command, reason, steps=tuple(steps))


def _signs(looks: list[Look]) -> Iterator[Action]:
    """Sign what lacks nothing but the signature that the policy asks for."""
    for look in looks:
        for step in look.mended:
            asked = [item for item in step.predicates if item.name == "signature"]
            if step.verdict is Verdict.UNPROVEN and asked and not asked[0].ok:
                words = ["planctl", "sign", look.plan.id, step.phase, "--step", step.step]
                reason = f"{asked[0].text} (with a key that the policy accepts)"
                steps = (f"{look.plan.id}/{step.step}",)
                yield Action("sign", shlex.join(words), reason, look.plan.id, steps=steps)


def _dirty(look: Look, phase: str, step: Step) -> list[str]:
    globs = look.plan.inputs_of(phase, step)
    head, disk = look.judge.tree.at_head(globs), look.judge.tree.on_disk(globs)
    return sorted(path for path in {*head, *disk} if head.get(path) != disk.get(path))


def _git(*words: str, paths: list[str]) -> str:
    literal = ["--literal-pathspecs"] if any(_MAGIC & set(path) for path in paths) else []
    return shlex.join(["git", *literal, *words, *paths])


def _runs(look: Look) -> Iterator[Action]:
    """Yield a command a step that is not proven; what a command runs besides is named in it."""
    again = {
        task.step: task
        for task in look.tasks
        if task.runs and look.then.step(task.step).verdict.accepted
    }
    done: set[str] = set()
    for task in look.tasks:
        if not task.runs or task.step in again:
            continue
        with_it = [name for name in _needed(look.plan, task.step) if name in again]
        names = [name for name in with_it if name not in done] + [task.step]
        done |= set(names)
        yield _run(look, task, tuple(names))


def _needed(plan: Plan, name: str) -> list[str]:
    """Return all that a step needs, directly or not, each after what it needs itself."""
    found: dict[str, None] = {}
    for need in plan.step(name)[1].needs:
        found |= dict.fromkeys([*_needed(plan, need), need])
    return list(found)


def _run(look: Look, task: Task, names: tuple[str, ...]) -> Action:
    _, step = look.plan.step(task.step)
    times = [_duration(look, name) for name in names]
    known = [seconds for seconds, _ in times if seconds is not None]
    besides = f"; it runs {listed(names[:-1])} too, whose outputs are gone" if names[1:] else ""
    words = ["planctl", "run-phase", look.plan.id, task.phase, "--step", task.step]
    return Action(
        kind="run",
        command=shlex.join(words),
        reason=_why(look.now.step(task.step)) + besides,
        initiative=look.plan.id,
        phase=task.phase,
        steps=names,
        needs=step.needs,
        rows=step.rows,
        duration_s=sum(known) if len(known) == len(times) else None,
        basis=", ".join(dict.fromkeys(basis for _, basis in times)),
    )


def _why(step: StepVerdict) -> str:
    if step.verdict.accepted:
        return f"{step.verdict} until what it needs has run again"
    return f"{step.verdict}: {step.reasons[0]}" if step.reasons else str(step.verdict)


def _duration(look: Look, name: str) -> tuple[float | None, str]:
    """Return what a step took in the past: the median of its runs that passed, else of all."""
    receipts = [i.stored.receipt for i in look.judge.of_step(name) if i.stored and i.holds]
    passed = [receipt for receipt in receipts if receipt.ok] or receipts
    if passed:
        seconds = [(r.finished - r.started).total_seconds() for r in passed]
        return max(0.0, median(seconds)), f"median of {count(len(seconds), 'run')}"
    limit = look.plan.step(name)[1].timeout_s
    if limit is not None:
        return limit, "its time limit; it never ran"
    return None, "it never ran"


def _blocked(workspace: Workspace, look: Look) -> Iterator[Blocked]:
    """Name the steps that would be refused, and those that need them."""
    stopped: dict[str, str] = {}
    for name in look.running:
        phase, step = look.plan.step(name)
        reason = _gate(look, phase) or _data(workspace, look.plan, step)
        need = next((need for need in step.needs if need in stopped), None)
        if reason is None and need is not None:
            reason = f"needs `{need}`, which cannot run"
        if reason is not None:
            stopped[name] = reason
            yield Blocked(look.plan.id, name, reason)


def _gate(look: Look, phase: str) -> str | None:
    gate = look.plan.phases[phase].gate
    if gate is None:
        return None
    full, inside = look.judge.gates.of(gate)
    if full is None:
        return f"the gate commit `{gate}` is not in this clone: fetch the branch that holds it"
    if look.now.head not in inside:
        return f"HEAD does not contain the gate `{gate}`: merge it, or rebase onto it"
    return None


def _data(workspace: Workspace, plan: Plan, step: Step) -> str | None:
    made = {path for _, other in plan.steps() for path in other.outputs}
    absent = [
        path
        for raw, path in zip(step.data, data_paths(plan, step), strict=False)
        if raw not in made and not (workspace.root / path).exists()
    ]
    return f"data that is not on this machine: {listed(absent)}" if absent else None


def _waived(looks: Iterable[Look]) -> Iterator[str]:
    for look in looks:
        for step in look.now.steps:
            if step.verdict is Verdict.WAIVED:
                yield f"{look.plan.id}/{step.step}"


def _rows(looks: list[Look]) -> dict[tuple[str, str], frozenset[str]]:
    steps = [
        ((look.plan.id, step.id), step.rows, step.id in look.running)
        for look in looks
        for _, step in look.plan.steps()
    ]
    found = open_rows(steps)
    # A step without rows is worth running too, if there is time left: it stands for itself.
    bare = [(key, rows) for key, rows, runs in steps if runs and not rows]
    return found | {(key[0], f"step {key[1]}"): frozenset({key[1]}) for key, _ in bare}

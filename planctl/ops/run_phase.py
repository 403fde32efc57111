"""Running a phase: steps in dependency order, fresh ones skipped, everything recorded."""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Protocol

from planctl import clock
from planctl._lock import hold
from planctl._process import Stop, stop_on_signals
from planctl._text import count
from planctl.errors import InterruptedRunError, UsageError
from planctl.executors import Executor
from planctl.executors.local import LocalExecutor
from planctl.models.plan.plan import AD_HOC, Plan
from planctl.models.receipt import StoredReceipt
from planctl.models.verdict import VerifyReport
from planctl.ops.aftermath import after_phase, after_step
from planctl.ops.judge import Judge
from planctl.ops.ledger.items import settle
from planctl.ops.leftovers import remove_leftovers
from planctl.ops.merge_rules import ensure_merge_rules
from planctl.ops.preflight import preflight
from planctl.ops.record import Recorder, StepRun, run_step
from planctl.ops.schedule import Task, schedule
from planctl.ops.signing.signer import Signer, find_signer
from planctl.ops.signing.trust import disk_reader, load_signers, policy_of
from planctl.ops.summary import untold_runs
from planctl.ops.sync import sync
from planctl.ops.verify import judge_of, verify
from planctl.workspace import Hub, Workspace


class Reporter(Protocol):
    """Gets word of a run while it goes on; may be called from several threads."""

    def event(self, step: str, text: str) -> None:
        """One line about a step."""
        ...

    def output(self, step: str, piece: bytes) -> None:
        """A piece of a command's output, secrets taken out."""
        ...


@dataclass(frozen=True)
class RunOptions:
    """How to run a phase.

    Attributes:
        step: Only this step (and what it needs).
        force: Run it even if it is fresh.
        dry_run: Only say what would run.
        jobs: Steps that may run at once.
        scratch: Record into this hub instead of the plan's; nothing else is written.
        env: Replaces values of the plan's `env`.
        executor: `local`, or `slurm` for jobs on a cluster.
    """

    step: str | None = None
    force: bool = False
    dry_run: bool = False
    jobs: int = 1
    scratch: Path | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    executor: Literal["local", "slurm"] = "local"


@dataclass(frozen=True)
class StepResult:
    """What became of one step.

    Attributes:
        action: `ran`, `skipped`, `would run` or `not reached`.
        ok: It is proven now (`not reached` is not).
        reason: Why it ran, or what satisfies it.
        problems: What went wrong, first thing first.
        artifacts: Repository-relative paths of what was recorded.
        blocked: Path of the blocker file, when it failed.
    """

    phase: str
    step: str
    action: str
    ok: bool
    reason: str
    problems: tuple[str, ...] = ()
    receipt: str | None = None
    log: str | None = None
    exit_code: int | None = None
    duration_s: float | None = None
    artifacts: tuple[str, ...] = ()
    blocked: str | None = None


@dataclass(frozen=True)
class PhaseResult:
    """What became of a phase."""

    initiative: str
    phase: str
    hub: str
    steps: tuple[StepResult, ...]
    ok: bool

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for `--json`."""
        return asdict(self)


def run_phase(
    workspace: Workspace,
    initiative: str,
    phase: str,
    options: RunOptions,
    reporter: Reporter,
    stop: Stop | None = None,
) -> PhaseResult:
    """Run the steps of a phase that are not proven, and record what they did.

    Args:
        workspace: The repository.
        initiative: Its id.
        phase: Name of the phase.
        options: See `RunOptions`.
        reporter: Gets a line a step and the commands' output.
        stop: Through it another thread may end the run as Ctrl-C would.

    Returns:
        What became of every step, also when one failed (`ok` is then False).

    Raises:
        UsageError: `env` is given without `scratch`.
        PlanError: The plan cannot be used.
        PreconditionError: Something the run needs is not there.
        KeyFileError: The signing key that is configured cannot be used.
        LockedError: Another planctl works on this hub.
        InterruptedRunError: Ctrl-C or SIGTERM; logs are kept, there is no receipt for what it cut.
    """
    if options.env and options.scratch is None:
        raise UsageError(
            "`--set` without `--scratch`: such a run would prove nothing for the plan",
            "add `--scratch outputs/try/hub`, or change `env` in plan.yaml",
        )
    plan = workspace.load_plan_with(initiative, dict(options.env))
    hub = workspace.hub(plan, options.scratch)
    # What a cluster's nodes have in their environment is not known here.
    names = frozenset(os.environ) if options.executor == "local" else None
    wanted = preflight(workspace, plan, phase, options.step, names)
    if options.dry_run:
        report = _judged(workspace, plan, hub)[1]
        tasks = schedule(plan, report, workspace.root, wanted, options.force)
        return _dry(plan, phase, hub, tasks)
    signer = find_signer(workspace)  # before the lock: it may have to ask for a passphrase
    lock = workspace.repo.git_dir / "planctl" / f"{hub.name.replace('/', '%')}.lock"
    now = clock.iso(workspace.clock())
    with hold(lock, f"run-phase {initiative} {phase}", now):
        remove_leftovers(workspace, hub)
        if not hub.scratch:
            ensure_merge_rules(workspace)
        judge, report = _judged(workspace, plan, hub)
        tasks = schedule(plan, report, workspace.root, wanted, options.force)
        run = _Run(judge, hub, report, tasks, reporter, options, signer, stop or Stop())
        return run.all(phase)


def _judged(workspace: Workspace, plan: Plan, hub: Hub) -> tuple[Judge, VerifyReport]:
    scratch = hub if hub.scratch else None
    judge = judge_of(workspace, plan, scratch)
    return judge, verify(workspace, plan, hub=scratch, judge=judge)


def _dry(plan: Plan, phase: str, hub: Hub, tasks: tuple[Task, ...]) -> PhaseResult:
    steps = tuple(
        StepResult(
            task.phase,
            task.step,
            "would run" if task.runs else "skipped",
            not task.runs,
            task.reason,
        )
        for task in tasks
    )
    return PhaseResult(plan.id, phase, hub.name, steps, True)


def _executor(
    workspace: Workspace, options: RunOptions, reporter: Reporter, stop: Stop
) -> Executor:
    if options.executor == "local":
        return LocalExecutor(workspace.clock, stop)
    from planctl.executors.slurm import SlurmExecutor

    folder = workspace.repo.git_dir / "planctl" / "slurm"
    chosen = workspace.settings().slurm
    return SlurmExecutor(folder, chosen, reporter.event, workspace.clock, stop)


class _Run:
    """One `run-phase` under way."""

    def __init__(
        self,
        judge: Judge,
        hub: Hub,
        report: VerifyReport,
        tasks: tuple[Task, ...],
        reporter: Reporter,
        options: RunOptions,
        signer: Signer | None,
        stop: Stop,
    ) -> None:
        workspace, plan = judge.workspace, judge.plan
        self.workspace, self.plan, self.hub = workspace, plan, hub
        self.tasks, self.reporter, self.jobs = tasks, reporter, options.jobs
        self.stop = stop
        self.results: dict[str, StepResult] = {}
        self.proof = {
            step.step: step.stored.payload_sha256
            for step in report.steps
            if step.stored is not None
        }
        on_branches = frozenset[str]()
        if not hub.scratch:
            on_branches = workspace.repo.paths_on_branches(hub.name)
        self.recorder = Recorder(
            workspace=workspace,
            plan=plan,
            hub=hub,
            executor=_executor(workspace, options, reporter, self.stop),
            known={item.payload_sha256: item for item in judge.intact()},
            on_output=reporter.output,
            taken=frozenset((workspace.root / path).as_posix() for path in on_branches),
            signer=signer,
            policy=policy_of(workspace, plan, workspace.settings()),
        )

    def all(self, phase: str) -> PhaseResult:
        """Run every task; stop starting new ones when one has failed."""
        for task in self.tasks:
            if not task.runs:
                self.reporter.event(task.step, f"skipped: {task.reason}")
                self.results[task.step] = StepResult(
                    task.phase, task.step, "skipped", True, task.reason, receipt=task.receipt
                )
        pending = {task.step: task for task in self.tasks if task.runs}
        with stop_on_signals(self.stop), ThreadPoolExecutor(self.jobs) as pool:
            self._work_off(pending, pool)
        for task in pending.values():
            self.results[task.step] = StepResult(
                task.phase, task.step, "not reached", False, task.reason
            )
        steps = tuple(self.results[task.step] for task in self.tasks)
        result = PhaseResult(
            self.plan.id, phase, self.hub.name, steps, all(step.ok for step in steps)
        )
        ran = [step for step in steps if step.action == "ran"]
        if ran or self._untold():
            after_phase(self.workspace, self.plan, self.hub, phase, self._of_hub())
        elif not self.hub.scratch:
            sync(self.workspace, self.plan.id)  # a row may still say that it is stale
        if not self.hub.scratch:
            settle(self.workspace, self.plan, {step.step for step in steps if step.ok})
        if self.stop.requested:
            recorded = sum(step.receipt is not None for step in ran)
            raise InterruptedRunError(
                f"interrupted; {count(recorded, 'step')} recorded before",
                f"`planctl run-phase {self.plan.id} {phase}` goes on at the first step not fresh",
            )
        return result

    def _untold(self) -> bool:
        """Tell whether a planctl that was killed left runs behind that no summary tells of."""
        untold = () if self.hub.scratch else untold_runs(self.hub, self._of_hub())
        return any(item.receipt.phase != AD_HOC for item in untold)

    def _of_hub(self) -> list[StoredReceipt]:
        return [item for item in self.recorder.receipts() if item.receipt.hub == self.hub.name]

    @cached_property
    def _signs_for_nothing(self) -> bool:
        signer = self.recorder.signer
        if signer is None:
            return False
        settings = self.workspace.settings().signing
        signers = load_signers(disk_reader(self.workspace), settings)
        entries, now = signers.of(signer.public.keyid), self.workspace.clock()
        valid = any(entry.for_receipts and entry.valid_at(now) for entry in entries)
        return signer.public in signers.revoked or (bool(entries) and not valid)

    def _work_off(self, pending: dict[str, Task], pool: ThreadPoolExecutor) -> None:
        running: dict[Future[StepRun | None], Task] = {}
        failed = False
        while running or (pending and not failed and not self.stop.requested):
            if not failed and not self.stop.requested:
                ready = self._ready(pending, running)
                if not ready and not running:
                    raise RuntimeError(f"none of {sorted(pending)} can start")
                for task in ready:
                    running[pool.submit(self._one, task)] = pending.pop(task.step)
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                task = running.pop(future)
                self.results[task.step] = self._finished(task, future.result())
                failed = failed or not self.results[task.step].ok

    def _ready(
        self, pending: dict[str, Task], running: Mapping[Future[StepRun | None], Task]
    ) -> list[Task]:
        free = self.jobs - len(running)
        ready = [
            task for task in pending.values() if all(need in self.results for need in task.needs)
        ]
        return ready[:free]

    def _one(self, task: Task) -> StepRun | None:
        _, step = self.plan.step(task.step)
        self.reporter.event(task.step, f"runs ({task.reason})")
        parents = {need: self.proof[need] for need in step.needs if need in self.proof}
        return run_step(self.recorder, task.phase, step, parents)

    def _finished(self, task: Task, run: StepRun | None) -> StepResult:
        if run is None:
            self.reporter.event(task.step, "interrupted; its log is kept")
            return StepResult(task.phase, task.step, "ran", False, task.reason, ("interrupted",))
        receipt = run.stored.receipt
        self.proof[task.step] = run.stored.payload_sha256
        blocked = after_step(self.workspace, self.plan, self.hub, task.phase, run, self._of_hub())
        word = "done" if run.ok else f"failed: {run.problems[0]}"
        self.reporter.event(task.step, f"{word} ({run.job.duration_s:.1f} s)")
        if self._signs_for_nothing:
            said = "signed with a key that is revoked or not valid now: that does not count"
            self.reporter.event(task.step, f"{said}; `planctl keys list` has its times")
        rule = self.recorder.policy.of(self.plan.id, task.phase)
        if rule.asks and self.recorder.signer is None:
            unsigned = f"recorded without a signature; the policy asks for `{rule}`"
            self.reporter.event(task.step, f"{unsigned}: `planctl sign {self.plan.id}` adds one")
        return StepResult(
            phase=task.phase,
            step=task.step,
            action="ran",
            ok=run.ok,
            reason=task.reason,
            problems=run.problems,
            receipt=run.stored.path,
            log=f"{receipt.hub}/{receipt.log}",
            exit_code=receipt.exit_code,
            duration_s=run.job.duration_s,
            artifacts=tuple(f"{receipt.hub}/{subject.name}" for subject in receipt.subjects),
            blocked=blocked,
        )

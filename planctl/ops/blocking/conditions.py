"""Conditions: commands that succeed once something is there, run within limits, their log kept."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Timer

from planctl import clock
from planctl._process import Stop, stop_on_signals
from planctl._redaction import Redactor
from planctl.errors import InterruptedRunError, PlanctlError
from planctl.executors import Job
from planctl.executors.local import LocalExecutor
from planctl.models.plan.plan import Plan
from planctl.ops.hub import slugged
from planctl.ops.record import DROPPED, Recorder
from planctl.ops.run_log import LogFile, LogHeader
from planctl.ops.run_phase import Reporter, RunOptions, run_phase
from planctl.workspace import Hub, Workspace

DEFAULT_S = 600.0
_TAIL = 5
_TAIL_BYTES = 4000
_LINE_CHARS = 300


@dataclass(frozen=True)
class Held:
    """Whether a condition held.

    Attributes:
        ok: It did.
        text: How it ended, one sentence.
        seen: The last lines of what it printed, or what planctl itself found wrong.
        log: Repository-relative path of its log; of a step's run, the log of the step.
        receipt: Of a step's run.
    """

    command: str
    ok: bool
    text: str
    seen: tuple[str, ...] = ()
    log: str | None = None
    receipt: str | None = None


def ask(
    workspace: Workspace,
    plan: Plan,
    command: str,
    name: str,
    reporter: Reporter,
    timeout_s: float | None = None,
    stop: Stop | None = None,
) -> Held:
    """Run a condition.

    `planctl run-phase ID PHASE [--step S]` is carried out here, recorded as ever; a fresh step
    holds without running. Anything else is run by bash at the root, with the plan's environment.

    Args:
        workspace: The repository.
        plan: Whose condition it is.
        command: The condition.
        name: What it is about, for the log's name.
        reporter: Gets its output.
        timeout_s: When it is ended; ten minutes, or the step's own limit, without it.
        stop: Through it another thread may end it as Ctrl-C would.

    Raises:
        InterruptedRunError: Ctrl-C or SIGTERM.
    """
    phase, ending = _run_phase_of(command, plan), stop or Stop()
    if phase is None:
        limit = DEFAULT_S if timeout_s is None else timeout_s
        return _run(workspace, plan, command, name, reporter, limit, ending)
    return _run_step(workspace, plan, command, phase, reporter, timeout_s, ending)


def _run_phase_of(command: str, plan: Plan) -> tuple[str, str | None] | None:
    """Return phase and step when a command is nothing but `planctl run-phase` of the plan."""
    try:
        words = shlex.split(command)
    except ValueError:
        return None
    match words:
        case ["planctl", "run-phase", plan.id, phase]:
            return phase, None
        case ["planctl", "run-phase", plan.id, phase, "--step", step]:
            return phase, step
    return None


def _run_step(
    workspace: Workspace,
    plan: Plan,
    command: str,
    phase: tuple[str, str | None],
    reporter: Reporter,
    timeout_s: float | None,
    stop: Stop,
) -> Held:
    late = False

    def end() -> None:
        nonlocal late
        late = True
        stop.request()

    timer = None if timeout_s is None else Timer(timeout_s, end)
    if timer is not None:
        timer.start()
    try:
        result = run_phase(workspace, plan.id, phase[0], RunOptions(step=phase[1]), reporter, stop)
    except InterruptedRunError:
        if not late:
            raise
        return Held(command, False, f"did not end within {timeout_s:g} s")
    except PlanctlError as error:
        hint = (error.hint,) if error.hint else ()
        return Held(command, False, "could not run", (error.message, *hint))
    finally:
        if timer is not None:
            timer.cancel()
    failed = next((step for step in result.steps if not step.ok), None)
    last = failed or next((step for step in reversed(result.steps) if step.receipt), None)
    text = "passed" if result.ok else f"step `{failed.step}` failed" if failed else "did not pass"
    return Held(
        command,
        result.ok,
        text,
        failed.problems if failed else tuple(f"{s.step}: {s.reason}" for s in result.steps),
        last.log if last else None,
        last.receipt if last else None,
    )


def _run(
    workspace: Workspace,
    plan: Plan,
    command: str,
    name: str,
    reporter: Reporter,
    timeout_s: float,
    stop: Stop,
) -> Held:
    started = workspace.clock()
    recorder = _recorder(workspace, plan, stop, reporter)
    secrets = tuple(v for n in plan.secrets if (v := recorder.child_environment().get(n, "")))
    place = recorder.hub.path / "red" / f"condition_{clock.stamp(started)}_{slugged(name)}.log"
    log, tail = LogFile(place, Redactor(secrets)), bytearray()

    def write(piece: bytes) -> None:
        log.write(piece)
        tail.extend(piece)
        del tail[:-_TAIL_BYTES]
        reporter.output("condition", piece)

    job = Job(
        command=command,
        cwd=workspace.root,
        env=recorder.child_environment(),
        timeout_s=timeout_s,
        secrets=secrets,
        dropped=DROPPED,
        initiative=plan.id,
        step="condition",
    )
    with stop_on_signals(stop):
        try:
            log.begin(_header(workspace, plan, command, recorder))
            ended = recorder.executor.run(job, write)
            log.finish(ended)
        except BaseException:
            log.abandon()
            raise
    if ended.interrupted:
        raise InterruptedRunError("interrupted", "nothing was changed; the log is kept")
    late = f"did not end within {timeout_s:g} s"
    text = late if ended.timed_out else f"ended with exit code {ended.exit_code}"
    return Held(
        command,
        ended.exit_code == 0,
        text,
        _last_lines(bytes(tail)),
        workspace.relative(log.path),
    )


def _recorder(workspace: Workspace, plan: Plan, stop: Stop, reporter: Reporter) -> Recorder:
    """Return what gives a condition the environment that the plan's steps have."""
    executor = LocalExecutor(workspace.clock, stop)
    output: Callable[[str, bytes], None] = reporter.output
    return Recorder(workspace, plan, _hub(workspace, plan), executor, {}, output)


def _hub(workspace: Workspace, plan: Plan) -> Hub:
    if plan.hub is not None:
        return workspace.hub(plan)
    # A plan without a hub may wait too: its logs go where its waits are.
    folder: Path = workspace.initiative_dir(plan.id) / "waits"
    return Hub(workspace.root, folder)


def _header(workspace: Workspace, plan: Plan, command: str, recorder: Recorder) -> LogHeader:
    return LogHeader(
        step=f"{plan.id} condition",
        env=recorder.exported(),
        command=command,
        expanded=command,
        commit=workspace.now_head,
        branch=workspace.repo.branch,
        dirty=(),
        cwd=".",
        started=workspace.clock(),
    )


def _last_lines(output: bytes) -> tuple[str, ...]:
    lines = [line.strip() for line in output.decode("utf-8", "replace").splitlines()]
    plain = (re.sub(r"\s", " ", line)[:_LINE_CHARS] for line in lines if line)
    return tuple(plain)[-_TAIL:]

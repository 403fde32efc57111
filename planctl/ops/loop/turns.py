"""The frame of every turn: opened, its agent run under guard, its open file kept safe."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from planctl import clock
from planctl._files import atomic_write
from planctl.errors import PreconditionError
from planctl.models.loop import LoopRole, RunningTurn
from planctl.models.plan.plan import Plan
from planctl.models.turn.record import OpenTurn
from planctl.ops.loop import guard, processes
from planctl.ops.loop.agent import AgentJob, AgentRun, run_agent
from planctl.ops.loop.bench import Bench
from planctl.ops.loop.state import folder, put_aside
from planctl.ops.turn import open_turn, turn_path, turn_records
from planctl.workspace import Workspace

# Role and turn are this turn's, and the key that signs for whoever started the loop is not an
# agent's: its command may set one of its own.
_TAKEN_OUT = "PLANCTL_"
_KEPT_TURNS = 200
_OWN_FILE = re.compile(r"(\d{5,})_(?:supervisor|engineer)(?:\.log|_\w+\.md)")


@dataclass(frozen=True)
class Turn:
    """An open turn of the loop."""

    open: OpenTurn
    role: LoopRole

    @property
    def number(self) -> int:
        """Its number."""
        return self.open.number


def begin(bench: Bench, role: LoopRole, focus: str) -> Turn:
    """Open a turn; at every moment the state says enough to find it again.

    Raises:
        PlanctlError: It cannot be opened now.
    """
    workspace = bench.checked(role)
    since = clock.iso(workspace.clock())
    bench.remember(turn=RunningTurn(role=role, focus=focus, stage="opening", since=since))
    try:
        opened = open_turn(workspace, role, focus)
    except BaseException:
        bench.remember(turn=None)
        raise
    bench.remember(last_number=max(bench.state.last_number, opened.number))
    bench.remember_turn(
        id=opened.id,
        number=opened.number,
        stage="agent",
        open_file=turn_path(workspace).read_text("utf-8"),
    )
    _forget_old(workspace, opened.number)
    bench.say(f"opened on `{focus}`")
    return Turn(opened, role)


def _forget_old(workspace: Workspace, number: int) -> None:
    """Remove logs and prompts of turns long gone; their records stay."""
    place = folder(workspace)
    for path in place.iterdir() if place.is_dir() else ():
        found = _OWN_FILE.fullmatch(path.name)
        if found and int(found[1]) <= number - _KEPT_TURNS:
            path.unlink(missing_ok=True)


def ask(bench: Bench, turn: Turn, command: str, prompt: str) -> AgentRun:
    """Run the agent of a turn; afterwards the turn is open as it was.

    Raises:
        GitError: The agent, or somebody meanwhile, left the branch or rewrote it.
        LockedError: Another loop took over.
        PreconditionError: Another turn is open instead.
    """
    workspace = bench.workspace(turn.role)
    job = _job(bench, workspace, turn, command)
    atomic_write(job.prompt, prompt)
    who = f"{turn.number:05d} {turn.role}"
    bench.say(f"runs `{command}`")

    def started(group: int) -> None:
        bench.remember_turn(
            stage="agent",
            group=group,
            group_started=processes.started(group),
            machine=processes.machine(),
        )

    run = run_agent(job, bench.stop, lambda piece: bench.reporter.output(who, piece), started)
    bench.say(f"agent ended with {run.ended.exit_code} after {run.ended.duration_s:.1f} s")
    # The state may be among what the agent removed: all of it is written again.
    bench.remember_turn(stage="closing", group=None, outcome=run.outcome)
    after(bench, turn)
    return run


def after(bench: Bench, turn: Turn) -> Workspace:
    """Make sure that the turn can go on, and return the repository as it is now.

    Raises:
        GitError: The branch was left or rewritten.
        LockedError: Another loop took over.
        PreconditionError: Another turn is open instead.
    """
    workspace = bench.checked(turn.role)
    guard.keep_history(workspace, turn.open.base, bench.branch)
    assert bench.state.turn is not None
    if restore(workspace, bench.state.turn):
        bench.say("the file of the open turn was changed or removed; it is as it was again")
    return workspace


def restore(workspace: Workspace, turn: RunningTurn) -> bool:
    """Write the open turn's file as it was; return whether that was needed.

    A turn that has its record was closed by its agent: then there is nothing to restore.

    Raises:
        PreconditionError: Another turn is open instead.
    """
    path = turn_path(workspace)
    if path.is_symlink() or path.is_dir():
        put_aside(workspace, path)
    there = path.read_bytes() if path.is_file() else None
    if there == turn.open_file.encode() or (there is None and is_recorded(workspace, turn)):
        return False
    if is_recorded(workspace, turn):
        raise PreconditionError(
            f"turn `{turn.number:05d}` has ended and another one is open, which is not the loop's",
            "`planctl turn show` names it; close or abandon it, then start the loop again",
        )
    atomic_write(path, turn.open_file)
    return True


def is_recorded(workspace: Workspace, turn: RunningTurn) -> bool:
    """Tell whether a turn has ended."""
    folder = workspace.root / "plans/active" / turn.focus / "turns"
    return (folder / f"{turn.number:05d}_{turn.id}.json").is_file()


def before(workspace: Workspace) -> list[str]:
    """Return what the newest turn reported, for the next prompt."""
    newest = turn_records(workspace, last=1)
    if not newest:
        return []
    record = newest[0]
    lines = [f"Turn {record.number:05d}, {record.role} on {record.focus}: {record.outcome}"]
    lines += [*record.sentences, *([f"Next: {record.next}"] if record.next else [])]
    lines += [f"Struck out: {item.claim}: {item.found}" for item in record.refused]
    return lines + [f"Not committed: {item.path}: {item.why}" for item in record.skipped]


def _job(bench: Bench, workspace: Workspace, turn: Turn, command: str) -> AgentJob:
    plan = workspace.load_plan(turn.open.focus)
    summary = bench.file(turn.number, turn.role, "_summary.md")
    exported = {
        "PLANCTL_ROLE": turn.role,
        "PLANCTL_TURN": turn.open.shown,
        "PLANCTL_TURN_ID": turn.open.id,
        "PLANCTL_FOCUS": plan.id,
        "PLANCTL_SUMMARY": str(summary),
        "HUB": "" if plan.hub is None else workspace.hub(plan).name,
        "AUTHORITATIVE_CMDS_DOC": plan.commands_doc or "",
    }
    kept = {k: v for k, v in os.environ.items() if not k.startswith(_TAKEN_OUT)}
    # An agent's `planctl` is this one, also where nobody activated its environment.
    places = [str(Path(sys.executable).parent), kept.get("PATH", os.defpath)]
    exported["PATH"] = os.pathsep.join(places)
    return AgentJob(
        command=command,
        cwd=workspace.root,
        env=kept | exported,
        prompt=bench.file(turn.number, turn.role, "_prompt.md"),
        log=bench.file(turn.number, turn.role, ".log"),
        summary=summary,
        timeout_s=bench.settings.timeout,
        secrets=_secrets(plan),
    )


def _secrets(plan: Plan) -> tuple[str, ...]:
    values = {**os.environ, **plan.env}
    return tuple(values[name] for name in plan.secrets if values.get(name))

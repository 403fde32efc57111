"""The loop itself: whose turn it is, until there is a reason to end."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from planctl import clock
from planctl._process import Stop, stop_on_signals
from planctl.errors import GitError, UsageError
from planctl.models.loop import LoopRole, LoopState, other_role
from planctl.models.loop_settings import LoopSettings
from planctl.ops.loop import bookkeeping, guard, prompts
from planctl.ops.loop.bench import Bench, LoopTurn
from planctl.ops.loop.choice import Choice, End, choose
from planctl.ops.loop.closing import EvidenceChangedError
from planctl.ops.loop.lease import leased
from planctl.ops.loop.resume import resume
from planctl.ops.loop.roles import supervise, tidy, work
from planctl.ops.loop.state import read_state
from planctl.ops.run_phase import Reporter
from planctl.workspace import Workspace


@dataclass(frozen=True)
class LoopResult:
    """What a loop did, and why it ended.

    Attributes:
        turns: Those that it closed, in order; also the one that a loop before it had left open.
        next_role: Whose turn comes next.
    """

    end: End
    turns: tuple[LoopTurn, ...]
    branch: str
    next_role: LoopRole

    @property
    def exit_code(self) -> int:
        """0 done, or as many turns as asked for; 1 it cannot go on; 130 interrupted."""
        return self.end.exit_code

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for `--json`."""
        return {
            "ok": self.exit_code == 0,
            "end": asdict(self.end),
            "branch": self.branch,
            "next_role": self.next_role,
            "turns": [asdict(turn) for turn in self.turns],
        }


def loop(
    workspace: Workspace, settings: LoopSettings, reporter: Reporter, stop: Stop | None = None
) -> LoopResult:
    """Let supervisor and engineer take turns.

    Args:
        workspace: The repository.
        settings: `[loop]`, with what the command line says instead.
        reporter: Gets a line a step and the agents' output.
        stop: The caller's own wish to end it; else Ctrl-C and SIGTERM.

    Raises:
        UsageError: No engineer, or no prompt of that name.
        GitError: Another branch, a detached HEAD, a merge under way, rewritten history.
        LockedError: Another loop runs here.
        BadFileError: The state or the lease cannot be read; nothing is reset.
        PreconditionError: A turn is open that no loop opened, or a person's file is in the way.
    """
    checked(workspace, settings)
    branch = guard.branch_of(workspace, settings.branch)
    read_state(workspace)
    ending = stop or Stop()
    with (
        stop_on_signals(ending),
        leased(workspace, settings.lease, lambda line: reporter.event("loop", line)) as lease,
    ):
        # What is read before the lease is held may be another loop's, which has ended since.
        state = _of_branch(workspace, branch)
        bench = Bench(workspace, settings, branch, lease, ending, reporter, state)
        end = _rounds(bench)
        return LoopResult(end, tuple(bench.done), branch, bench.state.next_role)


def checked(workspace: Workspace, settings: LoopSettings) -> None:
    """Make sure that the settings name agents and prompts.

    Raises:
        UsageError: They do not.
    """
    if settings.engineer is None:
        raise UsageError(
            "the loop has no engineer",
            '`--engineer CMD`, or `engineer = "…"` under `[loop]` in planctl.toml',
        )
    for role in roles_of(settings):
        prompts.duties_of(workspace, role, settings.prompt, settings.prompts)


def roles_of(settings: LoopSettings) -> tuple[LoopRole, ...]:
    """Return the roles that have an agent."""
    return ("engineer",) if settings.supervisor is None else ("supervisor", "engineer")


def _of_branch(workspace: Workspace, branch: str) -> LoopState:
    found = read_state(workspace)
    if found is None:
        return LoopState(branch=branch, updated=clock.iso(workspace.clock()))
    if found.turn is not None and found.branch != branch:
        raise GitError(
            f"turn `{found.turn.number:05d}` is open on `{found.branch}`, and HEAD is on "
            f"`{branch}`",
            f"`git switch {found.branch}` and start the loop again: it closes that turn first",
        )
    return found.model_copy(update={"branch": branch})


def _rounds(bench: Bench) -> End:
    try:
        found = resume(bench)
        if found is not None:
            bench.done.append(found)
        while True:
            end = _before_next(bench)
            if end is not None:
                return end
    except EvidenceChangedError as error:
        bench.remember(turn=None)
        return End("evidence-changed", error.message, error.hint or "")


def _before_next(bench: Bench) -> End | None:
    """Take one turn; return why the loop ends, if it does."""
    settings = bench.settings
    if bench.stop.requested:
        again = "start the loop again: it goes on from here"
        return End("interrupted", "a signal ended the loop", again)
    if settings.turns is not None and len(bench.done) >= settings.turns:
        return End("turns", f"{len(bench.done)} turns were taken", "start the loop again")
    failing = [role for role, times in bench.state.failures.items() if times >= settings.failures]
    if failing:
        bench.remember(failures={})
        text = f"the {failing[0]} failed {settings.failures} times in a row"
        return End("failing", text, "its logs are in `.git/planctl/loop/`; mend it, start again")
    choice = choose(bench.checked(), settings.focus)
    if isinstance(choice, End):
        return choice
    if choice.report.ok:
        return _closed_item(bench, choice)
    _one(bench, choice)
    return None


def _closed_item(bench: Bench, choice: Choice) -> End | None:
    """Close an initiative that is all proven, in a turn of its own if something is left to do."""
    workspace = bench.checked()
    if choice.focus in bench.tidied or not bookkeeping.is_open(workspace, choice.focus):
        text = f"every step of `{choice.focus}` is proven"
        return End("done", text, "`planctl ledger next` names what is next")
    open_file = bookkeeping.in_hand(workspace, choice.focus)
    if open_file is not None:
        text = f"`{choice.focus}` is all proven, but `{open_file}` has uncommitted changes"
        way = f"`git commit -m 'Its state' -- {open_file}`, or take them back; start again"
        return End("uncommitted", text, way)
    bench.tidied.add(choice.focus)
    bench.done.append(tidy(bench, choice))
    bench.remember(turn=None, next_role="supervisor")
    return None


def _one(bench: Bench, choice: Choice) -> None:
    role: LoopRole = bench.state.next_role
    if bench.settings.supervisor is None:
        role = "engineer"
    done = supervise(bench, choice) if role == "supervisor" else work(bench, choice)
    bench.done.append(done)
    failures = dict(bench.state.failures)
    good = done.outcome == "closed" and not done.evidence_changed
    failures[role] = 0 if good else failures.get(role, 0) + 1
    bench.remember(turn=None, next_role=other_role(role), failures=failures)

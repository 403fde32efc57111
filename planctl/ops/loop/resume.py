"""After a loop that was killed: its turn is found, and closed with what it left."""

from __future__ import annotations

import time

from planctl import clock
from planctl._process import group_alive
from planctl.errors import PreconditionError
from planctl.models.loop import Outcome, RunningTurn, other_role
from planctl.models.turn.record import OpenTurn, parse_open
from planctl.ops.loop import processes
from planctl.ops.loop.agent import summary_in
from planctl.ops.loop.bench import Bench, LoopTurn
from planctl.ops.loop.closing import Closing, finish, kept_words
from planctl.ops.loop.turns import Turn, is_recorded
from planctl.ops.turn import current_turn, turn_path
from planctl.workspace import Workspace

# The watchdog of a killed planctl asks the agent to end, and kills it two seconds later.
_ENDS_WITHIN_S = 6.0


def resume(bench: Bench) -> LoopTurn | None:
    """Close the turn that a loop before this one was in.

    An agent that was running may not have finished: its role has the next turn again. One that
    had ended has done its turn.

    Returns:
        The turn; None when there was none.

    Raises:
        PreconditionError: A turn is open that no loop opened, or an agent still runs.
        GitError: The branch was left or rewritten meanwhile.
    """
    workspace = bench.workspace()
    turn = _found(bench, workspace)
    if turn is None:
        return None
    _wait_for(turn)
    following = turn.role if turn.stage == "agent" else other_role(turn.role)
    done = None
    if not is_recorded(workspace, turn) or current_turn(workspace) is not None:
        bench.say(f"the loop before was ended in this turn ({turn.stage}); it is closed now")
        opened = parse_open(turn.open_file.encode(), str(turn_path(workspace)))
        was = Turn(opened, turn.role)
        done = finish(bench, was, Closing(_outcome(turn), _words(bench, was)))
    bench.remember(turn=None, next_role=following)
    return done


def _outcome(turn: RunningTurn) -> Outcome:
    return "crashed" if turn.stage == "agent" else turn.outcome


def _words(bench: Bench, turn: Turn) -> str:
    kept = kept_words(bench, turn)
    if kept is not None:
        return kept
    written, _ = summary_in(bench.file(turn.number, turn.role, "_summary.md"))
    if written is not None:
        return written
    return (
        f"The {turn.role} left no summary of turn {turn.number:05d}. "
        "The loop was ended from outside while the turn was open.\n"
    )


def _found(bench: Bench, workspace: Workspace) -> RunningTurn | None:
    """Return the loop's turn that is open, if there is one; the state knows it afterwards."""
    turn = bench.state.turn
    if turn is not None and turn.stage != "opening":
        return turn
    there = current_turn(workspace)
    if turn is not None and there is not None and _is_same(turn, there):
        # Killed between the opening and the word of it.
        text = turn_path(workspace).read_text("utf-8")
        bench.remember(last_number=max(bench.state.last_number, there.number))
        return bench.remember_turn(id=there.id, number=there.number, stage="agent", open_file=text)
    if there is not None:
        raise PreconditionError(
            f"turn `{there.shown}` ({there.role} on `{there.focus}`) is open, "
            "and no loop opened it",
            "`planctl turn close` ends it, `planctl turn abandon --reason WHY` gives it up",
        )
    if turn is not None:
        bench.remember(turn=None)
    return None


def _is_same(turn: RunningTurn, there: OpenTurn) -> bool:
    same = (there.role, there.focus) == (turn.role, turn.focus)
    return same and clock.iso(there.opened) >= turn.since


def _wait_for(turn: RunningTurn) -> None:
    """Wait until the agent of a killed loop has ended.

    Raises:
        PreconditionError: It does not; it may write at any moment.
    """
    if turn.group is None or turn.machine != processes.machine():
        return
    until = time.monotonic() + _ENDS_WITHIN_S
    while _runs(turn, turn.group):
        if time.monotonic() > until:
            raise PreconditionError(
                f"the agent of turn `{turn.number:05d}` still runs: process group {turn.group}",
                f"end it (`kill -- -{turn.group}`), then start the loop again",
            )
        time.sleep(0.1)


def _runs(turn: RunningTurn, group: int) -> bool:
    leader = processes.started(group)
    if leader is not None and leader != turn.group_started:
        return False  # the number was given to another process since
    return group_alive(group)

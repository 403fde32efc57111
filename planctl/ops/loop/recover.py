"""After a damaged state or lease: kept aside, and rebuilt from the records of turns."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import Any

from planctl import clock
from planctl.errors import BadFileError, LockedError
from planctl.models.loop import LoopRole, LoopState, RunningTurn, other_role
from planctl.models.turn.record import OpenTurn
from planctl.ops.loop import guard
from planctl.ops.loop.lease import lease_path, may_not_take, read_lease
from planctl.ops.loop.state import copy_path, put_aside, read_one, state_path, write_state
from planctl.ops.turn import current_turn, turn_path, turn_records
from planctl.workspace import Workspace


@dataclass(frozen=True)
class Recovery:
    """What was rebuilt.

    Attributes:
        kept: Where the damaged files lie now.
        last_number: The highest turn number that is known.
        next_role: Whose turn comes next.
        open_turn: The turn that is open; the next loop closes it.
    """

    kept: tuple[str, ...]
    last_number: int
    next_role: LoopRole
    open_turn: int | None

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for `--json`."""
        return asdict(self)


def recover(workspace: Workspace) -> Recovery:
    """Put a state or lease that cannot be read aside and rebuild the state.

    What can be read stays as it is.

    Raises:
        LockedError: A loop runs here, or another machine's lease holds.
        GitError: HEAD is detached, or git is in the middle of something.
        BadFileError: The open turn, or a turn's record, cannot be read either.
    """
    branch = guard.branch_of(workspace)
    kept: list[str] = []
    try:
        lease = read_lease(workspace)
        refused = None if lease is None else may_not_take(lease, workspace.clock())
        if refused is not None:
            raise LockedError(*refused)
    except BadFileError:
        kept.append(str(put_aside(workspace, lease_path(workspace))))
    state = _readable(workspace, kept)
    if kept or state is None:
        state = state or _rebuilt(workspace, branch)
        write_state(workspace, state)
    number = state.turn.number if state.turn is not None else None
    return Recovery(tuple(kept), state.last_number, state.next_role, number)


def _readable(workspace: Workspace, kept: list[str]) -> LoopState | None:
    """Return the state or its copy, whichever can be read; what cannot is put aside."""
    for path in (state_path(workspace), copy_path(workspace)):
        if not os.path.lexists(path):
            continue
        try:
            return read_one(path)
        except BadFileError:
            kept.append(str(put_aside(workspace, path)))
    return None


def _rebuilt(workspace: Workspace, branch: str) -> LoopState:
    newest = turn_records(workspace, last=1)
    there = current_turn(workspace)
    numbers = [item.number for item in newest] + ([there.number] if there is not None else [])
    role: LoopRole = "supervisor"
    if newest and newest[0].role in ("supervisor", "engineer"):
        role = other_role("supervisor" if newest[0].role == "supervisor" else "engineer")
    now = clock.iso(workspace.clock())
    return LoopState(
        branch=branch if there is None or there.branch is None else there.branch,
        last_number=max(numbers, default=0),
        next_role=role,
        turn=None if there is None else _running(workspace, there),
        updated=now,
    )


def _running(workspace: Workspace, there: OpenTurn) -> RunningTurn | None:
    """Return an open turn of a loop's role as the state has it; a person's stays a person's."""
    if there.role not in ("supervisor", "engineer"):
        return None
    return RunningTurn(
        id=there.id,
        number=there.number,
        role="supervisor" if there.role == "supervisor" else "engineer",
        focus=there.focus,
        stage="agent",
        open_file=turn_path(workspace).read_text("utf-8"),
        since=clock.iso(there.opened),
    )

"""Who is blocked and on what: every focus that something stands in the way of."""

from __future__ import annotations

from planctl.ops.focus import FocusBoard, FocusState
from planctl.workspace import Workspace


def blocked(workspace: Workspace, initiative: str | None = None) -> tuple[FocusState, ...]:
    """Return the initiatives that are blocked, locked or waiting, or have an open blocker.

    Args:
        workspace: The repository.
        initiative: Only this one; returned in any state.

    Raises:
        NotFoundError: No such initiative.
        BadFileError: A record, the ledger or the settings cannot be read.
    """
    board = FocusBoard(workspace)
    if initiative is not None:
        workspace.initiative_dir(initiative)
        return (board.state(initiative),)
    states = board.states(workspace.initiatives())
    return tuple(state for state in states if state.why or state.blockers)

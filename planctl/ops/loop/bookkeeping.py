"""What the loop brings up to date by itself: `done` in the ledger, and when rows lag behind."""

from __future__ import annotations

from planctl.models.turn.record import OpenTurn
from planctl.ops.ledger.file import show
from planctl.ops.ledger.setting import set_field
from planctl.ops.sync import sync
from planctl.ops.verify import verify
from planctl.workspace import LEDGER, Workspace


def close_item(workspace: Workspace, turn: OpenTurn) -> bool:
    """Set the item of an initiative that is all proven to done, unless a person has the ledger.

    The rows of its checklist follow when the turn is closed.

    Args:
        workspace: The repository, freshly opened.
        turn: The open turn.

    Returns:
        Whether the ledger was changed.
    """
    if LEDGER in turn.dirty or is_closed(workspace, turn.focus):
        return False
    if not verify(workspace, workspace.load_plan(turn.focus)).ok:
        return False
    set_field(workspace, turn.focus, "status", "done")
    return True


def is_closed(workspace: Workspace, focus: str) -> bool:
    """Tell whether the ledger has nothing to close: done already, blocked, or no ledger at all."""
    if not (workspace.root / LEDGER).is_file():
        return True
    item = show(workspace).item(focus)
    return item is not None and item.status not in ("pending", "in_progress")


def is_open(workspace: Workspace, focus: str) -> bool:
    """Tell whether there is something to bring up to date for an initiative that is all proven."""
    return not (is_closed(workspace, focus) and sync(workspace, focus, check=True).ok)


def in_hand(workspace: Workspace, focus: str) -> str | None:
    """Return the file that a person has open and without which an item cannot be closed."""
    plan = workspace.load_plan(focus)
    names = (LEDGER, workspace.relative(workspace.working_plan(plan)))
    return next((name for name in workspace.repo.changed_paths() if name in names), None)

"""What a turn brings up to date by itself: the checklist's rows, and `done` in the ledger."""

from __future__ import annotations

from planctl._text import count
from planctl.errors import PreconditionError
from planctl.models.turn_record import OpenTurn
from planctl.ops.ledger_file import show
from planctl.ops.ledger_set import set_field
from planctl.ops.sync import sync
from planctl.ops.verify import verify
from planctl.workspace import LEDGER, Workspace


def keep_books(workspace: Workspace, turn: OpenTurn) -> list[str]:
    """Let the rows follow the verdicts, and close the item of an initiative that is all proven.

    Files that were changed before the turn are a person's, and stay as they are.

    Args:
        workspace: The repository, freshly opened.
        turn: The open turn.

    Returns:
        What was changed, a sentence each.
    """
    focus, told = turn.focus, list[str]()
    plan = workspace.load_plan(focus)
    report = verify(workspace, plan)
    working = workspace.relative(workspace.working_plan(plan))
    if working not in turn.dirty:
        changes = sync(workspace, focus).changes
        if changes:
            told.append(f"{count(len(changes), 'row')} of `{working}` now say what is proven.")
    if report.ok and LEDGER not in turn.dirty and not is_closed(workspace, focus):
        set_field(workspace, focus, "status", "done")
        told.append(f"Every step of `{focus}` is proven, and its item in the ledger is done.")
    return told


def is_closed(workspace: Workspace, focus: str) -> bool:
    """Tell whether the ledger has nothing to close: done already, blocked, or no ledger at all."""
    if not (workspace.root / LEDGER).is_file():
        return True
    item = show(workspace).item(focus)
    return item is not None and item.status not in ("pending", "in_progress")


def is_open(workspace: Workspace, focus: str) -> bool:
    """Tell whether there is something to bring up to date for an initiative that is all proven."""
    return not (is_closed(workspace, focus) and sync(workspace, focus, check=True).ok)


def refuse_stuck(workspace: Workspace, focus: str) -> None:
    """Make sure that an item that is all proven can be closed.

    Raises:
        PreconditionError: A person has the ledger or the checklist open.
    """
    plan = workspace.load_plan(focus)
    names = (LEDGER, workspace.relative(workspace.working_plan(plan)))
    dirty = [name for name in workspace.repo.changed_paths() if name in names]
    if dirty:
        raise PreconditionError(
            f"`{focus}` is all proven, but `{dirty[0]}` has changes that nobody committed",
            "commit them or take them back; then start the loop again",
        )

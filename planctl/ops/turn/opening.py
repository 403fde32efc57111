"""Opening a turn, and giving one up."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from planctl._files import read_plain
from planctl._text import listed
from planctl.errors import BadFileError, GitError, NotFoundError, PreconditionError, UsageError
from planctl.models.turn.record import OpenTurn, quoted_path, role_name
from planctl.models.ulids import RANDOM_BYTES, new_ulid
from planctl.ops.focus import require_unlocked
from planctl.ops.turn.journal import closing_lock, settle
from planctl.ops.turn.state import current_turn, entries_of, keep, next_number
from planctl.ops.write_lock import write_lock
from planctl.workspace import BRIEF, Workspace

_MAX_BRIEF = 16_000_000


class TurnOpenError(PreconditionError):
    """A turn is open already, or none is where one is needed."""

    slug = "turn"


def open_turn(
    workspace: Workspace,
    role: str | None = None,
    focus: str | None = None,
    phase: str | None = None,
    brief: Path | None = None,
) -> OpenTurn:
    """Open a turn in this work tree.

    What is uncommitted now belongs to whoever changed it: the turn will not commit it.

    Args:
        workspace: The repository.
        role: Who works (`supervisor`, `engineer`, …); the workspace's role without it.
        focus: The initiative; without it what `ledger next` names.
        phase: The phase it works on, if it is one.
        brief: The order it works on; `input.md` at the root without it, if there is one.

    Raises:
        TurnOpenError: A turn is open here.
        FocusLockedError: The focus stood still for so long that a person must unlock it.
        NotFoundError: No such initiative or phase, no commit yet, or nothing is next.
        UsageError: The role is no word.
        GitError: A rebase or merge is under way, or HEAD is detached.
        BadFileError: The state of an open turn cannot be read.
    """
    said = workspace.role if role is None else role
    try:
        role_name(said)
    except ValueError as error:
        raise UsageError(str(error), "`--role engineer`, or PLANCTL_ROLE=engineer") from error
    chosen = focus if focus is not None else _next_focus(workspace)
    plan = workspace.load_plan(chosen)
    if phase is not None and phase not in plan.phases:
        known = listed(list(plan.phases))
        raise NotFoundError(f"`{chosen}` has no phase `{phase}`", f"it has {known}")
    require_unlocked(workspace, chosen, said)
    base = workspace.now_head
    require_branch(workspace)
    with closing_lock(workspace, "turn open"), write_lock(workspace, "turn open"):
        settle(workspace)
        _refuse_second(workspace)
        before = entries_of(workspace.repo, workspace.repo.changed_paths())
        now = workspace.clock()
        turn = OpenTurn.model_validate(
            {
                "schema": "planctl/open-turn/v1",
                "id": new_ulid(now, os.urandom(RANDOM_BYTES)),
                "number": next_number(workspace),
                "role": said,
                "focus": chosen,
                "phase": phase,
                "base": base,
                "branch": workspace.repo.branch,
                "opened": now,
                "brief": _digest(workspace, brief),
                "dirty": {quoted_path(path): entry for path, entry in sorted(before.items())},
            }
        )
        keep(workspace, turn)
    return turn


def _refuse_second(workspace: Workspace) -> None:
    there = current_turn(workspace)
    if there is not None:
        raise TurnOpenError(
            f"turn `{there.shown}` ({there.role} on `{there.focus}`) is open since "
            f"{there.opened:%Y-%m-%dT%H:%M:%SZ}",
            "`planctl turn close` ends it, `planctl turn abandon --reason WHY` gives it up",
        )


def require_turn(workspace: Workspace) -> OpenTurn:
    """Return the open turn.

    Raises:
        TurnOpenError: None is open.
    """
    there = current_turn(workspace)
    if there is None:
        raise TurnOpenError(
            "no turn is open in this work tree", "`planctl turn open [ID]` opens one"
        )
    return there


def require_branch(workspace: Workspace) -> str:
    """Return the branch that a commit would go to.

    Raises:
        GitError: HEAD is detached, or git is in the middle of something.
    """
    repo = workspace.repo
    doing = repo.in_progress()
    if doing is not None:
        raise GitError(
            f"git is in the middle of {doing}", "end it (`git status` says how), then try again"
        )
    branch = repo.branch
    if branch is None:
        raise GitError("HEAD is detached: a turn needs a branch", "`git switch -c NAME` makes one")
    return branch


def _next_focus(workspace: Workspace) -> str:
    from planctl.ops.ledger.next_item import next_item

    answer = next_item(workspace)
    if answer.empty:
        raise NotFoundError("there is no initiative yet", f"`{answer.command}` makes the first one")
    found = answer.item
    if found is None:
        raise NotFoundError(
            "the ledger names nothing that could be worked on next",
            "`planctl ledger next` says why; name an initiative: `planctl turn open ID`",
        )
    return found.id


def _digest(workspace: Workspace, brief: Path | None) -> str | None:
    path = workspace.root / BRIEF if brief is None else brief
    if brief is None and not os.path.lexists(path):
        return None
    try:
        return hashlib.sha256(read_plain(path, _MAX_BRIEF)).hexdigest()
    except OSError as error:
        shown = workspace.relative(path.absolute())
        raise BadFileError(shown, f"cannot be read: {error.strerror or error}") from error

"""Giving a turn up: nothing of it is judged or committed, but it is recorded."""

from __future__ import annotations

from planctl._git_commit import identity
from planctl._text import count
from planctl.errors import BadFileError, GitError, UsageError
from planctl.models.diff_kinds import DEFAULT_RULES, TurnsSettings
from planctl.models.turn.record import OpenTurn, Outcome, Skipped, TurnRecord, plain_path
from planctl.ops.turn.changes import Changes, changes_of
from planctl.ops.turn.closing import ClosedTurn
from planctl.ops.turn.edits import Closing, Edit
from planctl.ops.turn.evidence import receipt_ids
from planctl.ops.turn.journal import begun, closing_lock, finish, require_writable
from planctl.ops.turn.opening import require_branch, require_turn
from planctl.ops.turn.records import record_path
from planctl.ops.turn.telling import files_by_kind, ledger_line, message_of
from planctl.workspace import LEDGER, Workspace

_TEMPLATE = "{ROLE} AUTO (prompt={prompt}) (iter={number}): abandoned: {summary} — tests: {tests}"


def abandon_turn(
    workspace: Workspace,
    reason: str,
    outcome: Outcome = "abandoned",
    *,
    commit: bool = True,
    prompt: str | None = None,
) -> ClosedTurn:
    """Give the open turn up; its record says why, and what it leaves uncommitted.

    Files stay as they are: they are dirty from before for the next turn. When the branch cannot be
    committed to, the record is written all the same and is committed with a later turn.

    Args:
        workspace: The repository.
        reason: Why.
        outcome: How it ended.
        commit: Commit the record and the line of the ledger.
        prompt: Name of the prompt the turn answered.

    Raises:
        TurnOpenError: No turn is open.
        UsageError: The reason says nothing.
    """
    said = " ".join(reason.split())
    if not said:
        raise UsageError("giving a turn up needs a reason", "`--reason 'what stopped it'`")
    with closing_lock(workspace, "turn abandon"):
        turn = require_turn(workspace)
        there = begun(workspace)
        if there is not None and there.record.id == turn.id:
            raise UsageError(
                f"turn `{turn.shown}` is being closed: that was interrupted",
                "`planctl turn close` finishes it as it was begun",
            )
        changes, notes = _changes(workspace, turn)
        who, can, more = _committer(workspace, turn, commit)
        record = _record(workspace, turn, said, outcome, prompt, changes, who)
        message = message_of(record, _TEMPLATE, "not told")
        closing = Closing(
            record=record,
            dirty=turn.quoted,
            edits=(Edit(kind="attempt", path=LEDGER, text=ledger_line(record)),),
            message=message if can else "",
        )
        closing, untold = _without_ledger(workspace, closing)
        made, last = finish(workspace, closing)
        path = workspace.relative(record_path(workspace, record))
        return ClosedTurn(record, path, "", made, message, (*notes, *more, *untold, *last))


def _without_ledger(workspace: Workspace, closing: Closing) -> tuple[Closing, tuple[str, ...]]:
    """Leave the ledger out where it, the plan or the settings cannot be read.

    A turn can always be given up.
    """
    try:
        require_writable(workspace, closing)
        workspace.settings()
    except BadFileError as error:
        return closing.model_copy(update={"edits": ()}), (f"not in the ledger: {error.message}",)
    return closing, ()


def _rules(workspace: Workspace) -> TurnsSettings:
    try:
        return workspace.settings().turns
    except BadFileError:
        return DEFAULT_RULES  # planctl.toml cannot be read: its own error is told elsewhere


def _changes(workspace: Workspace, turn: OpenTurn) -> tuple[Changes | None, tuple[str, ...]]:
    try:
        changes = changes_of(workspace, turn)
    except GitError as error:
        return None, (f"what it changed cannot be told: {error.message}",)
    if not changes.own:
        return changes, ()
    left = count(len(changes.own), "file")
    return changes, (f"left uncommitted: {left}, dirty from before for the next turn",)


def _committer(
    workspace: Workspace, turn: OpenTurn, commit: bool
) -> tuple[str, bool, tuple[str, ...]]:
    """Return who commits, whether that is possible, and why not."""
    if not commit:
        return "", False, ()
    try:
        who = identity(workspace.repo)
        branch = require_branch(workspace)
    except GitError as error:
        return "", False, (f"the record is written and not committed: {error.message}",)
    if branch != turn.branch:
        return who, False, (f"the record is written and not committed: HEAD is on `{branch}`",)
    return who, True, ()


def _record(
    workspace: Workspace,
    turn: OpenTurn,
    reason: str,
    outcome: Outcome,
    prompt: str | None,
    changes: Changes | None,
    who: str,
) -> TurnRecord:
    touched = () if changes is None else (*changes.committed, *changes.own)
    left = () if changes is None else changes.own
    why = "the turn was given up"
    return TurnRecord(
        id=turn.id,
        number=turn.number,
        role=turn.role,
        focus=turn.focus,
        phase=turn.phase,
        base=turn.base,
        branch=turn.branch,
        opened=turn.opened,
        closed=workspace.clock(),
        outcome=outcome,
        brief=turn.brief,
        prompt=prompt,
        by=who,
        sentences=(reason,),
        receipts=tuple(sorted(set(receipt_ids(touched).values()))),
        files={} if changes is None else files_by_kind(_rules(workspace), changes),
        skipped=tuple(Skipped(path=plain_path(path), why=why) for path in left),
        commits=() if changes is None else changes.commits,
    )

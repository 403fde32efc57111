"""Closing a turn: judged, told, committed; or refused, with nothing written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from planctl.errors import UsageError
from planctl.models.turn.prose import TurnProse
from planctl.models.turn.record import Outcome, TurnRecord, quoted_path
from planctl.models.turn.settings import subject_template
from planctl.ops.merge_rules import MERGE_RULES, with_lines
from planctl.ops.turn.again import again_problems
from planctl.ops.turn.checklist import checklist_problems, form_problems, stamp_problems
from planctl.ops.turn.deeds import deed_problems
from planctl.ops.turn.edits import Closing, Edit
from planctl.ops.turn.journal import begun, closing_lock, finish
from planctl.ops.turn.objections import objections
from planctl.ops.turn.opening import require_turn
from planctl.ops.turn.problems import Problem
from planctl.ops.turn.proof import proof_problems
from planctl.ops.turn.records import record_path
from planctl.ops.turn.rows import row_edits, row_problems
from planctl.ops.turn.scene import Scene, look
from planctl.ops.turn.setting import Setting
from planctl.ops.turn.settling import Words, settled
from planctl.ops.turn.telling import (
    block_of,
    cited_paths,
    files_by_kind,
    hub_summary,
    ledger_line,
    message_of,
)
from planctl.ops.turn.weaker import weaker_problems
from planctl.ops.turn.wording import Wording
from planctl.workspace import ACTIVE, LEDGER, Workspace

_RULES = ".gitattributes"
_LEFT = "nothing is committed: a turn that is opened before you commit takes these files for yours"


@dataclass(frozen=True)
class ClosedTurn:
    """A turn that ended.

    Attributes:
        record: What is kept of it; `path` is where, repository-relative.
        block: What was put on top of the summaries; empty for a turn that was given up.
        commit: Id of the commit that has all of it, or None.
        message: Of the commit; to commit by hand what `--no-commit` left.
        notes: What the reader should know.
        dry_run: Nothing was written.
        resumed: It was begun before, and only finished now, with the words of then.
    """

    record: TurnRecord
    path: str
    block: str
    commit: str | None = None
    message: str = ""
    notes: tuple[str, ...] = ()
    dry_run: bool = False
    resumed: bool = False

    @property
    def ok(self) -> bool:
        """The turn ended, or would."""
        return True

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for `--json`."""
        return {
            "ok": self.ok,
            "record": self.record.as_dict(),
            "path": self.path,
            "block": self.block,
            "commit": self.commit,
            "message": self.message,
            "notes": list(self.notes),
            "dry_run": self.dry_run,
            "resumed": self.resumed,
        }


@dataclass(frozen=True)
class _Wishes:
    accept: str | None
    commit: bool
    template: str
    prompt: str | None
    outcome: Outcome
    strike: bool
    refused_orders: tuple[str, ...]


def close_turn(
    workspace: Workspace,
    prose: TurnProse,
    *,
    accept: str | None = None,
    commit: bool = True,
    subject: str | None = None,
    prompt: str | None = None,
    outcome: Outcome = "closed",
    strike: bool = False,
    include: Sequence[str] = (),
    refused_orders: Sequence[str] = (),
    dry_run: bool = False,
) -> ClosedTurn:
    """Close the open turn of this work tree.

    Every claim of the words is judged against the tree that is committed. What the evidence speaks
    against, or does not support, refuses the closing, and nothing is written. A closing that was
    interrupted is finished as it was begun.

    Args:
        workspace: The repository.
        prose: The author's words.
        accept: Why unsupported claims may stand; who says so is recorded.
        commit: Make one commit of words and evidence; else they are only written.
        subject: Template of the commit's first line; that of `planctl.toml` without it.
        prompt: Name of the prompt the turn answered, for the subject.
        outcome: How the turn ended.
        strike: Leave out sentences that cannot stand instead of refusing.
        include: Paths or folders that were dirty before the turn and go along.
        refused_orders: What was ordered in the turn and refused, one line each.
        dry_run: Judge and show, write nothing.

    Raises:
        RefusedTurnError: The words, or the evidence, cannot stand; with every reason.
        TurnOpenError: No turn is open.
        GitError: HEAD cannot be committed to, or a hook refused.
        PreconditionError: Files changed while they were judged.
        UsageError: `include`, `accept` or `subject` cannot be used.
    """
    with closing_lock(workspace, "turn close"):
        interrupted = begun(workspace)
        turn = require_turn(workspace)
        if interrupted is not None and interrupted.record.id == turn.id and not dry_run:
            return _resumed(workspace, interrupted)
        if accept is not None and not accept.strip():
            raise UsageError("`--accept-unsupported` needs a reason", "say why they may stand")
        template = _template(workspace, subject)
        orders = tuple(refused_orders)
        wishes = _Wishes(accept, commit, template, prompt, outcome, strike, orders)
        scene = look(workspace, turn, prose, include, commit)
        setting = Setting(workspace, turn, scene.prose, scene.changes, scene.chosen, scene.evidence)
        wording = Wording(setting)
        problems = list(_problems(scene, wording, strike))
        words = settled(turn.shown, scene.prose, problems, accept, strike, scene.by)
        record = _record(scene, wishes, words, wording)
        cited = wording.cited() if words.keeps_artifacts else ()
        block = block_of(record, scene.derived, cited_paths(scene.prose, scene.derived, cited))
        told = ClosedTurn(
            record=record,
            path=workspace.relative(record_path(workspace, record)),
            block=block,
            message=message_of(record, template, scene.derived.tests),
            notes=tuple(f"not taken from the text: {item}" for item in scene.prose.left_out),
            dry_run=dry_run,
        )
        return told if dry_run else _write(scene, wishes, told)


def _template(workspace: Workspace, subject: str | None) -> str:
    if subject is None:
        return workspace.settings().turn.subject
    try:
        return subject_template(subject)
    except ValueError as error:
        raise UsageError(f"the subject cannot be used: {error}") from error


def _problems(scene: Scene, wording: Wording, strike: bool) -> Iterator[Problem]:
    workspace, prose, evidence = scene.workspace, scene.prose, scene.evidence
    yield from evidence.problems
    for problem in form_problems(prose, workspace.settings().turn):
        if not strike or problem.sentence is not None:
            yield problem
    yield from stamp_problems(prose, scene.turn, workspace.clock())
    yield from checklist_problems(prose, scene.derived, scene.changes, evidence)
    yield from objections(wording)
    yield from deed_problems(wording.setting)
    yield from proof_problems(
        workspace, prose.sentences, evidence, scene.changes, scene.chosen, wording
    )
    yield from again_problems(workspace, prose.next, evidence)
    yield from row_problems(scene)
    yield from weaker_problems(workspace, scene.turn.base, scene.changes, evidence)


def _record(scene: Scene, wishes: _Wishes, words: Words, wording: Wording) -> TurnRecord:
    turn = scene.turn
    return TurnRecord(
        id=turn.id,
        number=turn.number,
        role=turn.role,
        focus=turn.focus,
        phase=turn.phase,
        base=turn.base,
        branch=turn.branch,
        opened=turn.opened,
        closed=scene.workspace.clock(),
        outcome=wishes.outcome,
        brief=turn.brief,
        prompt=wishes.prompt,
        by=scene.identity,
        sentences=words.sentences,
        next=words.next,
        receipts=tuple(item.receipt.ulid for item in scene.evidence.filed),
        files=files_by_kind(scene.workspace.settings().turns, scene.changes),
        tests_run=scene.derived.tests_run,
        artifacts=scene.derived.artifact_paths,
        claims=wording.counts(),
        accepted=words.accepted,
        refused=words.refused,
        skipped=scene.chosen.skipped,
        commits=scene.changes.commits,
        refused_orders=wishes.refused_orders,
    )


def _write(scene: Scene, wishes: _Wishes, told: ClosedTurn) -> ClosedTurn:
    workspace = scene.workspace
    scene.require_unchanged()
    closing = Closing(
        record=told.record,
        dirty={quoted_path(name): "" for name in scene.turn.dirty},
        edits=(*row_edits(scene), *_edits(workspace, told, hub_summary(scene.evidence))),
        entries={quoted_path(name): entry for name, entry in scene.stored.items()},
        message=told.message if wishes.commit else "",
    )
    made, notes = finish(workspace, closing)
    left = () if wishes.commit else (_LEFT,)
    return replace(told, commit=made, notes=(*told.notes, *left, *notes))


def _edits(workspace: Workspace, told: ClosedTurn, hub: str | None) -> Iterator[Edit]:
    place = workspace.root / _RULES
    old = place.read_bytes() if place.is_file() else b""
    if with_lines(old, MERGE_RULES) != old:
        yield Edit(kind="rules", path=_RULES)
    for path in (hub, f"{ACTIVE}/{told.record.focus}/summary.md"):
        if path is not None:
            yield Edit(kind="prepend", path=path, text=told.block)
    yield Edit(kind="attempt", path=LEDGER, text=ledger_line(told.record))


def _resumed(workspace: Workspace, closing: Closing) -> ClosedTurn:
    made, notes = finish(workspace, closing)
    blocks = [edit.text for edit in closing.edits if edit.kind == "prepend"]
    return ClosedTurn(
        record=closing.record,
        path=workspace.relative(record_path(workspace, closing.record)),
        block=blocks[0] if blocks else "",
        commit=made,
        message=closing.message,
        notes=("a closing that was interrupted is finished, with the words of then", *notes),
        resumed=True,
    )

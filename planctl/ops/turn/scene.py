"""A turn with all that is known of it before its words are judged."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from planctl._git_commit import identity, index_entries, store_files
from planctl._redaction import Redactor
from planctl._text import listed
from planctl.errors import GitError, PreconditionError
from planctl.models.plan.plan import Plan
from planctl.models.turn.prose import TurnProse
from planctl.models.turn.record import OpenTurn
from planctl.ops.turn.changes import Changes, changes_of
from planctl.ops.turn.evidence import TurnEvidence, evidence_of
from planctl.ops.turn.opening import require_branch
from planctl.ops.turn.policy import Chosen, choose
from planctl.ops.turn.telling import Derived, derive
from planctl.workspace import Workspace


@dataclass(frozen=True)
class Scene:
    """What is known.

    Attributes:
        prose: The words, declared secrets taken out.
        stored: Path → mode and blob id of what is committed; empty for a file that is gone.
        by: Role and git identity of who closes it.
    """

    workspace: Workspace
    turn: OpenTurn
    prose: TurnProse
    changes: Changes
    chosen: Chosen
    evidence: TurnEvidence
    derived: Derived
    stored: Mapping[str, str]
    identity: str

    @property
    def by(self) -> str:
        """Who closes it: role and git identity."""
        return ", ".join(part for part in (self.turn.role, self.identity) if part)

    def require_unchanged(self) -> None:
        """Make sure that files are as they were when they were judged.

        Raises:
            PreconditionError: Some are not.
        """
        repo = self.workspace.repo
        now = repo.work_tree_entries(list(self.stored))
        found = {path: f"{entry.mode} {entry.blob}" for path, entry in now.items()}
        moved = [path for path, was in self.stored.items() if found.get(path, "") != was]
        if moved:
            raise PreconditionError(
                f"{listed(moved, 4)} changed while the turn was judged",
                "nothing was written; close it again when nobody writes there",
            )


def look(
    workspace: Workspace, turn: OpenTurn, prose: TurnProse, include: Sequence[str], commit: bool
) -> Scene:
    """Find out what a turn did.

    Args:
        workspace: The repository.
        turn: The open turn.
        prose: The author's words.
        include: Paths that were dirty before it and go along.
        commit: It will be committed: HEAD must be where it was opened, and somebody must commit.

    Raises:
        GitError: HEAD is elsewhere, detached, or in the middle of something; nobody commits.
        UsageError: `include` names nothing.
        PlanError: The plan of an initiative cannot be used.
    """
    if commit:
        _require_its_branch(workspace, turn)
    who = identity(workspace.repo) if commit else _identity_if_known(workspace)
    changes = changes_of(workspace, turn)
    evidence = evidence_of(workspace, turn, changes)
    derived = derive(evidence, changes)
    secrets = _secrets(part.plan for part in evidence.initiatives)
    ignored = _ignored(workspace, evidence, changes)
    chosen = choose(workspace, changes, include, ignored, secrets)
    entries = store_files(workspace.repo, list(chosen.paths)) if commit else {}
    stored = {
        path: f"{entries[path].mode} {entries[path].blob}" if path in entries else ""
        for path in (chosen.paths if commit else ())
    }
    words = _redacted(prose, Redactor(secrets.values()))
    return Scene(workspace, turn, words, changes, chosen, evidence, derived, stored, who)


def _require_its_branch(workspace: Workspace, turn: OpenTurn) -> None:
    branch = require_branch(workspace)
    if branch != turn.branch:
        raise GitError(
            f"HEAD is on `{branch}`, turn `{turn.shown}` was opened on `{turn.branch}`",
            f"`git switch {turn.branch}` goes back; or `planctl turn abandon --reason WHY`",
        )


def _identity_if_known(workspace: Workspace) -> str:
    try:
        return identity(workspace.repo)
    except GitError:
        return ""  # nothing is committed: nobody needs to be named


def _secrets(plans: Iterable[Plan]) -> dict[str, str]:
    names = {name for plan in plans for name in plan.secrets}
    return {name: value for name in sorted(names) if (value := os.environ.get(name))}


def _ignored(workspace: Workspace, evidence: TurnEvidence, changes: Changes) -> list[str]:
    """Return the files of the turn's receipts, and these, that git leaves out."""
    paths = [item.path for item in evidence.filed]
    paths += [
        f"{item.receipt.hub}/{subject.name}"
        for item in evidence.filed
        for subject in item.receipt.subjects
        if subject.kind == "file"
    ]
    changed = {*changes.own, *changes.before, *changes.mixed}
    there = [
        path
        for path in dict.fromkeys(paths)
        if path not in changed and os.path.lexists(workspace.root / path)
    ]
    tracked = index_entries(workspace.repo, there)
    return [path for path in there if path not in tracked]


def _redacted(prose: TurnProse, redactor: Redactor) -> TurnProse:
    clean = redactor.text

    def optional(text: str | None) -> str | None:
        return None if text is None else clean(text)

    return replace(
        prose,
        sentences=tuple(map(clean, prose.sentences)),
        next=clean(prose.next),
        artifacts=clean(prose.artifacts),
        files_touched=optional(prose.files_touched),
        tests_run=optional(prose.tests_run),
        artifacts_updated=optional(prose.artifacts_updated),
        left_out=tuple(map(clean, prose.left_out)),
    )

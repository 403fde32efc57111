"""Adopt: evidence that was there before planctl, taken in without changing a byte of it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from planctl._files import atomic_write, read_plain, sha256_file
from planctl._text import count
from planctl.errors import PreconditionError, UsageError
from planctl.models.adoption import (
    MAX_BYTES,
    RECORD,
    Adoption,
    AdoptionRecord,
    Proposal,
    parse_record,
)
from planctl.models.plan.plan import initiative_id
from planctl.ops.adopt.looking import look
from planctl.ops.adopt.places import Candidate, Tree, candidates
from planctl.ops.write_lock import write_lock
from planctl.workspace import ACTIVE, Workspace


def adopt(
    workspace: Workspace, target: str, name: str | None = None, dry_run: bool = False
) -> tuple[Adoption, ...]:
    """Propose a plan for what lies in a folder, and note what git knew of it.

    Only new files are written: `plan.yaml` and `adopted.json` in `plans/active/<ID>/`. Nothing that
    was found is run, changed or moved.

    Args:
        workspace: The repository.
        target: A folder, or the id of an initiative.
        name: Id for the initiative; from its folder without it.
        dry_run: Only say what would be written.

    Returns:
        One answer an initiative found.

    Raises:
        NotFoundError: No such folder, nothing like evidence in it, or no commit.
        PreconditionError: It has a plan that is not from an adoption, or lies outside.
        UsageError: The name cannot be an id, or is given for several initiatives.
    """
    tree = Tree(workspace.root)
    known = _adopted_as(workspace, target)
    if known is not None:
        # What was taken in lies where its record says, not beside the plan.
        target, name = os.path.commonpath(known.folders), name or known.initiative
    found = candidates(workspace, tree, target)
    if len(found) > 1:
        # Of a folder above several, those that planctl knows already stay out.
        found = [item for item in found if not _has_own_plan(workspace, item.id)] or found
    ids = _ids(found, name)
    proposals = [
        look(workspace, tree, candidate, own) for candidate, own in zip(found, ids, strict=True)
    ]
    if dry_run:
        return tuple(Adoption(proposal) for proposal in proposals)
    for proposal in proposals:
        _refuse_foreign_plan(workspace, proposal)
    with write_lock(workspace, "adopt"):
        return tuple(_take_in(workspace, proposal) for proposal in proposals)


def _adopted_as(workspace: Workspace, target: str) -> AdoptionRecord | None:
    """Return the record of an initiative that was adopted, when its id or its folder is given."""
    for place in (Path.cwd() / target, workspace.root / target, workspace.root / ACTIVE / target):
        inside = place.resolve()
        if not inside.is_relative_to((workspace.root / ACTIVE).resolve()) or not place.exists():
            continue
        parts = inside.relative_to((workspace.root / ACTIVE).resolve()).parts
        record = workspace.root / ACTIVE / parts[0] / RECORD if parts else None
        if record is not None and record.exists():
            return parse_record(read_plain(record, MAX_BYTES), workspace.relative(record))
    return None


def _ids(found: Sequence[Candidate], name: str | None) -> list[str]:
    if name is not None and len(found) > 1:
        places = ", ".join(f"`{item.folder}`" for item in found[:6])
        raise UsageError(f"`--id {name}` cannot name all of {places}", "adopt them one by one")
    ids = [name or item.id for item in found]
    for own in ids:
        try:
            initiative_id(own)
        except ValueError as error:
            raise UsageError(str(error), "name it with `--id`, for example `FIX-001`") from error
    if len(set(ids)) < len(ids):
        twice = next(own for own in ids if ids.count(own) > 1)
        places = ", ".join(
            f"`{i.folder}`" for i, own in zip(found, ids, strict=True) if own == twice
        )
        raise PreconditionError(
            f"{places} would all be called `{twice}`", "adopt them one by one, with `--id`"
        )
    return ids


def _has_own_plan(workspace: Workspace, initiative: str) -> bool:
    """Tell whether an initiative has a plan that is not from an adoption."""
    folder = workspace.root / ACTIVE / initiative
    return (folder / "plan.yaml").exists() and not (folder / RECORD).exists()


def _refuse_foreign_plan(workspace: Workspace, proposal: Proposal) -> None:
    if _has_own_plan(workspace, proposal.initiative):
        raise PreconditionError(
            f"`{proposal.plan_path}` is there already, and not from an adoption",
            "`--dry-run` prints the proposal; `--id` gives it another name",
        )


def _take_in(workspace: Workspace, proposal: Proposal) -> Adoption:
    record_path = f"{ACTIVE}/{proposal.initiative}/{RECORD}"
    place = workspace.root / record_path
    if place.exists():
        before = parse_record(read_plain(place, MAX_BYTES), record_path)
        now = parse_record(proposal.record.encode(), record_path)
        changes = _changes(workspace, before, now)
        return Adoption(proposal, (), known=True, changes=tuple(changes))
    if proposal.plan is None:
        return Adoption(proposal)
    atomic_write(workspace.root / proposal.plan_path, proposal.plan)
    atomic_write(place, proposal.record)
    workspace.load_plan(proposal.initiative)
    return Adoption(proposal, (proposal.plan_path, record_path))


def _changes(workspace: Workspace, before: AdoptionRecord, now: AdoptionRecord) -> list[str]:
    """Say what became of the adopted files; what is looked at now may lie elsewhere, too."""
    old = {item.path: item.sha256 for item in before.files}
    folders = tuple(f"{folder}/" for folder in before.folders)
    new = sorted(item.path for item in now.files if item.path.startswith(folders))
    lines = [f"{path}: new since the adoption" for path in new if path not in old]
    for path, digest in sorted(old.items()):
        place = workspace.root / path
        if not os.path.lexists(place):
            lines.append(f"{path}: gone since the adoption")
        elif place.is_symlink() or not place.is_file() or sha256_file(place) != digest:
            lines.append(f"{path}: changed since the adoption")
    return lines


def summary(adoption: Adoption) -> str:
    """Say in one line what came of an adoption."""
    proposal = adoption.proposal
    seen = f"{count(proposal.files, 'file')} in {count(len(proposal.folders), 'folder')}"
    steps = count(len(proposal.steps), "step")
    return f"{proposal.initiative}: {seen}, {steps}, {count(len(proposal.gaps), 'gap')}"

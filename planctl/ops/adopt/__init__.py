"""Adopt: evidence that was there before planctl, taken in without changing a byte of it."""

from __future__ import annotations

from collections.abc import Sequence

from planctl._files import atomic_write, read_plain
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
from planctl.models.plan import initiative_id
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
        changes = _changes(before, parse_record(proposal.record.encode(), record_path))
        return Adoption(proposal, (), known=True, changes=tuple(changes))
    if proposal.plan is None:
        return Adoption(proposal)
    atomic_write(workspace.root / proposal.plan_path, proposal.plan)
    atomic_write(place, proposal.record)
    workspace.load_plan(proposal.initiative)
    return Adoption(proposal, (proposal.plan_path, record_path))


def _changes(before: AdoptionRecord, now: AdoptionRecord) -> list[str]:
    old = {item.path: item.sha256 for item in before.files}
    new = {item.path: item.sha256 for item in now.files}
    lines = [f"{path}: new since the adoption" for path in sorted(set(new) - set(old))]
    lines += [f"{path}: gone since the adoption" for path in sorted(set(old) - set(new))]
    lines += [
        f"{path}: changed since the adoption"
        for path in sorted(set(old) & set(new))
        if old[path] != new[path]
    ]
    return lines


def summary(adoption: Adoption) -> str:
    """Say in one line what came of an adoption."""
    proposal = adoption.proposal
    seen = f"{count(proposal.files, 'file')} in {count(len(proposal.folders), 'folder')}"
    steps = count(len(proposal.steps), "step")
    return f"{proposal.initiative}: {seen}, {steps}, {count(len(proposal.gaps), 'gap')}"

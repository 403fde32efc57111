"""Looking at one initiative: its files, its logs, its documents; what a plan of it would be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from planctl._files import git_blob_id, sha256_file
from planctl._git import Added, Commit
from planctl.errors import NotFoundError
from planctl.models.adoption import (
    AdoptedFile,
    AdoptionRecord,
    Gap,
    GapKind,
    Proposal,
)
from planctl.models.paths import is_utf8, relative_path
from planctl.models.plan.parse import parse_plan
from planctl.ops.adopt import gaps
from planctl.ops.adopt.documents import documents_of, text_of
from planctl.ops.adopt.drafting import plan_text
from planctl.ops.adopt.logs import is_log, read_log
from planctl.ops.adopt.manifests import kept_beside
from planctl.ops.adopt.matching import made
from planctl.ops.adopt.notes import Noted, noted_in
from planctl.ops.adopt.places import Candidate, Tree, hubs_below, joined
from planctl.ops.adopt.proposing import Steps, families, propose
from planctl.ops.adopt.rows import Row, phases_in, rows_in, title_in
from planctl.workspace import ACTIVE, Workspace

_GUIDES = ("docs/TESTING_GUIDE.md", "TESTING_GUIDE.md")


def look(workspace: Workspace, tree: Tree, candidate: Candidate, name: str) -> Proposal:
    """Look at an initiative and propose a plan; nothing is written and nothing run.

    Args:
        workspace: The repository.
        tree: Its files.
        candidate: Where it lies.
        name: Its id.

    Raises:
        NotFoundError: The repository has no commit, or the folder no evidence.
    """
    head = workspace.now_head
    hubs = _hubs(tree, candidate)
    paths = [path for files in hubs.values() for path in files]
    changed = workspace.repo.last_changes(paths)
    added = workspace.repo.first_added(paths)
    folders = _newest_first(hubs, changed)
    files = _files(workspace, paths, added, changed)
    working = _working_plan(workspace, tree, candidate.folder)
    text = (text_of(workspace, working) if working else None) or ""
    rows, phases = rows_in(text), phases_in(text)
    documents = documents_of(workspace, tree, candidate.folder, name)
    texts = {path: found for path in documents if (found := text_of(workspace, path)) is not None}
    noted = [item for path, found in texts.items() for item in noted_in(path, found)]
    steps = _steps(workspace, hubs, folders, changed, noted, rows, phases)
    own = {path: value for path, value in texts.items() if path.startswith(f"{candidate.folder}/")}
    everywhere = frozenset([*workspace.repo.tree(head), *paths, *tree.below(candidate.folder)])
    silent = [gap for gap in steps.gaps if gap.kind is GapKind.COMMAND]
    problems = [
        *gaps.gaps_of_rows(rows, steps.steps, silent),
        *steps.gaps,
        *gaps.gaps_of_citations(gaps.cited_in(own, everywhere, folders), paths),
        *gaps.gaps_of_stamps(files, added, candidate.folder),
        *gaps.gaps_of_contents(files),
        *_unnameable(workspace, tree, candidate.folder),
    ]
    record = AdoptionRecord(initiative=name, head=head, folders=folders, files=files)
    plan_path = f"{ACTIVE}/{name}/plan.yaml"
    beside = working == f"{ACTIVE}/{name}/implementation.md"
    proposal = Proposal(
        initiative=name,
        title=title_in(text) or name,
        found_in=candidate.folder,
        folders=tuple(folders),
        working_plan=None if beside else working,
        phases=phases or _phases_of(rows),
        steps=steps.steps,
        gaps=tuple(sorted(problems, key=lambda gap: [*GapKind].index(gap.kind))),
        files=len(paths),
        plan_path=plan_path,
        record=record.text(),
    )
    return _with_plan(workspace, proposal, steps)


def _hubs(tree: Tree, candidate: Candidate) -> dict[str, list[str]]:
    if candidate.only is not None:
        hubs = hubs_below(tree, candidate.folder)
        only = candidate.only
        inside = {hub: files for hub, files in hubs.items() if f"{hub}/".startswith(f"{only}/")}
        own = [path for path in tree.below(only) if is_utf8(path)]
        hubs = inside or {only: own}
    else:
        hubs = hubs_below(tree, candidate.folder)
    hubs = {hub: files for hub, files in hubs.items() if _can_be_named(hub)}
    if not any(hubs.values()):
        raise NotFoundError(
            f"`{candidate.folder}` has no evidence: no logs and no folder of reports",
            "`planctl new ID` starts an initiative from nothing",
        )
    return hubs


def _can_be_named(folder: str) -> bool:
    try:
        relative_path(folder)
    except ValueError:
        return False
    return True


def _newest_first(hubs: Mapping[str, list[str]], changed: Mapping[str, Commit]) -> list[str]:
    """Order folders by the newest commit that touched them, then by name, the last one first."""

    def newest(hub: str) -> tuple[float, str]:
        times = [changed[path].committed.timestamp() for path in hubs[hub] if path in changed]
        return (max(times, default=0.0), hub)

    return sorted(hubs, key=newest, reverse=True)


def _files(
    workspace: Workspace,
    paths: Sequence[str],
    added: Mapping[str, Added],
    changed: Mapping[str, Commit],
) -> tuple[AdoptedFile, ...]:
    tracked = workspace.repo.tree(workspace.now_head)
    algorithm = "sha256" if len(workspace.now_head) == 64 else "sha1"
    moved = set(workspace.repo.changed_paths())
    found = []
    for path in sorted(paths):
        place = workspace.root / path
        entry = tracked.get(path)
        same = entry is not None and path not in moved
        if entry is not None and not same:
            same = git_blob_id(place, algorithm) == entry.blob
        first, last = added.get(path), changed.get(path)
        found.append(
            AdoptedFile(
                path=path,
                sha256=sha256_file(place),
                size=place.stat().st_size,
                blob=entry.blob if entry is not None and same else None,
                first=first.commit.id if first and entry else None,
                last=last.id if last and entry else None,
            )
        )
    return tuple(found)


def _working_plan(workspace: Workspace, tree: Tree, folder: str) -> str | None:
    """Return the file with the checklist: by its name, else the page with the most rows."""
    named = tree.working_plan(folder)
    if named is not None:
        return named
    pages = [joined(folder, name) for name in tree.at(folder).files if name.endswith(".md")]
    counted = [(len(rows_in(text_of(workspace, path) or "")), path) for path in pages]
    most, path = max(counted, default=(0, ""))
    return path if most else None


def _steps(
    workspace: Workspace,
    hubs: Mapping[str, list[str]],
    folders: Sequence[str],
    changed: Mapping[str, Commit],
    noted: Sequence[Noted],
    rows: Sequence[Row],
    phases: dict[str, str],
) -> Steps:
    logs = [
        read_log(workspace, hub, path) for hub in folders for path in hubs[hub] if is_log(hub, path)
    ]
    # Newest folder first; in it the newest commit, then the name that sorts last (`_v3`).
    place = {folder: number for number, folder in enumerate(folders)}
    ranked = sorted(logs, key=lambda log: (len(log.path), log.path), reverse=True)
    ranked.sort(key=lambda log: -_time(changed.get(log.path)))
    ranked.sort(key=lambda log: place[log.folder])
    order = {log.path: number for number, log in enumerate(ranked)}
    tracked = frozenset(workspace.repo.tree(workspace.now_head))
    kept = kept_beside(workspace, logs, [path for hub in folders for path in hubs[hub]])
    return propose(families(logs, order), made(logs, noted, kept), rows, phases, tracked)


def _time(commit: Commit | None) -> float:
    return 0.0 if commit is None else commit.committed.timestamp()


def _phases_of(rows: Sequence[Row]) -> dict[str, str]:
    return {row.phase: "" for row in rows}


def _unnameable(workspace: Workspace, tree: Tree, folder: str) -> list[Gap]:
    found = []
    for path in tree.below(folder):
        outside = path.rpartition("/")[0]
        if not is_utf8(path):
            text = "its name is not UTF-8: no record and no plan can hold it"
            found.append(Gap(GapKind.NAME, ascii(Path(path).name), text))
        elif not _can_be_named(outside):
            text = "the name of its folder can stand in no plan"
            found.append(Gap(GapKind.NAME, path, text))
    return found


def _with_plan(workspace: Workspace, proposal: Proposal, found: Steps) -> Proposal:
    if not proposal.steps:
        return proposal
    text = plan_text(
        proposal.initiative,
        proposal.title,
        proposal.found_in,
        proposal.folders,
        proposal.steps,
        proposal.phases,
        found.env,
        proposal.working_plan,
        next((path for path in _GUIDES if (workspace.root / path).is_file()), None),
        schema=(workspace.root / "plans/plan.schema.json").is_file(),
    )
    parse_plan(text, proposal.plan_path)
    return Proposal(**{**proposal.__dict__, "plan": text})

"""At: what was proven at a commit, told from the commit alone; nothing is checked out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from planctl._files import atomic_write
from planctl._git import Commit, Entry
from planctl._git_history import subjects
from planctl._text import count, listed
from planctl.clock import iso
from planctl.errors import NotFoundError
from planctl.models.plan.plan import Plan
from planctl.models.verdict import VerifyReport
from planctl.ops.past.judge import PastJudge, PastShelf, own_hub
from planctl.ops.past.tree import CommitTree, temporary_blobs
from planctl.ops.receipts import load
from planctl.ops.verify import verify
from planctl.workspace import ACTIVE, SETTINGS, Hub, Workspace

_TEXTS = ("plan.yaml", "implementation.md")
_SETTINGS_FOLDER = ".planctl/"
_REPLAYS = "replays"


@dataclass(frozen=True)
class PastReport:
    """What was proven at a commit.

    Attributes:
        commit: Its full id; `authored` and `committed` are what the commit says of itself.
        subject: First line of its message.
        reports: One an initiative.
        notes: What the verdicts rest on that the commit cannot show.
    """

    commit: str
    authored: str
    committed: str
    subject: str
    reports: tuple[VerifyReport, ...]
    notes: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Every step was fresh or waived."""
        return all(report.ok for report in self.reports)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for `--json`."""
        raw = {name: value for name, value in vars(self).items() if name != "reports"}
        return raw | {"ok": self.ok, "reports": [report.as_dict() for report in self.reports]}


class _PastWorkspace(Workspace):
    """The folder in which plans and settings are laid out, with the history of the commit."""

    def __init__(self, past: Past, now: Workspace, folder: Path) -> None:
        super().__init__(now.repo.at(past.commit.id), lambda: past.commit.committed, now.role)
        self._past = past
        self.root = folder

    def hubs(self, plan: Plan) -> list[Hub]:
        """Return every hub of an initiative that held receipts, and the plan's own."""
        return [Hub(self.root, self.root / name) for name in self._past.shelf(plan).hubs()]

    def working_plan(self, plan: Plan) -> Path:
        """Return where the checklist of a plan is laid out."""
        place = super().working_plan(plan)
        self._past.lay_out([self.relative(place)])
        return place


class Past:
    """A repository as of one commit; it can be moved to other commits.

    Args:
        workspace: The repository now.
        commit: The commit.
        tree: Its files.
        folder: A temporary folder: plans and settings are laid out in it as they were.
    """

    def __init__(
        self, workspace: Workspace, commit: Commit, tree: CommitTree, folder: Path
    ) -> None:
        self.commit = commit
        self.tree = tree
        self._repo = workspace.repo
        self.workspace = _PastWorkspace(self, workspace, folder)
        self.lay_out(path for path in tree.entries if is_text(path))

    def move(self, commit: Commit, changes: Mapping[str, Entry | None]) -> None:
        """Go on to a commit that changed some paths beside the present one."""
        self.commit = commit
        self.tree.move(changes)
        self.workspace.repo = self._repo.at(commit.id)
        self.lay_out(path for path in changes if is_text(path))

    def lay_out(self, paths: Iterable[str]) -> None:
        """Write plans and settings into the temporary folder, as they were."""
        for path in paths:
            place = self.workspace.root / path
            # Evidence behind a link is none; a plan or a setting is read through it.
            evidence = path.startswith(f"{ACTIVE}/") and "/reports/" in path
            is_own = not evidence or not self.tree.link_above(path)
            source = self.tree.followed(path) if is_own else None
            if source is None:
                place.unlink(missing_ok=True)
            else:
                atomic_write(place, self.tree.blobs.small(self.tree.entries[source].blob))

    def plan(self, initiative: str) -> Plan:
        """Return an initiative's plan.

        Raises:
            NotFoundError: The commit has no such initiative.
            PlanError: It could not be used.
        """
        known = self.workspace.initiatives()
        if initiative not in known:
            raise NotFoundError(
                f"no initiative `{initiative}` at `{self.commit.id[:8]}`",
                f"there was {listed(known) or 'none'}; `git log -- {ACTIVE}/{initiative}` shows "
                "when it came and went",
            )
        return self.workspace.load_plan(initiative)

    def judge(self, plan: Plan) -> PastJudge:
        """Return who answers for a plan."""
        repo, reports = self.workspace.repo, reports_of(plan.id)
        added = repo.first_added([f"{reports}/*/*/receipts/*.json"], globs=True)
        loaded = load(self.shelf(plan), repo, added)
        return PastJudge(self.workspace, plan, loaded, self.tree)

    def shelf(self, plan: Plan) -> PastShelf:
        """Return where a plan's receipts lay.

        Raises:
            BadFileError: Its hub lay behind a symbolic link.
        """
        hub = own_hub(self.workspace, plan, self.tree)
        return PastShelf(self.tree, reports_of(plan.id), None if hub is None else hub.name)


def reports_of(initiative: str) -> str:
    """Return the repository-relative folder of an initiative's hubs."""
    return f"{ACTIVE}/{initiative}/reports"


def is_text(path: str) -> bool:
    """Tell whether a path is one that a verdict reads from the folder: plan, settings, replay."""
    if path == SETTINGS or path.startswith(_SETTINGS_FOLDER):
        return True
    if not path.startswith(f"{ACTIVE}/"):
        return False
    parts = path.split("/")
    return (len(parts) == 4 and parts[3] in _TEXTS) or parts[-2] == _REPLAYS


@contextmanager
def past_of(workspace: Workspace, commit: Commit) -> Iterator[Past]:
    """Open a commit; its temporary files are removed at the end."""
    with temporary_blobs(workspace.repo) as (blobs, folder):
        yield Past(workspace, commit, CommitTree(workspace.repo.tree(commit.id), blobs), folder)


def known_commit(workspace: Workspace, revision: str) -> Commit:
    """Return the commit that a revision names.

    Args:
        workspace: The repository.
        revision: An id, also a short one, a branch, a tag, `HEAD~3`.

    Raises:
        NotFoundError: This clone has none of that name.
    """
    full = workspace.repo.resolve(revision)
    if full is None:
        raise NotFoundError(f"`{revision}` names no commit of this clone", _where(workspace))
    return workspace.repo.commits([full])[full]


def _where(workspace: Workspace) -> str:
    if (workspace.repo.common_dir / "shallow").exists():
        return "the clone is shallow: `git fetch --unshallow` brings the rest of its history"
    return "`git log --oneline --all` lists them; a short id may be that of several commits"


def at(
    workspace: Workspace, revision: str, initiative: str | None = None, phase: str | None = None
) -> PastReport:
    """Decide what the receipts of a commit proved at that commit.

    The verdicts are those of `planctl verify` in a clean clone of the commit, on the day that the
    commit says it was made.

    Args:
        workspace: The repository.
        revision: The commit.
        initiative: Only this one; None for all that the commit has.
        phase: Only this phase.

    Raises:
        NotFoundError: No such commit, initiative or phase.
        PlanError: A plan could not be used then.
    """
    commit = known_commit(workspace, revision)
    with past_of(workspace, commit) as past:
        names = [initiative] if initiative else past.workspace.initiatives()
        if not names:
            raise NotFoundError(
                f"`{commit.id[:8]}` has no initiative under `{ACTIVE}/`",
                f"`git log --diff-filter=A -- '{ACTIVE}/*/plan.yaml'` shows when one came",
            )
        plans = [past.plan(name) for name in names]
        judged = [(plan, past.judge(plan)) for plan in plans]
        look = partial(verify, past.workspace)
        reports = tuple(look(plan, phase, judge=judge) for plan, judge in judged)
        notes = (*_day(judged, commit), *_outside(reports, past.tree))
    subject = subjects(workspace.repo, [commit.id]).get(commit.id, "")
    return PastReport(
        commit.id, iso(commit.authored), iso(commit.committed), subject, reports, notes
    )


def _day(judged: list[tuple[Plan, PastJudge]], commit: Commit) -> Iterator[str]:
    waived = [step.id for plan, _ in judged for _, step in plan.steps() if step.waive is not None]
    if waived:
        yield (
            f"waivers ({listed(waived)}) count as of {commit.committed:%F}, the day that the "
            "commit says it was made"
        )


def _outside(reports: tuple[VerifyReport, ...], tree: CommitTree) -> Iterator[str]:
    """Name the data files that no commit can answer for."""
    names = {
        item.path
        for report in reports
        for step in report.steps
        if step.stored is not None
        for item in step.stored.receipt.data
        if tree.followed(item.path) is None
    }
    if names:
        word = "counts as it was" if len(names) == 1 else "count as they were"
        told = count(len(names), "data file")
        yield f"{told} outside git {word} recorded: {listed(sorted(names))}"

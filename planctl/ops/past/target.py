"""What a word means in the plans of a history: the newest plan that knows it tells."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from planctl._git_history import HistoryCommit
from planctl._text import listed
from planctl.errors import NotFoundError, PlanError
from planctl.models.plan.parse import parse_plan
from planctl.models.plan.plan import Plan, Step
from planctl.ops.past.at import reports_of
from planctl.ops.past.judge import PastShelf
from planctl.ops.past.tree import BlobStore, CommitTree
from planctl.ops.targets import declaring, named, near, reading, words_of
from planctl.workspace import ACTIVE, Workspace


@dataclass(frozen=True)
class _Version:
    """A plan as one commit of the line left it."""

    initiative: str
    plan: Plan


def steps_meant(
    workspace: Workspace,
    line: list[HistoryCommit],
    blobs: BlobStore,
    target: str,
    initiative: str | None,
) -> dict[str, tuple[str, ...]]:
    """Return initiative → the ids of the steps that a target means.

    Args:
        workspace: The repository, at the end of the line or after it.
        line: Commits, oldest first.
        blobs: Where contents come from.
        target: A row, a step id, or the path of an artifact or an input.
        initiative: Only look there; None looks through all.

    Raises:
        NotFoundError: No commit of the line has anything of that name.
    """
    target = target.removeprefix("./").rstrip("/")
    found: dict[str, tuple[str, ...]] = {}
    known: set[str] = set()
    for version in _versions(line, blobs):
        if initiative not in (None, version.initiative) or version.initiative in found:
            continue
        known |= {version.initiative, *words_of(version.plan)}
        steps = _meant(version.plan, target)
        if steps:
            found[version.initiative] = tuple(dict.fromkeys(step.id for _, step in steps))
    if not found:
        tree = CommitTree(workspace.repo.tree(line[-1].id), blobs)
        found = dict(_recorded(tree, target, initiative))
    if not found:
        raise _unknown(target, initiative, known)
    return found


def _meant(plan: Plan, target: str) -> list[tuple[str, Step]]:
    hub = None if plan.hub is None else f"{reports_of(plan.id)}/{plan.hub}"
    return named(plan, target) or declaring(plan, hub, target) or reading(plan, target)


def _versions(line: list[HistoryCommit], blobs: BlobStore) -> Iterator[_Version]:
    """Yield every plan that can be read, newest first."""
    for commit in reversed(line):
        for change in commit.changes:
            parts = change.path.split("/")
            if change.new is None or len(parts) != 4 or parts[3] != "plan.yaml":
                continue
            if not change.path.startswith(f"{ACTIVE}/"):
                continue
            try:
                text = blobs.small(change.new).decode("utf-8")
                yield _Version(parts[2], parse_plan(text, change.path))
            except (UnicodeDecodeError, PlanError):
                continue  # what could not be used then proves nothing, and has no names


def _recorded(
    tree: CommitTree, target: str, initiative: str | None
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Find the steps whose receipts recorded a path (`analysis/a_v2.json` is in no plan)."""
    folders = {path.split("/")[2] for path in tree.entries if path.startswith(f"{ACTIVE}/")}
    for name in sorted(folders):
        if initiative not in (None, name):
            continue
        shelf = PastShelf(tree, reports_of(name), None)
        steps = {
            item.stored.receipt.step
            for hub in shelf.hubs()
            for path in shelf.paths(hub)
            if (item := shelf.load(hub, path)).stored is not None
            and any(
                target in (path, f"{hub}/{subject.name}", subject.name)
                for subject in item.stored.receipt.subjects
            )
        }
        if steps:
            yield name, tuple(sorted(steps))


def _unknown(target: str, initiative: str | None, known: Iterable[str]) -> NotFoundError:
    where = f"`{initiative}`" if initiative else "any initiative"
    alike = near(target, known)
    hint = f"did you mean {listed(alike)}?" if alike else "`planctl verify` lists steps and rows"
    return NotFoundError(
        f"`{target}` is no row, step, artifact or input of {where}, at any of the commits", hint
    )

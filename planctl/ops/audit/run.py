"""Audit: one pass over a history, or over the turns of one file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from planctl._files import read_text
from planctl._git_history import BlobReader, shallow_commits
from planctl.errors import BadFileError, NotFoundError, UsageError
from planctl.models.audit import AuditFinding, AuditReport, AuditTotal
from planctl.models.audit_settings import AuditSettings
from planctl.models.claims.claim import Unreadable
from planctl.models.prose.reading import parse_prose
from planctl.models.requests import requests
from planctl.ops.audit.asks import Asks, finding, in_time, turn_text
from planctl.ops.audit.citations import Citations
from planctl.ops.audit.ledgers import Ledgers
from planctl.ops.audit.logs import Logs
from planctl.ops.audit.metrics import Metrics
from planctl.ops.audit.names import Names
from planctl.ops.audit.orders import orders_of
from planctl.ops.audit.pointers import Pointers
from planctl.ops.audit.scene import Auditor, End, Part, Scene
from planctl.ops.audit.texts import MAX_TEXT, TextReader, Written
from planctl.ops.audit.trees import Step, TreeWalk
from planctl.workspace import Workspace

_CUT = (
    "this clone is shallow: what lies before its depth is not seen, so totals are lower bounds; "
    "`git fetch --unshallow` brings the rest"
)


@dataclass(frozen=True)
class _Range:
    """Which commits to walk, and which of them to judge.

    Attributes:
        walk: Revisions of the walk; it goes on to HEAD when HEAD has the end, to see what came.
        judged: Ids, or None for all.
    """

    shown: str
    walk: tuple[str, ...]
    judged: frozenset[str] | None


class Unread:
    """Counts blocks that no grammar fits."""

    def __init__(self) -> None:
        self._findings: list[AuditFinding] = []
        self._blocks = 0

    def visit(self, scene: Scene) -> None:
        """Count the blocks of a commit."""
        self._blocks += sum(1 for _ in scene.told("summary", "ledger"))

    def add(self, commit: str, path: str, item: Unreadable) -> None:
        """Take note of a text that could not be read to its end."""
        shown = " ".join(item.text.split())[:120]
        self._findings.append(
            AuditFinding("unreadable", commit, path, item.line, shown, "unreadable", item.why)
        )

    def finish(self, end: End) -> Part:
        """Count."""
        whole = self._blocks + len(self._findings)
        label = "blocks that could not be read to their end"
        total = AuditTotal("unreadable", label, len(self._findings), whole)
        return Part((total,), tuple(self._findings))


def audit(
    workspace: Workspace, revisions: str | None = None, summaries: tuple[str, ...] = ()
) -> AuditReport:
    """Replay what a history claimed against what its commits hold.

    Args:
        workspace: The repository.
        revisions: `A..B` (what B has and A has not), one revision (all it has), None for HEAD.
        summaries: Globs that replace those of the settings.

    Raises:
        NotFoundError: The repository has no commit.
        UsageError: A revision this clone does not have; a glob that cannot be.
    """
    settings = _settings(workspace, summaries)
    span = _range(workspace, revisions)
    cut = shallow_commits(workspace.repo)
    walk = TreeWalk(workspace.repo, span.walk, cut)
    with BlobReader(workspace.repo) as blobs:
        reader = TextReader(blobs, settings.role)
        unread = Unread()
        parts: tuple[Auditor, ...] = (
            Citations(),
            Logs(),
            Names(),
            Pointers(),
            Ledgers(reader.lines, reader.role),
            Asks(),
            Metrics(),
            unread,
        )
        commits = texts = 0
        tree: dict[str, str] = {}
        for step in walk:
            scene = _scene(step, span, reader, blobs, unread)
            commits += scene.judged
            texts += scene.judged and bool(scene.texts)
            for part in parts:
                part.visit(scene)
            tree = step.tree
        answers = [part.finish(End(walk.ever, tree, blobs)) for part in parts]
    return _report(span.shown, commits, texts, bool(cut & walk.seen), answers)


def _scene(
    step: Step, span: _Range, reader: TextReader, blobs: BlobReader, unread: Unread
) -> Scene:
    judged = span.judged is None or step.commit.id in span.judged
    blobs.ask_sizes(change.new for change in step.commit.changes if change.new is not None)
    texts = reader.texts(step)
    written: list[Written] = []
    for text in texts if judged else ():
        if text.role == "brief":
            continue  # a brief is an order as a whole, and nothing else
        for item in reader.written(text):
            if isinstance(item, Written):
                written.append(item)
            elif text.role in ("summary", "ledger"):
                unread.add(step.commit.id, text.path, item)
    scene = Scene(step, judged, tuple(texts), tuple(written), blobs)
    return replace(scene, orders=tuple(orders_of(scene))) if judged else scene


def _report(
    shown: str, commits: int, texts: int, lower_bounds: bool, answers: list[Part]
) -> AuditReport:
    findings = chain.from_iterable(part.findings for part in answers)
    notes = [note for part in answers for note in part.notes]
    if lower_bounds:
        notes.insert(0, _CUT)
    if not texts:
        notes.append("no commit touches a summary, ledger or brief: see `[audit]` in planctl.toml")
    totals = chain.from_iterable(part.totals for part in answers)
    return AuditReport(
        shown, commits, texts, lower_bounds, tuple(totals), tuple(findings), tuple(notes)
    )


def _settings(workspace: Workspace, summaries: tuple[str, ...]) -> AuditSettings:
    settings = workspace.settings().audit
    if not summaries:
        return settings
    try:
        return AuditSettings.model_validate(settings.model_dump() | {"summaries": summaries})
    except ValueError as error:
        first = str(error).splitlines()[-1].strip()
        raise UsageError(f"`--summaries {' '.join(summaries)}`: {first}") from error


def _range(workspace: Workspace, revisions: str | None) -> _Range:
    head = workspace.repo.head
    if head is None:
        raise NotFoundError("the repository has no commit yet", "there is no history to audit")
    if revisions is None:
        return _Range("HEAD", (head,), None)
    first, dots, last = revisions.partition("..")
    end = _commit(workspace, last or "HEAD") if dots else _commit(workspace, first)
    start = _commit(workspace, first or "HEAD") if dots else None
    without = (f"^{start}",) if start else ()
    follows = workspace.repo.is_ancestor(end, head)
    judged = workspace.repo.ask("rev-list", end, *without).decode().split()
    return _Range(revisions, (head if follows else end, *without), frozenset(judged))


def _commit(workspace: Workspace, revision: str) -> str:
    if revision.startswith("."):
        raise UsageError(f"`{revision}` is no revision", "write FIRST..LAST with two dots")
    found = workspace.repo.resolve(revision)
    if found is None:
        raise UsageError(
            f"this clone has no commit `{revision}`", "`git fetch` it, or check its spelling"
        )
    return found


def audit_file(workspace: Workspace, path: Path) -> AuditReport:
    """Read the turns of one file in their order; of all checks only requests need no history.

    Args:
        workspace: The repository; the file may lie anywhere.
        path: A summary, newest or oldest turn first.

    Raises:
        BadFileError: It cannot be read, or holds no turn.
    """
    shown = workspace.relative(path.absolute())
    try:
        text = read_text(path, MAX_TEXT, "replace")
    except OSError as error:
        raise BadFileError(shown, f"cannot be read: {error.strerror or error}") from error
    lines = text.split("\n")
    prose = parse_prose(text)
    turns = in_time(prose.turns)
    if not turns:
        raise BadFileError(
            shown, "holds no turn summary", hint="a turn starts with `### Turn Summary (<stamp>)`"
        )
    told = [turn_text(shown, block, f"line {block.line}", lines) for block in turns]
    found = requests(told)
    again = [item for item in found if item.satisfied is not None]
    label = "requests for evidence that was complete"
    totals = (
        AuditTotal("turns", "turns", len(turns)),
        AuditTotal("requests.repeated", label, len(again), len(found)),
        AuditTotal("unreadable", "texts that could not be read", len(prose.unreadable)),
    )
    findings = [finding(item, told, "", shown) for item in again]
    findings += [
        AuditFinding("unreadable", "", shown, item.line, item.text[:120], "unreadable", item.why)
        for item in prose.unreadable
    ]
    return AuditReport(shown, 0, 1, False, totals, tuple(findings))

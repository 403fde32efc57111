"""Claims: every claim of files, or of the lines that commits added, with what becomes of it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from planctl._git_history import BlobReader, shallow_commits
from planctl.errors import UsageError
from planctl.models.claims.claim import Unreadable
from planctl.models.claims.judged import Answer, ClaimsReport, JudgedClaim
from planctl.models.claims.paths import PathIndex
from planctl.ops.audit.texts import Text, TextReader, Written
from planctl.ops.audit.trees import Ever, TreeWalk
from planctl.ops.claims.answers import Judge, Memory
from planctl.ops.claims.ends import Ends, Late, distinct, is_name, is_stamp, spelled, stamp_found
from planctl.ops.claims.prose_files import Origins, Told, default_files, span_of, told_in
from planctl.ops.claims.views import CommitView, View, WorktreeView
from planctl.workspace import Workspace

_SHALLOW = (
    "this clone is shallow: what came before its depth is not seen; "
    "`git fetch --unshallow` brings the rest"
)


def claims(workspace: Workspace, targets: Sequence[str] = (), now: bool = False) -> ClaimsReport:
    """Judge what prose claims.

    Args:
        workspace: The repository.
        targets: Files of prose, each line of which is judged at the commit that first had it in
            its block; or one `FIRST..LAST` (or one commit), whose added lines are judged at
            each commit. Nothing: every summary and ledger.
        now: Judge files against the work tree alone.

    Raises:
        UsageError: A target that is neither, or both kinds at once.
        BadFileError: A file that cannot be read.
        NotFoundError: The repository has no commit.
    """
    head = workspace.now_head
    run = _Run(workspace)
    if len(targets) == 1 and not Path(targets[0]).exists():
        return run.of_commits(targets[0])
    for target in targets:
        if not Path(target).is_file():
            raise UsageError(
                f"`{target}` is no file", "give files of prose, or one FIRST..LAST alone"
            )
    tracked = {path: entry.blob for path, entry in workspace.repo.tree(head).items()}
    files = [Path(target) for target in targets] or default_files(workspace, tracked)
    return run.of_files(files, tracked, now, targets)


class _Run:
    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._memory = Memory()
        self._answers: list[JudgedClaim] = []
        self._late: list[Late] = []
        self._turns = 0
        self._commits: list[str] = []
        self._cut = shallow_commits(workspace.repo)

    def of_files(
        self, files: Sequence[Path], tracked: dict[str, str], now: bool, targets: Sequence[str]
    ) -> ClaimsReport:
        """Judge every block of files."""
        told = [item for path in files for item in told_in(self._workspace, path)]
        self._turns = sum(len(item.prose.turns) for item in told)
        origins = Origins(told)
        ever = Ever(PathIndex())
        if not now:
            ever = self._history(origins, frozenset(item.text.path for item in told))
        today = WorktreeView(self._workspace, tracked)
        for item, lines in origins.left():
            came = origins.headed.get(item.head)
            self._section(item, lines, today, came, len(self._commits))
        shown = " ".join(targets) or "every summary and ledger"
        return self._report(shown, ever)

    def _history(self, origins: Origins, paths: frozenset[str]) -> Ever:
        """Judge, commit by commit, the lines that each is the first to have."""
        walk = TreeWalk(self._workspace.repo, (self._workspace.now_head,), self._cut)
        with BlobReader(self._workspace.repo) as blobs:
            reader = TextReader(blobs, lambda _: None)
            for step in walk:
                self._commits.append(step.commit.id)
                for item, lines in origins.met(step, reader, paths):
                    view = CommitView(step, blobs)
                    came = origins.headed.get(item.head)
                    self._section(item, lines, view, came, step.position)
        return walk.ever

    def of_commits(self, revisions: str) -> ClaimsReport:
        """Judge what commits added to summaries and ledgers."""
        span = span_of(self._workspace, revisions)
        role = self._workspace.settings().audit.role
        walk = TreeWalk(self._workspace.repo, span.walk, self._cut)
        with BlobReader(self._workspace.repo) as blobs:
            reader = TextReader(blobs, role)
            for step in walk:
                self._commits.append(step.commit.id)
                texts = reader.texts(step)
                if step.commit.id not in span.judged:
                    continue
                view = CommitView(step, blobs)
                came = (step.commit.committed, step.commit.id)
                for text in texts:
                    if text.role in ("summary", "ledger"):
                        for item in reader.written(text):
                            self._written(text, item, view, came, step.position)
        return self._report(revisions, walk.ever)

    def _written(
        self,
        text: Text,
        item: Written | Unreadable,
        view: View,
        came: tuple[dt.datetime, str],
        position: int,
    ) -> None:
        if isinstance(item, Unreadable):
            self._unreadable(text.path, item, view)
        else:
            self._turns += item.block.turn
            self._block(item, view, came, position)

    def _section(
        self,
        told: Told,
        lines: frozenset[int],
        view: View,
        came: tuple[dt.datetime, str] | None,
        position: int,
    ) -> None:
        for problem in told.prose.unreadable:
            if problem.line in lines:
                self._unreadable(told.text.path, problem, view)
        for block in told.prose.blocks:
            self._block(told.written(block, lines), view, came, position)

    def _unreadable(self, path: str, item: Unreadable, view: View) -> None:
        self._answers.append(
            JudgedClaim(
                *(path, item.line, "", view.commit, item.kind, item.text),
                *(Answer.UNREADABLE, item.why),
            )
        )

    def _block(
        self, item: Written, view: View, came: tuple[dt.datetime, str] | None, position: int
    ) -> None:
        judge = Judge(view, item, self._memory)
        for claim in distinct(item.block.claims):
            if not item.new(claim.line) or is_name(claim):
                continue
            found = stamp_found(claim, view.when, came) if is_stamp(claim) else judge.claim(claim)
            if found.late:
                self._late.append(Late(len(self._answers), claim, item, position))
            where = (item.text.path, claim.line, item.block.title, view.commit, claim.kind)
            self._answers.append(
                JudgedClaim(*where, spelled(claim), found.answer, found.why, found.kind)
            )

    def _report(self, target: str, ever: Ever) -> ClaimsReport:
        ends = Ends(self._workspace.repo, self._late, ever, self._commits, bool(self._cut))
        for late in self._late:
            old = self._answers[late.at]
            found = ends.found(late, old)
            self._answers[late.at] = replace(
                old, answer=found.answer, why=found.why, found=found.kind
            )
        answers = tuple(sorted(self._answers, key=lambda item: (item.path, item.line)))
        return ClaimsReport(target, self._turns, answers, (_SHALLOW,) if self._cut else ())

"""Sync before a commit: the rows in the index follow what the commit will prove.

What is judged is the content of the index, as a clean clone of the commit would have it. Only the
lines of rows change, in the index and in the work tree; what a person has not staged stays so.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

from planctl._git_run import ENVIRONMENT, RefusedError, run_git
from planctl.errors import GitError
from planctl.models.paths import matches
from planctl.models.plan.plan import Plan
from planctl.models.verdict import VerifyReport
from planctl.ops.ledger.file import read_document, write_document
from planctl.ops.past.at import Past, past_of
from planctl.ops.past.judge import PastJudge
from planctl.ops.receipts import LoadedReceipt, load
from planctl.ops.replay.store import replays_of
from planctl.ops.sync import RowChange, SyncReport, rows_of
from planctl.ops.together import Together
from planctl.ops.verify import decide, name_commits
from planctl.ops.write_lock import write_lock
from planctl.workspace import ACTIVE, SETTINGS, Workspace

_SETTINGS = (SETTINGS, ".planctl/")
_NAME = "planctl"
_PLAIN = ("100644", "100755")


class StagedTree:
    """What is staged, in an index that git names to its hooks or in the usual one.

    Args:
        workspace: The repository.
        index: `GIT_INDEX_FILE` as a hook gets it; None for the repository's own.
    """

    def __init__(self, workspace: Workspace, index: str | None) -> None:
        self._workspace = workspace
        self._env = dict(ENVIRONMENT)
        if index:
            self._env["GIT_INDEX_FILE"] = str(Path.cwd() / index)

    def ask(self, *words: str, stdin: str = "") -> bytes:
        """Ask git about the index."""
        return run_git(self._workspace.root, *words, stdin=stdin, word=words[0], env=self._env)

    def commit(self) -> str:
        """Return a commit of what is staged; no branch names it, and git removes it some day.

        Raises:
            GitError: The index holds a merge that is not finished.
        """
        try:
            tree = self.ask("write-tree").decode().strip()
        except RefusedError as error:
            raise GitError(
                f"what is staged cannot be looked at: {error.detail.splitlines()[0]}",
                "finish the merge: `git status` names the files",
            ) from error
        repo = self._workspace.repo
        parents = [repo.head] if repo.head else []
        merged = repo.git_dir / "MERGE_HEAD"
        parents += merged.read_text().split() if merged.is_file() else []
        now = f"{int(self._workspace.clock().timestamp())} +0000"
        for who in ("AUTHOR", "COMMITTER"):
            self._env |= {f"GIT_{who}_NAME": _NAME, f"GIT_{who}_EMAIL": _NAME}
            self._env[f"GIT_{who}_DATE"] = now
        words = [word for parent in parents for word in ("-p", parent)]
        return self.ask("commit-tree", tree, *words, "-m", "what is staged").decode().strip()

    def changed(self) -> list[str]:
        """Return the paths that are staged otherwise than in HEAD; all without a HEAD."""
        head = self._workspace.repo.head
        if head is None:
            words: tuple[str, ...] = ("ls-files", "-z", "--cached")
        else:
            words = ("diff-index", "--cached", "--name-only", "--no-renames", "-z", head)
        found = self.ask(*words).decode("utf-8", "surrogateescape")
        return [path for path in found.split("\0") if path]

    def write(self, path: str, mode: str, text: str) -> None:
        """Stage another content of a file."""
        blob = self.ask("hash-object", "-w", "--no-filters", "--stdin", stdin=text).decode().strip()
        self.ask("update-index", "--cacheinfo", f"{mode},{blob},{path}")


def sync_staged(workspace: Workspace, index: str | None = None, check: bool = False) -> SyncReport:
    """Let the staged rows follow what the commit of what is staged will prove.

    Only initiatives that what is staged can matter to are looked at: their own files, the inputs of
    their steps, the settings.

    Args:
        workspace: The repository.
        index: `GIT_INDEX_FILE` as git hands it to a hook; None for the repository's own index.
        check: Change nothing.

    Raises:
        GitError: What is staged cannot be looked at.
        PlanError: A staged plan cannot be used.
    """
    staged = StagedTree(workspace, index)
    changed = staged.changed()
    if not changed:
        return SyncReport(())
    commit = staged.commit()
    found = workspace.repo.commits([commit])[commit]
    changes: list[RowChange] = []
    written: list[str] = []
    with past_of(workspace, found) as past:
        plans = list(_touched(past, changed))
        for plan, report in zip(plans, _judged(past, plans), strict=True):
            path = past.workspace.relative(past.workspace.working_plan(plan))
            entry = past.tree.entries.get(path)
            if entry is None or entry.mode not in _PLAIN:
                continue
            text = past.tree.blobs.small(entry.blob).decode("utf-8", "surrogateescape")
            differ, after = rows_of(path, text, report, commit)
            changes += differ
            if differ and not check:
                staged.write(path, entry.mode, after)
                _in_work_tree(workspace, path, report, commit)
                written.append(path)
    return SyncReport(tuple(changes), tuple(written))


class _Staged(Together):
    """What the judges of several plans have in common, at one commit."""

    def __init__(self, past: Past, plans: Sequence[Plan]) -> None:
        super().__init__(past.workspace, plans, cache=False)
        self._past = past

    @cached_property
    def loaded(self) -> dict[str, list[LoadedReceipt]]:
        """Initiative → its receipts."""
        repo = self.workspace.repo
        return {
            plan.id: load(self._past.shelf(plan), repo, self.added[plan.id]) for plan in self._plans
        }

    def judge(self, plan: Plan) -> PastJudge:
        """Return who answers for one of the plans."""
        judge = PastJudge(self.workspace, plan, self.loaded[plan.id], self._past.tree)
        # In place of its own: `cached_property` looks here first.
        judge.__dict__["gates"] = self.gates
        judge.__dict__["commits"] = self.commits
        judge.__dict__["replays"] = replays_of(self.workspace, plan, added=self.added[plan.id])
        return judge


def _judged(past: Past, plans: Sequence[Plan]) -> list[VerifyReport]:
    together = _Staged(past, plans)
    return name_commits(past.workspace, [decide(together.judge(plan)) for plan in plans])


def _touched(past: Past, changed: list[str]) -> Iterator[Plan]:
    """Yield the plans whose verdicts may differ by what is staged."""
    everything = any(path.startswith(_SETTINGS) for path in changed)
    for name in past.workspace.initiatives():
        plan = past.plan(name)
        if everything or any(_matters(plan, path) for path in changed):
            yield plan


def _matters(plan: Plan, path: str) -> bool:
    """Tell whether a path is the plan's own, or an input of one of its steps."""
    if path.startswith(f"{ACTIVE}/{plan.id}/") or path == plan.working_plan:
        return True
    globs = {plan.inputs_of(phase, step) for phase, step in plan.steps()}
    return any(matches(path, one) for one in globs)


def _in_work_tree(workspace: Workspace, path: str, report: VerifyReport, commit: str) -> None:
    """Write the same rows into the work tree, beside whatever is changed there."""
    if not os.path.isfile(workspace.root / path) or os.path.islink(workspace.root / path):
        return
    with write_lock(workspace, f"rows of {report.initiative}"):
        differ, after = rows_of(path, read_document(workspace, path), report, commit)
        if differ:
            write_document(workspace, path, after)

"""Verdicts on several initiatives at once: what they ask git in common is asked once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache, cached_property

from planctl._git import Added, Commit
from planctl._git_index import FolderListings, IndexedFiles
from planctl.models.plan.plan import Plan
from planctl.models.verdict import VerifyReport
from planctl.ops.facts import Facts
from planctl.ops.gates import GateHistory
from planctl.ops.inputs import TreeState
from planctl.ops.judge import Judge
from planctl.ops.receipts import EVIDENCE, LoadedReceipt, receipts_of
from planctl.ops.replay.store import replays_of
from planctl.ops.signing.signatures import Signatures
from planctl.ops.signing.trust import Auditor, Reader, disk_reader
from planctl.ops.verify import decide, name_commits, verify
from planctl.workspace import ACTIVE, Workspace

_REPORTS = re.compile(rf"{ACTIVE}/[^/]+/reports/".encode())
_OWNER = re.compile(rf"{ACTIVE}/([^/]+)/")


def verify_all(
    workspace: Workspace,
    plans: Sequence[Plan],
    phase: str | None = None,
    auditor: Auditor | None = None,
    cache: bool = True,
    named: bool = True,
) -> list[VerifyReport]:
    """Decide what the receipts of some plans prove now.

    Args:
        workspace: The repository.
        plans: The plans.
        phase: Only this phase of each; None for all.
        auditor: What somebody outside the repository asks for.
        cache: Take an artifact as read when it was read before and git's index shows no change.
        named: Also say which commits moved inputs.

    Returns:
        A report a plan, each as `verify` gives it.

    Raises:
        NotFoundError: A plan has no such phase.
        GitError: Git refused.
    """
    if len(plans) == 1:
        return [verify(workspace, plans[0], phase, auditor=auditor, cache=cache)]
    together = Together(workspace, plans, auditor, cache)
    reports = [decide(together.judge(plan), phase) for plan in plans]
    if together.facts is not None:
        together.facts.save()
    return name_commits(workspace, reports) if named else reports


class Together:
    """What the judges of several plans have in common.

    Args:
        workspace: The repository.
        plans: The plans that will be judged.
        auditor: What somebody outside the repository asks for.
        cache: Use and keep facts of earlier runs.
    """

    def __init__(
        self,
        workspace: Workspace,
        plans: Sequence[Plan],
        auditor: Auditor | None = None,
        cache: bool = True,
    ) -> None:
        self.workspace = workspace
        self.auditor = auditor
        self.facts = Facts(workspace.repo.git_dir / "planctl" / "facts") if cache else None
        self._plans = plans

    def judge(self, plan: Plan) -> Judge:
        """Return who answers for one of the plans."""
        return _Judge(self, plan)

    @cached_property
    def added(self) -> dict[str, dict[str, Added]]:
        """Initiative → where its receipts and replays entered history."""
        found: dict[str, dict[str, Added]] = {plan.id: {} for plan in self._plans}
        patterns = [f"{ACTIVE}/*/reports/{name}" for name in EVIDENCE]
        for path, first in self.workspace.repo.first_added(patterns, globs=True).items():
            owner = _OWNER.match(path)
            if owner is not None and owner[1] in found:
                found[owner[1]][path] = first
        return found

    @cached_property
    def loaded(self) -> dict[str, list[LoadedReceipt]]:
        """Initiative → its receipts."""
        return {
            plan.id: receipts_of(self.workspace, plan, None, self.facts, self.added[plan.id])
            for plan in self._plans
        }

    @cached_property
    def tree(self) -> TreeState:
        """Every file git knows of."""
        scope = {plan.inputs_of(*pair) for plan in self._plans for pair in plan.steps()}
        return TreeState(self.workspace.repo, thorough=self.facts is None, scope=scope)

    @cached_property
    def read(self) -> Reader:
        """How the files are read that say whom to trust: each once."""
        return cache(disk_reader(self.workspace))

    @cached_property
    def _commits(self) -> set[str]:
        loaded = (item for items in self.loaded.values() for item in items)
        return {item.stored.receipt.commit for item in loaded if item.stored}

    @cached_property
    def gates(self) -> GateHistory:
        """Which commits contain a gate of any of the plans."""
        phases = (phase for plan in self._plans for phase in plan.phases.values())
        wanted = {phase.gate for phase in phases if phase.gate}
        return GateHistory(self.workspace.repo, wanted, self._commits)

    @cached_property
    def commits(self) -> dict[str, Commit]:
        """What this clone knows of the receipts' commits."""
        return self.workspace.repo.commits(self._commits)

    @cached_property
    def _listings(self) -> FolderListings:
        return FolderListings(self.workspace.repo, _REPORTS, ACTIVE)

    def index(self, folder: str) -> IndexedFiles:
        """Return what git's index knows of the files below a folder of an initiative."""
        return self._listings.of(folder)


class _Judge(Judge):
    """Answers for one of several plans."""

    def __init__(self, together: Together, plan: Plan) -> None:
        loaded = together.loaded[plan.id]
        super().__init__(together.workspace, plan, loaded, together.auditor, together.facts)
        self._together = together
        # In place of its own: `cached_property` looks here first.
        self.__dict__["tree"] = together.tree
        self.__dict__["gates"] = together.gates
        self.__dict__["commits"] = together.commits
        self.__dict__["signatures"] = Signatures(
            together.workspace, plan, loaded, together.auditor, together.read
        )
        self.__dict__["replays"] = replays_of(
            together.workspace, plan, added=together.added[plan.id]
        )

    def index(self, folder: str) -> IndexedFiles:
        """Return what git's index knows of the files below a folder."""
        return self._together.index(folder)

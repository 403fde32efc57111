"""What each receipt of a plan proves now, and which one speaks for its step."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING

from planctl._files import behind_link, sha256_file
from planctl._git import Commit
from planctl._git_index import IndexedFiles, indexed_files
from planctl.models.plan.plan import Plan, Step, checks_of, contract_digest
from planctl.models.receipt import DataFile, Receipt, StoredReceipt
from planctl.models.verdict import Predicate, ReceiptVerdict, Verdict
from planctl.ops import predicates
from planctl.ops.artifacts import Artifacts
from planctl.ops.facts import Fact, Facts, fact
from planctl.ops.gates import GateHistory
from planctl.ops.inputs import TreeState, moved_files
from planctl.ops.known_artifacts import KnownArtifacts
from planctl.ops.receipts import LoadedReceipt, tips
from planctl.ops.signing.signatures import Signatures
from planctl.ops.signing.trust import Auditor
from planctl.workspace import Workspace

if TYPE_CHECKING:
    from planctl.ops.adopted import Adopted
    from planctl.ops.replay.store import Replays

ORDER = (
    "intact",
    "exit",
    "present",
    "checks",
    "contract",
    "gate",
    "inputs",
    "parents",
    "signature",
    "clock",
)
"""The predicates; the first that does not hold decides."""

# Of several receipts without a fresh one, the one that says most about the present.
_RANK = (
    Verdict.UNPROVEN,  # it only lacks a signature
    Verdict.DIRTY,
    Verdict.STALE,
    Verdict.FAILED,
    Verdict.MODIFIED,
    Verdict.MISSING,
)


@dataclass
class Judge:
    """Answers for one plan; every question to git or disk is asked once.

    Whatever a verdict depends on is asked through this class, or through the repository and the
    root of its workspace: `ops/past_judge.py` answers the same questions for a commit.

    Attributes:
        loaded: The receipts that count for the plan.
        auditor: What somebody outside the repository asks for.
        facts: What earlier runs have seen of artifacts; None to read every byte, of inputs too.
    """

    workspace: Workspace
    plan: Plan
    loaded: list[LoadedReceipt]
    auditor: Auditor | None = None
    facts: Facts | None = None
    _verdicts: dict[str, ReceiptVerdict] = field(default_factory=dict)

    @cached_property
    def tree(self) -> TreeState:
        """Every file git knows of."""
        scope = {self.plan.inputs_of(phase, step) for phase, step in self.plan.steps()}
        return TreeState(self.workspace.repo, thorough=self.facts is None, scope=scope)

    @cached_property
    def gates(self) -> GateHistory:
        """Which commits contain a gate."""
        wanted = {phase.gate for phase in self.plan.phases.values() if phase.gate}
        commits = {item.stored.receipt.commit for item in self.loaded if item.stored}
        return GateHistory(self.workspace.repo, wanted, commits)

    @cached_property
    def artifacts(self) -> Artifacts:
        """The artifacts as they lie there."""
        if self.facts is None:
            return Artifacts(self.workspace.root)
        reports = self.workspace.relative(self.workspace.reports(self.plan))
        stored = [item.stored for item in self.loaded if item.stored is not None]
        return KnownArtifacts(
            self.workspace.root,
            self.facts,
            partial(self.index, reports),
            stored,
        )

    def index(self, folder: str) -> IndexedFiles:
        """Return what git's index knows of the files below a folder."""
        return indexed_files(self.workspace.repo, folder)

    @cached_property
    def by_digest(self) -> dict[str, LoadedReceipt]:
        """Receipts by payload digest."""
        # A receipt that lies twice, once where it does not belong, is the one that holds.
        readable = sorted(self.loaded, key=lambda item: item.holds)
        return {item.stored.payload_sha256: item for item in readable if item.stored}

    def intact(self) -> list[StoredReceipt]:
        """Return the receipts that are there as they were written, oldest first."""
        return [item.stored for item in self.loaded if item.stored is not None and item.holds]

    @cached_property
    def commits(self) -> dict[str, Commit]:
        """What this clone knows of the receipts' commits."""
        repo = self.workspace.repo
        # HEAD too: it is what the next run starts from.
        asked = {item.stored.receipt.commit for item in self.loaded if item.stored}
        return repo.commits(asked | {repo.head or ""} if asked else ())

    def settled(
        self, phase: str, step: Step, loaded: LoadedReceipt, receipt: Receipt
    ) -> list[Predicate]:
        """Ask what only the plan, the receipt and its artifacts answer."""
        return [
            predicates.present(self.artifacts, step, receipt, loaded.gone),
            predicates.intact(self.artifacts, receipt, loaded.broken),
            predicates.exited(receipt),
            self.checks(step, receipt),
            predicates.contract(self.plan, phase, step, receipt),
        ]

    @cached_property
    def signatures(self) -> Signatures:
        """What the receipts' signatures are worth."""
        return Signatures(self.workspace, self.plan, self.loaded, self.auditor)

    @cached_property
    def replays(self) -> Replays:
        """What replays say of the receipts."""
        from planctl.ops.replay.store import replays_of

        return replays_of(self.workspace, self.plan)

    def inputs(self, phase: str, step: Step, receipt: Receipt) -> Predicate:
        """Ask whether a receipt's inputs are as they were."""
        moved = self.moved_data(receipt)
        return predicates.inputs(self.tree, self.plan, phase, step, receipt, moved)

    def moved_data(self, receipt: Receipt) -> tuple[DataFile, ...]:
        """Return the data files of a receipt that have another content now."""
        return moved_files(self.workspace.root, receipt.data)

    def checks(self, step: Step, receipt: Receipt) -> Predicate:
        """Ask a step's checks of what a receipt recorded."""
        known = self._known_checks(step, receipt)
        if known is not None and self.facts is not None and known in self.facts:
            return predicates.all_hold(step)
        resolve = predicates.resolver(self.workspace.root, receipt, self.parent)
        answer = predicates.checks_hold(step, resolve)
        if known is not None and self.facts is not None and answer.ok:
            self.facts.add(known)
        return answer

    def _known_checks(self, step: Step, receipt: Receipt) -> Fact | None:
        """Return the fact that checks hold on what receipts recorded; None if that is not there.

        The digest of a payload tells what its artifacts are and, by the digests of its parents,
        what theirs are.
        """
        found = [receipt, *(self.parent(digest) for digest in receipt.parents.values())]
        if not checks_of(step) or any(item is None or self.artifacts.moved(item) for item in found):
            return None
        payload = self.artifacts.payload(receipt)
        if payload is None:
            return None
        contract = self.plan.contract(self._steps[step.id][0], step)
        return fact("checks", predicates.check_rules(), payload, contract_digest(contract))

    def exists(self, path: str) -> bool:
        """Tell whether a file or folder of this repository-relative path is there."""
        return (self.workspace.root / path).exists()

    def files_below(self, folder: str) -> Iterable[str]:
        """Yield the repository-relative paths of the files below a folder, sorted."""
        root = os.fspath(self.workspace.root)
        for place, folders, names in os.walk(os.path.join(root, folder)):
            folders.sort()
            below = place[len(root) + 1 :]
            yield from (f"{below}/{name}" for name in sorted(names))

    def read(self, path: str) -> bytes | None:
        """Return a file's bytes, or None when it is no file."""
        place = self.workspace.root / path
        return place.read_bytes() if place.is_file() else None

    def sha256(self, path: str) -> str | None:
        """Return the SHA-256 of a file; None when it is gone, words when it is no plain file."""
        place = self.workspace.root / path
        if behind_link(self.workspace.root, place):
            return "a symbolic link"
        try:
            return sha256_file(place)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            return f"unreadable ({error.strerror})"

    def blobs_below(self, folder: str) -> dict[str, str]:
        """Return path → blob id of the files below a folder that git finds as they are in it."""
        if self.facts is None:
            return {}
        records = self.index(folder).records
        return {path: item.record.split()[1].decode() for path, item in records.items()}

    @cached_property
    def adopted(self) -> Adopted:
        """The evidence from before planctl."""
        from planctl.ops.adopted import Adopted

        return Adopted(self)

    @cached_property
    def plan_digest(self) -> str:
        """Digest of all that the plan says."""
        return hashlib.sha256(self.plan.model_dump_json().encode()).hexdigest()

    @cached_property
    def _steps(self) -> dict[str, tuple[str, Step]]:
        return {step.id: (phase, step) for phase, step in self.plan.steps()}

    def _is_of(self, step: Step, receipt: Receipt) -> bool:
        return receipt.step == step.id and receipt.initiative == self.plan.id

    @cached_property
    def _by_step(self) -> dict[str, list[LoadedReceipt]]:
        found: dict[str, list[LoadedReceipt]] = {}
        for item in self.loaded:
            if item.stored is not None and item.stored.receipt.initiative == self.plan.id:
                found.setdefault(item.stored.receipt.step, []).append(item)
        return found

    def of_step(self, step_id: str) -> list[LoadedReceipt]:
        """Return the receipts of a step, oldest first by planctl's clock."""
        return self._by_step.get(step_id, [])

    def parent(self, digest: str) -> Receipt | None:
        """Return the receipt with a payload digest, if it can be read."""
        found = self.by_digest.get(digest)
        return None if found is None or found.stored is None else found.stored.receipt

    def waived(self, step: Step) -> bool:
        """Tell whether a person accepts the step as it is, today."""
        return step.waive is not None and step.waive.until >= self.workspace.clock().date()

    def judge_parent(self, step_id: str, digest: str | None) -> tuple[Verdict, str]:
        """Return what the receipt of a needed step proves now, and why not more."""
        phase, step = self._steps[step_id]
        verdict, why = self._parent(phase, step, digest)
        if not verdict.accepted and self.waived(step):
            return Verdict.WAIVED, why
        return verdict, why

    def _parent(self, phase: str, step: Step, digest: str | None) -> tuple[Verdict, str]:
        if digest is None:
            return Verdict.MISSING, "not recorded"
        found = self.by_digest.get(digest)
        if found is None:
            return Verdict.MISSING, f"receipt {digest[:16]} is gone"
        if found.stored is None or not self._is_of(step, found.stored.receipt):
            return Verdict.MISSING, f"receipt {digest[:16]} is of another step"
        result = self.receipt(phase, step, found)
        failing = [item.text for item in result.failing() if item.verdict]
        return result.verdict, failing[0] if failing else ""

    def receipt(self, phase: str, step: Step, loaded: LoadedReceipt) -> ReceiptVerdict:
        """Put every question to a receipt of a step."""
        if loaded.path not in self._verdicts:
            assert loaded.stored is not None
            self._verdicts[loaded.path] = self._judge(phase, step, loaded, loaded.stored)
        return self._verdicts[loaded.path]

    def _judge(
        self, phase: str, step: Step, loaded: LoadedReceipt, stored: StoredReceipt
    ) -> ReceiptVerdict:
        receipt, repo = stored.receipt, self.workspace.repo
        inputs = self.inputs(phase, step, receipt)
        answers = [
            *self.settled(phase, step, loaded, receipt),
            predicates.gate(
                self.gates, self.plan.phases[phase].gate, receipt, inputs.ok, repo.head
            ),
            inputs,
            predicates.clock(receipt, self.commits.get(receipt.commit), self.workspace.clock()),
            predicates.parents(step, stored, self.judge_parent),
            self.signatures.answer(phase, loaded),
        ]
        answers.sort(key=lambda item: ORDER.index(item.name))
        deciding = next((item.verdict for item in answers if not item.ok and item.verdict), None)
        return ReceiptVerdict(stored, deciding or Verdict.FRESH, tuple(answers))


def choose(results: list[ReceiptVerdict]) -> tuple[ReceiptVerdict, ReceiptVerdict | None]:
    """Return the receipt that speaks for a step, and a later failure that contradicts it.

    Later is told by `previous`, never by a clock: a run after the failure settles it.
    """
    fresh = [item for item in reversed(results) if item.verdict is Verdict.FRESH]
    failed = [item for item in results if failed_on_same(item)] if fresh else []
    contradicted = _before(results, failed)
    for best in fresh:
        if best.stored.payload_sha256 not in contradicted:
            return best, None
    if fresh:
        first = fresh[-1].stored.payload_sha256
        return fresh[0], next(i for i in reversed(failed) if first in _before(results, [i]))
    current = tips([item.stored for item in results])
    latest = [item for item in results if item.stored.payload_sha256 in current] or results
    return min(reversed(latest), key=lambda item: _RANK.index(item.verdict)), None


def failed_on_same(item: ReceiptVerdict) -> bool:
    """Tell whether a run failed on the contract and inputs of now; its files may be gone since."""
    holds = {answer.name: answer.ok for answer in item.predicates}
    return holds["contract"] and holds["inputs"] and not item.stored.receipt.ok


def _before(results: list[ReceiptVerdict], some: list[ReceiptVerdict]) -> set[str]:
    """Return the receipts that some others came after, told by `previous`, never by a clock."""
    named = {item.stored.payload_sha256: item.stored.receipt.previous for item in results}
    before: set[str] = set()
    open_digests = [digest for item in some for digest in item.stored.receipt.previous]
    while open_digests:
        digest = open_digests.pop()
        if digest in named and digest not in before:
            before.add(digest)
            open_digests += named[digest]
    return before

"""A judge for one commit after another: it remembers what nothing has moved since."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from planctl._git import Entry, Repository
from planctl.models.plan.plan import Plan, Step
from planctl.models.receipt import Receipt
from planctl.models.verdict import Predicate, ReceiptVerdict, StepVerdict, Verdict
from planctl.ops.gates import GateHistory
from planctl.ops.inputs import inputs_among
from planctl.ops.past.at import Past
from planctl.ops.past.judge import PastArtifacts, PastJudge
from planctl.ops.past.tree import CommitTree
from planctl.ops.receipts import LoadedReceipt
from planctl.ops.replay.store import Replays
from planctl.ops.signing.signatures import Signatures
from planctl.ops.signing.trust import Reader

Globs = tuple[str, ...]

# What decides about a receipt whose inputs have moved; `gate` leads to the same verdict as they.
_DECIDING = ("intact", "exit", "present", "checks", "contract", "inputs")


@dataclass
class _Recorded:
    """A receipt's inputs, and which of them are not as they were where the line is now."""

    receipt: Receipt
    entries: dict[str, Entry]
    off: set[str]


class LineInputs:
    """Which receipts' inputs are as they were; kept up to date by what each commit changed.

    Args:
        tree: The files where the line is now.
    """

    def __init__(self, tree: CommitTree) -> None:
        self._tree = tree
        self._known: dict[Globs, dict[int, _Recorded]] = defaultdict(dict)

    def differ(self, globs: Globs, receipt: Receipt) -> bool:
        """Tell whether a receipt's inputs are other than recorded."""
        group, key = self._known[globs], id(receipt)
        if key not in group:
            entries = {item.path: Entry(item.mode, item.blob) for item in receipt.inputs}
            now = self._tree.at_head(globs)
            off = {path for path in {*entries, *now} if entries.get(path) != now.get(path)}
            group[key] = _Recorded(receipt, entries, off)  # held, so that the key stays its own
        return bool(group[key].off)

    def move(self, changes: Mapping[str, Entry | None]) -> None:
        """Take in what a commit changed; the tree has moved already."""
        for globs, group in self._known.items():
            for path, entry in inputs_among(changes, globs).items():
                for item in group.values():
                    same = item.entries.get(path) == entry
                    (item.off.discard if same else item.off.add)(path)


class LineGates(GateHistory):
    """Which commits contain a gate, for every commit of a line: asked once a gate.

    Args:
        repo: The repository as of the last commit of the line.
    """

    def __init__(self, repo: Repository) -> None:
        super().__init__(repo)
        self._contained: dict[tuple[str, str], bool] = {}

    def contained_in(self, full: str, commit: str, inside: Set[str]) -> bool:
        """Tell whether `commit` contains the gate; False when this clone lacks the commit."""
        if (full, commit) not in self._contained:
            self._contained[full, commit] = super().contained_in(full, commit, inside)
        return self._contained[full, commit]


@dataclass
class Memory:
    """What stays true from one commit to the next, as long as nothing moved it."""

    inputs: LineInputs
    artifacts: PastArtifacts
    gates: LineGates
    settled: dict[str, list[Predicate]] = field(default_factory=dict)
    watchers: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    without: dict[tuple[str, bool], StepVerdict] = field(default_factory=dict)
    off: dict[str, ReceiptVerdict] = field(default_factory=dict)
    signed: dict[tuple[str, str], Predicate] = field(default_factory=dict)

    def forget(self) -> None:
        """Plan or settings moved."""
        self.off.clear()
        self.signed.clear()
        self.settled.clear()
        self.watchers.clear()
        self.without.clear()

    def touched(self, paths: Iterable[str]) -> None:
        """Evidence moved: forget what was told of receipts that any of it belongs to."""
        places = {str(place) for path in paths for place in (path, *PurePosixPath(path).parents)}
        moved = {name for place in places for name in self.watchers.get(place, ())}
        for name in moved:
            self.settled.pop(name, None)
            self.off.pop(name, None)
        if moved:
            self.signed = {key: told for key, told in self.signed.items() if key[1] not in moved}
        self.without.clear()


class _Signatures(Signatures):
    """Signatures whose answers are remembered: they hang on settings and evidence alone."""

    def __init__(
        self, judge: PastJudge, read: Reader, known: dict[tuple[str, str], Predicate]
    ) -> None:
        super().__init__(judge.workspace, judge.plan, judge.loaded, read=read)
        self._known = known

    def answer(self, phase: str, item: LoadedReceipt) -> Predicate:
        key = (phase, item.path)
        if key not in self._known:
            self._known[key] = super().answer(phase, item)
        return self._known[key]


class LineJudge(PastJudge):
    """A judge that remembers, and says of inputs no more than whether they moved.

    Args:
        past: Where the line is now.
        plan: The plan there.
        loaded: The receipts there.
        memory: Shared by the judges of a line.
        exact: Digests of the receipts for which it names what moved, as `verify` does.
    """

    def __init__(
        self,
        past: Past,
        plan: Plan,
        loaded: list[LoadedReceipt],
        memory: Memory,
        exact: Iterable[str] = (),
    ) -> None:
        super().__init__(past.workspace, plan, loaded, past.tree)
        self._memory = memory
        named = (self.by_digest.get(digest) for digest in exact)
        self._exact = {id(item.stored.receipt) for item in named if item and item.stored}
        self.__dict__["artifacts"] = memory.artifacts
        self.__dict__["gates"] = memory.gates
        # Times only warn, and warnings are not asked for here.
        self.__dict__["commits"] = {}
        self.__dict__["signatures"] = _Signatures(self, self._text, memory.signed)
        # Replays make a proof stronger; they decide no verdict.
        self.__dict__["replays"] = Replays()

    def receipt(self, phase: str, step: Step, loaded: LoadedReceipt) -> ReceiptVerdict:
        """Put every question to a receipt, or only those that can still decide.

        Once a receipt's inputs have moved, what comes after that question decides nothing, and what
        comes before it is settled, or leads to the same verdict.
        """
        known = self._memory.off
        receipt = None if loaded.stored is None else loaded.stored.receipt
        asked_before = (phase, loaded.path) in self._memory.signed
        if receipt is None or id(receipt) in self._exact or not asked_before:
            return super().receipt(phase, step, loaded)
        if not self._memory.inputs.differ(self.plan.inputs_of(phase, step), receipt):
            return super().receipt(phase, step, loaded)
        if loaded.path not in known:
            full = super().receipt(phase, step, loaded)
            if loaded.path not in self._memory.settled:
                return full
            few = tuple(item for item in full.predicates if item.name in _DECIDING)
            known[loaded.path] = replace(full, predicates=few)
        return known[loaded.path]

    def inputs(self, phase: str, step: Step, receipt: Receipt) -> Predicate:
        """Ask whether a receipt's inputs are as they were."""
        if id(receipt) in self._exact:
            return super().inputs(phase, step, receipt)
        globs = self.plan.inputs_of(phase, step)
        if self._memory.inputs.differ(globs, receipt) or self.moved_data(receipt):
            return Predicate("inputs", False, "moved", (), Verdict.STALE)
        return Predicate("inputs", True, "as they were")

    def settled(
        self, phase: str, step: Step, loaded: LoadedReceipt, receipt: Receipt
    ) -> list[Predicate]:
        """Ask what only the plan, the receipt and its artifacts answer; once."""
        known = self._memory.settled
        if loaded.path in known:
            return known[loaded.path]
        answers = super().settled(phase, step, loaded, receipt)
        built_on = [self.by_digest.get(digest) for digest in receipt.parents.values()]
        if None not in built_on:
            known[loaded.path] = answers
            for item in (loaded, *built_on):
                for path in _evidence(item):
                    self._memory.watchers[path].add(loaded.path)
        return answers


def _evidence(item: LoadedReceipt | None) -> Iterator[str]:
    """Yield the paths of a receipt and of what it recorded."""
    if item is not None and item.stored is not None:
        receipt = item.stored.receipt
        yield item.path
        yield from (f"{receipt.hub}/{subject.name}" for subject in receipt.subjects)


def grounds(judge: LineJudge, digest: str) -> set[str]:
    """Return the digests of a receipt and of all that it was built on."""
    found: set[str] = set()
    open_digests = [digest]
    while open_digests:
        one = open_digests.pop()
        receipt = None if one in found else judge.parent(one)
        found.add(one)
        open_digests += [] if receipt is None else receipt.parents.values()
    return found

"""One initiative along the line of first parents: judged again only where something moved."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from planctl._git import Added, Entry, Repository
from planctl.errors import BadFileError, NotFoundError, PlanctlError
from planctl.models.paths import matches
from planctl.models.plan import Plan, Step
from planctl.models.receipt import Receipt
from planctl.models.verdict import Predicate, StepVerdict, Verdict
from planctl.ops import predicates
from planctl.ops.inputs import inputs_among
from planctl.ops.past import Past, is_text, reports_of
from planctl.ops.past_judge import PastArtifacts, PastJudge
from planctl.ops.past_tree import CommitTree
from planctl.ops.receipts import LoadedReceipt, load
from planctl.ops.replays import Replays
from planctl.ops.signatures import Signatures
from planctl.ops.verify import step_verdict
from planctl.workspace import ACTIVE

ABSENT = "absent"
UNUSABLE = "no usable plan"

Globs = tuple[str, ...]


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


class LineGates(predicates.GateHistory):
    """Which commits contain a gate, for every commit of a line: asked once a gate.

    Args:
        repo: The repository as of the last commit of the line.
    """

    def __init__(self, repo: Repository) -> None:
        super().__init__(repo)
        self._contained: dict[tuple[str, str], bool] = {}

    def contained_in(self, full: str, commit: str, inside: frozenset[str]) -> bool:
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
    without: dict[tuple[str, bool], StepVerdict] = field(default_factory=dict)
    signatures: Signatures | None = None

    def forget(self) -> None:
        """Plan, settings or evidence moved."""
        self.signatures = None
        self.settled.clear()
        self.without.clear()


class LineJudge(PastJudge):
    """A judge that remembers, and says of inputs no more than whether they moved.

    Args:
        past: Where the line is now.
        plan: The plan there.
        loaded: The receipts there.
        memory: Shared by the judges of a line.
        exact: Name what moved, as `verify` does.
    """

    def __init__(
        self,
        past: Past,
        plan: Plan,
        loaded: list[LoadedReceipt],
        memory: Memory,
        exact: bool = False,
    ) -> None:
        super().__init__(past.workspace, plan, loaded, past.tree)
        self._memory = memory
        self._exact = exact
        self.__dict__["artifacts"] = memory.artifacts
        self.__dict__["gates"] = memory.gates
        # Times only warn, and warnings are not asked for here.
        self.__dict__["commits"] = {}
        # They hang on settings and evidence alone.
        memory.signatures = memory.signatures or self.signatures
        self.__dict__["signatures"] = memory.signatures
        # Replays make a proof stronger; they decide no verdict.
        self.__dict__["replays"] = Replays()

    def inputs(self, phase: str, step: Step, receipt: Receipt) -> Predicate:
        """Ask whether a receipt's inputs are as they were."""
        if self._exact:
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
        if loaded.path not in known:
            known[loaded.path] = super().settled(phase, step, loaded, receipt)
        return known[loaded.path]


class Track:
    """An initiative along the line: its steps' verdicts where the line is now.

    Args:
        past: Where the line is now; moved by the caller.
        initiative: Its id.
        steps: The ids of the steps that are asked about.
        gates: Shared by all tracks.
    """

    def __init__(self, past: Past, initiative: str, steps: tuple[str, ...], gates: LineGates):
        self._past, self._initiative, self._asked = past, initiative, steps
        self._reports = reports_of(initiative)
        artifacts = PastArtifacts(past.tree)
        self._memory = Memory(LineInputs(past.tree), artifacts, gates)
        self._added: dict[str, Added] = {}
        self._plan: Plan | None = None
        self._problem = ABSENT
        self._globs: set[Globs] = set()
        self._data: set[str] = set()
        self._loaded: list[LoadedReceipt] = []
        self._told: tuple[object, ...] = ()
        self.verdicts: dict[str, str] = dict.fromkeys(steps, ABSENT)
        self.judged = 0

    def move(self, changes: Mapping[str, Entry | None], added: list[tuple[str, Added]]) -> bool:
        """Take in a commit; the past has moved there already.

        Args:
            changes: What it changed beside its first parent.
            added: Versions of receipts that entered history with it, oldest first.

        Returns:
            Whether the verdicts were asked for again; else nothing they rest on has moved.
        """
        self._memory.inputs.move(changes)
        own = [(path, item) for path, item in added if path.startswith(f"{self._reports}/")]
        texts = any(self._is_own_text(path) for path in changes)
        evidence = bool(own) or any(map(self._is_evidence, changes))
        for path, item in own:
            self._added[path] = _joined(self._added.get(path), item)
        if texts:
            self._read_plan()
        if texts or evidence:
            self._memory.forget()
            self._read_receipts()
        told = self._around()
        moved = texts or evidence or told != self._told or any(map(self._is_input, changes))
        self._told = told
        if moved:
            self._ask()
        return moved

    def _is_own_text(self, path: str) -> bool:
        if self._plan is not None and path == self._plan.working_plan:
            return True
        if not is_text(path):
            return False
        return not path.startswith(f"{ACTIVE}/") or path.startswith(f"{ACTIVE}/{self._initiative}/")

    def _is_evidence(self, path: str) -> bool:
        folders = () if self._plan is None else self._plan.adopted
        own = f"{ACTIVE}/{self._initiative}/"
        return path.startswith(own) or any(matches(path, (folder,)) for folder in folders)

    def _is_input(self, path: str) -> bool:
        return path in self._data or any(matches(path, globs) for globs in self._globs)

    def _read_plan(self) -> None:
        self._plan, self._problem, self._globs = None, ABSENT, set()
        try:
            self._plan = self._past.plan(self._initiative)
        except NotFoundError:
            return
        except PlanctlError as error:
            self._problem = f"{UNUSABLE}: {error.message}"
            return
        for phase, step in _with_needs(self._plan, self._asked):
            self._globs.add(self._plan.inputs_of(phase, step))

    def _read_receipts(self) -> None:
        self._loaded = []
        if self._plan is None:
            return
        try:
            shelf = self._past.shelf(self._plan)
        except BadFileError as error:
            self._plan, self._problem = None, f"{UNUSABLE}: {error.message}"
            return
        self._loaded = load(shelf, self._past.workspace.repo, self._added)
        named = {
            item.path for one in self._loaded if one.stored for item in one.stored.receipt.data
        }
        tree = self._past.tree
        places = {place for path in named if (place := tree.followed(path)) is not None}
        self._data = named | places

    def _around(self) -> tuple[object, ...]:
        """Return what may change a verdict without a file having moved."""
        if self._plan is None:
            return ()
        head, today = self._past.commit.id, self._past.commit.committed.date()
        gates = (phase.gate for phase in self._plan.phases.values() if phase.gate)
        inside = tuple(head in self._memory.gates.of(gate)[1] for gate in gates)
        waivers = (step.waive for _, step in self._plan.steps() if step.waive)
        return (inside, tuple(waiver.until >= today for waiver in waivers))

    def _ask(self) -> None:
        self.judged += 1
        if self._plan is None:
            self.verdicts = dict.fromkeys(self._asked, self._problem)
            return
        judge = LineJudge(self._past, self._plan, self._loaded, self._memory)
        try:
            self.verdicts = {step: self._verdict(judge, step) for step in self._asked}
        except BadFileError as error:
            # A policy or a list of keys that cannot be used: no verdict rests on it.
            self.verdicts = dict.fromkeys(self._asked, f"{UNUSABLE}: {error.message}")

    def _verdict(self, judge: LineJudge, step_id: str) -> str:
        assert self._plan is not None
        if step_id not in {step.id for _, step in self._plan.steps()}:
            return ABSENT
        phase, step = self._plan.step(step_id)
        if judge.of_step(step_id):
            return str(self._step_verdict(judge, phase, step).verdict)
        key = (step_id, judge.waived(step))
        if key not in self._memory.without:
            self._memory.without[key] = self._step_verdict(judge, phase, step)
        return str(self._memory.without[key].verdict)

    def _step_verdict(self, judge: LineJudge, phase: str, step: Step) -> StepVerdict:
        hub = None if judge.plan.hub is None else self._past.workspace.hub(judge.plan)
        return step_verdict(judge, phase, step, hub)

    def explain(self, step_id: str) -> tuple[LineJudge, StepVerdict] | None:
        """Judge a step again where the line is now, and name what moved; None without a plan."""
        plan = self._plan
        if plan is None or step_id not in {step.id for _, step in plan.steps()}:
            return None
        judge = LineJudge(self._past, plan, self._loaded, self._memory, exact=True)
        return judge, self._step_verdict(judge, *plan.step(step_id))

    @property
    def plan(self) -> Plan | None:
        """The plan where the line is now, if it can be used."""
        return self._plan


def _joined(first: Added | None, item: Added) -> Added:
    """Take a later version of a path into where it first came from."""
    return item if first is None else Added(first.commit, first.blob, (item, *first.later))


def _with_needs(plan: Plan, wanted: tuple[str, ...]) -> list[tuple[str, Step]]:
    """Return steps and all that they need, directly or not."""
    steps = {step.id: (phase, step) for phase, step in plan.steps()}
    found: dict[str, tuple[str, Step]] = {}
    open_steps = [name for name in wanted if name in steps]
    while open_steps:
        name = open_steps.pop()
        if name not in found:
            found[name] = steps[name]
            open_steps += steps[name][1].needs
    return list(found.values())

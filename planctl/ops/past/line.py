"""One initiative along the line of first parents: judged again only where something moved."""

from __future__ import annotations

from collections.abc import Mapping

from planctl._git import Added, Entry
from planctl.errors import BadFileError, NotFoundError, PlanctlError
from planctl.models.paths import matches
from planctl.models.plan.plan import Plan, Step
from planctl.models.verdict import StepVerdict
from planctl.ops.past.at import Past, is_text, reports_of
from planctl.ops.past.judge import PastArtifacts
from planctl.ops.past.line_judge import Globs, LineGates, LineInputs, LineJudge, Memory, grounds
from planctl.ops.receipts import LoadedReceipt, load
from planctl.ops.verify import step_verdict
from planctl.workspace import ACTIVE

ABSENT = "absent"
UNUSABLE = "no usable plan"


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
        self._texts: set[str] = set()
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
        # A plan that cannot be used may become usable by any file that it names.
        unusable = self._problem.startswith(UNUSABLE)
        texts = unusable or any(self._is_own_text(path) for path in changes)
        evidence = bool(own) or any(map(self._is_evidence, changes))
        for path, item in own:
            self._added[path] = _joined(self._added.get(path), item)
        if texts:
            self._read_plan()
        if texts:
            self._memory.forget()
        elif evidence:
            self._memory.touched((*changes, *(path for path, _ in own)))
        if texts or evidence:
            self._read_receipts()
        told = self._around()
        moved = texts or evidence or told != self._told or any(map(self._is_input, changes))
        self._told = told
        if moved:
            self._ask()
        return moved

    def _is_own_text(self, path: str) -> bool:
        if path in self._texts:
            return True
        if not is_text(path):
            return False
        # A policy that names an initiative asks whether that has a plan.
        own = path.startswith(f"{ACTIVE}/{self._initiative}/")
        return own or not path.startswith(f"{ACTIVE}/") or path.endswith("/plan.yaml")

    def _is_evidence(self, path: str) -> bool:
        folders = () if self._plan is None else self._plan.adopted
        own = f"{ACTIVE}/{self._initiative}/"
        return path.startswith(own) or any(matches(path, (folder,)) for folder in folders)

    def _is_input(self, path: str) -> bool:
        return path in self._data or any(matches(path, globs) for globs in self._globs)

    def _read_plan(self) -> None:
        self._plan, self._problem, self._globs, self._texts = None, ABSENT, set(), set()
        try:
            self._plan = self._past.plan(self._initiative)
            signing = self._past.workspace.settings().signing
        except NotFoundError:
            return
        except PlanctlError as error:
            self._plan, self._problem = None, f"{UNUSABLE}: {error.message}"
            return
        named = (self._plan.working_plan, signing.allowed_signers, signing.revoked_keys)
        self._texts = {path for path in named if path}
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
        judge = LineJudge(self._past, plan, self._loaded, self._memory)
        found = self._step_verdict(judge, *plan.step(step_id))
        if found.stored is not None:
            exact = grounds(judge, found.stored.payload_sha256)
            judge = LineJudge(self._past, plan, self._loaded, self._memory, exact)
            found = self._step_verdict(judge, *plan.step(step_id))
        return judge, found

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

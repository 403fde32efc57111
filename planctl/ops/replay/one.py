"""One receipt replayed: where it can be had, what came of running it again, what is filed."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from planctl._process import Stop
from planctl._text import count, listed
from planctl._version import __version__
from planctl.errors import GitError, PlanError, PreconditionError
from planctl.models.plan.parse import parse_plan
from planctl.models.plan.plan import Plan, checks_of, contract_digest
from planctl.models.receipt import Receipt, StoredReceipt, Subject
from planctl.models.replay import Replay, ReplayRun, determinism
from planctl.models.verdict import StepVerdict
from planctl.ops.artifacts import Artifacts, subject_path
from planctl.ops.clean_tree import CleanRoom, moved_environment
from planctl.ops.predicates import resolver
from planctl.ops.receipts import intact_receipts
from planctl.ops.record import StepRun
from planctl.ops.replay.compare import Side, compare, extra
from planctl.ops.replay.stage import NotReplayableError, Stage, recorded_step
from planctl.ops.replay.store import Replays, replays_of, write_replay
from planctl.ops.run_phase import Reporter
from planctl.ops.signing.signer import Signer
from planctl.workspace import Hub, Workspace

# The command never got as far as a result: the machine is at fault, or too slow.
_CANNOT_START = (126, 127)
_SHOWN_MOVED = 40
_COMPARED = ("python", "system", "cpus", "gpus")


@dataclass(frozen=True)
class ReplayOptions:
    """What to replay.

    Attributes:
        seed: Draws the sample; the same seed draws the same.
        sample: Fraction of the receipts, at least one.
        times: Runs of each.
        dry_run: Only say what would run.
    """

    seed: int
    phase: str | None = None
    step: str | None = None
    sample: float = 1.0
    times: int = 1
    dry_run: bool = False


@dataclass(frozen=True)
class StepReplay:
    """What became of one receipt.

    Attributes:
        outcome: `agreed`, `disagreed`, `not replayed` or `would run`.
        reason: Why it was not replayed, or what did not agree, first thing first.
        path: The file of the replay, or None.
        replay: What was filed.
    """

    initiative: str
    phase: str
    step: str
    receipt: str
    outcome: str
    reason: str = ""
    path: str | None = None
    replay: Replay | None = field(default=None, repr=False)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for `--json`."""
        raw = {key: value for key, value in self.__dict__.items() if key != "replay"}
        return raw | {"replay": self.replay and self.replay.model_dump(mode="json")}


@dataclass(frozen=True)
class Candidate:
    """A receipt that speaks for its step, with what it proves now."""

    plan: Plan
    verdict: StepVerdict
    stored: StoredReceipt


class Replaying:
    """One receipt being replayed."""

    def __init__(
        self,
        workspace: Workspace,
        candidate: Candidate,
        options: ReplayOptions,
        room: CleanRoom,
        reporter: Reporter,
        stop: Stop,
        signer: Signer | None,
    ) -> None:
        self.workspace, self.options, self.room = workspace, options, room
        self.signer = signer
        self.plan, self.verdict = candidate.plan, candidate.verdict
        self.stored, self.receipt = candidate.stored, candidate.stored.receipt
        self.reporter, self.stop = reporter, stop
        self.how: dict[str, str] = {}
        self.environment: Mapping[str, Any] = {}

    def result(self) -> StepReplay:
        """Replay it as often as asked for, and file what came of it."""
        base = StepReplay(
            initiative=self.plan.id,
            phase=self.receipt.phase,
            step=self.receipt.step,
            receipt=self.stored.path,
            outcome="would run",
        )
        try:
            commit = self._commit()
            recorded_step(self.receipt, self.plan)
            if self.options.dry_run:
                return replace(base, reason=f"at {commit[:8]}")
            runs = self._runs(commit)
        except (NotReplayableError, PreconditionError, GitError) as error:
            return replace(base, outcome="not replayed", reason=error.message)
        made = self._record(commit, runs)
        hub = Hub(self.workspace.root, self.workspace.root / made.hub)
        path = write_replay(hub, made, self.signer)
        outcome = "agreed" if made.agreed else "disagreed"
        return replace(base, outcome=outcome, reason=_first_doubt(made), path=path, replay=made)

    def _runs(self, commit: str) -> tuple[ReplayRun, ...]:
        runs: list[ReplayRun] = []
        for _ in range(self.options.times):
            try:
                runs.append(self._once(commit))
            except NotReplayableError:
                if not runs:
                    raise
                break  # what the runs before it showed is worth more than that one could not be
        return tuple(runs)

    def _commit(self) -> str:
        """Return the commit that has what the run saw.

        Raises:
            NotReplayableError: There is none, or the receipt is no base for a second opinion.
        """
        broken = [item for item in self.verdict.predicates if item.name == "intact" and not item.ok]
        if broken:
            raise NotReplayableError(broken[0].text)
        if not self.receipt.ok:
            raise NotReplayableError("its run failed: there is no result to compare with")
        self._require_known_contract(self.stored, self.verdict)
        repo, receipt = self.workspace.repo, self.receipt
        here = repo.resolve(receipt.commit) is not None
        if here and not receipt.dirty:
            return receipt.commit
        same = any(item.name == "inputs" and item.ok for item in self.verdict.predicates)
        if same and repo.head is not None:
            return repo.head  # committed since, or rebased, exactly as the run saw them
        if not here:
            raise NotReplayableError(
                f"commit `{receipt.commit[:12]}` is not in this clone, and HEAD has other inputs"
            )
        raise NotReplayableError(
            f"it ran on uncommitted changes that no commit has: {listed(self.receipt.dirty)}"
        )

    def _require_known_contract(self, stored: StoredReceipt, verdict: StepVerdict | None) -> None:
        """Refuse a command that stands in no plan: a receipt may come from anyone."""
        now = any(p.name == "contract" and p.ok for p in verdict.predicates) if verdict else False
        if now or self._in_plan_of(stored.receipt):
            return
        raise NotReplayableError(
            f"the command of `{stored.path.rsplit('/', 1)[-1]}` stands in no plan of git"
        )

    def _in_plan_of(self, receipt: Receipt) -> bool:
        """Tell whether `plan.yaml`, now or at the receipt's commit, has the receipt's contract."""
        digest = contract_digest(receipt.contract)
        return digest == receipt.contract_sha256 and any(
            digest == contract_digest(plan.contract(phase, step))
            for plan in (self.plan, *self._plans_at(receipt.commit))
            for phase, step in plan.steps()
        )

    def _plans_at(self, commit: str) -> Iterator[Plan]:
        """Yield the plan as it stood in a commit, if it did and can be used."""
        folder = self.workspace.initiative_dir(self.plan.id)
        shown = self.workspace.relative(folder / "plan.yaml")
        with contextlib.suppress(GitError, PlanError):
            text = self.workspace.repo.ask("cat-file", "blob", f"{commit}:{shown}")
            yield parse_plan(text.decode("utf-8", "replace"), shown)

    def _once(self, commit: str) -> ReplayRun:
        recorded = {
            item.payload_sha256: item
            for item in intact_receipts(self.workspace, self.plan, None)
            if item.receipt.initiative == self.plan.id
        }
        for digest in self._needed(self.receipt, recorded):
            self._require_known_contract(recorded[digest], None)
        self.reporter.event(self.receipt.step, f"replays at {commit[:8]}")
        with self.room.tree(commit) as root:
            tree = Workspace.open(root, self.workspace.clock)
            stage = Stage(
                here=self.workspace,
                plan=self.plan,
                tree=tree,
                recorded=recorded,
                store=self.room.store,
                environment=moved_environment(os.environ, self.workspace.root, root),
                reporter=self.reporter,
                stop=self.stop,
            )
            run = stage.run(self.receipt)
            self.how = stage.how
            return self._compared(run, stage)

    def _needed(self, receipt: Receipt, recorded: Mapping[str, StoredReceipt]) -> set[str]:
        """Return the digests of all receipts that a receipt was built on."""
        found: set[str] = set()
        frontier = set(receipt.parents.values())
        while frontier:
            found |= frontier
            known = [recorded[digest].receipt for digest in frontier if digest in recorded]
            frontier = {digest for item in known for digest in item.parents.values()} - found
        return found & set(recorded)

    def _compared(self, run: StepRun, stage: Stage) -> ReplayRun:
        new = run.stored.receipt
        if new.timed_out or new.exit_code in _CANNOT_START:
            raise NotReplayableError(f"here {run.problems[0]}")
        self.environment = new.environment
        artifacts = Artifacts(self.workspace.root)

        def parent(digest: str) -> Receipt | None:
            found = stage.recorded.get(digest)
            return None if found is None else found.receipt

        def replayed(digest: str) -> Receipt | None:
            found = stage.known.get(digest)
            return None if found is None else found.receipt

        def place(subject: Subject) -> Any:
            intact = artifacts.state(self.receipt, subject) == subject.sha256
            return subject_path(self.workspace.root, self.receipt, subject) if intact else None

        here, there = self.workspace.root, stage.tree.root
        old = Side(self.receipt, resolver(here, self.receipt, parent), place)
        now = Side(new, resolver(there, new, replayed), lambda s: subject_path(there, new, s))
        checks = checks_of(recorded_step(self.receipt, self.plan))
        return ReplayRun(
            started=new.started,
            finished=new.finished,
            exit_code=new.exit_code,
            artifacts=compare(checks, old, now),
            problems=(*run.problems, *_doubts(self.receipt, new)),
        )

    def _record(self, commit: str, runs: tuple[ReplayRun, ...]) -> Replay:
        from ulid import ULID

        score, moved = determinism(runs)
        earlier: Replays = replays_of(self.workspace, self.plan)
        now: dt.datetime = self.workspace.clock()
        return Replay(
            ulid=str(ULID.from_datetime(now)),
            initiative=self.plan.id,
            phase=self.receipt.phase,
            step=self.receipt.step,
            hub=self.receipt.hub,
            receipt=self.stored.path,
            receipt_sha256=self.stored.payload_sha256,
            commit=commit,
            recorded_commit=self.receipt.commit,
            command=self.receipt.command,
            needs=self.how,
            sample=self.options.sample,
            seed=self.options.seed,
            runs=runs,
            agreed=all(run.agreed for run in runs),
            score=score,
            nondeterministic=moved,
            previous=earlier.tips(self.stored),
            moved=_moved(self.receipt.environment, self.environment),
            role=self.workspace.role,
            key=None if self.signer is None else self.signer.public.fingerprint,
            planctl_version=__version__,
            environment=dict(self.environment),
        )


def _doubts(old: Receipt, new: Receipt) -> Iterator[str]:
    """Yield what differs between two runs beside their artifacts."""
    if (made := extra(old, new)) and new.ok:
        yield f"the replay made what the recorded run did not: {listed(made)}"
    moved = sorted({item.path for item in set(old.inputs) ^ set(new.inputs)})
    if moved:
        yield f"the inputs of the commit are not those that were recorded: {listed(moved)}"


def _first_doubt(made: Replay) -> str:
    for run in made.runs:
        for problem in run.problems:
            return problem
        for item in run.artifacts:
            if not item.agrees:
                return f"{item.declared}: {item.text}"
    within = sum(item.outcome == "within" for item in made.runs[-1].artifacts)
    return f"{count(within, 'artifact')} within tolerance, not identical" if within else ""


def _moved(then: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what is different here from where a receipt was recorded, in words."""
    said = [
        f"{name} {then[name]} → {now[name]}"
        for name in _COMPARED
        if name in then and name in now and then[name] != now[name]
    ]
    old, new = then.get("packages"), now.get("packages")
    if isinstance(old, dict) and isinstance(new, dict):
        said += [
            f"{name} {old.get(name, 'absent')} → {new.get(name, 'absent')}"
            for name in sorted({*old, *new}, key=str)
            if old.get(name) != new.get(name)
        ]
    rest = len(said) - _SHOWN_MOVED
    return (*said[:_SHOWN_MOVED], f"and {rest} more") if rest > 0 else tuple(said)

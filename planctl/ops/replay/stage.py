"""A clean work tree in which recorded steps run again, with what they need brought there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from planctl._files import behind_link, sha256_file
from planctl._process import Stop
from planctl.errors import InterruptedRunError, PlanctlError
from planctl.executors.local import LocalExecutor
from planctl.models.check import Check, JsonCheck, LogValueCheck, SameCheck
from planctl.models.plan.plan import SCHEMA, Plan, Step, checks_of
from planctl.models.receipt import DataFile, Receipt, StoredReceipt, Subject
from planctl.ops.artifacts import Artifacts, subject_path
from planctl.ops.record import SHOWN, Recorder, StepRun, run_step
from planctl.ops.run_log import OUTPUT
from planctl.ops.run_phase import Reporter
from planctl.workspace import Hub, Workspace

_HEADER_BYTES = 64_000
_GITLINK = "160000"
# Of the variables a log shows, those that name folders of the machine that recorded.
_OF_THE_MACHINE = ("PYTHONPATH", "LD_LIBRARY_PATH")


class NotReplayableError(PlanctlError):
    """A step cannot be run again as it was; the message says why."""

    slug = "not-replayable"
    exit_code = 1


@dataclass
class Stage:
    """One clean work tree.

    Attributes:
        here: The repository with the evidence; nothing is written there.
        plan: Its plan, for time limits and the names of secrets.
        tree: The clean work tree.
        recorded: Receipts by payload digest, as recorded.
        store: Files that earlier replays made, by SHA-256.
        environment: For commands; turned to the clean tree.
        known: Receipts that checks in the tree may ask: recorded or replayed.
        made: Step → payload digest of the receipt that its children build on.
        how: Step → `copied` or `replayed`.
    """

    here: Workspace
    plan: Plan
    tree: Workspace
    recorded: Mapping[str, StoredReceipt]
    store: Path
    environment: Mapping[str, str]
    reporter: Reporter
    stop: Stop
    known: dict[str, StoredReceipt] = field(default_factory=dict)
    made: dict[str, str] = field(default_factory=dict)
    how: dict[str, str] = field(default_factory=dict)

    def run(self, receipt: Receipt) -> StepRun:
        """Bring what a recorded step needs, and run its command again.

        Raises:
            NotReplayableError: Something it needs is not to be had.
            InterruptedRunError: Ctrl-C or SIGTERM.
        """
        step = recorded_step(receipt, self.plan)
        for need, digest in receipt.parents.items():
            if need not in self.made:
                self._bring(need, digest, _names_in(checks_of(step)))
        self._bring_files(receipt.data, "data file")
        for item in receipt.inputs:
            if item.mode == _GITLINK and not (self.tree.root / item.path / ".git").exists():
                raise NotReplayableError(f"submodule `{item.path}` is not in this clone as it was")
        plan = _plan_of(receipt, step, self.plan)
        recorder = Recorder(
            workspace=self.tree,
            plan=plan,
            hub=Hub(self.tree.root, self.tree.root / receipt.hub),
            executor=LocalExecutor(self.tree.clock, self.stop),
            known=self.known,
            on_output=self.reporter.output,
            environment=self._environment(receipt),
        )
        if self.stop.requested:
            raise _interrupted()
        parents = {need: self.made[need] for need in receipt.parents}
        done = run_step(recorder, receipt.phase, step, parents)
        if done is None:
            raise _interrupted()
        self._keep(done.stored.receipt)
        return done

    def _environment(self, receipt: Receipt) -> dict[str, str]:
        """Return the environment of now, with what the recorded log shows of the one of then."""
        then = shown_environment(self.here.root / receipt.hub / receipt.log)
        names = [name for name in SHOWN if name not in _OF_THE_MACHINE]
        kept = {name: value for name, value in self.environment.items() if name not in names}
        return kept | {name: then[name] for name in names if name in then}

    def _bring(self, need: str, digest: str, named: set[str]) -> None:
        """Bring the results of a needed step: copied as recorded, else made again."""
        parent = self.recorded.get(digest)
        if parent is None:
            raise NotReplayableError(f"the receipt of `{need}`, which it needs, is gone")
        wanted = [s for s in parent.receipt.subjects if s.declared in named]
        if parent.receipt.outputs and self._copy(parent.receipt, wanted):
            self.known[digest] = parent
            self.made[need], self.how[need] = digest, "copied"
            return
        self.reporter.event(need, "replayed first: its results are needed")
        run = self.run(parent.receipt)
        if not run.ok:
            raise NotReplayableError(f"`{need}`, which it needs, failed: {run.problems[0]}")
        same = run.stored.receipt.outputs == parent.receipt.outputs
        self.made[need] = run.stored.payload_sha256
        self.how[need] = "replayed" if same else "replayed, with other outputs than recorded"

    def _copy(self, parent: Receipt, wanted: list[Subject]) -> bool:
        """Copy outputs, and the artifacts that checks name; False when one is not as recorded."""
        artifacts = Artifacts(self.here.root)
        if any(artifacts.state(parent, item) != item.sha256 for item in wanted):
            return False
        try:
            self._bring_files(parent.outputs, "output")
        except NotReplayableError:
            return False
        for item in wanted:
            source = subject_path(self.here.root, parent, item)
            target = subject_path(self.tree.root, parent, item)
            if not os.path.lexists(target):
                target.parent.mkdir(parents=True, exist_ok=True)
                _copy_any(source, target)
        return True

    def _bring_files(self, files: tuple[DataFile, ...], what: str) -> None:
        """Copy files outside git into the tree, each checked against its recorded digest."""
        found = [(item, self._source(item, what)) for item in files]
        for item, source in found:
            target = self._target(item)
            if source is not None and target is not None and not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)
                if not _has(target, item):
                    text = f"{what} `{item.path}` changed while it was copied"
                    raise NotReplayableError(text)

    def _target(self, item: DataFile) -> Path | None:
        """Return where a file belongs in the tree; None for one that lies outside any tree."""
        if Path(item.path).is_absolute():
            return None
        place = self.tree.root / item.path
        return place.resolve() if place.is_symlink() else place

    def _source(self, item: DataFile, what: str) -> Path | None:
        """Return a file with the recorded content; None when the tree has it already."""
        target = self._target(item)
        if target is not None and not target.is_relative_to(self.tree.root.resolve()):
            raise NotReplayableError(f"{what} `{item.path}` leads out of the work tree")
        if target is not None and _has(target, item):
            return None
        for source in (self.here.root / item.path, self.store / item.sha256):
            if _has(source, item):
                return source
        raise NotReplayableError(f"{what} `{item.path}` is not here as it was recorded")

    def _keep(self, receipt: Receipt) -> None:
        for item in receipt.outputs:
            kept = self.store / item.sha256
            if not kept.exists():
                shutil.copyfile(self.tree.root / item.path, kept)


def _interrupted() -> InterruptedRunError:
    return InterruptedRunError("interrupted", "what was compared before is filed; nothing else is")


def _has(place: Path, item: DataFile) -> bool:
    try:
        fits = place.is_file() and place.stat().st_size == item.size
        return fits and sha256_file(place) == item.sha256
    except OSError:
        return False


def _copy_any(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True)
    else:
        shutil.copyfile(source, target)


def recorded_step(receipt: Receipt, plan: Plan) -> Step:
    """Return the step of a receipt as its contract has it, to be run by itself.

    Args:
        receipt: The receipt; what it needs is brought by the stage.
        plan: The plan of now: the time limit is no part of a contract.

    Raises:
        NotReplayableError: The contract is none that this planctl can run; or what the step leaves
            lies outside the repository, where a replay would overwrite it.
    """
    left_out = ("phase", "env", "needs")
    fields = {key: value for key, value in receipt.contract.items() if key not in left_out}
    timeouts = {step.id: step.timeout_s for _, step in plan.steps()}
    try:
        step = Step.model_validate(fields | {"timeout": timeouts.get(receipt.step)})
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise NotReplayableError(f"its contract cannot be run: `{where}`") from error
    for name, value in receipt.env.items():
        mentioned = any(f"${name}" in text or f"${{{name}}}" in text for text in _left_by(step))
        if mentioned and (value.startswith(("/", "~")) or ".." in value.split("/")):
            raise NotReplayableError(
                f"it writes to `${name}` = `{value}`, outside the repository: a replay would too"
            )
    return step


def _left_by(step: Step) -> Iterator[str]:
    yield from step.outputs
    for item in step.collect:
        yield item.source


def _plan_of(receipt: Receipt, step: Step, plan: Plan) -> Plan:
    env = {str(name): str(value) for name, value in receipt.contract["env"].items()}
    return Plan.model_validate(
        {
            "schema": SCHEMA,
            "id": receipt.initiative,
            "title": "replay",
            "env": env,
            "secrets": [name for name in plan.secrets if name not in env],
            "commands_doc": receipt.env.get("AUTHORITATIVE_CMDS_DOC"),
            "phases": {receipt.phase: {"steps": [step]}},
        }
    )


def _names_in(checks: tuple[Check, ...]) -> set[str]:
    """Return the artifacts that checks look at."""
    found: set[str] = set()
    for check in checks:
        if isinstance(check, SameCheck):
            found.update(check.same)
            continue
        sources = [check]
        if isinstance(check, JsonCheck | LogValueCheck):
            sources += [other for other in (check.of, check.same_as) if other]  # type: ignore[misc]
        for source in sources:
            for name in ("json_file", "log", "image", "file", "tests"):
                found.update([getattr(source, name)] if getattr(source, name, None) else [])
    return found


def shown_environment(log: Path) -> dict[str, str]:
    """Return the variables that the header of a log shows; nothing when it cannot be read."""
    found: dict[str, str] = {}
    try:
        if behind_link(log.parent, log):
            return found
        with log.open("rb") as stream:
            head = stream.read(_HEADER_BYTES).decode("utf-8", "replace")
    except OSError:
        return found
    for line in head.partition(f"\n{OUTPUT}\n")[0].splitlines()[2:]:
        if not line.startswith("#   "):
            break
        name, _, value = line.removeprefix("#   ").partition("=")
        if value != "(taken out)":
            found[name] = value
    return found

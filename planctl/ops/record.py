"""One run of one step: log, artifacts, checks and the receipt of all that was seen."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from planctl._files import sha256_file
from planctl._redaction import Redactor
from planctl._text import listed
from planctl._version import __version__
from planctl.executors import Executor, Job, JobResult
from planctl.models.plan.plan import Plan, Step, checks_of, contract_digest
from planctl.models.receipt import CheckResult, DataFile, Receipt, StoredReceipt, Subject
from planctl.models.signing.policy import Policy
from planctl.models.ulids import RANDOM_BYTES, new_ulid
from planctl.ops.checks import run_checks
from planctl.ops.collect import Collected, Fingerprints, collect, fingerprints
from planctl.ops.environment import describe
from planctl.ops.inputs import (
    InputSnapshot,
    data_paths,
    digest_files,
    dirty_paths,
    expand,
    snapshot,
)
from planctl.ops.predicates import check_name, resolver
from planctl.ops.receipts import tips, write_receipt
from planctl.ops.run_log import LogFile, LogHeader
from planctl.ops.signing.signer import SECRETS, Signer
from planctl.ops.witness import bear_witness
from planctl.workspace import Hub, Workspace

# Names that change what a command does without showing in it: taken out, and said in the log.
DROPPED = (
    "PYTEST_ADDOPTS",
    "PYTEST_PLUGINS",
    "PYTHONSTARTUP",
    "PYTHONHOME",
    "PYTHONOPTIMIZE",
    "PYTHONINSPECT",
    "BASH_ENV",
    "ENV",
    "SHELLOPTS",
    "BASHOPTS",
    "CDPATH",
    "GLOBIGNORE",
    "LD_PRELOAD",
    "LD_AUDIT",
    # Whoever signs does so after the command, and not for it.
    *SECRETS,
)
_FUNCTIONS = "BASH_FUNC_"
# Names worth seeing beside the plan's own `env`; nothing else of the environment is written.
SHOWN = (
    "PYTHONPATH",
    "PYTHONHASHSEED",
    "PYTHONWARNINGS",
    "LD_LIBRARY_PATH",
    "OMP_NUM_THREADS",
    "CUDA_VISIBLE_DEVICES",
    "CI",
    "TZ",
)


@dataclass(frozen=True)
class Recorder:
    """What all runs of one `run-phase` share.

    Attributes:
        known: Receipts by payload digest, for parents and checks over earlier artifacts.
        on_output: Gets a step's id and each piece of its output.
        taken: Paths that other branches use, so that no two branches write one name.
        signer: Signs each receipt, if there is a key.
        policy: What the repository asks for; receipts say so.
        ids: Given to runs whose receipts are still to be written; steps may run at once.
    """

    workspace: Workspace
    plan: Plan
    hub: Hub
    executor: Executor
    known: dict[str, StoredReceipt]
    on_output: Callable[[str, bytes], None]
    taken: frozenset[str] = frozenset()
    signer: Signer | None = None
    policy: Policy = field(default_factory=Policy)
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    ids: list[str] = field(default_factory=list)
    ids_lock: threading.Lock = field(default_factory=threading.Lock)

    def exported(self) -> dict[str, str]:
        """Return what planctl exports to every command, in the order the log lists it."""
        document = self.plan.commands_doc
        named = {"HUB": self.hub.name}
        if document is not None:
            named["AUTHORITATIVE_CMDS_DOC"] = document
        return named | self.plan.env

    def child_environment(self) -> dict[str, str]:
        """Return the whole environment of a command; planctl's own interpreter comes first."""
        kept = {name: value for name, value in self.environment.items() if not _is_dropped(name)}
        folders = [str(Path(sys.executable).parent), kept.get("PATH", os.defpath)]
        ours = {"PATH": os.pathsep.join(folders), "PYTHONUNBUFFERED": "1"}
        return kept | ours | self.exported()

    def receipts(self) -> tuple[StoredReceipt, ...]:
        """Return the receipts known now; steps that run beside this one may add to them."""
        return tuple(self.known.values())


def _is_dropped(name: str) -> bool:
    return name in DROPPED or name.startswith(_FUNCTIONS)


@dataclass(frozen=True)
class Before:
    """What was true when a step started."""

    inputs: InputSnapshot
    commit: str
    branch: str | None
    gate: str | None
    gate_contained: bool | None
    fingerprints: Fingerprints


@dataclass(frozen=True)
class StepRun:
    """One finished run."""

    stored: StoredReceipt
    job: JobResult
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Exit 0, everything collected, every check holds."""
        return self.stored.receipt.ok


def run_step(recorder: Recorder, phase: str, step: Step, parents: dict[str, str]) -> StepRun | None:
    """Run a step's command and record what it did.

    Args:
        recorder: Shared by the run.
        phase: The phase the step belongs to.
        step: The step.
        parents: Needed step → payload digest of the receipt this run builds on.

    Returns:
        The run with its receipt, also when it failed; None when it was interrupted (its log
        stays, there is no receipt).

    Raises:
        PreconditionError: Data or inputs are not there.
    """
    before = _look(recorder, phase, step)
    root = recorder.workspace.root
    data = digest_files(root, data_paths(recorder.plan, step), "data")
    log = LogFile(recorder.hub.path / step.log, Redactor(_secrets(recorder)), recorder.taken)
    job = _run(recorder, step, log, _header(recorder, phase, step, before))
    log_name = log.path.relative_to(recorder.hub.path).as_posix()
    if job.interrupted:
        return None
    remarks, linked = _meanwhile(recorder, phase, step, before.inputs)
    got = Collected((), (), ())
    if job.exit_code == 0 and all(item.ok for item in remarks):
        got = collect(recorder.hub, step, recorder.plan.env, before.fingerprints, recorder.taken)
    receipt = Receipt(
        ulid=_ulid(recorder),
        initiative=recorder.plan.id,
        phase=phase,
        step=step.id,
        hub=recorder.hub.name,
        command=expand(step.run, recorder.exported()),
        env=recorder.exported(),
        contract=(contract := recorder.plan.contract(phase, step)),
        contract_sha256=contract_digest(contract),
        commit=before.commit,
        branch=before.branch,
        gate=before.gate,
        gate_contained=before.gate_contained,
        inputs=before.inputs.files,
        dirty=before.inputs.dirty,
        diff_sha256=before.inputs.diff_sha256,
        data=(*data, *linked),
        outputs=got.outputs,
        parents=parents,
        previous=_previous(recorder, step),
        subjects=(
            Subject(name=log_name, sha256=sha256_file(log.path), declared=step.log),
            *got.subjects,
        ),
        log=log_name,
        started=job.started,
        finished=job.finished,
        exit_code=job.exit_code,
        timed_out=job.timed_out,
        checks=(*remarks, *got.remarks),
        role=recorder.workspace.role,
        key=None if recorder.signer is None else recorder.signer.public.fingerprint,
        policy=str(recorder.policy.of(recorder.plan.id, phase)),
        executor=recorder.executor.name,
        planctl_version=__version__,
        environment=describe(job),
    )
    return _judge(recorder, step, receipt, job)


def _meanwhile(
    recorder: Recorder, phase: str, step: Step, before: InputSnapshot
) -> tuple[tuple[CheckResult, ...], tuple[DataFile, ...]]:
    """Look at the inputs again after the run.

    Returns:
        A failed check when inputs changed while the step ran (which ones it read is open), checks
        that hold for what a reader should know; and the files behind links that stood still.
    """
    now = snapshot(recorder.workspace.repo, _globs(recorder.plan, phase, step))
    found: list[CheckResult] = []
    moved = sorted({item.path for item in set(now.files) ^ set(before.files)})
    if moved:
        found.append(_remark("unchanged", False, moved, "changed while the step ran"))
    same = {path for path in before.touched if before.touched[path] == now.touched.get(path)}
    written = sorted({*before.touched} - same - {*moved})
    if written:
        seen = "written while the step ran, and at its end as before"
        found.append(_remark("untouched", True, written, seen))
    ignored = sorted({*before.ignored, *now.ignored})
    if ignored:
        found.append(_remark("held by git", True, ignored, "among the inputs, but git ignores it"))
    linked = tuple(item for item in before.linked if item in now.linked)
    return tuple(found), linked


def _remark(what: str, ok: bool, paths: list[str], seen: str) -> CheckResult:
    return CheckResult(check={"inputs": what}, ok=ok, seen=f"{listed(paths)} {seen}")


def _globs(plan: Plan, phase: str, step: Step) -> tuple[str, ...]:
    return (step.inputs or ()) if phase not in plan.phases else plan.inputs_of(phase, step)


def _look(recorder: Recorder, phase: str, step: Step) -> Before:
    workspace, plan = recorder.workspace, recorder.plan
    wanted = plan.phases[phase].gate if phase in plan.phases else None
    gate = None if wanted is None else workspace.repo.resolve(wanted)
    commit = workspace.now_head
    return Before(
        inputs=snapshot(workspace.repo, _globs(plan, phase, step)),
        commit=commit,
        branch=workspace.repo.branch,
        gate=gate,
        gate_contained=None if gate is None else workspace.repo.is_ancestor(gate, commit),
        fingerprints=fingerprints(workspace.root, step, plan.env),
    )


def _header(recorder: Recorder, phase: str, step: Step, before: Before) -> LogHeader:
    seen = recorder.environment
    shown = {name: seen[name] for name in SHOWN if name in seen}
    dropped = {name: "(taken out)" for name in sorted(seen) if _is_dropped(name)}
    return LogHeader(
        step=f"{recorder.plan.id} {phase}/{step.id}",
        env=recorder.exported() | shown | dropped,
        command=step.run,
        expanded=expand(step.run, recorder.exported()),
        commit=before.commit,
        branch=before.branch,
        dirty=dirty_paths(recorder.workspace.repo),
        cwd=".",
        started=recorder.workspace.clock(),
    )


def _run(recorder: Recorder, step: Step, log: LogFile, header: LogHeader) -> JobResult:
    def write(piece: bytes) -> None:
        log.write(piece)
        recorder.on_output(step.id, piece)

    try:
        log.begin(header)
        job = recorder.executor.run(_job(recorder, step), write)
        log.finish(job)
    except BaseException:
        log.abandon()
        raise
    return job


def _secrets(recorder: Recorder) -> tuple[str, ...]:
    names = recorder.plan.secrets
    values = (recorder.child_environment().get(name, "") for name in names)
    return tuple(value for value in values if value)


def _job(recorder: Recorder, step: Step) -> Job:
    return Job(
        command=step.run,
        cwd=recorder.workspace.root,
        env=recorder.child_environment(),
        timeout_s=step.timeout_s,
        secrets=_secrets(recorder),
        dropped=DROPPED,
        initiative=recorder.plan.id,
        step=step.id,
    )


def _ulid(recorder: Recorder) -> str:
    """Return an id that sorts after every known one of the same millisecond."""
    with recorder.ids_lock:
        known = [*(item.receipt.ulid for item in recorder.receipts()), *recorder.ids]
        new = new_ulid(recorder.workspace.clock(), os.urandom(RANDOM_BYTES), known)
        recorder.ids.append(new)
    return new


def _previous(recorder: Recorder, step: Step) -> tuple[str, ...]:
    own = [
        item
        for item in recorder.receipts()
        if item.receipt.step == step.id and item.receipt.initiative == recorder.plan.id
    ]
    return tips(own)


def _judge(recorder: Recorder, step: Step, receipt: Receipt, job: JobResult) -> StepRun:
    def parent(digest: str) -> Receipt | None:
        found = recorder.known.get(digest)
        return None if found is None else found.receipt

    checks = receipt.checks
    if job.exit_code == 0:
        resolve = resolver(recorder.workspace.root, receipt, parent)
        checks += run_checks(checks_of(step), resolve)
    stored = write_receipt(
        recorder.hub,
        receipt.model_copy(update={"checks": checks}),
        recorder.signer,
        before=None if recorder.hub.scratch else partial(bear_witness, recorder.workspace.repo),
    )
    recorder.known[stored.payload_sha256] = stored
    problems = tuple(
        f"{check_name(result.check)}: {result.seen}" for result in checks if not result.ok
    )
    if job.exit_code != 0:
        ended = "ran out of time" if job.timed_out else f"ended with {job.exit_code}"
        problems = (f"the command {ended}", *problems)
    return StepRun(stored, job, problems)

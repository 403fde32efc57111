"""Jobs on a Slurm cluster, submitted and read back through submitit."""

from __future__ import annotations

import contextlib
import datetime as dt
import math
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from planctl._lock import hold
from planctl._process import CANNOT_START, INTERRUPTED, TIMED_OUT, Ended, Stop
from planctl._redaction import Redactor
from planctl.clock import Clock, iso, system_clock
from planctl.errors import PreconditionError
from planctl.executors import Job, JobResult, OnOutput
from planctl.executors.slurm_follow import GONE_S, Followed, Submitted
from planctl.executors.slurm_node import EnvironmentChange, NodeJob, NodeResult, run_on_node
from planctl.executors.slurm_queue import (
    COMMANDS,
    QueuedJob,
    cancel_in,
    final_state,
    queued,
    wait_until_gone,
)
from planctl.models.slurm_settings import SlurmSettings

if TYPE_CHECKING:
    import submitit

Tell = Callable[[str, str], None]
"""Gets a step and one line about its job."""

_LOCAL = "or run with `--executor local`"
OUTPUT = "output"
KILLED = 137
# Slurm's limit lies behind planctl's own: it only ends what the node cannot end itself.
_SPARE_S = 60.0
_OUT_OF_TIME = ("TIMEOUT", "DEADLINE")


def job_name(job: Job) -> str:
    """Return what Slurm calls a job: `planctl-<initiative>-<step>`."""
    return f"planctl-{job.initiative}-{job.step}"


class SlurmExecutor:
    """Runs jobs on the nodes of a Slurm cluster.

    Args:
        folder: For the files of running jobs; the nodes must see it under the same path.
        settings: `[slurm]` of `planctl.toml`.
        tell: Gets a line when a job is submitted, waits or starts.
        clock: Where start and end come from.
        stop: The wish to end, shared by all jobs.
        grace_s: Seconds between SIGTERM and SIGKILL when a step's time is over.

    Raises:
        PreconditionError: submitit or Slurm's commands are not installed, or Slurm does not answer.
    """

    name = "slurm"

    def __init__(
        self,
        folder: Path,
        settings: SlurmSettings,
        tell: Tell,
        clock: Clock = system_clock,
        stop: Stop | None = None,
        grace_s: float = 10.0,
    ) -> None:
        _require()
        _queue("planctl")
        self._folder = folder.resolve()
        self._settings = settings
        self._tell = tell
        self._clock = clock
        self._stop = stop or Stop()
        self._grace_s = grace_s

    def run(self, job: Job, on_output: OnOutput) -> JobResult:
        """Run a job to its end; see `Executor.run`.

        The time limit counts from the start on the node; waiting in the queue has none. However
        this ends, by an exception too, the job is cancelled unless it is over.

        Raises:
            PreconditionError: Slurm refuses the job, or one of this name still runs.
            LockedError: Another planctl has a job of this name.
        """
        name = job_name(job)
        redactor = Redactor(job.secrets)

        def pass_on(piece: bytes) -> None:
            if clean := redactor.feed(piece):
                on_output(clean)

        try:
            result = self._alone(job, name, pass_on)
        except PreconditionError as error:
            # The log that was begun for this run says why there is nothing in it.
            pass_on(f"planctl: {error.message}\n".encode())
            raise
        if rest := redactor.close():
            on_output(rest)
        return result

    def _alone(self, job: Job, name: str, on_output: OnOutput) -> JobResult:
        lock = self._folder / f"{name}.lock"
        with (
            hold(lock, f"step {job.step} on Slurm", iso(self._clock())),
            _private_folder(self._folder / name, name) as folder,
        ):
            try:
                return self._follow(job, folder, on_output)
            except BaseException:
                cancel_in(name, folder)
                raise

    def _follow(self, job: Job, folder: Path, on_output: OnOutput) -> JobResult:
        asked = self._clock()
        handle = self._submit(job, folder)
        if handle is None:
            cancel_in(job_name(job), folder)
            return _interrupted(asked, self._clock(), {})
        submitted = Submitted(
            str(handle.job_id), job_name(job), folder / OUTPUT, handle.paths.result_pickle
        )
        self._tell(job.step, f"Slurm job {submitted.id} `{submitted.name}`")
        followed = Followed(submitted, on_output, partial(self._tell, job.step), self._clock)
        interrupted = followed.until_over(self._stop)
        started = followed.started or self._clock()
        place = {"jobId": submitted.id, **self._place(asked, started)}
        if interrupted:
            followed.end_it(self._stop)
            return _interrupted(started, self._clock(), {"slurm": place})
        told = _told(handle, submitted, followed.age_s, on_output)
        if told.ended.timed_out:
            followed.end_it(self._stop)
        seen = told.place | {"slurm": told.place.get("slurm", {}) | place}
        return _job_result(told.ended, started, self._clock(), seen)

    def _place(self, asked: dt.datetime, started: dt.datetime) -> dict[str, Any]:
        chosen = self._settings.model_dump(exclude_defaults=True, mode="json")
        return {"queuedSeconds": max(0.0, (started - asked).total_seconds()), "settings": chosen}

    def _submit(self, job: Job, folder: Path) -> submitit.Job[Any] | None:
        """Submit a job; None when the wish to end came first."""
        import submitit
        from submitit.core.utils import FailedJobError, FailedSubmissionError

        executor = submitit.SlurmExecutor(folder=folder)
        executor.update_parameters(**self._parameters(job, folder))
        told = NodeJob(
            command=job.command,
            cwd=job.cwd,
            timeout_s=job.timeout_s,
            grace_s=self._grace_s,
            environment=EnvironmentChange.between(dict(os.environ), job.env, job.dropped),
            secrets=tuple(name for name, value in job.env.items() if value in job.secrets),
            setup=self._settings.setup,
            output=folder / OUTPUT,
        )
        try:
            return executor.submit(run_on_node, told)
        except (FailedJobError, FailedSubmissionError) as error:
            if self._stop.requested:
                return None
            said = " ".join(str(error).split())
            raise PreconditionError(
                f"Slurm refused the job `{job_name(job)}`: {said}",
                f"correct `[slurm]` in planctl.toml, {_LOCAL}",
            ) from error

    def _parameters(self, job: Job, folder: Path) -> dict[str, Any]:
        chosen = self._settings
        limit = chosen.time_min
        if job.timeout_s is not None:
            limit = math.ceil((job.timeout_s + self._grace_s + _SPARE_S) / 60)
        # The folder is private and not the repository: Python on the node starts with `-m`, which
        # would take modules of the working directory for its own.
        own = {"chdir": str(folder), "no-requeue": True, "export": "ALL"}
        return {
            "job_name": job_name(job),
            "time": limit,
            "partition": chosen.partition,
            "account": chosen.account,
            "qos": chosen.qos,
            "constraint": chosen.constraint,
            "gres": chosen.gres,
            "mem": chosen.mem,
            "nodes": chosen.nodes,
            "cpus_per_task": chosen.cpus_per_task,
            "gpus_per_node": chosen.gpus_per_node,
            "wckey": None,
            "stderr_to_stdout": True,
            # The command is a child of the batch script; it may call srun itself.
            "use_srun": False,
            "additional_parameters": dict(chosen.sbatch) | own,
        }


def _told(
    handle: submitit.Job[Any], submitted: Submitted, age_s: float, on_output: OnOutput
) -> NodeResult:
    """Return what the node told, or what Slurm says where the node could tell nothing."""
    from submitit.core.utils import UncompletedJobError

    if not submitted.result.exists():
        return _slurms_word(handle, submitted, age_s, on_output)
    try:
        told = handle.result()
    except UncompletedJobError as error:
        on_output(f"planctl: the job failed on its node: {error}\n".encode())
        return NodeResult(Ended(CANNOT_START, False, False, age_s, 0, False), {})
    assert isinstance(told, NodeResult)
    # A job that Slurm ends at its own limit may still tell that its command got SIGTERM.
    if told.ended.exit_code > 128:
        wait_until_gone(submitted.name, submitted.id, GONE_S)
        if final_state(submitted.id).state in _OUT_OF_TIME:
            return replace(told, ended=replace(told.ended, exit_code=TIMED_OUT, timed_out=True))
    return told


def _slurms_word(
    handle: submitit.Job[Any], submitted: Submitted, age_s: float, on_output: OnOutput
) -> NodeResult:
    """Slurm ended the job itself, or it could not start: its words, its exit code."""
    said = handle.paths.stdout
    on_output(said.read_bytes() if said.exists() else b"")
    final = final_state(submitted.id)
    on_output(f"planctl: Slurm ended the job: {final.state}\n".encode())
    late = final.state in _OUT_OF_TIME
    killed = KILLED if final.state == "OUT_OF_MEMORY" else final.exit_code or CANNOT_START
    return NodeResult(Ended(TIMED_OUT if late else killed, late, False, age_s, 0, False), {})


def _require() -> None:
    try:
        import submitit  # noqa: F401
    except ImportError as error:
        raise PreconditionError(
            "the Slurm executor needs `submitit`, which is not installed",
            f"`{Path(sys.executable).name} -m pip install submitit`, {_LOCAL}",
        ) from error
    absent = [command for command in COMMANDS if shutil.which(command) is None]
    if absent:
        raise PreconditionError(
            f"the Slurm executor needs `{absent[0]}`, which is not in PATH",
            f"go where Slurm's commands are, such as a login node, {_LOCAL}",
        )


def _queue(name: str) -> list[QueuedJob]:
    jobs = queued(name)
    if jobs is None:
        raise PreconditionError(
            "Slurm does not answer `squeue`", f"is the cluster up? `sinfo` tells; {_LOCAL}"
        )
    return jobs


@contextlib.contextmanager
def _private_folder(parent: Path, name: str) -> Iterator[Path]:
    """Make a folder for one job that only the user can read; remove it at the end.

    Raises:
        PreconditionError: A job of this name still runs from here: its planctl was killed.
    """
    jobs = _queue(name)
    for job in jobs:
        if job.folder.parent == parent and job.folder.exists() and job.state != "COMPLETING":
            raise PreconditionError(
                f"Slurm job {job.id} `{name}` of an earlier planctl is still {job.state.lower()}",
                f"wait for it, or end it with `scancel {job.id}`",
            )
    # Nobody needs what jobs before this one left: the lock is held, and none of them runs.
    shutil.rmtree(parent, ignore_errors=True)
    parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="job-", dir=parent))
    try:
        yield folder
    finally:
        # A network file system keeps names of files that the dying job has open; the next run
        # of the step removes them.
        shutil.rmtree(parent, ignore_errors=True)


def _interrupted(started: dt.datetime, now: dt.datetime, place: dict[str, Any]) -> JobResult:
    took = (now - started).total_seconds()
    return _job_result(Ended(INTERRUPTED, False, True, took, 0, False), started, now, place)


def _job_result(
    ended: Ended, started: dt.datetime, finished: dt.datetime, place: dict[str, Any]
) -> JobResult:
    return JobResult(
        exit_code=ended.exit_code,
        timed_out=ended.timed_out,
        interrupted=ended.interrupted,
        started=started,
        finished=finished,
        duration_s=ended.duration_s,
        peak_memory_bytes=ended.peak_memory_bytes,
        left_behind=ended.left_behind,
        place=place,
    )

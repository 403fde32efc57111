"""Slurm's queue, asked and told through its own commands."""

from __future__ import annotations

import re
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

COMMANDS = ("sbatch", "srun", "squeue", "scontrol", "scancel")
_ANSWER_S = 60.0
_STEP_S = 0.25


@dataclass(frozen=True)
class QueuedJob:
    """A job that Slurm has not done with.

    Attributes:
        state: `PENDING`, `RUNNING`, `COMPLETING`, …
        reason: Why it waits; `None` when it does not.
        folder: Where it was submitted to run.
    """

    id: str
    state: str
    reason: str
    folder: Path


@dataclass(frozen=True)
class FinalState:
    """What Slurm remembers of a job that is over.

    Attributes:
        state: `COMPLETED`, `TIMEOUT`, `OUT_OF_MEMORY`, …; `UNKNOWN` when it has forgotten.
        exit_code: Of the batch script, 128 + n when signal n ended it.
    """

    state: str
    exit_code: int


def queued(name: str) -> list[QueuedJob] | None:
    """Return the caller's jobs of a name that are not over; None when Slurm does not answer."""
    query = ["squeue", "--noheader", "--me", "--name", name, "--format", "%i|%T|%r|%Z"]
    answer = _ask(query)
    if answer is None:
        return None
    rows = (line.split("|", 3) for line in answer.splitlines() if line.count("|") >= 3)
    return [QueuedJob(id_, state, reason, Path(folder)) for id_, state, reason, folder in rows]


def final_state(job_id: str) -> FinalState:
    """Return how a job ended, as far as Slurm still knows."""
    text = _ask(["scontrol", "--oneliner", "show", "job", job_id]) or ""
    state = re.search(r"(?:^|\s)JobState=(\w+)", text)
    code = re.search(r"(?:^|\s)ExitCode=(\d+):(\d+)", text)
    number = 0 if code is None else int(code[1]) or (128 + int(code[2]) if int(code[2]) else 0)
    return FinalState("UNKNOWN" if state is None else state[1], number)


def cancel(job_id: str) -> None:
    """Have Slurm end a job: SIGTERM, then SIGKILL after its `KillWait`."""
    _ask(["scancel", "--quiet", job_id])


def cancel_in(name: str, folder: Path) -> None:
    """Cancel whatever was submitted under a name from a folder, known by id or not."""
    for job in queued(name) or []:
        if job.folder == folder:
            cancel(job.id)


def wait_until_gone(name: str, job_id: str, patience_s: float) -> bool:
    """Wait until Slurm has done with a job; return whether it has."""
    until = time.monotonic() + patience_s
    while True:
        jobs = queued(name)
        if jobs is not None and job_id not in {job.id for job in jobs}:
            return True
        if time.monotonic() >= until:
            return False
        time.sleep(_STEP_S)


def _ask(command: list[str]) -> str | None:
    """Run a command of Slurm; None when it fails or does not answer in time.

    A session of its own: Ctrl-C at the terminal is planctl's to answer.
    """
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=_ANSWER_S,
            start_new_session=True,
        )
    except subprocess.TimeoutExpired:
        return None
    return done.stdout if done.returncode == 0 else None

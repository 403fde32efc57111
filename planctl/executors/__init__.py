"""Where a step's command runs: a job goes in, how it ended comes out."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

OnOutput = Callable[[bytes], None]


@dataclass(frozen=True)
class Job:
    """A command to run.

    Attributes:
        command: For bash, run with `set -euo pipefail`.
        cwd: Where it runs.
        env: Its whole environment.
        timeout_s: Seconds it may take, or None.
        secrets: Values that must not show in its output.
        dropped: Names that must not be in its environment, wherever they would come from.
        initiative: Whose job it is; `step` likewise. Executors name it after them.
    """

    command: str
    cwd: Path
    env: Mapping[str, str]
    timeout_s: float | None = None
    secrets: tuple[str, ...] = field(default=(), repr=False)
    dropped: tuple[str, ...] = ()
    initiative: str = ""
    step: str = ""


@dataclass(frozen=True)
class JobResult:
    """How a job ended.

    Attributes:
        exit_code: The command's; 124 time limit, 126/127 cannot start, 130 interrupted.
        started: UTC, from planctl's clock; `finished` likewise.
        duration_s: Seconds by the steady clock.
        peak_memory_bytes: Largest resident set of one of its processes; 0 if unknown (small).
        left_behind: Processes outlived the command and were killed.
        place: What is known of another machine that it ran on, for the receipt.
    """

    exit_code: int
    timed_out: bool
    interrupted: bool
    started: dt.datetime
    finished: dt.datetime
    duration_s: float
    peak_memory_bytes: int
    left_behind: bool = False
    place: Mapping[str, Any] = field(default_factory=dict)


class Executor(Protocol):
    """Runs jobs; several threads may call it at once."""

    name: str

    def run(self, job: Job, on_output: OnOutput) -> JobResult:
        """Run a job to its end.

        Args:
            job: The job.
            on_output: Gets each piece of output, secrets taken out, as soon as it is there.
        """
        ...

"""A job in Slurm's queue, followed by its files: they tell more, and sooner, than the queue."""

from __future__ import annotations

import datetime as dt
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from planctl._process import Stop
from planctl.clock import Clock
from planctl.executors import OnOutput
from planctl.executors.slurm_queue import cancel, queued, wait_until_gone

GONE_S = 60.0
"""Patience with a job that is being ended; Slurm's `KillWait` is 30 s where nobody changed it."""

_TICK_S = 0.1
_BLOCK = 1 << 16
# Slurm is asked at first every two seconds, then ever less often.
_ASK_S, _ASK_LEAST_S = 2.0, 20.0
# A shared file system may show a file some seconds after the node has written it.
_LATE_FILES_S = 10.0


@dataclass(frozen=True)
class Submitted:
    """A job that Slurm has taken.

    Attributes:
        name: What Slurm calls it.
        output: File that gets the command's output.
        result: File that is there when the job is over; in the job's own folder.
    """

    id: str
    name: str
    output: Path
    result: Path


class Followed:
    """A submitted job: its output so far, its start, its end.

    Args:
        submitted: The job.
        on_output: Gets its output.
        say: Gets a line when something about the queue changes.
        clock: Where the start comes from.

    Attributes:
        started: When the job was seen to run, by planctl's clock; None before.
    """

    def __init__(
        self, submitted: Submitted, on_output: OnOutput, say: Callable[[str], None], clock: Clock
    ) -> None:
        self.started: dt.datetime | None = None
        self._job, self._folder = submitted, submitted.result.parent
        self._on_output, self._say, self._clock = on_output, say, clock
        self._read = 0
        self._submitted = self._asked = time.monotonic()
        self._gone_at: float | None = None
        self._reason = ""

    def until_over(self, stop: Stop) -> bool:
        """Hand on output until the job is over; return whether the wish to end came first."""
        while not self._over():
            if stop.requested:
                return True
            if not self._pump():
                time.sleep(_TICK_S)
        while self._pump():
            pass
        return False

    def end_it(self, stop: Stop) -> None:
        """Cancel the job and wait until it is gone, handing on what it still prints."""
        cancel(self._job.id)
        until = time.monotonic() + GONE_S
        gone = False
        while not gone and time.monotonic() < until and not stop.urgent:
            gone = wait_until_gone(self._job.name, self._job.id, 0.0)
            while self._pump():
                pass
            time.sleep(_TICK_S)
        if not gone:
            self._tell(f"Slurm is still ending job {self._job.id}")

    @property
    def age_s(self) -> float:
        """Seconds since the job was submitted."""
        return time.monotonic() - self._submitted

    def _over(self) -> bool:
        # Listing a folder makes a network file system look again.
        if self._job.result.name in os.listdir(self._folder):
            return True
        now = time.monotonic()
        if self._gone_at is not None:
            return now >= self._gone_at + _LATE_FILES_S
        if now >= self._asked + min(_ASK_LEAST_S, _ASK_S + self.age_s / 10):
            self._ask()
            self._asked = now
        return False

    def _ask(self) -> None:
        jobs = queued(self._job.name)
        if jobs is None:
            self._tell("Slurm does not answer; the job is followed by its files")
            return
        own = [job for job in jobs if job.id == self._job.id]
        if not own:
            self._gone_at = time.monotonic()
        elif own[0].state == "PENDING":
            self._tell(f"waits in the queue: {own[0].reason}")

    def _tell(self, text: str) -> None:
        if text != self._reason:
            self._reason = text
            self._say(text)

    def _pump(self) -> bool:
        """Hand on one piece of output; return whether there was one."""
        try:
            stream = self._job.output.open("rb")
        except FileNotFoundError:
            return False
        with stream:
            if self.started is None:
                self.started = self._clock()
            stream.seek(self._read)
            piece = stream.read(_BLOCK)
        self._read += len(piece)
        if piece:
            self._on_output(piece)
        return bool(piece)

"""Jobs on this machine, each in its own process group."""

from __future__ import annotations

from planctl._process import ShellCommand, Stop, run_shell
from planctl._redaction import Redactor
from planctl.clock import Clock, system_clock
from planctl.executors import Job, JobResult, OnOutput


class LocalExecutor:
    """Runs jobs as processes of this machine.

    Args:
        clock: Where start and end come from.
        stop: The wish to end, shared by all jobs.
        grace_s: Seconds between SIGTERM and SIGKILL.
    """

    name = "local"

    def __init__(
        self, clock: Clock = system_clock, stop: Stop | None = None, grace_s: float = 10.0
    ) -> None:
        self._clock = clock
        self._stop = stop or Stop()
        self._grace_s = grace_s

    def run(self, job: Job, on_output: OnOutput) -> JobResult:
        """Run a job to its end; see `Executor.run`."""
        redactor = Redactor(job.secrets)

        def pass_on(piece: bytes) -> None:
            if clean := redactor.feed(piece):
                on_output(clean)

        started = self._clock()
        command = ShellCommand(job.command, job.cwd, job.env, job.timeout_s)
        ended = run_shell(command, pass_on, self._stop, self._grace_s)
        if rest := redactor.close():
            on_output(rest)
        return JobResult(
            exit_code=ended.exit_code,
            timed_out=ended.timed_out,
            interrupted=ended.interrupted,
            started=started,
            finished=self._clock(),
            duration_s=ended.duration_s,
            peak_memory_bytes=ended.peak_memory_bytes,
            left_behind=ended.left_behind,
        )

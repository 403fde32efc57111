"""One run of an agent: any command, the prompt on its stdin, ended as a whole after its time."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from planctl._files import read_plain
from planctl._process import Ended, ShellCommand, Stop, run_shell
from planctl._redaction import Redactor
from planctl._terminal import TerminalFilter
from planctl.models.loop import Outcome

# Of a log: what an agent that prints without end leaves on this disk.
_LOG_BYTES = 32 << 20
# Of its output: where the summary of an agent that has written none is looked for.
_TAIL_BYTES = 512 << 10
_SUMMARY_BYTES = 256 << 10
_GRACE_S = 5.0

OnOutput = Callable[[bytes], None]


@dataclass(frozen=True)
class AgentJob:
    """An agent to run.

    Attributes:
        command: For bash, as the user wrote it.
        prompt: File that it reads from its stdin.
        log: File that its output is added to, neutralised.
        summary: File that it may write its summary to.
        secrets: Values taken out of its output.
    """

    command: str
    cwd: Path
    env: Mapping[str, str]
    prompt: Path
    log: Path
    summary: Path
    timeout_s: float
    secrets: tuple[str, ...] = ()


@dataclass(frozen=True)
class AgentRun:
    """How an agent ended.

    Attributes:
        tail: The end of its output, neutralised.
        summary: What it wrote to its summary file; None when it wrote none that can be read.
        unread: Why its summary file cannot be used, if there is one.
    """

    ended: Ended
    tail: str
    summary: str | None
    unread: str | None = None

    @property
    def outcome(self) -> Outcome:
        """What the turn's record says of it."""
        if self.ended.timed_out:
            return "timed_out"
        if self.ended.interrupted:
            return "abandoned"
        return "closed" if self.ended.exit_code == 0 else "crashed"

    @property
    def failed(self) -> bool:
        """It did not end as an agent that has done its turn ends."""
        return self.outcome != "closed"


def run_agent(
    job: AgentJob, stop: Stop, on_output: OnOutput, on_start: Callable[[int], None] | None = None
) -> AgentRun:
    """Run an agent to its end.

    Args:
        job: What to run.
        stop: The wish that it ends.
        on_output: Gets its output, neutralised, as soon as it is there.
        on_start: Gets its process group before it begins.

    Returns:
        How it ended and what it said.
    """
    job.summary.unlink(missing_ok=True)
    job.log.parent.mkdir(parents=True, exist_ok=True)
    command = ShellCommand(job.command, job.cwd, job.env, job.timeout_s, job.prompt)
    with job.log.open("ab") as stream:
        said = _Said(Redactor(job.secrets), stream.write, on_output)
        ended = run_shell(command, said.take, stop, _GRACE_S, on_start)
        said.close()
        stream.write(_ending(ended).encode())
    summary, unread = summary_in(job.summary)
    return AgentRun(ended, said.tail, summary, unread)


class _Said:
    """Output on its way: secrets out, nothing that drives a terminal, the log not without end."""

    def __init__(
        self, redactor: Redactor, log: Callable[[bytes], object], on_output: OnOutput
    ) -> None:
        self._redactor = redactor
        self._filter = TerminalFilter()
        self._log = log
        self._on_output = on_output
        self._left = _LOG_BYTES
        self._tail = bytearray()

    @property
    def tail(self) -> str:
        """The end of what was said."""
        return self._tail[-_TAIL_BYTES:].decode("utf-8", "replace")

    def take(self, piece: bytes) -> None:
        """Pass on a piece of output."""
        self._pass_on(self._filter.feed(self._redactor.feed(piece)))

    def close(self) -> None:
        """Pass on what was held back."""
        self._pass_on(self._filter.feed(self._redactor.close()) + self._filter.close())

    def _pass_on(self, text: bytes) -> None:
        if not text:
            return
        self._on_output(text)
        self._tail += text
        if len(self._tail) > 2 * _TAIL_BYTES:
            del self._tail[:-_TAIL_BYTES]
        if self._left > 0:
            self._log(text[: self._left])
            self._left -= len(text)
            if self._left <= 0:
                self._log(f"\nplanctl: more than {_LOG_BYTES >> 20} MiB, cut here\n".encode())


def _ending(ended: Ended) -> str:
    how = " (time limit)" if ended.timed_out else " (interrupted)" if ended.interrupted else ""
    left = ", processes that outlived it were ended" if ended.left_behind else ""
    return f"\nplanctl: agent ended with {ended.exit_code}{how}, {ended.duration_s:.1f} s{left}\n"


def summary_in(path: Path) -> tuple[str | None, str | None]:
    """Return what an agent wrote as its summary, or why that cannot be used."""
    if not os.path.lexists(path):
        return None, None
    if path.is_symlink():
        return None, "is a symbolic link"
    try:
        text = read_plain(path, _SUMMARY_BYTES).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        return None, f"cannot be read: {error}"
    return (text if text.strip() else None), None

"""Shell commands in their own process group: followed, limited in time, ended as a whole."""

from __future__ import annotations

import contextlib
import os
import resource
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

TIMED_OUT = 124
CANNOT_START = 126
NOT_FOUND = 127
INTERRUPTED = 130

_SHELL = "/bin/sh"
# Waits for the word that the watchdog is there, so that no command ever runs without it.
# -p: no functions, options or start-up files from the environment can change what a command does.
_START = 'read -r go || exit 130; exec bash -p -e -u -o pipefail -c "$1" <"$2"'
_BLOCK = 1 << 16
_TICK_S = 0.05
_LINGER_S = 2.0
# Reads the group's id, then waits for the word that all is over. If planctl dies without saying
# so (kill -9), the pipe closes and the whole group is ended.
_WATCHDOG = (
    'read -r group || exit 0; read -r over && exit 0; kill -s TERM -- "-$group" 2>/dev/null; '
    'sleep 2; kill -s KILL -- "-$group" 2>/dev/null'
)

OnOutput = Callable[[bytes], None]


@dataclass(frozen=True)
class ShellCommand:
    """A command line for bash, run with `set -euo pipefail`.

    Attributes:
        env: The whole environment of the command.
        timeout_s: Seconds after which its process group is ended; None for no limit.
        stdin: A file that it reads; nothing without one.
    """

    text: str
    cwd: Path
    env: Mapping[str, str]
    timeout_s: float | None = None
    stdin: Path = Path(os.devnull)


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Attributes:
        exit_code: The command's own; 124 time limit, 126/127 cannot start, 130 interrupted,
            128 + n when signal n ended it.
        peak_memory_bytes: Largest resident set of one process of the command, as the kernel saw
            it; 0 when it is less than planctl's own, with which the kernel starts counting.
        left_behind: Processes of the group outlived the command and were killed.
    """

    exit_code: int
    timed_out: bool
    interrupted: bool
    duration_s: float
    peak_memory_bytes: int
    left_behind: bool


class Stop:
    """The wish that running commands end; asked twice, they are killed without grace."""

    def __init__(self) -> None:
        self._asked = 0

    def request(self) -> None:
        """Ask once more."""
        self._asked += 1

    @property
    def requested(self) -> bool:
        """Somebody asked."""
        return self._asked > 0

    @property
    def urgent(self) -> bool:
        """Somebody asked again."""
        return self._asked > 1


@contextlib.contextmanager
def stop_on_signals(stop: Stop) -> Iterator[None]:
    """Turn Ctrl-C, SIGTERM and SIGHUP into `stop.request()` while the block runs.

    A signal that is ignored stays ignored (`nohup`, a shell's background job). In any other than
    the main thread nothing changes: Python delivers signals to that one only.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ask(signum: int, frame: FrameType | None) -> None:
        stop.request()

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    heard = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, ask) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run_shell(
    command: ShellCommand,
    on_output: OnOutput,
    stop: Stop,
    grace_s: float = 10.0,
    on_start: Callable[[int], None] | None = None,
) -> Ended:
    """Run a command to its end and hand on its output (stdout and stderr, in order).

    Args:
        on_output: Gets each piece of output as soon as it is read. If it raises, the process
            group is killed and the error goes on.
        stop: Looked at several times a second.
        grace_s: Seconds between SIGTERM and SIGKILL.
        on_start: Gets the id of the process group before the command begins.
    """
    began = time.monotonic()
    try:
        child = _Child(command)
    except OSError as error:
        on_output(f"planctl: cannot start bash: {error.strerror}\n".encode())
        code = NOT_FOUND if isinstance(error, FileNotFoundError) else CANNOT_START
        return Ended(code, False, False, time.monotonic() - began, 0, False)
    with child:
        child.begin(on_start)
        limit = None if command.timeout_s is None else began + command.timeout_s
        reason = child.follow(on_output, stop, limit, grace_s)
        left = child.end_group(on_output, grace_s if reason else _LINGER_S, stop)
    code = {None: child.exit_code, "time": TIMED_OUT, "stop": INTERRUPTED}[reason]
    return Ended(
        exit_code=code,
        timed_out=reason == "time",
        interrupted=reason == "stop",
        duration_s=time.monotonic() - began,
        peak_memory_bytes=child.peak_memory_bytes,
        left_behind=left and reason is None,
    )


class _Child:
    """A started command: its group, its output, its watchdog."""

    def __init__(self, command: ShellCommand) -> None:
        self.exit_code = -1
        self.peak_memory_bytes = 0
        self._reaped = False
        self._output, inner = os.pipe()
        self._open = True
        words = [_START, "planctl", command.text, os.fspath(command.stdin)]
        try:
            self._process = _start(words, inner, command)
        except BaseException:
            os.close(self._output)
            raise
        finally:
            os.close(inner)
        self._group = self._process.pid
        self._watchdog = _start([_WATCHDOG], subprocess.DEVNULL)
        _tell(self._watchdog, f"{self._group}\n")

    def __enter__(self) -> _Child:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._reaped:
            self._signal(signal.SIGKILL)
            self._reap(os.wait4(self._process.pid, 0))
        os.close(self._output)
        self._process.communicate()
        self._watchdog.communicate(b"over\n")

    def begin(self, on_start: Callable[[int], None] | None) -> None:
        """Let the command begin, after its group has been told."""
        if on_start is not None:
            on_start(self._group)
        _tell(self._process, "go\n")

    def follow(
        self, on_output: OnOutput, stop: Stop, limit: float | None, grace_s: float
    ) -> str | None:
        """Hand on output until the shell has ended; return why it was told to end, if it was."""
        reason: str | None = None
        kill_at = float("inf")
        while not self._ended():
            self._pump(on_output)
            now = time.monotonic()
            if reason is None and (stop.requested or (limit is not None and now >= limit)):
                reason = "stop" if stop.requested else "time"
                self._signal(signal.SIGTERM)
                kill_at = now + grace_s
            if reason and (now >= kill_at or stop.urgent):
                self._signal(signal.SIGKILL)
        return reason

    def end_group(self, on_output: OnOutput, patience_s: float, stop: Stop) -> bool:
        """Wait for what the shell left running, then kill it; return whether that was needed."""
        until = time.monotonic() + patience_s
        while group_alive(self._group) and time.monotonic() < until and not stop.urgent:
            self._pump(on_output)
        left = group_alive(self._group)
        if left:
            self._signal(signal.SIGKILL)
        # A process that left the group may hold the pipe for ever: read what is there, no more.
        until = time.monotonic() + _LINGER_S
        while self._open and time.monotonic() < until and self._pump(on_output):
            pass
        return left

    def _pump(self, on_output: OnOutput) -> bool:
        """Hand on one piece of output, waiting a moment for it; return whether there was one."""
        if not self._open:
            time.sleep(_TICK_S / 5)
            return False
        ready, _, _ = select.select([self._output], [], [], _TICK_S)
        if not ready:
            return False
        piece = os.read(self._output, _BLOCK)
        self._open = bool(piece)
        if piece:
            on_output(piece)
        return bool(piece)

    def _ended(self) -> bool:
        if not self._reaped:
            found = os.wait4(self._process.pid, os.WNOHANG)
            if found[0]:
                self._reap(found)
        return self._reaped

    def _reap(self, found: tuple[int, int, object]) -> None:
        _, status, usage = found
        code = os.waitstatus_to_exitcode(status)
        self._reaped = True
        self._process.returncode = code
        self.exit_code = 128 - code if code < 0 else code
        # A child's high-water mark starts at that of the process it was forked from.
        largest = int(getattr(usage, "ru_maxrss", 0))
        if largest > resource.getrusage(resource.RUSAGE_SELF).ru_maxrss:
            self.peak_memory_bytes = largest * (1 if sys.platform == "darwin" else 1024)

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._group, number)


def _start(
    words: list[str], output: int, command: ShellCommand | None = None
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [_SHELL, "-c", *words],
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=output,
        cwd=None if command is None else command.cwd,
        env=None if command is None else dict(command.env),
        start_new_session=True,
    )


def _tell(process: subprocess.Popen[bytes], word: str) -> None:
    stream = process.stdin
    assert stream is not None
    with contextlib.suppress(BrokenPipeError):
        stream.write(word.encode())
        stream.flush()


def group_alive(group: int) -> bool:
    """Tell whether a process group has a member that still runs; the dead unreaped do not count."""
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    if not sys.platform.startswith("linux"):
        return True
    return any(_running_in(name, group) for name in os.listdir("/proc") if name.isdigit())


def _running_in(pid: str, group: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", "rb") as stream:
            # pid (name) state ppid pgrp …; the name may hold blanks and brackets.
            state, _, pgrp = stream.read().rpartition(b")")[2].split()[:3]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return int(pgrp) == group and state not in (b"Z", b"X")

"""Logs of runs: a header says what ran on what, then the raw output, a trailer says how it ended.

The output between the two is evidence byte for byte; only declared secrets are taken out before.
"""

from __future__ import annotations

import datetime as dt
import os
from dataclasses import dataclass
from pathlib import Path

from planctl import clock
from planctl._files import free_name, open_plain
from planctl._redaction import Redactor
from planctl._text import printable
from planctl.executors import JobResult

TITLE = "# planctl log v1"
OUTPUT = "# --- output"
END = "# --- end"
_SHOWN_DIRTY = 50
_MIB = 1024 * 1024
_TRAILER_BYTES = 4096
# Commands, environment and dirty paths stand there: long, but never a whole log.
_HEADER_BYTES = 16 << 20
_BLOCK = 1 << 16


@dataclass(frozen=True)
class LogHeader:
    """What a log opens with.

    Attributes:
        step: What runs: `X-001 A/train`, or `X-001 ad hoc`.
        env: Variables that planctl sets or that change results, in the order shown.
        command: As in the plan; `expanded` with the values of the plan's environment.
        dirty: Repository-relative paths that differ from the commit.
        cwd: Repository-relative, `.` for the root.
    """

    step: str
    env: dict[str, str]
    command: str
    expanded: str
    commit: str
    branch: str | None
    dirty: tuple[str, ...]
    cwd: str
    started: dt.datetime


def header_text(header: LogHeader) -> str:
    """Spell a header; every line starts with `# `."""
    lines = [TITLE, "# env:"]
    lines += [f"#   {name}={_one_line(value)}" for name, value in header.env.items()]
    lines += [f"# step: {_one_line(header.step)}", *_block("command", header.command)]
    if header.expanded != header.command:
        lines += _block("expanded", header.expanded)
    branch = "detached" if header.branch is None else f"branch {_one_line(header.branch)}"
    lines += [f"# commit: {header.commit} ({branch})", *_dirty(header.dirty)]
    lines += [f"# cwd: {_one_line(header.cwd)}", f"# started: {clock.iso(header.started)}", OUTPUT]
    return "\n".join(lines) + "\n"


def _block(name: str, text: str) -> list[str]:
    first, *rest = [_one_line(line) for line in text.strip().split("\n")]
    return [f"# {name}: {first}", *(f"#   {line}" for line in rest)]


def _dirty(paths: tuple[str, ...]) -> list[str]:
    if not paths:
        return ["# dirty: none"]
    noun = "path" if len(paths) == 1 else "paths"
    lines = [f"# dirty: {len(paths)} {noun}"]
    lines += [f"#   {_one_line(path)}" for path in paths[:_SHOWN_DIRTY]]
    if len(paths) > _SHOWN_DIRTY:
        lines.append(f"#   and {len(paths) - _SHOWN_DIRTY} more")
    return lines


def _one_line(text: str) -> str:
    return printable(text, keep="\t")


def trailer_text(result: JobResult) -> str:
    """Spell a trailer."""
    how = ""
    if result.timed_out:
        how = " (time limit)"
    elif result.interrupted:
        how = " (interrupted)"
    lines = [END, f"# exit: {result.exit_code}{how}", f"# duration: {result.duration_s:.2f} s"]
    lines.append(f"# peak memory: {_memory(result.peak_memory_bytes)}")
    if result.left_behind:
        lines.append("# left behind: processes outlived the command and were killed")
    lines.append(f"# finished: {clock.iso(result.finished)}")
    return "\n".join(lines) + "\n"


def _memory(size: int) -> str:
    return f"{size / _MIB:.1f} MiB" if size else "less than planctl's own"


def body(data: bytes) -> bytes:
    """Return a log's raw output; a file that is no planctl log comes back whole.

    A log without trailer (its run was killed with planctl) gives what was written until then.
    """
    return data[body_span(data)]


def body_span(data: bytes) -> slice:
    """Return where a log's raw output lies, so that no copy of a large one is made."""
    if not data.startswith(TITLE.encode() + b"\n"):
        return slice(0, len(data))
    mark = f"\n{OUTPUT}\n".encode()
    start = data.find(mark)
    if start < 0:
        return slice(0, 0)
    start += len(mark)
    # The line end of the mark may be the one before the trailer.
    end = data.rfind(f"\n{END}\n".encode(), start - 1)
    return slice(start, len(data) if end < 0 else end + 1)


@dataclass(frozen=True)
class Claims:
    """What a log says of its run; empty where it says nothing (its run was killed)."""

    step: str
    commit: str
    exit_code: str


def claims(path: Path) -> Claims | None:
    """Read what a log's header and trailer say; None when it is no log of planctl.

    Only the two ends are read: the output between may be huge.
    """
    with open_plain(path) as stream:
        if not (read := stream.read(_BLOCK)).startswith(f"{TITLE}\n".encode()):
            return None
        mark = f"\n{OUTPUT}\n".encode()
        while mark not in read and len(read) < _HEADER_BYTES and (more := stream.read(_BLOCK)):
            read += more
        head = read.partition(mark)[0]
        header: dict[str, str] = {}
        for line in head.decode("utf-8", "replace").split("\n"):
            name, _, value = line.removeprefix("# ").partition(": ")
            header.setdefault(name, value.strip())
        size = os.fstat(stream.fileno()).st_size
        stream.seek(max(len(head) + len(mark) - 1, size - _TRAILER_BYTES))
        _, _, trailer = stream.read().rpartition(f"{END}\n".encode())
    exits = [line for line in trailer.decode("utf-8", "replace").splitlines() if "# exit: " in line]
    return Claims(
        step=header.get("step", ""),
        commit=header.get("commit", "").partition(" ")[0],
        exit_code=exits[0].removeprefix("# exit: ").partition(" ")[0] if exits else "",
    )


class LogFile:
    """A log being written, under a name that nothing had before.

    Args:
        path: The wanted name; taken ones are passed over (`_v2`, `_v3`, …).
        taken: Names that other branches use for it.
        redactor: Takes secrets out of header and trailer; the output comes without them.
    """

    def __init__(self, path: Path, redactor: Redactor, taken: frozenset[str] = frozenset()) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._redactor = redactor
        self.path, handle = _create(path, taken)
        self._stream = os.fdopen(handle, "wb", buffering=0)
        self._last = b"\n"

    def begin(self, header: LogHeader) -> None:
        """Write the header."""
        self._write(self._redactor.text(header_text(header)).encode())

    def write(self, piece: bytes) -> None:
        """Write a piece of output as it is."""
        self._write(piece)
        self._last = piece[-1:] or self._last

    def _write(self, data: bytes) -> None:
        # On a disk that is nearly full the system takes a part and says how much.
        rest = memoryview(data)
        while rest:
            rest = rest[self._stream.write(rest) :]

    def finish(self, result: JobResult) -> None:
        """Write the trailer and close."""
        gap = "" if self._last == b"\n" else "\n"
        self._write((gap + trailer_text(result)).encode())
        os.fsync(self._stream.fileno())
        self._stream.close()

    def abandon(self) -> None:
        """Close without a trailer: what was written stays."""
        self._stream.close()


def _create(path: Path, taken: frozenset[str]) -> tuple[Path, int]:
    while True:
        free = free_name(path, taken)
        try:
            return free, os.open(free, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        except FileExistsError:
            continue  # another process was faster; the next name is free for us

"""Failure signatures: the few words of a log that tell one failure from another."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

_TAIL_LINES = 5
_LINE_CHARS = 300


@dataclass(frozen=True)
class Signature:
    """What a failure looks like.

    Attributes:
        kind: Slug of the detector that recognised it, `unknown` if none did.
        lines: The lines of the log that show it.
    """

    kind: str
    lines: tuple[str, ...]

    @property
    def digest(self) -> str:
        """Eight hex digits; equal for failures that differ only in numbers, ids and paths."""
        plain = "\n".join(_without_particulars(line) for line in self.lines)
        return hashlib.sha256(f"{self.kind}\n{plain}".encode()).hexdigest()[:8]

    def __str__(self) -> str:
        return f"{self.kind} {self.digest}"


@dataclass(frozen=True)
class Failure:
    """What is known of a failed run.

    Attributes:
        output: The log without header and trailer.
        problems: What planctl itself found wrong: checks that do not hold, files not produced.
    """

    exit_code: int
    timed_out: bool
    output: str
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Detector:
    kind: str
    pattern: str = ""
    codes: tuple[int, ...] = ()


# The order decides: the cause stands before what follows from it.
_DETECTORS = (
    _Detector("disk-full", r"No space left on device|Disk quota exceeded|\[Errno 28\]"),
    _Detector(
        "cuda-out-of-memory",
        r"CUDA out of memory|torch(\.cuda)?\.OutOfMemoryError|CUBLAS_STATUS_ALLOC_FAILED",
    ),
    _Detector(
        "out-of-memory", r"^MemoryError|can't allocate memory|[Cc]annot allocate memory|bad_alloc"
    ),
    _Detector("killed-by-kernel", r"^(?:.*: line \d+: +\d+ )?Killed\b", codes=(137,)),
    _Detector(
        "non-finite-loss",
        r"(?i)non-?finite|\b(?:loss|gradients?|nll)\b[^\n]{0,40}?[ =:]-?(?:nan|inf(?:inity)?)\b",
    ),
    _Detector("import-error", r"^(?:E +)?(?:ModuleNotFoundError|ImportError)\b"),
    _Detector("assertion", r"^(?:E +)?AssertionError\b|^E +assert |^FAILED "),
    _Detector("missing-file", r"FileNotFoundError|No such file or directory"),
    _Detector("command-not-found", r"command not found|exec: .*: not found", codes=(127,)),
    _Detector("cannot-start", r"Permission denied", codes=(126,)),
    _Detector("segmentation-fault", r"Segmentation fault", codes=(139,)),
)


def signature(failure: Failure) -> Signature:
    """Recognise a failure.

    Returns:
        The first detector's last matching line; for `check` what planctl found wrong; for
        `unknown` the last lines of the output.
    """
    if failure.timed_out:
        return Signature("timeout", tuple(_tail(failure.output)[-1:]))
    if failure.exit_code == 0:
        return Signature("check", tuple(_cut(line) for line in failure.problems))
    for detector in _DETECTORS:
        line = _last_match(detector, failure.output)
        if line is not None:
            return Signature(detector.kind, (line,))
        if failure.exit_code in detector.codes:
            return Signature(detector.kind, tuple(_tail(failure.output)[-1:]))
    return Signature("unknown", tuple(_tail(failure.output)))


def _last_match(detector: _Detector, output: str) -> str | None:
    # One line at a time: no pattern can run over a log of many megabytes in one match.
    pattern = re.compile(detector.pattern)
    for line in reversed(output.splitlines()):
        if pattern.search(line[:2000]):
            return _cut(line)
    return None


def _tail(output: str) -> list[str]:
    lines = [_cut(line) for line in output.splitlines() if line.strip()]
    return lines[-_TAIL_LINES:]


def _cut(line: str) -> str:
    start = line.strip()[:_LINE_CHARS]
    return "".join(char if char.isprintable() else " " for char in start).strip()


def _without_particulars(line: str) -> str:
    line = re.sub(r"0x[0-9a-fA-F]+|\b[0-9a-f]{7,64}\b", "#", line)
    line = re.sub(r"(?:/[\w.+-]+){2,}", "/#", line)
    return re.sub(r"\d+(?:\.\d+)?", "0", line)

"""Failure signatures: the few words of a log that tell one failure from another."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from planctl.models.failures.table import COMPARED, DETECTORS, INNOCENT, TELLING, Detector

_TAIL_LINES = 5
_LINE_CHARS = 300
_ASKED_CHARS = 2000
# What ended a run stands near its end; every detector asks each of them.
_ASKED_LINES = 10_000
_HANDLING = "During handling of the above exception, another exception occurred:"
_CAUSING = "The above exception was the direct cause of the following exception:"
_TRACEBACK = "Traceback (most recent call last):"
# What a program says last when it raised: a name in camel case that ends as exceptions do.
_RAISED = re.compile(
    r"^(?:E {1,9}|\[rank\d+\]: ?| *\| ?)?(?:[A-Za-z_]\w*\.)*"
    r"([A-Z]\w*(?:Error|Exception|Interrupt|Exit|Expired|Failed|Warning|Fault))(?=:|\s*$)"
)
# They only say that another process or call failed.
_WRAPPERS = re.compile(
    r"\b(?:ChildFailedError|ProcessRaisedException|ProcessExitedException|CalledProcessError|"
    r"BrokenProcessPool|TerminatedWorkerError|SystemExit|KeyboardInterrupt)\b"
)


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


def signature(failure: Failure) -> Signature:
    """Recognise a failure.

    Returns:
        The line that shows the cause: of the first detector that fits, and where exceptions led to
        each other, of the one that began it. For `check` what planctl found wrong; for `unknown`
        the last lines of the output.
    """
    if failure.timed_out:
        return Signature("timeout", tuple(_tail(failure.output)[-1:]))
    if failure.exit_code == 0:
        return Signature("check", tuple(_cut(line) for line in failure.problems))
    lines = [line[:_ASKED_CHARS] for line in failure.output.splitlines()[-_ASKED_LINES:]]
    found = _told(lines, failure.exit_code)
    if found is not None:
        return found
    raised = _exception(lines)
    if raised is not None:
        return Signature("exception", (_cut(raised),))
    return Signature("unknown", tuple(_tail(failure.output)))


def _told(lines: Sequence[str], exit_code: int) -> Signature | None:
    chain = _chain(lines)
    telling = [line for line in lines if is_telling(line)]
    for detector in DETECTORS:
        if detector.raised and chain:
            root = _root(chain)
            if root is not None:
                return root
        line = _last_match(detector, telling)
        if line is not None:
            return Signature(detector.kind, (_cut(line),))
        if exit_code in detector.codes:
            said = [line for line in lines if line.strip()]
            return Signature(detector.kind, tuple(_cut(line) for line in said[-1:]))
    return None


def words_of(kind: str) -> tuple[str, ...]:
    """Return the words that a finding about a kind of failure would use."""
    return next((item.words for item in DETECTORS if item.kind == kind), ())


def is_telling(line: str) -> bool:
    """Tell whether a line holds any of the words without which no detector fits."""
    lower = line.lower()
    return any(word in lower for word in TELLING)


def _last_match(detector: Detector, lines: Sequence[str]) -> str | None:
    # One line at a time: no pattern can run over a log of many megabytes in one match.
    if detector.pattern is None:
        return None
    for line in reversed(lines):
        if detector.pattern.search(line) and not _is_innocent(detector, line):
            return line
    return None


def _is_innocent(detector: Detector, line: str) -> bool:
    if detector.loud is not None and detector.loud.search(line):
        return False
    if detector.kind != "assertion" and COMPARED.match(line):
        return True
    return INNOCENT.search(line) is not None or _NONE_OF.search(line) is not None


# `0 non-finite values`, `no timeouts`, `without OOM`: counted, and there are none.
_NONE_OF = re.compile(
    r"(?i)(?<![\w.-])(?:0|no|zero|without(?: any)?|never|not a single)\s+(?:\w+\s+)?"
    r"(?:non-?finite|nans?|infs?|out.of.memory|oom|time-?outs?|segmentation|errors?|import)\b"
)


@dataclass(frozen=True)
class _Raised:
    """An exception of a chain, and whether it was only being handled when the next was raised."""

    line: str
    handled: bool


def _chain(lines: Sequence[str]) -> list[_Raised]:
    """Return the exceptions of the last chain of tracebacks, the one that began it first."""
    links = [i for i, line in enumerate(lines) if line.strip(" |E") in (_HANDLING, _CAUSING)]
    if not links:
        return []
    groups: list[list[int]] = [[links[0]]]
    for before, after in pairwise(links):
        # Tracebacks of one chain follow each other: nothing but one of them lies between links.
        if _tracebacks(lines[before + 1 : after]) > 1:
            groups.append([])
        groups[-1].append(after)
    last = groups[-1]
    found: list[_Raised] = []
    start = _start_of(lines, last[0])
    for link in last:
        line = _last_raised(lines[start:link])
        if line is not None:
            found.append(_Raised(line, lines[link].strip(" |E") == _HANDLING))
        start = link + 1
    final = _first_raised_after(lines, start)
    return [*found, _Raised(final, False)] if final is not None else found


def _tracebacks(lines: Sequence[str]) -> int:
    return sum(_TRACEBACK in line for line in lines)


def _start_of(lines: Sequence[str], link: int) -> int:
    starts = (i for i in range(link - 1, -1, -1) if _TRACEBACK in lines[i])
    return next(starts, 0)


def _last_raised(lines: Sequence[str]) -> str | None:
    return next((line for line in reversed(lines) if _RAISED.match(line)), None)


def _first_raised_after(lines: Sequence[str], start: int) -> str | None:
    return next((line for line in lines[start:] if _RAISED.match(line)), None)


def _root(chain: Sequence[_Raised]) -> Signature | None:
    """Return the first exception of a chain that a detector knows.

    An import that was tried, and handled, is the cause of nothing that came later.
    """
    known = [(item, kind) for item in chain if (kind := _kind_of(item.line)) is not None]
    for index, (item, kind) in enumerate(known):
        optional = kind == "import-error" and item.handled and index < len(known) - 1
        if not optional:
            return Signature(kind, (_cut(item.line),))
    return None


def _kind_of(line: str) -> str | None:
    fitting = (d.kind for d in DETECTORS if d.raised and d.pattern and d.pattern.search(line))
    return next(fitting, None)


def _exception(lines: Sequence[str]) -> str | None:
    """Return the line of the exception that ended a program, as near to its cause as can be."""
    chain = [item.line for item in _chain(lines)]
    found = [line for line in chain if not _WRAPPERS.search(line)]
    if found:
        return found[0]
    plain = [line for line in _all_raised(lines) if not _WRAPPERS.search(line)]
    return plain[-1] if plain else None


def _all_raised(lines: Sequence[str]) -> Iterator[str]:
    return (line for line in lines if _RAISED.match(line) and not INNOCENT.search(line))


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

"""Blockers: why a step failed, in as few words as tell it from other failures."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field

from planctl._text import printable

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


@dataclass(frozen=True)
class Blocker:
    """A failure and the way back.

    Attributes:
        path: Repository-relative path of its file.
        in_a_row: How often this step now failed with this signature without another end between.
        focus_blocked: The ledger now says `blocked`.
        return_condition: Command that must succeed before work goes on.
        receipt: Repository-relative path of the failed run's receipt, None if blocked by hand.
        findings: Rows of `docs/findings.md` that apply: id → text.
    """

    path: str
    initiative: str
    title: str
    stamp: str
    signature: Signature
    reason: str
    command: str
    commit: str
    return_condition: str
    phase: str | None = None
    step: str | None = None
    receipt: str | None = None
    log: str | None = None
    exit_code: int | None = None
    attempts: int = 0
    in_a_row: int = 1
    focus_blocked: bool = False
    findings: dict[str, str] = field(default_factory=dict)


def render(blocker: Blocker) -> str:
    """Spell a blocker file."""
    facts = [
        ("Initiative", blocker.initiative),
        ("Phase", blocker.phase),
        ("Step", blocker.step),
        ("Signature", f"{blocker.signature} ({blocker.in_a_row} in a row)"),
        ("Exit code", None if blocker.exit_code is None else str(blocker.exit_code)),
        ("Commit", blocker.commit),
        ("Receipt", blocker.receipt),
        ("Log", blocker.log),
        ("Attempts so far", str(blocker.attempts)),
    ]
    shown = blocker.signature.lines or ("(the run printed nothing)",)
    findings = [f"- {name}: {text}" for name, text in blocker.findings.items()] or ["None."]
    parts = [
        [f"# Blocked: {blocker.title} ({blocker.stamp})", "", blocker.reason, ""],
        [f"- {name}: {value}" for name, value in facts if value is not None],
        ["", "## Error signature", "", *_fenced("text", shown)],
        ["", "## Command", "", *_fenced("sh", blocker.command.strip().split("\n"))],
        ["", "## Findings that apply", "", *findings],
        ["", "## Return condition", "", "Work goes on when this succeeds:", ""],
        _fenced("sh", blocker.return_condition.strip().split("\n")),
    ]
    text = "\n".join(line for part in parts for line in part)
    return printable(text, keep="\n\t") + "\n"


def _fenced(language: str, lines: list[str] | tuple[str, ...]) -> list[str]:
    longest = max((len(run) for run in re.findall(r"`+", "\n".join(lines))), default=2)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}{language}", *lines, fence]


@dataclass(frozen=True)
class BlockerFacts:
    """What a later run needs to know of a blocker file; without a receipt a person wrote it."""

    signature: str
    in_a_row: int
    receipt: str | None
    step: str | None = None


def facts(text: str) -> BlockerFacts | None:
    """Read back what `render` wrote; None if it is no blocker file of ours."""
    found = re.search(r"^- Signature: ([\w-]+ [0-9a-f]{8}) \((\d+) in a row\)$", text, re.MULTILINE)
    receipt = re.search(r"^- Receipt: (\S+)$", text, re.MULTILINE)
    step = re.search(r"^- Step: (\S+)$", text, re.MULTILINE)
    if found is None:
        return None
    return BlockerFacts(
        signature=found[1],
        in_a_row=int(found[2]),
        receipt=receipt[1] if receipt else None,
        step=step[1] if step else None,
    )

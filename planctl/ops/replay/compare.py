"""A recorded run beside a replay of it, artifact by artifact."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from planctl._files import read_plain
from planctl._text import listed, printable
from planctl.models.check import Check, JsonCheck, JsonValue, LogValue, LogValueCheck
from planctl.models.json_difference import first_difference
from planctl.models.receipt import Receipt, Subject
from planctl.models.replay import ArtifactReplay
from planctl.models.test_outcome import read_outcome
from planctl.ops.checks import values_of
from planctl.ops.run_log import body

_MAX_BYTES = 64_000_000
_SHOWN_CHARS = 60
_SHOWN_LINE = 120
_BLOCK = 4096

Source = JsonCheck | JsonValue | LogValueCheck | LogValue


@dataclass(frozen=True)
class Side:
    """One of the two runs.

    Attributes:
        receipt: What was recorded of it.
        resolve: From a declared name to the file; raises `BadFileError`.
        place: From an artifact to its file; None when it is not there as recorded.
    """

    receipt: Receipt
    resolve: Callable[[str], Path]
    place: Callable[[Subject], Path | None]


def compare(checks: tuple[Check, ...], old: Side, new: Side) -> tuple[ArtifactReplay, ...]:
    """Compare every artifact of a recorded run with what a replay made.

    Args:
        checks: Of the step; those that state numbers say which differences do not matter.
        old: The recorded run.
        new: The replay; its checks hold, else it does not agree anyway.
    """
    return tuple(_one(checks, old, new, subject) for subject in old.receipt.subjects)


def extra(old: Receipt, new: Receipt) -> list[str]:
    """Return the artifacts that only the replay made."""
    known = {subject.declared for subject in old.subjects}
    return [subject.declared for subject in new.subjects if subject.declared not in known]


def _one(checks: tuple[Check, ...], old: Side, new: Side, subject: Subject) -> ArtifactReplay:
    made = new.receipt.subject_for(subject.declared)

    def result(outcome: Any, agrees: bool, text: str) -> ArtifactReplay:
        return ArtifactReplay(
            declared=subject.declared,
            outcome=outcome,
            agrees=agrees,
            text=printable(text),
            recorded=subject.sha256,
            replayed=None if made is None else made.sha256,
        )

    if made is None:
        return result("absent", False, "the replay did not make it")
    before, after = old.place(subject), new.place(made)
    if subject.name == old.receipt.log:
        agrees, text = _logs(checks, old, new, before, after)
        return result("log", agrees, text)
    if made.sha256 == subject.sha256:
        return result("identical", True, "identical")
    if before is None or after is None:
        return result("differs", False, "other bytes; what was recorded is not here to compare")
    difference = _difference(subject.kind, before, after)
    stating = [check for check in checks if _states_numbers(check, subject.declared)]
    if not stating:
        return result("differs", False, difference)
    moved = [text for check in stating for text in _moved(check, subject.declared, old, new)]
    if moved:
        return result("differs", False, f"{moved[0]}; {difference}")
    return result("within", True, f"{_covered(stating)}; {difference}")


def _covered(stating: list[Check]) -> str:
    tolerant = [name for check in stating if (name := _tolerance_name(check)) is not None]
    if tolerant:
        return f"within tolerance of check {listed(tolerant, 3)}"
    return f"within the bounds of check {listed([_path_of(check) for check in stating], 3)}"


def _path_of(check: Check) -> str:
    return str(getattr(check, "path", None) or getattr(check, "capture", ""))


def _tolerance_name(check: Check) -> str | None:
    if not isinstance(check, JsonCheck | LogValueCheck):
        return None
    if check.within is not None:
        return f"{_path_of(check)} within {check.within:g}"
    return f"{_path_of(check)} same" if check.same_as is not None else None


def _states_numbers(check: Check, declared: str) -> bool:
    """Tell whether a check says which numbers of an artifact matter, and how exactly."""
    if not isinstance(check, JsonCheck | LogValueCheck):
        return False
    if all(_file_of(source) != declared for source in _sources(check)):
        return False
    bounds = (check.gt, check.ge, check.lt, check.le, check.within, check.same_as)
    exact = isinstance(check.eq, int | float) and not isinstance(check.eq, bool)
    return exact or any(bound is not None for bound in bounds)


def _sources(check: JsonCheck | LogValueCheck) -> Iterator[Source]:
    yield check
    for other in (check.of, check.same_as):
        if other is not None:
            yield other


def _file_of(source: Source) -> str:
    return source.log if isinstance(source, LogValueCheck | LogValue) else source.json_file


def _moved(check: Check, declared: str, old: Side, new: Side) -> Iterator[str]:
    """Yield where a value that a tolerance is stated for left it between the two runs."""
    assert isinstance(check, JsonCheck | LogValueCheck)
    if check.within is None and check.same_as is None:
        return
    tolerance = check.within or 0.0
    for source in _sources(check):
        if _file_of(source) != declared:
            continue
        was, now = values_of(source, old.resolve), values_of(source, new.resolve)
        if was is None or now is None or not _close(was, now, tolerance):
            name = source.capture if isinstance(source, LogValueCheck | LogValue) else source.path
            yield f"`{name}` was {_shown(was)}, is {_shown(now)}, not within {tolerance:g}"


def _close(was: list[Any], now: list[Any], tolerance: float) -> bool:
    if len(was) != len(now):
        return False
    return all(_near(a, b, tolerance) for a, b in zip(was, now, strict=True))


def _near(a: Any, b: Any, tolerance: float) -> bool:
    numbers = all(isinstance(x, int | float) and not isinstance(x, bool) for x in (a, b))
    if not numbers or tolerance == 0:
        return type(a) is type(b) and bool(a == b)
    return bool(abs(a - b) <= tolerance * max(abs(a), abs(b)))


def _shown(values: Any) -> str:
    return "not there" if values is None else json.dumps(values, default=str)[:_SHOWN_CHARS]


def _logs(
    checks: tuple[Check, ...], old: Side, new: Side, before: Path | None, after: Path | None
) -> tuple[bool, str]:
    """Compare two logs by the outcome of their tests and the values checks take from them."""
    was, now = _output(before), _output(after)
    if was is None or now is None:
        return True, "a log; what was recorded is not here to compare"
    for check in checks:
        if isinstance(check, JsonCheck | LogValueCheck):
            moved = list(_moved(check, old.receipt.log, old, new))
            if moved:
                return False, moved[0]
    tests, again = read_outcome(was), read_outcome(now)
    if tests is None and again is None:
        return True, "same output" if was == now else "other output, no test outcome in it"
    if tests is None or again is None:
        gone, there = ("the replay", tests) if again is None else ("the recorded log", again)
        return False, f"{gone} has no test outcome, the other `{there and there.line}`"
    if tests.counts != again.counts:
        return False, f"tests: `{tests.line}` recorded, `{again.line}` now"
    return True, f"tests: `{again.line}`, as recorded"


def _output(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        return body(read_plain(path, _MAX_BYTES)).decode("utf-8", "replace")
    except OSError:
        return None


def _difference(kind: str, before: Path, after: Path) -> str:
    """Say where two versions of an artifact differ first."""
    if kind == "folder":
        return "other content; the folder's list of digests says which files"
    try:
        old, new = read_plain(before, _MAX_BYTES), read_plain(after, _MAX_BYTES)
    except OSError as error:
        return f"other bytes; cannot be compared: {error.strerror}"
    return _json(old, new) or _lines(old, new) or _bytes(old, new)


def _json(old: bytes, new: bytes) -> str | None:
    try:
        found = first_difference(json.loads(old), json.loads(new))
    except (ValueError, RecursionError):
        return None
    return f"first difference at {found}" if found else "the same JSON, written otherwise"


def _lines(old: bytes, new: bytes) -> str | None:
    try:
        was, now = old.decode().splitlines(), new.decode().splitlines()
    except UnicodeDecodeError:
        return None
    for number, (a, b) in enumerate(zip(was, now, strict=False), 1):
        if a != b:
            return f"line {number}: `{a[:_SHOWN_LINE]}` → `{b[:_SHOWN_LINE]}`"
    return f"{len(was)} lines → {len(now)}" if len(was) != len(now) else None


def _bytes(old: bytes, new: bytes) -> str:
    shorter = min(len(old), len(new))
    start = 0
    while start < shorter and old[start : start + _BLOCK] == new[start : start + _BLOCK]:
        start += _BLOCK
    pairs = zip(old[start : start + _BLOCK], new[start : start + _BLOCK], strict=False)
    place = next((start + i for i, (a, b) in enumerate(pairs) if a != b), shorter)
    return f"first difference at byte {place:,}; {len(old):,} bytes → {len(new):,}"

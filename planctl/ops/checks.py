"""Checks: questions to the artifacts a receipt recorded, asked again at every verify."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from planctl._bounded import ask
from planctl._files import read_plain, sha256_file
from planctl._questions import UnanswerableError, document, looked_up, pixels, weight
from planctl.errors import BadFileError
from planctl.models.check import (
    Check,
    FileCheck,
    ImageCheck,
    JsonCheck,
    JsonValue,
    LogCheck,
    LogValue,
    LogValueCheck,
    SameCheck,
    TestsCheck,
)
from planctl.models.receipt import CheckResult
from planctl.ops.run_log import body_span

Resolve = Callable[[str], Path]
"""From the name a plan gives an artifact to the file that was recorded for it."""

_MAX_TEXT_BYTES = 64_000_000
_MAX_PICTURE_BYTES = 256_000_000
# What is answered here; more goes to a process with limits of its own.
_SMALL_DOCUMENT = 1_000_000
_SMALL_PICTURE = 8_000_000
_LIGHT = 64
_SUMMARY_LINE = r"^=*[ \t]*((?:\d+ [a-z]+(?:, )?)+) in [\d.]+s(?: \([\d:]+\))?[ \t]*=*$"


class _No(Exception):
    """The answer to a check is no; the text says what was seen."""


def run_checks(checks: tuple[Check, ...], resolve: Resolve) -> tuple[CheckResult, ...]:
    """Ask every check.

    Args:
        checks: As in the plan.
        resolve: Where an artifact lies; raises `BadFileError` when it was not recorded.

    Returns:
        One result a check: whether it holds and what was seen. Nothing raises: an artifact that
        is missing or unreadable is a check that does not hold.
    """
    return tuple(_ask(check, resolve) for check in checks)


def values_of(source: JsonCheck | JsonValue | LogValueCheck | LogValue, resolve: Resolve) -> Any:
    """Return the values a check looks at.

    Args:
        source: A check, or the other value of one.
        resolve: Where an artifact lies; raises `BadFileError` when it was not recorded.

    Returns:
        A list, one element a value; None when the artifact does not have them.
    """
    try:
        return _values(source, resolve)
    except (_No, BadFileError, UnanswerableError, OSError):
        return None


def _ask(check: Check, resolve: Resolve) -> CheckResult:
    raw = check.model_dump(mode="json", by_alias=True, exclude_none=True)
    try:
        return CheckResult(check=raw, ok=True, seen=_dispatch(check, resolve))
    except (_No, BadFileError, UnanswerableError) as answer:
        return CheckResult(check=raw, ok=False, seen=str(answer))
    except OSError as error:
        return CheckResult(check=raw, ok=False, seen=f"cannot be read: {error.strerror or error}")


def _dispatch(check: Check, resolve: Resolve) -> str:
    match check:
        case JsonCheck() | LogValueCheck():
            return _compare(check, resolve)
        case LogCheck():
            return _search(check, _output(resolve(check.log)))
        case ImageCheck():
            return _picture(resolve(check.image))
        case SameCheck():
            return _same(check, resolve)
        case FileCheck():
            return _file(check, resolve(check.file))
        case TestsCheck():
            return _tests(check, _output(resolve(check.tests)))


def _output(path: Path) -> memoryview:
    # What planctl itself wrote into the log must not answer for the command.
    data = read_plain(path, _MAX_TEXT_BYTES)
    return memoryview(data)[body_span(data)]


def _values(
    source: JsonCheck | JsonValue | LogValueCheck | LogValue, resolve: Resolve
) -> list[Any]:
    if isinstance(source, LogValueCheck | LogValue):
        found = ask("last_value", _output(resolve(source.log)), source.capture)
        if found is None:
            raise _No(f"nothing matches `{source.capture}`")
        return [_scalar(found)]
    value = _look_up(source.path, read_plain(resolve(source.json_file), _MAX_TEXT_BYTES))
    values = value if isinstance(value, list) else [value]
    if not values or any(item is None for item in values):
        raise _No(f"`{source.path}` is not there")
    return values


def _look_up(path: str, data: bytes) -> Any:
    if len(data) <= _SMALL_DOCUMENT and weight(path) <= _LIGHT:
        return looked_up(_parsed(data), path)
    return ask("look_up", data, path, light=False)


@lru_cache(maxsize=8)
def _parsed(data: bytes) -> Any:
    return document(data)


def _scalar(text: str) -> Any:
    try:
        return float(text)
    except ValueError:
        return text


def _compare(check: JsonCheck | LogValueCheck, resolve: Resolve) -> str:
    values = _values(check, resolve)
    others = None
    other = check.of or check.same_as
    if other is not None:
        others = _values(other, resolve)
        if len(others) not in (1, len(values)):
            raise _No(f"{len(values)} values against {len(others)}")
        others = others * len(values) if len(others) == 1 else others
    for index, value in enumerate(values):
        _compare_one(check, value, None if others is None else others[index])
    shown = ", ".join(_show(value) for value in values[:4])
    against = "" if others is None else f" against {', '.join(_show(o) for o in others[:4])}"
    return shown + (f", … ({len(values)} values)" if len(values) > 4 else "") + against


def _show(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else json.dumps(value)[:80]


def _compare_one(check: JsonCheck | LogValueCheck, value: Any, other: Any) -> None:
    if check.eq is not None and not _equal(value, check.eq):
        raise _No(f"{_show(value)} is not {_show(check.eq)}")
    if check.ne is not None and _equal(value, check.ne):
        raise _No(f"is {_show(value)}")
    if check.same_as is not None and not _equal(value, other):
        raise _No(f"{_show(value)} is not {_show(other)}")
    _bounds(check, value)
    if check.within is not None:
        scale = max(abs(_number(value)), abs(_number(other)))
        if abs(_number(value) - _number(other)) > check.within * scale:
            raise _No(f"{_show(value)} is not within {check.within:.3g} of {_show(other)}")


def _bounds(check: JsonCheck | LogValueCheck, value: Any) -> None:
    bounds = (("gt", ">"), ("ge", "≥"), ("lt", "<"), ("le", "≤"))
    for name, sign in bounds:
        bound = getattr(check, name)
        if bound is None:
            continue
        number = _number(value)
        holds = {"gt": number > bound, "ge": number >= bound}
        holds |= {"lt": number < bound, "le": number <= bound}
        if not holds[name]:
            raise _No(f"{_show(value)} is not {sign} {bound:g}")
    if check.finite:
        _number(value)


def _equal(value: Any, other: Any) -> bool:
    if isinstance(value, bool) or isinstance(other, bool):
        return value is other
    return bool(value == other)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _No(f"{_show(value)} is no number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf  # JSON has integers of any length
    if not math.isfinite(number):
        raise _No(f"{number} is not finite")
    return number


def _search(check: LogCheck, output: memoryview) -> str:
    if check.not_matches is not None:
        bad = ask("first_match", output, check.not_matches)
        if bad is not None:
            raise _No(f"holds `{bad}`")
    if check.matches is None:
        return f"nothing matches `{check.not_matches}`"
    found = ask("first_match", output, check.matches)
    if found is None:
        raise _No(f"nothing matches `{check.matches}`")
    return f"`{found}`"


def _picture(path: Path) -> str:
    data = read_plain(path, _MAX_PICTURE_BYTES)
    seen = ask("picture", data, light=pixels(data) <= _SMALL_PICTURE)
    if seen["spread"] == 0:
        raise _No("is one flat colour")
    return f"{seen['width']}×{seen['height']} pixels, spread {seen['spread']}/255"


def _same(check: SameCheck, resolve: Resolve) -> str:
    digests = {name: sha256_file(resolve(name)) for name in check.same}
    if len(set(digests.values())) > 1:
        listed = ", ".join(f"`{name}` {digest[:12]}" for name, digest in digests.items())
        raise _No(f"differ: {listed}")
    return f"all {next(iter(digests.values()))[:12]}"


def _file(check: FileCheck, path: Path) -> str:
    size = path.stat().st_size
    if size < check.min_bytes:
        raise _No(f"has {size} bytes, fewer than {check.min_bytes}")
    return f"{size} bytes"


def _tests(check: TestsCheck, output: memoryview) -> str:
    line = ask("last_value", output, _SUMMARY_LINE)
    if line is None:
        raise _No("holds no closing line of pytest")
    counts = {word: int(number) for number, word in re.findall(r"(\d+) ([a-z]+)", line)}
    bad = counts.get("failed", 0) + counts.get("errors", 0) + counts.get("error", 0)
    if bad or counts.get("passed", 0) < check.passed or counts.get("skipped", 0) > check.skipped:
        raise _No(f"`{line}`; wanted {check.passed} passed, {check.skipped} skipped at most")
    return str(line)

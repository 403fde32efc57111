"""Number claims against JSON values and log lines, to the digits shown."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from planctl.models.claims.claim import NumberClaim

_POWER = re.compile(r"(.*?)\s?[×x*·]\s?10\^?\{?([+-]?\d+)\}?$")
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺−", "0123456789-+-")
_NUMBER = r"[-+]?(?:\d[\d_]*(?:,\d{3})*(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?|[-+]?(?:nan|inf)"
_MOST = 200
_LONGEST_LINE = 4_000
_DEEPEST = 60


@dataclass(frozen=True)
class Value:
    """A value found under a name.

    Attributes:
        value: The number.
        place: JSON path (`$.batches[0].mean`) or `line 12`.
    """

    value: float
    place: str


def same_digits(shown: str, value: float) -> bool:
    """Tell whether a value is a number as shown: rounded, or cut, to the digits it has.

    Args:
        shown: `6.09e-05`, `1.2×10⁻⁵`, `3,988,776.25`, `7.17`.
        value: What was found.
    """
    number = _decimal(shown)
    if number is None or not math.isfinite(value):
        return number is None and math.isnan(value) and "nan" in shown.lower()
    exponent = number.as_tuple().exponent
    unit = Decimal(1).scaleb(exponent) if isinstance(exponent, int) else Decimal(0)
    found = Decimal(repr(value))
    rounded = abs(found - number) <= unit / 2 * Decimal("1.0000001")
    cut = 0 <= abs(found) - abs(number) < unit and (found >= 0) == (number >= 0)
    return rounded or cut or float(number) == value


def _decimal(text: str) -> Decimal | None:
    plain = text.replace(",", "").replace("_", "").translate(_SUPERSCRIPTS).strip().rstrip("%")
    power = _POWER.match(plain)
    plain = f"{power[1]}e{power[2]}" if power else plain
    try:
        number = Decimal(plain)
    except InvalidOperation:
        return None
    # An exponent that no float reaches is no measurement.
    return number if number.is_finite() and abs(number.adjusted()) < 400 else None


def agrees(claim: NumberClaim, value: float) -> bool:
    """Tell whether a value found under the claim's name is what it says.

    Percentages may be recorded as a fraction; `~` allows one more in the last digit.
    """
    candidates = [value, value * 100] if claim.unit == "%" else [value]
    return any(_one(claim, item) for item in candidates)


def _one(claim: NumberClaim, value: float) -> bool:
    if claim.op in (">", ">=", "<", "<="):
        return _compared(claim.op, value, claim.value)
    if same_digits(claim.text, value):
        return True
    if not claim.approximate:
        return False
    number = _decimal(claim.text)
    if number is None or not math.isfinite(value):
        return False
    exponent = number.as_tuple().exponent
    step = Decimal(1).scaleb(exponent) if isinstance(exponent, int) else Decimal(0)
    return abs(Decimal(repr(value)) - number) <= step


def _compared(op: str, value: float, limit: float) -> bool:
    return {">": value > limit, ">=": value >= limit, "<": value < limit, "<=": value <= limit}[op]


def values_in(name: str, path: str, data: bytes) -> list[Value]:
    """Return the values a file has under a name.

    Args:
        name: `var_zero_mean`, `train.loss`, or a phrase that a log prints before its number.
        path: Of the file: JSON is read as JSON, anything else line by line.
        data: Its content.
    """
    if path.endswith((".json", ".jsonl")):
        found = list(_json_values(name, path, data))[:_MOST]
        if found:
            return found
    return list(_line_values(name, data.decode("utf-8", "replace")))[:_MOST]


def _json_values(name: str, path: str, data: bytes) -> Iterator[Value]:
    wanted = [part.lower() for part in re.split(r"[.\[\]/'\"]+", name) if part]
    lines = data.splitlines() if path.endswith(".jsonl") else [data]
    for number, line in enumerate(lines, 1):
        try:
            document = json.loads(line)
        except (ValueError, RecursionError):
            continue
        top = f"line {number}: $" if path.endswith(".jsonl") else "$"
        yield from _found(document, wanted, top)


def _found(document: Any, wanted: list[str], top: str) -> Iterator[Value]:
    """Yield the numbers whose last keys are the wanted ones, depth first."""
    waiting: list[tuple[Any, str, tuple[str, ...]]] = [(document, top, ())]
    while waiting:
        item, place, keys = waiting.pop()
        if isinstance(item, dict):
            inner = ((v, f"{place}.{k}", (*keys, str(k).lower())) for k, v in item.items())
        elif isinstance(item, list):
            inner = ((v, f"{place}[{n}]", keys) for n, v in enumerate(item))
        else:
            if wanted and list(keys[-len(wanted) :]) == wanted:
                yield from _number(item, place)
            continue
        if len(keys) < _DEEPEST:
            waiting += reversed(list(inner))


def _number(item: Any, place: str) -> Iterator[Value]:
    if isinstance(item, bool):
        return
    if isinstance(item, int | float | str):
        try:
            yield Value(float(item), place)
        except (ValueError, OverflowError):
            return


def _line_values(name: str, text: str) -> Iterator[Value]:
    if not name or name.lower() not in text.lower():
        return
    pattern = re.compile(
        rf"(?<![\w.]){re.escape(name)}(?![\w])[\"'`]?\s{{0,4}}(?:[=:≈~]|is|of|,)?\s{{0,4}}({_NUMBER})(?![\w])",
        re.IGNORECASE,
    )
    for number, line in enumerate(text.splitlines(), 1):
        for match in pattern.finditer(line[:_LONGEST_LINE]):
            shown = match[1].replace(",", "").replace("_", "")
            yield Value(float(shown), f"line {number}")

"""JSON that means the same to every reader."""

from __future__ import annotations

import json
import math
from typing import Any

_MAX_LEVELS = 64
_CONTAINERS = (dict, list)


def strict_json(text: bytes) -> Any:
    """Read JSON that means the same to every reader.

    No key twice, no NaN, no number that is infinite as a float, no half of a surrogate pair, no
    deeper than 64 levels: what is read can be written again and compared.

    Raises:
        ValueError: It is not.
    """
    try:
        value = json.loads(
            text,
            object_pairs_hook=_no_key_twice,
            parse_constant=_refuse,
            parse_float=_finite,
        )
    except RecursionError as error:
        raise ValueError(f"has more than {_MAX_LEVELS} levels") from error
    _check_levels(value)
    # Only an escape, or bytes that are no UTF-8, can bring half of a pair.
    if b"\\u" in text or not text.isascii():
        _check_strings(value)
    return value


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise ValueError(f"key `{key[:80]}` stands twice")
            seen.add(key)
    return found


def _refuse(constant: str) -> Any:
    raise ValueError(f"`{constant}` is no JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError(f"`{digits[:80]}` is larger than any number")
    return number


def _check_levels(value: Any) -> None:
    level = [value] if isinstance(value, _CONTAINERS) else []
    for _ in range(_MAX_LEVELS):
        inside = (item.values() if type(item) is dict else item for item in level)
        level = [item for items in inside for item in items if type(item) in _CONTAINERS]
        if not level:
            return
    if any(level):
        raise ValueError(f"has more than {_MAX_LEVELS} levels")


def _check_strings(value: Any) -> None:
    level = [value]
    while level:
        below: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                below += item
                below += item.values()
            elif isinstance(item, list):
                below += item
            elif isinstance(item, str) and not item.isascii():
                item.encode()
        level = below

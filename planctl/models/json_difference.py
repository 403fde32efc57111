"""Where two JSON documents differ first."""

from __future__ import annotations

import json
from typing import Any

_SHOWN = 60


def first_difference(old: Any, new: Any) -> str | None:
    """Return the first place at which two documents differ, in reading order.

    Args:
        old: A parsed document.
        new: Another.

    Returns:
        `epochs[3].loss: 0.25 → 0.26`, or None when they are equal. `.` is the document itself.
    """
    # A stack of its own: documents may be nested deeper than calls can be.
    open_pairs: list[tuple[str, Any, Any]] = [("", old, new)]
    while open_pairs:
        path, left, right = open_pairs.pop()
        if isinstance(left, dict) and isinstance(right, dict):
            if (found := _keys(path, left, right)) is not None:
                return found
            inner = [(f"{path}.{key}" if path else str(key), left[key], right[key]) for key in left]
            open_pairs += reversed(inner)
        elif isinstance(left, list) and isinstance(right, list):
            if len(left) != len(right):
                return f"{path or '.'}: {len(left)} elements → {len(right)}"
            pairs = enumerate(zip(left, right, strict=True))
            open_pairs += reversed([(f"{path}[{index}]", a, b) for index, (a, b) in pairs])
        elif type(left) is not type(right) or left != right:
            return f"{path or '.'}: {_show(left)} → {_show(right)}"
    return None


def _keys(path: str, left: dict[str, Any], right: dict[str, Any]) -> str | None:
    for key in (*left, *right):
        if key not in left or key not in right:
            where = f"{path}.{key}" if path else key
            return f"{where}: {'gone' if key in left else 'new'}"
    return None


def _show(value: Any) -> str:
    if isinstance(value, dict | list):
        return f"{'an object' if isinstance(value, dict) else 'a list'} of {len(value)}"
    return json.dumps(value)[:_SHOWN]

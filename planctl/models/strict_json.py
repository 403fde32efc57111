"""JSON that means the same to every reader."""

from __future__ import annotations

import json
from typing import Any


def strict_json(text: bytes) -> Any:
    """Read JSON that means the same to every reader: no key twice, no NaN.

    Raises:
        ValueError: It is not.
    """

    def no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            twice = next(key for key, _ in pairs if [k for k, _ in pairs].count(key) > 1)
            raise ValueError(f"key `{twice}` stands twice")
        return found

    def refuse(constant: str) -> Any:
        raise ValueError(f"`{constant}` is no JSON")

    return json.loads(text, object_pairs_hook=no_duplicates, parse_constant=refuse)

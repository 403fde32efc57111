"""`implementation.md`: the rows of the checklist that a plan's steps prove."""

from __future__ import annotations

import re

_ROW = re.compile(
    r"^\s*[-*+]\s+\[(?P<mark>[ xX])\]\s+(?:\*\*|`)?(?P<row>[A-Za-z][A-Za-z0-9]*\d[A-Za-z0-9.]*)\b",
    re.MULTILINE,
)


def checklist_rows(text: str) -> dict[str, bool]:
    """Return the rows of a working plan and whether each is ticked.

    A row is a task-list item that starts with its name: `- [ ] A1: …`, `- [x] **B2** …`.
    """
    return {match["row"]: match["mark"] != " " for match in _ROW.finditer(text)}

"""`implementation.md`: the rows of the checklist that a plan's steps prove."""

from __future__ import annotations

import re

# Nothing goes back over what it matched: a line may be as long as the file.
_ROW = re.compile(
    r"^[ \t]*+[-*+][ \t]++\[(?P<mark>[ xX])\][ \t]++(?:\*\*|`)?"
    r"(?P<row>(?=[A-Za-z]++\d)[A-Za-z0-9]++(?:\.[A-Za-z0-9]++)*+)(?!\w)",
    re.MULTILINE,
)


def checklist_rows(text: str) -> dict[str, bool]:
    """Return the rows of a working plan and whether each is ticked.

    A row is a task-list item that starts with its name: `- [ ] A1: …`, `- [x] **B2** …`.
    """
    return {match["row"]: match["mark"] != " " for match in _ROW.finditer(text)}

"""What the rows of a checklist say, without their ticks and planctl's remarks."""

from __future__ import annotations

import re
from dataclasses import dataclass

from planctl.models.plan.working import row_lines

_HEAD = re.compile(r"^[ \t]*[-*+][ \t]+\[[ xX]\][ \t]+")
_COMMENT = re.compile(r"<!--.*?-->")


@dataclass(frozen=True)
class RowText:
    """A row: its line in the working plan, and what it says after its name."""

    line: int
    text: str


def rows_with_text(text: str) -> dict[str, RowText]:
    """Return the rows of a working plan; of a row with several lines the first counts."""
    found: dict[str, RowText] = {}
    for item in row_lines(text):
        said = _COMMENT.sub("", _HEAD.sub("", text[item.start : item.end]))
        name = re.match(rf"(\*\*|`)?{re.escape(item.row)}(?:\*\*|`)?\s*[:.—–-]*\s*", said)
        rest = said[name.end() :].strip() if name else said.strip()
        whole_bold = name is not None and name[1] == "**" and rest.endswith("**")
        found.setdefault(item.row, RowText(item.line, rest.strip("* ") if whole_bold else rest))
    return found

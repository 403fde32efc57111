"""`docs/findings.md`: a table, one row a finding; the first cell is its id."""

from __future__ import annotations

import re
from dataclasses import dataclass

_ROW = re.compile(r"^\|\s*[*`]*([A-Z][A-Z0-9]*(?:-[A-Z0-9]+)+)[*`]*\s*\|(.*)\|\s*$")


@dataclass(frozen=True)
class FindingRow:
    """A finding.

    Attributes:
        text: Its other cells, joined by dashes.
        line: Of the file, from 1.
    """

    id: str
    text: str
    line: int


def findings_in(text: str) -> tuple[FindingRow, ...]:
    """Return the findings of a table, in file order."""
    found = []
    for number, line in enumerate(text.split("\n"), 1):
        match = _ROW.match(line)
        if match is not None:
            cells = (cell.strip() for cell in match[2].split("|"))
            found.append(FindingRow(match[1], " — ".join(c for c in cells if c), number))
    return tuple(found)


def finding_rows(text: str) -> dict[str, str]:
    """Return the findings of a table: id → text."""
    return {item.id: item.text for item in findings_in(text)}

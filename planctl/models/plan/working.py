"""`implementation.md`: the rows of the checklist that a plan's steps prove.

planctl owns two things in the line of such a row: its tick, and a remark at its end, a comment that
begins with `planctl:` and a verdict. Every other byte of the file is the author's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from planctl.models.fences import without_fences

# Nothing goes back over what it matched: a line may be as long as the file.
_ROW = re.compile(
    r"^[ \t]*+[-*+][ \t]++\[(?P<mark>[ xX])\][ \t]++(?:\*\*|`)?"
    r"(?P<row>(?=[A-Za-z]++\d)[A-Za-z0-9]++(?:\.[A-Za-z0-9]++)*+)(?!\w)",
    re.MULTILINE,
)
_REMARK = re.compile(
    r" <!-- planctl: ((?:dirty|stale|failed|modified|missing|unproven)\b"
    r"(?:(?!-->|<!--)[^\n])*+)-->"
)
_SINCE = re.compile(r" since (?:[0-9a-f]{8}|this change)(?= )")


@dataclass(frozen=True)
class RowMark:
    """What planctl says in the line of a row.

    Attributes:
        remark: Why a row is not proven and what brings it back; empty where nothing is said.
    """

    ticked: bool
    remark: str = ""


@dataclass(frozen=True)
class RowLine:
    """A line of the checklist.

    Attributes:
        start: Where it begins in the text.
        end: Where it ends, its line end left out.
        tick: Where the character between the brackets stands.
        line: 1-based.
    """

    row: str
    mark: RowMark
    start: int
    end: int
    tick: int
    line: int


def checklist_rows(text: str) -> dict[str, bool]:
    """Return the rows of a working plan and whether each is ticked.

    A row is a task-list item that starts with its name: `- [ ] A1: …`, `- [x] **B2** …`. What
    stands in a code fence is none.
    """
    return {match["row"]: match["mark"] != " " for match in _ROW.finditer(without_fences(text))}


def row_lines(text: str) -> Iterator[RowLine]:
    """Yield the lines of rows, in file order; a row may have several."""
    line, seen = 1, 0
    for match in _ROW.finditer(without_fences(text)):
        line, seen = line + text.count("\n", seen, match.start()), match.start()
        end = text.find("\n", match.end())
        end = len(text) if end < 0 else end
        end -= text[match.end() : end].endswith("\r")
        said = _REMARK.search(text, match.end(), end)
        mark = RowMark(match["mark"] != " ", said[1].rstrip() if said else "")
        yield RowLine(match["row"], mark, match.start(), end, match.start("mark"), line)


def with_marks(text: str, wanted: Callable[[RowLine], RowMark | None]) -> str:
    """Return a working plan with other marks; a line that says what it should stays as it is.

    Args:
        text: The working plan.
        wanted: What a line shall say; None for a row that is the author's own.
    """
    parts, done = [], 0
    for found in row_lines(text):
        mark = wanted(found)
        if mark is not None and not agrees(found.mark, mark):
            parts += [text[done : found.start], line_with(text, found, mark)]
            done = found.end
    return "".join([*parts, text[done:]])


def line_with(text: str, found: RowLine, mark: RowMark) -> str:
    """Return the line of a row with another mark."""
    before, after = text[found.start : found.tick], text[found.tick + 1 : found.end]
    tick = text[found.tick]
    if found.mark.ticked != mark.ticked:
        tick = "x" if mark.ticked else " "
    remark = f" <!-- planctl: {mark.remark} -->" if mark.remark else ""
    return before + tick + _REMARK.sub("", after) + remark


def agrees(found: RowMark, wanted: RowMark) -> bool:
    """Tell whether a line says what it should.

    Since when is told once and stays: the commit that a change goes into has no name before it is
    made, and a rebase gives it another.
    """
    same = _SINCE.sub("", found.remark) == _SINCE.sub("", wanted.remark)
    return found.ticked == wanted.ticked and same


def without_marks(text: str) -> str:
    """Return a working plan as its author wrote it: no row ticked, no remark of planctl's."""
    parts, done = [], 0
    for found in row_lines(text):
        parts += [text[done : found.start], line_with(text, found, RowMark(ticked=False))]
        done = found.end
    return "".join([*parts, text[done:]])

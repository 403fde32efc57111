"""Statuses of items in ledgers and plans nobody wrote for a parser, and rows of checklists."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

_HEADING = re.compile(r"^(-?#{1,6})\s+(.*)$")
# An item's name: words joined by hyphens with at least one capital or digit: `FIX-001`, `X-7.F1`.
_ID = re.compile(r"(?<![\w/.-])\[?([A-Z][A-Z0-9]*(?:-[A-Z0-9]+)+(?:\.[A-Z]?\d+)*)\]?(?![\w/-])")
_BRACKETED = re.compile(r"\[([A-Za-z][\w.]*(?:-[\w.]+)+)\](?!\()")
_STATUS = re.compile(
    r"^ {0,3}(?:[-*+] +)?(?:\*\*|__)?Status(?:\*\*|__)? ?:(?:\*\*|__)? *(\S.*)$", re.I
)
_FENCE = re.compile(r"^\s{0,3}(```+|~~~+)")
_DONE = re.compile(
    r"^[^\w✅☑]*(?:✅|☑|(?:done|completed?|closed|finished|resolved|archived|shipped)\b)", re.I
)
_OPEN = re.compile(
    r"^[^\w]*(?:in[_ -]?progress|pending|planning|planned|active|open|todo|to do|not started|"
    r"started|ready|blocked|wip|ongoing)\b",
    re.I,
)
_HEDGED = re.compile(r"^[^\w]*\w+[\s_-]*(?:except|but|pending|partially|phase|for)\b", re.I)
_ROW = re.compile(r"^\s*[-*+]\s+\[([ xX])\]\s+(?:\*\*|`)?([A-Z]{1,3}\d+[a-z]?(?:\.\w+)*)\b")
_CELL_ROW = re.compile(r"^\|\s*(?:\*\*|`)?([A-Z]{1,3}\d+[a-z]?(?:\.\w+)*)\b[^|]*\|.*?\[([ xX])\]")
_TITLE = 2


@dataclass(frozen=True)
class StatusClaim:
    """What one place says of an item.

    Attributes:
        done: True for done or complete, False for anything still open.
        text: As written.
    """

    item: str
    done: bool
    text: str
    line: int


@dataclass(frozen=True)
class Row:
    """A row of a checklist."""

    name: str
    ticked: bool
    line: int


def items_in(text: str) -> tuple[str, ...]:
    """Return the names of items in a text: `[any-words]`, or capitals and digits with hyphens."""
    bracketed = _BRACKETED.findall(text)
    return tuple(dict.fromkeys((*bracketed, *_ID.findall(text))))


def statuses(lines: list[str], item: str = "") -> Iterator[StatusClaim]:
    """Yield what a ledger or plan says of its items.

    Args:
        lines: The file.
        item: The item that the whole file is about, when it is a plan: then only what stands
            before the second heading counts; the rest is about its phases.
    """
    owner, level, headings = item, 0, 0
    for number, line in _outside_fences(lines, _may_tell):
        heading = _HEADING.match(line)
        if heading is not None:
            headings += 1
            if item and headings > 1:
                return
            owner, level = _owner(heading, level, item)
            continue
        if line.lstrip().startswith("|"):
            yield from _cells(line, number) if not item else ()
            continue
        match = _STATUS.match(line)
        if match and owner and (done := _done(match[1])) is not None:
            yield StatusClaim(owner, done, match[1].strip(), number)


_WORDS = (
    r"(?:done|complete|completed|closed|finished|shipped|in progress|in_progress|pending|blocked|"
    r"open)\b"
)
_NAMED = r"[`*_\[]*(?P<item>[A-Za-z][\w.]*(?:-[\w.]+)+?)[`*_\]]*"
_IS = r"(?: +(?:is|was|has been)(?: now| fully| all)*|:| *[—–-]) *[`*_(]*"
_START = r"^\s*(?:[-*+>] +|\d+[.)] +|#{1,6} +)*"
_SENTENCE = re.compile(rf"{_START}{_NAMED}{_IS}(?P<said>{_WORDS}(?P<rest>[^\n]*))$", re.I)
# In a file that is about one item: `This initiative is complete`, `# Working plan (done)`.
_OWN_SENTENCE = re.compile(
    rf"{_START}[*_]*(?:this|the)(?: whole)? (?:initiative|item|focus|plan|work)(?: +(?:is|was|has "
    rf"been)(?: now| fully| all)*) *[`*_]*(?P<said>{_WORDS}(?P<rest>[^\n]*))$",
    re.I,
)
_OWN_HEADING = re.compile(
    rf"^# [^\n]{{0,200}}[(\[](?:status: *)?(?P<said>{_WORDS}(?P<rest>))[)\]]\s*$", re.I
)
# `X is complete when …`: what would be, no status.
_CONDITION = re.compile(
    r"^[`*_)]*,? *(?:when|once|if|unless|until|after|except|but|for|by)\b", re.I
)


def sentences_of_status(
    lines: list[str], items: Collection[str], own: str = ""
) -> Iterator[StatusClaim]:
    """Yield what sentences say of items that they begin with: `X-001 is complete.`, `X-001: done`.

    Args:
        lines: The text.
        items: The items that are meant; other names say nothing.
        own: The item that the whole text is about: `This initiative is complete.`
    """
    for number, line in _outside_fences(lines, lambda text: True):
        match, item = _SENTENCE.match(line), own
        if match is not None and match["item"] in items:
            item = match["item"]
        else:
            match = (_OWN_SENTENCE.match(line) or _OWN_HEADING.match(line)) if own else None
        if match is None or _CONDITION.match(match["rest"]):
            continue
        done = _done(match["said"])
        if done is not None:
            yield StatusClaim(item, done, line.strip(), number)


def _may_tell(line: str) -> bool:
    """Tell quickly whether a line can matter: most lines of a ledger are notes."""
    return "tatus" in line or "TATUS" in line or line.startswith(("#", "-#", "|", " |"))


def _owner(heading: re.Match[str], level: int, item: str) -> tuple[str, int]:
    depth = len(heading[1].lstrip("-"))
    if item:
        # A file that begins with a deep heading begins with a part: a turn, a phase.
        return (item if depth <= _TITLE else ""), level
    names = items_in(heading[2])
    if names:
        return names[0], depth
    # A heading below an item's, without a name of its own, is about a part of it.
    return "", (level if depth > level else depth)


def _done(text: str) -> bool | None:
    if _HEDGED.match(text):
        return None
    if _DONE.match(text):
        return True
    return False if _OPEN.match(text) else None


def _cells(line: str, number: int) -> Iterator[StatusClaim]:
    cells = [cell.strip(" *`") for cell in line.strip().strip("|").split("|")]
    names = _ID.fullmatch(cells[0].split(" ")[0]) if cells else None
    if names is None:
        return
    for cell in cells[1:]:
        if len(cell) <= 24 and (done := _done(cell)) is not None:
            yield StatusClaim(names[1], done, cell, number)
            return


def rows(lines: list[str]) -> Iterator[Row]:
    """Yield the rows of checklists: `- [x] A1: …` and table rows with `[x]`."""
    for number, line in _outside_fences(lines, _may_be_row):
        if match := _ROW.match(line):
            yield Row(match[2], match[1] in "xX", number)
        elif match := _CELL_ROW.match(line):
            yield Row(match[1], match[2] in "xX", number)


def _may_be_row(line: str) -> bool:
    return "[ ]" in line or "[x]" in line or "[X]" in line


def _outside_fences(lines: list[str], wanted: Callable[[str], bool]) -> Iterator[tuple[int, str]]:
    fence = ""
    for number, line in enumerate(lines, 1):
        if "``" in line or "~~" in line:
            mark = _FENCE.match(line)
            if mark and (not fence or mark[1].startswith(fence)):
                fence = "" if fence else mark[1][:3]
                continue
        if not fence and wanted(line):
            yield number, line

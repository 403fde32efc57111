"""The regions of a ledger that planctl marked: where they begin and end."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from planctl.errors import BadFileError
from planctl.models.fences import without_fences

_MARKER = re.compile(r"^<!-- planctl:(item|end) (\S+) -->[ \t]*\r?(?:\n|\Z)", re.MULTILINE)


@dataclass(frozen=True)
class Region:
    """One region of an item.

    Attributes:
        id: The item.
        begin: Where the line of the marker that opens it begins.
        start: Where its content begins.
        end: Where its content ends: there the line of the marker that closes it begins.
        after: Where that line ends.
    """

    id: str
    begin: int
    start: int
    end: int
    after: int

    def of(self, text: str) -> str:
        """Return the content."""
        return text[self.start : self.end]


@lru_cache(maxsize=4)
def plain_of(text: str) -> str:
    """Return a ledger with its code fences blanked out; kept, since one edit asks several times."""
    return without_fences(text)


def regions(plain: str, path: str) -> Iterator[Region]:
    """Yield the regions in file order.

    A marker that a merge repeated inside a region of the same item means nothing: the last one
    that closes it before another item counts.

    Args:
        plain: The ledger without its code fences.
        path: Its name, for errors.

    Raises:
        BadFileError: A region without end.
    """
    begin: re.Match[str] | None = None
    end: re.Match[str] | None = None
    for marker in _MARKER.finditer(plain):
        word, name = marker[1], marker[2]
        if begin is None or (word == "item" and (name != begin[2] or _apart(plain, end, marker))):
            if begin is not None:
                yield _closed(plain, path, begin, end)
            begin, end = (marker, None) if word == "item" else (None, None)
        elif word == "end" and name == begin[2]:
            end = marker
    if begin is not None:
        yield _closed(plain, path, begin, end)


def _apart(plain: str, end: re.Match[str] | None, marker: re.Match[str]) -> bool:
    """Tell whether a marker opens a region of its own: the one before is closed, with a gap."""
    return end is not None and plain[end.end() : marker.start()].strip() != ""


def _closed(plain: str, path: str, begin: re.Match[str], end: re.Match[str] | None) -> Region:
    if end is None:
        name = begin[2]
        hidden = f"<!-- planctl:end {name} -->"
        raise BadFileError(
            path,
            f"the region of `{name}` has no end",
            line=plain.count("\n", 0, begin.start()) + 1,
            hint=f"put `{hidden}` on its own line after it, outside of code fences",
        )
    return Region(begin[2], begin.start(), begin.end(), end.start(), end.end())

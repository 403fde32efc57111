"""The section of `AGENTS.md` that planctl writes: found, placed, brought up to date.

Everything outside the two marks stays byte for byte; so does what somebody edited between them.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum

from planctl.errors import BadFileError

VERSION = 1
BEGIN = f"<!-- planctl:agents v{VERSION} -->"
END = "<!-- planctl:end agents -->"
TITLE = "# For agents"
# Digests of sections that planctl wrote once and writes otherwise now: nobody edited those.
FORMER: frozenset[str] = frozenset()
# At the beginning of a line; that of the file may be behind a byte order mark.
_BEGIN = re.compile(
    rb"(?:^|(?<=\A\xef\xbb\xbf))<!-- planctl:agents v(\d{1,6}) -->[ \t]*\r?(?:\n|\Z)", re.MULTILINE
)
_END = re.compile(rb"^<!-- planctl:end agents -->(?=[ \t]*\r?$)", re.MULTILINE)


class Fate(StrEnum):
    """What becomes of the section."""

    ADDED = "added"
    CURRENT = "current"
    UPDATED = "updated"
    EDITED = "edited"
    NEWER = "newer"


@dataclass(frozen=True)
class Placed:
    """A file with its section.

    Attributes:
        fate: `edited` and `newer` mean that it stays as it is.
        content: The whole file.
    """

    fate: Fate
    content: bytes


def digest(text: str) -> str:
    """Return what a section is recognised by, however its lines end."""
    lines = [line.rstrip() for line in text.strip().splitlines()]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def placed(
    old: bytes,
    text: str,
    path: str,
    upgrade: bool = False,
    former: frozenset[str] = FORMER,
) -> Placed:
    """Put the section into a file.

    Args:
        old: The file; empty when there is none.
        text: What stands between the marks.
        path: Of the file, for errors.
        upgrade: Replace a section that somebody edited, or a newer planctl wrote.
        former: Digests of what planctl wrote once.

    Raises:
        BadFileError: The marks do not pair, or the file is no text.
    """
    if b"\0" in old:
        raise BadFileError(path, "is no text that a section can be added to: it holds a null byte")
    found = _section(old, path)
    newline = "\r\n" if b"\r\n" in old else "\n"
    if found is None:
        return Placed(Fate.ADDED, _appended(old, _written(text, newline), newline))
    begin, end = found
    version = int(begin[1])
    inside = old[begin.end() : end.start()].decode("utf-8", "replace")
    if version == VERSION and digest(inside) == digest(text):
        return Placed(Fate.CURRENT, old)
    if not upgrade:
        if version > VERSION:
            return Placed(Fate.NEWER, old)
        if digest(inside) not in former:
            return Placed(Fate.EDITED, old)
    section = _written(text, "\r\n" if begin[0].endswith(b"\r\n") else "\n")
    return Placed(Fate.UPDATED, old[: begin.start()] + section + old[end.end() :])


def _section(old: bytes, path: str) -> tuple[re.Match[bytes], re.Match[bytes]] | None:
    begins, ends = list(_BEGIN.finditer(old)), list(_END.finditer(old))
    if not begins and not ends:
        return None
    if len(begins) == len(ends) == 1 and begins[0].end() <= ends[0].start():
        return begins[0], ends[0]
    first = min(match.start() for match in (*begins, *ends))
    raise BadFileError(
        path,
        f"has {len(begins)} `{BEGIN}` and {len(ends)} `{END}`",
        line=old.count(b"\n", 0, first) + 1,
        hint="leave one of each, the end after the beginning, or take the section out",
    )


def _written(text: str, newline: str) -> bytes:
    return newline.join([BEGIN, *text.strip().splitlines(), END]).encode()


def _appended(old: bytes, section: bytes, newline: str) -> bytes:
    line_end = newline.encode()
    if not old.strip():
        return old + TITLE.encode() + line_end * 2 + section + line_end
    gap = line_end if old.endswith(b"\n") else line_end * 2
    return old + gap + section + line_end

"""What of a long section is needed to read a few of its lines: they, and what they hang on."""

from __future__ import annotations

import re
from collections.abc import Container, Sequence

_ITEM = re.compile(r"\s*(?:[-*+]|\d{1,3}[.)])\s")
_FENCE = re.compile(r"\s*(?:```|~~~)")


_HEADING = re.compile(r" {0,3}#{1,6}(?:\s|$)")


def regions(lines: Sequence[str], wanted: Sequence[int]) -> list[tuple[int, int]]:
    """Return the sections, from heading to heading, that the wanted lines lie in.

    A text with fences is one region: what looks like a heading in it may be none.

    Args:
        lines: A document.
        wanted: Positions in it, rising.

    Returns:
        First position and the one after the last, rising.
    """
    text = "\n".join(lines)
    if "```" in text or "~~~" in text:
        return [(0, len(lines))]
    found: list[tuple[int, int]] = []
    for at in wanted:
        if found and at < found[-1][1]:
            continue
        start, end = at, at + 1
        while start > 0 and not _HEADING.match(lines[start]):
            start -= 1
        while end < len(lines) and not _HEADING.match(lines[end]):
            end += 1
        found.append((start, end))
    return found


def thinned(lines: Sequence[str], wanted: Sequence[int]) -> list[str]:
    """Return as many lines, those blank that the wanted ones do not need to be understood.

    Kept are the first line (a heading), fences, the paragraph or list item around each wanted
    line, the items it lies in, and the line that its list stands under (`Artifacts:`).

    Args:
        lines: A section.
        wanted: Positions in it, rising.
    """
    fences = (at for at, line in enumerate(lines) if _FENCE.match(line))
    kept = {0, *fences}
    for at in wanted:
        if at not in kept:
            start = _start(lines, at, kept)
            kept.update(range(start, _end(lines, at)))
            _keep_above(lines, start, kept)
    return [line if at in kept else "" for at, line in enumerate(lines)]


def _start(lines: Sequence[str], at: int, kept: Container[int]) -> int:
    while at > 0 and lines[at].strip() and not _ITEM.match(lines[at]) and at - 1 not in kept:
        if not lines[at - 1].strip():
            break
        at -= 1
    return at


def _end(lines: Sequence[str], at: int) -> int:
    at += 1
    while at < len(lines) and lines[at].strip() and not _ITEM.match(lines[at]):
        at += 1
    return at


def _keep_above(lines: Sequence[str], start: int, kept: set[int]) -> None:
    """Keep the items a line lies in, and the line above its list."""
    indent = _indent(lines[start])
    is_item = _ITEM.match(lines[start]) is not None
    for at in range(start - 1, 0, -1):
        line = lines[at]
        if not line.strip():
            continue
        if _ITEM.match(line):
            if _indent(line) >= indent:
                continue
        elif _indent(line) > indent or (_indent(line) == indent and not is_item):
            # What is wrapped in another item, or a paragraph beside this one.
            if not is_item:
                return
            continue
        kept.add(at)
        indent, is_item = _indent(line), _ITEM.match(line) is not None
        if not is_item:
            return


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())

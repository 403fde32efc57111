"""Code fences of Markdown: what stands in one is quoted, and means nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator

_FENCE = re.compile(r"^ {0,3}(?P<mark>`{3,}|~{3,})(?P<info>[^\n]*)$", re.MULTILINE)
_INSIDE = re.compile(r"[^\n]")


def without_fences(text: str) -> str:
    """Return a text with every character of its code fences as a blank; line ends stay.

    What is found in the result stands at the same place in the text. A fence that nothing closes
    hides nothing: one missing line must not make a file unreadable to its end.
    """
    if "```" not in text and "~~~" not in text:
        return text
    parts, done = [], 0
    for start, end in _fenced(text):
        parts += [text[done:start], _INSIDE.sub(" ", text[start:end])]
        done = end
    return "".join([*parts, text[done:]])


def _fenced(text: str) -> Iterator[tuple[int, int]]:
    """Yield where fences begin and end, their own lines included."""
    found = [match for match in _FENCE.finditer(text) if _may_be_one(match)]
    closing = _longest_after(found)
    opened: re.Match[str] | None = None
    for match, after in zip(found, closing, strict=True):
        mark = match["mark"]
        if opened is None:
            opened = match if after.get(mark[0], 0) >= len(mark) else None
        elif _closes(match) and mark.startswith(opened["mark"]):
            yield opened.start(), match.end()
            opened = None


def _may_be_one(match: re.Match[str]) -> bool:
    # ```code``` on one line is a span of code, no fence.
    return match["mark"][0] != "`" or "`" not in match["info"]


def _closes(match: re.Match[str]) -> bool:
    return not match["info"].strip()


def _longest_after(found: list[re.Match[str]]) -> list[dict[str, int]]:
    """Return, for each mark, the longest closing mark of each kind that comes after it."""
    longest: dict[str, int] = {}
    result: list[dict[str, int]] = []
    for match in reversed(found):
        result.append(dict(longest))
        if _closes(match):
            kind = match["mark"][0]
            longest[kind] = max(longest.get(kind, 0), len(match["mark"]))
    return result[::-1]

"""Brace lists as a shell writes them, `a/{b,c{1,2}}.md`, and as people do: `a/{b, c (new)}`."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass

MOST = 2_000
"""How many names one expression may stand for."""
DEEPEST = 30
"""How deep braces may be nested."""
_RANGE = re.compile(r"(-?\d{1,4}|[A-Za-z])\.\.(-?\d{1,4}|[A-Za-z])")


class TooMuch(ValueError):
    """An expression nested too deep, or that stands for too many names."""


def closing(text: str, opening: str = "{", ending: str = "}") -> dict[int, int]:
    """Return where each bracket that has a partner is closed: position → position.

    Args:
        text: Any text; one pass, however deep it is nested.
        opening: The opening bracket.
        ending: The closing one.
    """
    found: dict[int, int] = {}
    waiting: list[int] = []
    for match in re.finditer(f"[{re.escape(opening + ending)}]", text):
        if match[0] == opening:
            waiting.append(match.start())
        elif waiting:
            found[waiting.pop()] = match.start()
    return found


@dataclass(frozen=True)
class _Choice:
    """A brace list: one of several texts, each with choices of its own."""

    options: tuple[tuple[str | _Choice, ...], ...]

    def count(self) -> int:
        return sum(_count(option) for option in self.options)

    def names(self) -> Iterator[str]:
        return itertools.chain.from_iterable(_names(option) for option in self.options)


_Parts = tuple[str | _Choice, ...]


def _count(parts: _Parts) -> int:
    total = 1
    for part in parts:
        total *= part.count() if isinstance(part, _Choice) else 1
        if total > MOST:
            raise TooMuch(f"stands for more than {MOST:,} names")
    return total


def _names(parts: _Parts) -> Iterator[str]:
    pieces = [[part] if isinstance(part, str) else list(part.names()) for part in parts]
    return ("".join(choice) for choice in itertools.product(*pieces))


def expand(text: str, loose: bool = False) -> list[str]:
    """Return what an expression stands for, in the shell's order.

    Args:
        text: `a/{b,c}.md`; braces without a partner, and `{}`, stay as they are.
        loose: As people write: blanks around items and `;` between them are allowed, words after
            an item are left out, `{one}` is `one`, and empty items are none.

    Raises:
        TooMuch: More than `MOST` names, or nested deeper than `DEEPEST`.
    """
    close = closing(text)
    parts = _parse(text, 0, len(text), close, loose, 0) if close else (text,)
    _count(parts)
    return list(_names(parts))


def _parse(
    text: str, start: int, end: int, close: dict[int, int], loose: bool, depth: int
) -> _Parts:
    if depth > DEEPEST:
        raise TooMuch(f"is nested deeper than {DEEPEST} braces")
    parts: list[str | _Choice] = []
    plain = start
    position = text.find("{", start, end)
    while position >= 0:
        stop = close.get(position, end)
        variable = position > 0 and text[position - 1] == "$"
        spans = [] if stop >= end or variable else _split(text, position + 1, stop, close, loose)
        choice = _choice(text, spans, close, loose, depth)
        if choice is not None:
            parts += [text[plain:position], choice]
            plain = stop + 1
        next_start = plain if choice is not None else position + 1
        position = text.find("{", next_start, end)
    return (*parts, text[plain:end])


def _choice(
    text: str, spans: list[tuple[int, int]], close: dict[int, int], loose: bool, depth: int
) -> _Choice | None:
    if len(spans) == 1 and (steps := _RANGE.fullmatch(text, *spans[0])):
        return _steps(steps[1], steps[2])
    if loose:
        spans = [item for item in (_trimmed(text, *span, close) for span in spans) if item]
    if len(spans) < (1 if loose else 2):
        return None
    return _Choice(tuple(_parse(text, *span, close, loose, depth + 1) for span in spans))


def _split(
    text: str, start: int, end: int, close: dict[int, int], loose: bool
) -> list[tuple[int, int]]:
    """Return the spans between the commas that belong to this list."""
    marks = re.compile("[{,;]" if loose else "[{,]")
    spans: list[tuple[int, int]] = []
    begin = position = start
    while match := marks.search(text, position, end):
        position = match.end()
        if match[0] == "{":
            position = close.get(match.start(), match.start()) + 1
        else:
            spans.append((begin, match.start()))
            begin = position
    return [*spans, (begin, end)]


def _trimmed(text: str, start: int, end: int, close: dict[int, int]) -> tuple[int, int] | None:
    """Return the span of an item's first word, braces in it taken whole."""
    lead = re.compile(r"[\s`'\"]*(?:(?:and|&|\+)\s+[`'\"]*)?").match(text, start, end)
    start = lead.end() if lead else start
    position = start
    while position < end and not (text[position].isspace() or text[position] in "`'\"("):
        position = close.get(position, position) + 1 if text[position] == "{" else position + 1
    return (start, min(position, end)) if position > start else None


def _steps(first: str, last: str) -> _Choice | None:
    if first.lstrip("-").isdigit() != last.lstrip("-").isdigit():
        return None
    if not first.lstrip("-").isdigit():
        letters = _between(ord(first), ord(last))
        return _Choice(tuple((chr(code),) for code in letters))
    width = max(len(first), len(last)) if _padded(first) or _padded(last) else 0
    return _Choice(tuple((f"{n:0{width}d}",) for n in _between(int(first), int(last))))


def _padded(number: str) -> bool:
    digits = number.lstrip("-")
    return len(digits) > 1 and digits.startswith("0")


def _between(first: int, last: int) -> range:
    return range(first, last + 1) if first <= last else range(first, last - 1, -1)

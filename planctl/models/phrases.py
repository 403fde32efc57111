"""Sentences cut into parts that hold one verb each; quoted names end no part."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_QUOTED = re.compile(r"`([^`]*)`")
_ASIDE = re.compile(r"\([^()]*\)")
_CONDITION = re.compile(
    r"\b(?:if|unless|otherwise|in case|should \w+ (?:fail|recur)|when \w+ fails?)\b", re.IGNORECASE
)
_ALTERNATIVE = re.compile(r"^\s*(?:or|else)\b", re.IGNORECASE)
_CUT = re.compile(
    r"([;,:!?—–→]|\.(?=\s|$)|\n|\s-\s|(?<![\w-])(?:and then|and|then|plus|so that|so|before|after|"
    r"while|to)(?![\w-])|\+)"
)
_NESTED = 8
_LONGEST = 20_000


@dataclass(frozen=True)
class Part:
    """A piece of a sentence.

    Attributes:
        cut: What parts it from the piece before: `and`, `before`, `,`; empty at the beginning.
        condition: The condition it hangs on, with `if`; empty without one.
    """

    text: str
    cut: str
    condition: str = ""


def parts(text: str) -> Iterator[Part]:
    """Cut a text into its parts, in their order; asides in parentheses are left out."""
    plain = text[:_LONGEST].replace("\x00", " ")
    for sentence in re.split(r"(?<=[.!?;])\s+|\n", plain):
        yield from _of_sentence(_without_asides(sentence))


def _of_sentence(sentence: str) -> Iterator[Part]:
    # What is quoted is a name: nothing in it ends a part.
    names = iter(_QUOTED.findall(sentence))
    cut = condition = ""
    for piece in _CUT.split(_QUOTED.sub("\x00", sentence)):
        if _CUT.fullmatch(piece):
            cut = piece
            continue
        found = _CONDITION.search(piece)
        shown = "".join(f"`{next(names)}`" if c == "\x00" else c for c in piece)
        if found is not None:
            start = len(piece[: found.start()].replace("\x00", ""))
            condition = _unquoted_from(shown, start).strip()
            shown = shown[: len(shown) - len(_unquoted_from(shown, start))]
        if shown.strip() and not _ALTERNATIVE.match(shown):
            yield Part(shown.strip(), cut.strip(), condition)


def _unquoted_from(text: str, start: int) -> str:
    """Return the rest of a text after so many characters outside of quotes."""
    at = seen = 0
    quoted = False
    while at < len(text) and seen < start:
        if text[at] == "`":
            quoted = not quoted
        elif not quoted:
            seen += 1
        at += 1
    return text[at:]


def _without_asides(text: str) -> str:
    for _ in range(_NESTED):
        before, text = text, _ASIDE.sub(" ", text)
        if before == text:
            break
    return text

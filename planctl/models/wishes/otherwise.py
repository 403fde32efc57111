"""Whether an order wants a step otherwise than it ran: another value, flag, seed, data set."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from planctl.models.lexicon import SKIPPED, word_set, words_of
from planctl.models.mentions import StepWords
from planctl.models.requests import GENERAL
from planctl.models.same_command import Command, only_shows

_FLAG = re.compile(r"(?<![\w-])(?P<flag>--[a-z][\w-]*)(?:[= ]+(?P<value>[\w.+-]+))?")
_NUMBER = re.compile(
    r"(?<![\w./-])(?P<number>\d+(?:\.\d+)?(?:e[+-]?\d+)?)[ -](?P<noun>[a-z][a-z_]{2,})"
)
_VALUE = re.compile(
    r"\b(?P<noun>[a-z][a-z_]{2,}(?: (?:size|rate|limit|count))?)\s*(?:=|of|to|:)?\s*"
    r"(?P<number>\d+(?:\.\d+)?(?:e[+-]?\d+)?)(?![\w./:-])",
    re.IGNORECASE,
)
_ELSE = re.compile(
    r"\b(?:another|different|other|second|third|larger|smaller|longer|shorter|alternative|"
    r"additional)\s+(?P<noun>[a-z][\w-]+(?: [a-z][\w-]+)?)",
    re.IGNORECASE,
)
_INSTEAD = re.compile(
    r"\b\d[\d.e+-]*\s+(?:[\w-]+\s+)?(?:instead of|rather than|not)\s+\d[\d.e+-]*"
    r"|\b(?:new|additional|extra|other)\s+(?:flags?|options?|parameters?|arguments?|settings?)\b",
    re.IGNORECASE,
)
# Another day, another log: the same thing again.
_SAME = word_set(
    "day date hour week month morning session clock time timestamp stamp turn loop iteration round "
    "pass attempt execution proof reviewer person engineer look go place row phase two three one "
    "fresh new clean name way minute second half refreshed instance machine"
)
# What forces a run, and says nothing of it.
_PLANCTL = frozenset(("--force", "--step", "--jobs", "--json", "--dry-run", "--executor"))


def otherwise(text: str, steps: Sequence[StepWords]) -> str:
    """Return what an order wants otherwise than some steps did it; empty for nothing.

    Args:
        text: The order.
        steps: What it seems to mean.
    """
    if not steps:
        return ""
    return next(
        (found for found in (*_flags(text, steps), *_numbers(text, steps), *_things(text))), ""
    )


def _flags(text: str, steps: Sequence[StepWords]) -> Iterator[str]:
    known = {flag for item in steps for flag in item.flags} | _PLANCTL
    for match in _FLAG.finditer(text):
        if only_shows(match["flag"]):
            continue
        if match["flag"] not in known:
            yield match[0]
            continue
        values = {made.pairs[match["flag"]] for made in _with(match["flag"], steps)}
        value = (match["value"] or "").rstrip(".,;")
        if values and value and _is_number(value) and value not in values:
            yield match[0]


def _with(flag: str, steps: Sequence[StepWords]) -> Iterator[Command]:
    for item in steps:
        yield from (made for made in item.commands if flag in made.pairs)


def _numbers(text: str, steps: Sequence[StepWords]) -> Iterator[str]:
    """Yield `50 epochs` where the command says `--max_epochs 10`."""
    plain = re.sub(r"`[^`]*`", " ", text)
    for match in (*_NUMBER.finditer(plain), *_VALUE.finditer(plain)):
        nouns = set(words_of(match["noun"].lower().replace("_", " "))) - SKIPPED
        values = set(_values(nouns, steps))
        new_seed = not values and "seed" in nouns
        if new_seed or (values and float(match["number"]) not in values):
            yield match[0]


def _values(nouns: set[str], steps: Sequence[StepWords]) -> Iterator[float]:
    for made in (made for item in steps for made in item.commands):
        for flag, value in made.pairs.items():
            if _is_number(value) and nouns & set(words_of(re.sub(r"[-_]", " ", flag))):
                yield float(value)


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?", text) is not None


def _things(text: str) -> Iterator[str]:
    yield from (match[0] for match in _INSTEAD.finditer(text))
    for match in _ELSE.finditer(text):
        nouns = set(words_of(match["noun"].lower()))
        if not nouns & (_SAME | GENERAL):
            yield match[0]

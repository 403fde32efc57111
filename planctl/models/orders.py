"""Orders in prose: what a `Next:` line or a `Do Now` asks for, clause by clause.

Structure decides, not the words of one project: a clause is an order by the verb at its head, what
it orders by the things named after the verb. Conditional clauses (`or file a blocker if …`) order
nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice

from planctl.models.lexicon import (
    CHANGES,
    NOUNS,
    PRODUCES,
    RECORDS,
    SKIPPED,
    is_past,
    lemma,
    words_of,
)
from planctl.models.phrases import parts


class Deed(StrEnum):
    """What a clause asks for, or says was done."""

    PRODUCE = "produce"  # evidence: run, capture, refresh
    CHANGE = "change"  # code, tests, configuration: implement, fix, wire
    RECORD = "record"  # text: update the ledger, mark a row


@dataclass(frozen=True)
class Clause:
    """One clause with the verb at its head.

    Attributes:
        verb: As in the lexicon (`rerun` for `reruns`, `re-ran`).
        text: What follows the verb.
        past: The verb stands in the past: a report, not an order.
        targets: Names that are things by their form: files, selectors, identifiers, rows.
        words: The other words that say what, in their basic form.
    """

    deed: Deed
    verb: str
    text: str
    past: bool
    targets: frozenset[str]
    words: frozenset[str]


_QUOTED = re.compile(r"`([^`]*)`")
# After these a word that is noun and verb is most likely a noun: `JSON plus debug dumps`.
_JOINED = frozenset(("and", "plus", "+"))
_DETERMINER = re.compile(
    r"\s*(?:`|\$|--|(?:the|an?|all|both|each|every|its?|this|that|these|those|new|fresh)\b)", re.I
)
_THING = re.compile(r"[\w$./*{}\[\]-]*[\w*}\]]")
_FILE = re.compile(r"\.[A-Za-z][A-Za-z0-9]{0,5}$")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:_[A-Za-z0-9]+)+$")
_ROW = re.compile(r"(?:[A-Z]{1,3}\d+[a-z]?|\d+\.\d+[a-z]?)(?:\.[A-Za-z0-9]+)*$")
_PHASE = re.compile(r"\b(?:phase|stage|step|task|milestone)\s+([A-Z0-9][\w.]*)", re.IGNORECASE)
RECORDED = re.compile(
    r"\b(?:summar|ledger|plan|docs?|documentation|checklist|status|notes?|inventor|index|brief|"
    r"readme|changelog|finding|entry|report|blocker)\w*|\.(?:md|rst|txt)\b",
    re.IGNORECASE,
)
"""What people and planctl write beside the work: no evidence."""

_HEAD = 6


def clauses(text: str) -> tuple[Clause, ...]:
    """Read the clauses of a text that name a deed, in their order.

    Args:
        text: Sentences, a list, a `Next:` line.
    """
    found: list[Clause] = []
    for piece in parts(text):
        if piece.condition:
            continue
        part = piece.text
        head = head_verb(part, piece.cut in _JOINED)
        if head is not None:
            found.append(_clause(*head))
        elif found:
            # `rerun the selector and both commands`: the second half has the first one's verb.
            last = found[-1]
            found[-1] = _clause(last.deed, last.verb, f"{last.text} {part}", last.past)
    return tuple(found)


def head_verb(part: str, joined: bool) -> tuple[Deed, str, str, bool] | None:
    """Return the deed at a clause's head: after a subject, an auxiliary, an adverb, no further.

    Args:
        part: One part of a sentence (see `phrases`).
        joined: `and` or `plus` stands before it: a word that is noun and verb is a noun.

    Returns:
        The deed, its verb, the text after the verb, and whether it stands in the past.
    """
    shown = _QUOTED.sub(lambda match: f"`{'.' * len(match[1])}`", part)
    for match in islice(re.finditer(r"[A-Za-z][\w-]*|`", shown), _HEAD):
        basic, rest = lemma(match[0]), part[match.end() :]
        if match[0] == "`":
            return None
        noun = basic in NOUNS and match[0].lower() == basic
        if noun and joined and not _DETERMINER.match(rest):
            return None
        deed = _deed(basic, rest)
        if deed is not None:
            return deed, basic, rest, is_past(match[0])
    return None


def _deed(verb: str, rest: str) -> Deed | None:
    if verb in PRODUCES:
        return Deed.PRODUCE
    if verb in CHANGES:
        recorded = RECORDED.search(rest) is not None and not _code_in(rest)
        return Deed.RECORD if recorded else Deed.CHANGE
    return Deed.RECORD if verb in RECORDS else None


def _code_in(part: str) -> bool:
    return any(is_code(name) for name in _THING.findall(part))


def _clause(deed: Deed, verb: str, text: str, past: bool) -> Clause:
    targets = frozenset(_targets(text))
    words = frozenset(word for name in _THING.findall(text) for word in _plain_words(name))
    return Clause(deed, verb, text.strip(), past, targets, words - SKIPPED)


def _plain_words(name: str) -> Iterator[str]:
    if name.startswith("-") or _is_file(name) or name.isupper():
        return
    for part in name.split("/"):
        if not _NAME.match(part):
            yield from words_of(part)


def _is_file(name: str) -> bool:
    return name.startswith("$") or _FILE.search(name) is not None


def _targets(text: str) -> Iterator[str]:
    for name in _THING.findall(text):
        if _is_file(name):
            yield name
            continue
        # `A2/A3`, `stats/grid`: lists as often as folders.
        for part in name.split("/"):
            if _ROW.match(part) or (_NAME.match(part) and not part.isupper()):
                yield part
    for match in _PHASE.finditer(text):
        yield f"phase {match[1].rstrip('.')}"


_CODE = re.compile(
    r"\.(?:py|pyx|ipynb|c|cc|cpp|cu|cuh|h|hpp|rs|go|java|kt|js|jsx|ts|tsx|sh|bash|m|jl|r|rb|f90|"
    r"swift|scala|pl|lua|proto|sql|cfg|ini|toml|cmake)(?::[\d,-]+)?$|(?:^|/)(?:Makefile|Dockerfile)$",
    re.IGNORECASE,
)


def is_code(path: str) -> bool:
    """Tell whether a path is one whose change may change results, by its name."""
    return _CODE.search(path) is not None

"""Sentences that say something is proven: a phase, rows of the checklist, a step, the tests."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

Subject = Literal["phase", "row", "step", "tests", "everything"]

_CLAUSE = re.compile(r"(?:[;!?]|\.(?=\s|$)|,?\s+\b(?:but|so|while|whereas|although|though)\b)\s*")
_VERB = r"\b(?:is|are|was|were|remains?|stays?|has|have)\b"
# `A is complete, B1 is open`: the second half has a verb of its own.
_SECOND = re.compile(rf"(?:,|\s+and)\s+(?=[^,;]{{1,60}}?{_VERB})|:\s+")
# `Phase A: complete` is one clause, `Ran the refresh of Phase A: the selector is green` two.
_LEAD_WORDS = 3
_DONE = re.compile(
    r"\b(?P<word>complete[sd]?|done|finished|finishes|proven|proved|verified|succeed(?:s|ed)|"
    r"successful(?:ly)?|satisfied|closed|green|ok|fresh|validated|achieved|"
    r"pass(?:es|ed|ing)?)\b|[✓✅☑]",
    re.IGNORECASE,
)
_RAN = re.compile(
    r"\b(?:re-?)?(?:ran|executed|launched|repeated|performed)\b|\bre-?trained\b", re.IGNORECASE
)
# `Phase A was run again`; `was last run`, `was run yesterday` tell of another time.
_WAS_RUN = re.compile(
    r"\b(?:was|were|been|got)\s+(?:(?:all|both|also|then|now|again|just|once|\w+ly)\s+){0,3}"
    r"(?:(?:re-?)?(?:run|executed|launched|trained)|repeated)\b(?!\s+(?:into|out)\b)",
    re.IGNORECASE,
)
_EARLIER = re.compile(
    r"\b(?:yesterday|earlier|previously|formerly|originally|initially|last|ago|in turn \d+)\b",
    re.IGNORECASE,
)
# What may stand between the subject and its verb.
_BETWEEN = re.compile(
    r"(?:['’]s|[\s`*,)]|\b(?:steps?|runs?|rows?|phases?|checklists?|commands?|have|has|had|all|both|"
    r"now|also|then|each)\b)*$"
)
# `passed the flag on` hands something over.
_HANDED = re.compile(
    r"pass(?:es|ed|ing)?\s+(?!(?:in|on|at|with|under|after|again|now|locally|cleanly|all|as|for|"
    r"both|too|also|and|within|without|since|because|here|there)\b)[`\w$]",
    re.IGNORECASE,
)
_NOT = re.compile(
    r"\b(?:not|never|no longer|cannot|n['’]t|without|incomplete|until|till|once|unless|if|when|"
    r"whether|before|will|would|should|must|shall|could|can|may|might|need(?:s|ed)?|remain(?:s|ed|"
    r"ing)?|pending|to (?:be|complete|finish|verify|prove|pass|close|validate)|ready (?:for|to)|"
    r"partially|partly|nearly|almost|half|expect(?:s|ed)?|requires?|wants?|waits?|waiting|"
    r"attempt(?:s|ed)?|try|tried|fail(?:s|ed|ing)?|none|neither|nor|plans? to|in order to|"
    r"unproven|stale|(?:re-?)?open(?:s|ed)?|outstanding|unfinished|blocked)\b|n['’]t\b",
    re.IGNORECASE,
)
_JOIN = r"(?:\s*(?:/|,|&|\+|;)\s*|\s+(?:and|or|plus)\s+)+"
_NAME = r"[A-Za-z0-9][\w.-]*"
_PHASES = re.compile(rf"\b[Pp]hases?\s+(?P<names>[`*]*{_NAME}[`*]*(?:{_JOIN}[`*]*{_NAME}[`*]*)*)")
_STEPS = re.compile(rf"\b[Ss]teps?\s+(?P<names>[`*]*{_NAME}[`*]*(?:{_JOIN}[`*]*{_NAME}[`*]*)*)")
_STEP_AFTER = re.compile(rf"`(?P<names>{_NAME})`\s+(?:step|run)\b")
_QUOTED = re.compile(rf"`({_NAME})`")
_ROW = re.compile(r"(?<![\w.-])(?<![a-z_]/)[A-Z]{1,3}\d+[a-z]?(?:\.\w+)*(?![\w-]|\.\w)")
_TESTS = re.compile(
    r"\b(?:(?:all|every|each|full|whole|entire|the|our|these|its?|both)\s+)?"
    r"(?:(?:unit|regression|existing|parity|integration|smoke|functional|targeted|new|mapped)\s+)*"
    r"(?:test\s+suites?|tests?|suites?|pytest|selectors?)\b",
    re.IGNORECASE,
)
_EVERYTHING = re.compile(
    r"\b(?:everything|all (?:the )?(?:steps?|phases?|rows?|checks?|gates?|items?)|"
    r"every (?:step|phase|row|check|item)|"
    r"(?:the|this|our)\s+(?:whole |entire )?(?:initiative|focus|plan|checklist|milestone))\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class ProofClaim:
    """Something that is said to be proven.

    Attributes:
        kind: What it is.
        names: Which: of `tests` and `everything` none.
        text: The clause.
    """

    kind: Subject
    names: tuple[str, ...]
    text: str


@dataclass(frozen=True)
class Known:
    """The names that mean something in a plan.

    Attributes:
        rows: Row → the phase that proves it.
    """

    phases: Collection[str]
    rows: Mapping[str, str]
    steps: Collection[str]


def proof_claims(sentence: str, known: Known) -> tuple[ProofClaim, ...]:
    """Find what a sentence says is complete, passed, done.

    Orders, conditions and denials claim nothing.

    Args:
        sentence: One sentence.
        known: Names of the plan it speaks of.
    """
    found: list[ProofClaim] = []
    for clause in _clauses(sentence):
        if not _says_done(clause) or _NOT.search(_QUOTED.sub(r"\1", clause)):
            continue
        found += _subjects(clause.strip(), known)
    return tuple(dict.fromkeys(found))


def run_claims(sentence: str, known: Known) -> tuple[ProofClaim, ...]:
    """Find what a sentence says was run: `Reran Phase A`, `executed A1 and A2`, `ran the tests`.

    Args:
        sentence: One sentence.
        known: Names of the plan it speaks of.
    """
    found: list[ProofClaim] = []
    for clause in _clauses(sentence):
        if _NOT.search(_QUOTED.sub(r"\1", clause)):
            continue
        found += _was_run(clause, known)
        deed = _RAN.search(clause)
        if deed is None:
            continue
        rest = clause[deed.end() :]
        named = list(_named(rest, clause.strip(), known))
        tests = _TESTS.match(rest.lstrip(" `*")) is not None
        found += named or ([ProofClaim("tests", (), clause.strip())] if tests else [])
    return tuple(dict.fromkeys(found))


def _was_run(clause: str, known: Known) -> Iterator[ProofClaim]:
    """Yield what a clause says was run, where it is the subject: `A1 and A2 were rerun`."""
    deed = _WAS_RUN.search(clause)
    if deed is None or _EARLIER.search(clause):
        return
    subject = _BETWEEN.sub("", clause[: deed.start()])
    named = list(_named(clause[: deed.start()], clause.strip(), known))
    if any(subject.endswith(name) for claim in named for name in claim.names):
        yield from named
    elif any(match.end() == len(subject) for match in _TESTS.finditer(subject)):
        yield ProofClaim("tests", (), clause.strip())


def _clauses(sentence: str) -> Iterator[str]:
    for part in _CLAUSE.split(sentence):
        start = 0
        for match in _SECOND.finditer(part):
            half = part[start : match.start()]
            # `A1 and A2 are proven` is one clause: its first half says nothing yet.
            long = match[0].startswith(":") and len(half.split()) > _LEAD_WORDS
            if long or re.search(_VERB, half) or _DONE.search(half):
                yield half
                start = match.end()
        yield part[start:]


def _says_done(clause: str) -> bool:
    return any(not _HANDED.match(clause, match.start()) for match in _DONE.finditer(clause))


def _subjects(clause: str, known: Known) -> Iterator[ProofClaim]:
    yield from _named(clause, clause, known)
    if _near_done(_TESTS, clause):
        yield ProofClaim("tests", (), clause)
    if _near_done(_EVERYTHING, clause):
        yield ProofClaim("everything", (), clause)


def _named(text: str, clause: str, known: Known) -> Iterator[ProofClaim]:
    """Yield the phases, rows and steps that a text names."""
    phases = [
        name for match in _PHASES.finditer(text) for name in _names(match["names"], known.phases)
    ]
    rows = [name for name in _ROW.findall(text) if name in known.rows]
    steps = [
        name
        for pattern in (_STEPS, _STEP_AFTER)
        for match in pattern.finditer(text)
        for name in _names(match["names"], known.steps)
    ]
    steps += [name for name in _QUOTED.findall(text) if name in known.steps]
    # `Phase A checklist A0/A1 complete` speaks of these rows.
    phases = [name for name in phases if name not in {known.rows[row] for row in rows}]
    found: tuple[tuple[Subject, list[str]], ...] = (
        ("phase", phases),
        ("row", rows),
        ("step", steps),
    )
    for kind, names in found:
        if names:
            yield ProofClaim(kind, tuple(dict.fromkeys(names)), clause)


def _names(text: str, known: Collection[str]) -> list[str]:
    words = re.findall(_NAME, text)
    return [name.rstrip(".") for name in words if name.rstrip(".") in known]


def _near_done(pattern: re.Pattern[str], clause: str) -> bool:
    """Tell whether a subject stands right before its predicate: `all tests now pass`."""
    for match in pattern.finditer(clause):
        rest = re.match(
            r"(?:\s+(?:is|are|was|were|all|now|has|have|been|fully|both|still|also|locally|run|"
            r"ran|came back|came|back|went|stay|stays|stayed|cleanly|then))*\s*[:(=–—-]?\s*",
            clause[match.end() :],
        )
        start = match.end() + (rest.end() if rest else 0)
        done = _DONE.match(clause, start)
        if done is not None and not _HANDED.match(clause, start):
            return True
    return False

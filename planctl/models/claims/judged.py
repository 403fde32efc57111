"""Claims with what became of them: supported, contradicted, unsupported, not checkable."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

KINDS = ("path", "test", "number", "commit", "stamp", "unreadable")
"""What a claim may be about."""


class Answer(StrEnum):
    """What the evidence says of a claim."""

    SUPPORTED = "supported"
    CONTRADICTED = "contradicted"
    UNSUPPORTED = "unsupported"
    NOT_CHECKABLE = "not checkable"
    UNREADABLE = "unreadable"

    @property
    def bad(self) -> bool:
        """It makes the command end with 1."""
        return self in (Answer.CONTRADICTED, Answer.UNSUPPORTED)


@dataclass(frozen=True)
class JudgedClaim:
    """One claim and what was found.

    Attributes:
        path: The file it stands in.
        line: Its line there.
        turn: Title of its block.
        commit: The commit it was judged at: that first had the line; empty for the work tree.
        kind: `path`, `test`, `number`, `commit`, `stamp`, `unreadable`.
        claim: As told.
        why: What was compared, with names and ids.
        found: For paths `exists`, `deeper`, `ignored`, `later`, `gone`, `never`; else empty.
    """

    path: str
    line: int
    turn: str
    commit: str
    kind: str
    claim: str
    answer: Answer
    why: str
    found: str = ""


@dataclass(frozen=True)
class ClaimsReport:
    """Every claim that was judged.

    Attributes:
        target: What was asked for.
        turns: How many turn summaries were read.
        notes: What the reader should know: shallow clones, files left out.
    """

    target: str
    turns: int
    claims: tuple[JudgedClaim, ...]
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Nothing is contradicted or unsupported."""
        return not any(item.answer.bad for item in self.claims)

    def counts(self) -> dict[str, dict[str, int]]:
        """Return kind → answer → how many."""
        found: dict[str, dict[str, int]] = {}
        for item in self.claims:
            row = found.setdefault(item.kind, {answer.value: 0 for answer in Answer})
            row[item.answer.value] += 1
        return found

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for `--json`."""
        return {"ok": self.ok, "counts": self.counts()} | asdict(self)

"""What is wrong with the turns of a history."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any

# A subject as planctl writes it by default; who types one by hand imitates a turn.
_AUTO = re.compile(r"[A-Z][A-Z0-9._-]* AUTO\b")
_TRAILER = re.compile(r"^(?P<key>Turn|Role|Focus|Receipt): *(?P<value>.*?)\s*$", re.MULTILINE)
_TURN = re.compile(r"(?P<number>\d{5,9}) (?P<id>[0-7][0-9A-HJKMNP-TV-Z]{25})")


@dataclass(frozen=True)
class TurnTrailers:
    """What a commit's message says of its turn.

    Attributes:
        turns: Number and id, as spelled, of each `Turn:`.
        auto: The subject looks like one that planctl writes.
        broken: `Turn:` lines that name no turn.
    """

    turns: tuple[tuple[int, str], ...]
    receipts: tuple[str, ...]
    role: str
    focus: str
    auto: bool
    broken: tuple[str, ...]

    @property
    def claims_turn(self) -> bool:
        """The message says that the commit is one of a turn."""
        return bool(self.turns or self.auto or self.broken)


def read_trailers(message: str) -> TurnTrailers:
    """Read the trailers of a commit's message: its last paragraph."""
    last = message.rstrip().rpartition("\n\n")[2]
    found: dict[str, list[str]] = {}
    for match in _TRAILER.finditer(last):
        found.setdefault(match["key"], []).append(match["value"])
    named = [(text, _TURN.fullmatch(text)) for text in found.get("Turn", [])]
    return TurnTrailers(
        turns=tuple((int(match["number"]), match["id"]) for _, match in named if match),
        receipts=tuple(found.get("Receipt", ())),
        role=" ".join(found.get("Role", ())),
        focus=" ".join(found.get("Focus", ())),
        auto=_AUTO.match(message) is not None,
        broken=tuple(text for text, match in named if match is None),
    )


@dataclass(frozen=True)
class TurnFinding:
    """One thing that is wrong.

    Attributes:
        kind: `imitation`: a commit that looks like a turn and has no record; `record`: a record
            that is missing, changed, or not first in its commit; `base`, `receipt`, `trailer`;
            `stamp`: a commit dated before its turn; `number`: two turns with one number.
        commit: The commit, or empty.
        path: The record, or empty.
        subject: First line of the commit.
    """

    kind: str
    text: str
    commit: str = ""
    path: str = ""
    subject: str = ""


@dataclass(frozen=True)
class TurnCheck:
    """The turns of a history.

    Attributes:
        target: What was looked at.
        commits: How many commits.
        turns: How many of them are of turns.
        records: How many records there are.
        notes: What could not be looked at.
    """

    target: str
    commits: int
    turns: int
    records: int
    findings: tuple[TurnFinding, ...]
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Nothing is wrong; that two turns have one number cannot be mended, and is only told."""
        return all(item.kind == "number" for item in self.findings)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for `--json`."""
        return {"ok": self.ok} | asdict(self)

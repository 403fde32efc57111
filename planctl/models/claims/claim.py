"""What prose claims: blocks of a summary, and the paths, tests, numbers, commits, times in them."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

Place = Literal["heading", "name", "prose"]
# What is said of a file that is not there yet.
_PLANNED = re.compile(
    r"\b(pending|planned|to be|to come|will|tbd|todo|expected|in progress|running|staging|"
    r"not yet|once|upcoming|reserved)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class PathClaim:
    """A file or folder that is named.

    Attributes:
        line: Source line, from 1.
        text: As spelled, with its line numbers and selector.
        path: Expanded, with `/`; `$HUB/…` and globs stay.
        evidence: It stands on an `Artifacts` line or in a list under one.
        field: The key it stands under (`Artifacts`, `Files touched`), empty in running text.
        lines: Cited line ranges.
        selector: `TestX::test_y[p]` of `file.py::TestX::test_y[p]`.
        group: Number of the brace or parenthesis list it was expanded from.
        bare: The item alone, when `path` was joined from `folder/ (item)`.
        folder: Spelled with `/` at its end.
        elided: Spelled `.../rest`; `path` is the rest.
        note: What stands in parentheses after it.
    """

    kind: ClassVar[str] = "path"
    line: int
    text: str
    path: str
    evidence: bool = False
    field: str = ""
    lines: tuple[tuple[int, int], ...] = ()
    selector: str = ""
    group: int | None = None
    bare: str = ""
    folder: bool = False
    elided: bool = False
    note: str = ""

    @property
    def glob(self) -> bool:
        """It holds `*` or `?`."""
        return "*" in self.path or "?" in self.path

    @property
    def placeholder(self) -> bool:
        """A part is left open: `blocked_<timestamp>.md`."""
        return "<" in self.path

    @property
    def absolute(self) -> bool:
        """It leads out of the repository."""
        return self.path.startswith(("/", "~")) or re.match(r"[A-Za-z]:/", self.path) is not None

    @property
    def planned(self) -> bool:
        """The prose itself says that it is not there yet."""
        return bool(_PLANNED.search(self.note))


@dataclass(frozen=True)
class TestClaim:
    """A test run as it is told.

    Attributes:
        counts: Outcome → how many, in the order of the text: `passed`, `failed`, `skipped` …
        total: The second number of `3/4`.
        seconds: The duration as shown, in seconds; None when none is told.
        outcome: `passed` or `failed`; empty when neither is said.
        selectors: Test ids and test files named with it.
        logs: Logs named with it.
    """

    __test__: ClassVar[bool] = False
    kind: ClassVar[str] = "test"
    line: int
    text: str
    counts: tuple[tuple[str, int], ...] = ()
    total: int | None = None
    seconds: str | None = None
    outcome: str = ""
    selectors: tuple[str, ...] = ()
    logs: tuple[str, ...] = ()
    field: str = ""


@dataclass(frozen=True)
class NumberClaim:
    """A named number.

    Attributes:
        name: As spelled, without backticks; empty for a bare percentage.
        text: The number as shown.
        value: Its value; a percentage as it is shown (58 for `58%`).
        unit: `%`, `s` …
        op: `=`, or `~`, `<`, `<=`, `>`, `>=`.
    """

    kind: ClassVar[str] = "number"
    line: int
    name: str
    text: str
    value: float
    unit: str = ""
    op: str = "="
    field: str = ""

    @property
    def approximate(self) -> bool:
        """It is told as about so much."""
        return self.op == "~"


@dataclass(frozen=True)
class CommitClaim:
    """A commit, or a range of commits, that is named.

    Attributes:
        first: The id as spelled.
        last: The other end of `a..b`, else empty.
        touched: Paths it is said to have changed.
        only: … and nothing else.
    """

    kind: ClassVar[str] = "commit"
    line: int
    text: str
    first: str
    last: str = ""
    touched: tuple[str, ...] = ()
    only: bool = False
    field: str = ""


@dataclass(frozen=True)
class StampClaim:
    """A date or time.

    Attributes:
        when: UTC; read as UTC where no zone is told; None when it has no year or does not exist.
        until: The end of a span.
        precision: `day`, `minute`, `second`.
        where: In the block's heading, inside a path's name, or in running text.
    """

    kind: ClassVar[str] = "stamp"
    line: int
    text: str
    when: dt.datetime | None
    until: dt.datetime | None = None
    zone_known: bool = False
    precision: str = "second"
    where: Place = "prose"
    field: str = ""


Claim = PathClaim | TestClaim | NumberClaim | CommitClaim | StampClaim


@dataclass(frozen=True)
class Unreadable:
    """Text that claims something and could not be read to its end.

    Attributes:
        why: What is wrong with it.
        text: Its beginning.
    """

    kind: ClassVar[str] = "unreadable"
    line: int
    why: str
    text: str


@dataclass(frozen=True)
class Sentence:
    """One line (or wrapped lines) of a block's running text."""

    line: int
    text: str


@dataclass(frozen=True)
class Field:
    """`Key: value` of a block.

    Attributes:
        text: What follows the colon, continuation lines included.
        items: The list under it.
        parent: The key whose list it stands in (`Checklist`), else empty.
    """

    key: str
    line: int
    text: str
    items: tuple[Sentence, ...] = ()
    parent: str = ""


@dataclass(frozen=True)
class Block:
    """A heading and what stands under it; a turn summary or any other section.

    Attributes:
        turn: It is a turn summary.
        heading: As written; empty before the first heading.
        title: The heading without marks.
        level: 1 to 6; 7 for a turn heading that is only a (bold) line; 0 without heading.
        line: First line.
        end_line: Last line that is not blank.
        stamps: Those of the heading.
        roles: What else stands in the heading's parentheses.
        maybe_paths: Words such as `a/b` that mean a path only if there is one.
    """

    turn: bool
    heading: str
    title: str
    level: int
    line: int
    end_line: int
    stamps: tuple[StampClaim, ...] = ()
    roles: tuple[str, ...] = ()
    sentences: tuple[Sentence, ...] = ()
    fields: tuple[Field, ...] = ()
    paths: tuple[PathClaim, ...] = ()
    tests: tuple[TestClaim, ...] = ()
    numbers: tuple[NumberClaim, ...] = ()
    commits: tuple[CommitClaim, ...] = ()
    times: tuple[StampClaim, ...] = ()
    maybe_paths: tuple[PathClaim, ...] = ()

    def field(self, key: str) -> Field | None:
        """Return the first field of a key, spelled in any case, or None."""
        return next((item for item in self.fields if item.key.lower() == key.lower()), None)

    @property
    def claims(self) -> tuple[Claim, ...]:
        """Every claim, in the order of the lines."""
        found: list[Claim] = [*self.paths, *self.tests, *self.numbers, *self.commits, *self.times]
        return tuple(sorted(found, key=lambda item: item.line))


@dataclass(frozen=True)
class Prose:
    """A document: all its text lies in some block, or is named as unreadable."""

    blocks: tuple[Block, ...]
    unreadable: tuple[Unreadable, ...]

    @property
    def turns(self) -> tuple[Block, ...]:
        """The turn summaries, in file order."""
        return tuple(block for block in self.blocks if block.turn)

    def claims(self) -> Iterator[Claim]:
        """Yield every claim of every block."""
        for block in self.blocks:
            yield from block.claims

"""The checklist of a working plan: rows with their text, and the phases they stand in."""

from __future__ import annotations

import bisect
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

from planctl.models.plan.working import checklist_rows
from planctl.ops.adopt.matching import Made, selectors_of

_PHASE = re.compile(
    r"^#{1,6}\s+(?:\d+[.)]\s*)?Phase\s+([A-Za-z0-9]+)\b[\s:.)—–-]*(.*)$", re.MULTILINE
)
_LETTERS = re.compile(r"[A-Za-z]+")
_TITLE = re.compile(r"^#\s+(.+?)\s*#*$", re.MULTILINE)
_ONLY = "A"


@dataclass(frozen=True)
class Row:
    """A row of the checklist.

    Attributes:
        line: Where it stands.
        text: Everything up to the next row or heading.
    """

    id: str
    line: int
    ticked: bool
    text: str

    @property
    def phase(self) -> str:
        """The letters its name begins with."""
        match = _LETTERS.match(self.id)
        return match[0].upper() if match else _ONLY


def rows_in(text: str) -> list[Row]:
    """Return the rows of a working plan, with their texts."""
    known = checklist_rows(text)
    lines = text.split("\n")
    starts: dict[str, int] = {}
    for number, line in enumerate(lines):
        for name in [*checklist_rows(line)][:1]:
            if name in known:
                starts.setdefault(name, number)
    stops = [i for i, line in enumerate(lines) if line.startswith("#") or not line.strip()]
    ends = [*sorted({*starts.values(), *stops}), len(lines)]
    rows = []
    for name, start in starts.items():
        end = ends[bisect.bisect_right(ends, start)]
        rows.append(Row(name, start + 1, known[name], "\n".join(lines[start:end])))
    return rows


def phases_in(text: str) -> dict[str, str]:
    """Return phase → title from headings such as `## Phase A — Diagnostics`."""
    found: dict[str, str] = {}
    for match in _PHASE.finditer(text):
        found.setdefault(match[1].upper(), match[2].strip(" `*#—–-:"))
    return found


def title_in(text: str) -> str:
    """Return the first heading of a document, or nothing."""
    match = _TITLE.search(text)
    return match[1].strip("`* ") if match else ""


def rows_of(made: Made, rows: Sequence[Row]) -> tuple[str, ...]:
    """Return the rows a log stands for, as far as it is written down.

    The path of the log carries the row's name (`phase_b3/`, `c1_gs1`); or the row names the log or
    the tests of its command; or the row names the program that the command runs, and the command
    is noted under a heading of the row's phase.
    """
    words = {part for part in re.split(r"[/_.-]+", made.log.path.lower()) if part}
    named = [row.id for row in rows if row.id.lower() in words]
    if not named:
        named = [row.id for row in rows if _mentions(row.text, _telling(made))]
    if not named and (phase := _noted_in_phase(made)) is not None:
        programs = _programs(made)
        named = [r.id for r in rows if r.phase == phase and _mentions(r.text, programs)]
    return tuple(named)


def _telling(made: Made) -> list[str]:
    selected = selectors_of(made.noted.statement) if made.noted else list(made.log.tests[:1])
    return [made.log.name, made.log.base, *selected]


def _programs(made: Made) -> list[str]:
    """Return the module or script that a command runs, not the interpreter."""
    words = list(made.noted.statement.words) if made.noted else made.run.split()
    modules = [after for word, after in itertools.pairwise(words) if word == "-m"]
    return [word for word in modules if word != "pytest"] + [w for w in words if w.endswith(".py")]


def _mentions(text: str, names: Sequence[str]) -> bool:
    return any(re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-]|\.\w)", text) for name in names)


def _noted_in_phase(made: Made) -> str | None:
    for heading in reversed(made.noted.trail if made.noted else ()):
        found = re.search(r"\bPhase\s+([A-Za-z0-9]{1,3})\b", heading)
        if found is not None:
            return found[1].upper()
    return None


def phase_of(
    made: Made, rows: tuple[str, ...], known: Sequence[Row], phases: dict[str, str]
) -> str:
    """Return the phase a log belongs to: by its rows, its path, or the headings of its note."""
    by_row = {row.id: row.phase for row in known}
    for row in rows:
        return by_row[row]
    match = re.search(r"(?:^|[/_-])phase[_-]?([a-z]|\d+)(?=\d*(?:[/_.-]|$))", made.log.path.lower())
    if match is not None:
        return match[1].upper()
    return _noted_in_phase(made) or next(iter(phases), _ONLY)

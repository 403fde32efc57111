"""Turn Summary blocks: what a turn did, in sentences, and what planctl saw of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from planctl._text import printable

HEADING = "### Turn Summary"
_HEADING = re.compile(rf"^{HEADING}\b.*$", re.MULTILINE)
_SHOWN = 20
_GAP = 3


@dataclass(frozen=True)
class TurnSummary:
    """One turn.

    Attributes:
        id: Never repeated: the id of the turn's first receipt.
        stamp: UTC, as names spell it.
        sentences: What was done and found, one a line.
        next: What comes next.
        artifacts: Folder → names below it.
        files_touched: Repository-relative paths that differ from the commit.
        tests_run: Test commands with how they ended.
        artifacts_updated: Hub-relative names that receipts recorded.
        cited: Further artifacts that the author names.
        remarks: Whole lines below the artifacts: what was accepted, struck out, not committed.
    """

    id: str
    stamp: str
    sentences: tuple[str, ...]
    next: str
    artifacts: dict[str, tuple[str, ...]]
    files_touched: tuple[str, ...] = ()
    tests_run: tuple[str, ...] = ()
    artifacts_updated: tuple[str, ...] = ()
    cited: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


def render(turn: TurnSummary) -> str:
    """Spell a block; ends with one line end, no blank line after it.

    The turn's id stands, as an HTML comment where it is not in the text already, on the first
    line, on the last and on one of any four in a row. So `merge=union` keeps the blocks of two
    branches apart: git takes lines that both have as one only at the edge of a difference, or
    when more than three of them follow each other (`xdl_simplify_non_conflicts` in its xmerge.c).
    """
    folders = [braced(folder, names) for folder, names in turn.artifacts.items()]
    lines = [
        f"{HEADING} ({turn.stamp}) <!-- {turn.id} -->",
        *(flat(sentence) for sentence in turn.sentences),
        f"Next: {flat(turn.next)}",
        f"Artifacts: {_listed((*folders, *turn.cited), '; ')}",
        *(flat(remark) for remark in turn.remarks),
        "",
        "Checklist:",
        f"- Files touched: {_listed(turn.files_touched)}",
        f"- Tests run: {_listed(turn.tests_run, '; ')}",
        f"- Artifacts updated: {_listed(turn.artifacts_updated)}",
    ]
    return "\n".join(_anchored(lines, turn.id)) + "\n"


def braced(folder: str, names: Sequence[str]) -> str:
    """Return `folder/{a, b}`, cut after twenty names."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{folder}/{{{', '.join(names[:_SHOWN])}}}{more}"


def _anchored(lines: list[str], token: str) -> list[str]:
    """Return the lines with the token on the first, the last and one of any four in a row."""
    found = list(lines)
    last = -1
    for index in range(len(found)):
        if token in found[index]:
            last = index
        elif index == len(found) - 1 or index - last > _GAP:
            last = max(i for i in range(index + 1) if found[i] not in ("", "Checklist:"))
            found[last] += f" <!-- {token} -->"
    return found


def flat(text: str) -> str:
    """Return a text on one line that cannot be taken for a heading of the file."""
    line = printable(" ".join(text.split()))
    return line.lstrip("#").lstrip() if line.startswith("#") else line


def _listed(items: Iterable[str], between: str = ", ") -> str:
    known = [flat(item) for item in items]
    more = f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else ""
    return between.join(known[:_SHOWN]) + more if known else "none"


def prepended(block: str, old: bytes) -> bytes:
    """Return a summary with a block on top and the old bytes, whatever they are, after it."""
    return block.encode() + (b"\n" + old if old else b"")


def blocks(text: str) -> tuple[str, ...]:
    """Return the Turn Summary blocks of a file, in file order; text before the first is dropped."""
    starts = [match.start() for match in _HEADING.finditer(text)]
    return tuple(text[start:end].strip() for start, end in pairwise([*starts, len(text)]))

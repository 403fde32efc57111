"""Pointers `path:line` that know what stands there: found again when the lines move.

An anchor keeps the text of its lines (blanks evened out), digests of the lines around them, and is
looked for as written: the same text at the same place, the same text elsewhere, a text much like
it, or nothing.
"""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

Fate = Literal["there", "moved", "changed", "deleted", "ambiguous", "renamed", "no-file"]

# A row that is ticked, or told as stale, is the same row.
_TICK = re.compile(r"^(\s*[-*+] +)\[[xX ]\]")
_REMARK = re.compile(r"<!-- planctl: .*?-->")
_LONGEST = 160
_ALIKE = 0.72
_CLEARLY = 0.08
_MOST_LINES = 50_000
_NEAR = 3


@dataclass(frozen=True)
class Anchor:
    """Some lines of a file.

    Attributes:
        line: The first, from 1.
        last: The last.
        text: The first line, blanks evened out, cut to 160 characters.
        digest: Of all the lines.
        around: Digests of the lines before and after that are not blank, nearest first.
    """

    path: str
    line: int
    last: int
    text: str
    digest: str
    around: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """As it is cited: `path:12` or `path:12-20`."""
        return cited(self.path, self.line, self.last)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, to be written down."""
        return asdict(self)


@dataclass(frozen=True)
class Found:
    """What became of an anchor.

    Attributes:
        line: Where its first line stands now; None when that cannot be told.
        ratio: How much the text is like the old one, 0 to 1.
        path: The file, which may have another name now.
        candidates: For `ambiguous`, every line it may be.
    """

    fate: Fate
    line: int | None = None
    ratio: float = 1.0
    path: str = ""
    candidates: tuple[int, ...] = ()


def cited(path: str, line: int, last: int) -> str:
    """Spell a pointer."""
    return f"{path}:{line}" if last <= line else f"{path}:{line}-{last}"


def anchor_at(path: str, lines: Sequence[str], line: int, last: int | None = None) -> Anchor | None:
    """Anchor some lines of a file.

    Args:
        path: Its name.
        lines: Its lines.
        line: The first one, from 1.
        last: The last one; `line` without it.

    Returns:
        The anchor, or None where the file has no such lines.
    """
    last = max(line, last or line)
    if line < 1 or last > len(lines):
        return None
    return Anchor(
        path,
        line,
        last,
        evened(lines[line - 1])[:_LONGEST],
        _digest(lines[line - 1 : last]),
        _around(lines, line, last),
    )


def reanchor(anchor: Anchor, lines: Sequence[str]) -> Found:
    """Find an anchor in a file as it is now."""
    size = anchor.last - anchor.line + 1
    plain = [evened(item) for item in lines[:_MOST_LINES]]
    starts = [at for at, text in enumerate(plain) if text[:_LONGEST] == anchor.text]
    exact = [at + 1 for at in starts if _digest(plain[at : at + size]) == anchor.digest]
    if exact:
        return _exactly(anchor, exact, lines)
    return _alike(anchor, plain)


def _exactly(anchor: Anchor, exact: list[int], lines: Sequence[str]) -> Found:
    """Choose among the places that have the very text: the one among the same neighbours."""
    size = anchor.last - anchor.line
    known = set(anchor.around)
    shared = {at: len(known & set(_around(lines, at, at + size))) for at in exact}
    best = max(shared.values())
    likely = [at for at in exact if shared[at] == best]
    if anchor.line in likely:
        return Found("there", anchor.line)
    # A line that says little stands in many places: without neighbours it is none of them.
    if len(likely) > 1 or (not best and known and len(_letters(anchor.text)) < _NEAR):
        gaps = sorted((abs(at - anchor.line), at) for at in likely)
        alone = len(gaps) > 1 and gaps[0][0] < gaps[1][0] and best
        if not alone:
            return Found("ambiguous", candidates=tuple(likely))
        return Found("moved", gaps[0][1])
    return Found("moved", likely[0])


def _alike(anchor: Anchor, plain: Sequence[str]) -> Found:
    """Find the line that is most like what stood there, if one is and no other."""
    if len(_letters(anchor.text)) < _NEAR:
        return Found("deleted")
    matcher = difflib.SequenceMatcher(autojunk=False)
    matcher.set_seq2(anchor.text)
    scores: list[tuple[float, int]] = []
    for at, text in enumerate(plain, 1):
        if not text:
            continue
        matcher.set_seq1(text[:_LONGEST])
        if matcher.real_quick_ratio() >= _ALIKE and matcher.quick_ratio() >= _ALIKE:
            ratio = matcher.ratio()
            if ratio >= _ALIKE:
                scores.append((ratio, at))
    if not scores:
        return Found("deleted")
    # Where it stood before is likelier than elsewhere.
    ranked = sorted(
        scores, key=lambda item: (-item[0] - (item[1] == anchor.line) * _CLEARLY, item[1])
    )
    ratio, line = ranked[0]
    rivals = [at for score, at in ranked if at != line and score > ratio - _CLEARLY / 4]
    if rivals and line != anchor.line:
        return Found("ambiguous", ratio=ratio, candidates=(line, *rivals))
    return Found("changed", line, round(ratio, 3))


def evened(line: str) -> str:
    """Return a line with its blanks evened out, and without what planctl marks rows with."""
    return " ".join(_TICK.sub(r"\1[ ]", _REMARK.sub("", line)).split())


def _letters(text: str) -> str:
    return "".join(char for char in text if char.isalnum())


def _digest(lines: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(map(evened, lines)).encode("utf-8", "replace")).hexdigest()[:16]


def _around(lines: Sequence[str], line: int, last: int) -> tuple[str, ...]:
    """Return digests of the two lines before and after that say something."""
    before = [item for item in map(evened, lines[max(0, line - 6) : line - 1]) if item][-2:]
    after = [item for item in map(evened, lines[last : last + 5]) if item][:2]
    return tuple(_digest([item])[:8] for item in (*reversed(before), *after))

"""Which lines of a text are new: fast on long files that grow at one end, true to moved lines."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

# Above this many pairs of lines an exact comparison costs more than it tells.
_EXACT = 40_000
# Shorter lines (`---`, `Checklist:`) are the same by accident, not because they moved.
_TELLING = 12
# Which share of a run of lines was removed elsewhere, when the run moved.
_MOVED = 0.6


@dataclass(frozen=True)
class LineDiff:
    """Positions (from 0) of lines that only the new text has, and of those only the old had."""

    added: tuple[int, ...]
    removed: tuple[int, ...]


def line_diff(old: Sequence[str], new: Sequence[str]) -> LineDiff:
    """Compare two texts line by line.

    Common ends are cut first, then lines that occur once in both texts hold the rest together
    (patience), so that a file of any length in which a block was put costs one look at each line.
    """
    added: list[int] = []
    removed: list[int] = []
    open_parts = [(0, len(old), 0, len(new))]
    while open_parts:
        a, b, c, d = _trimmed(old, new, open_parts.pop())
        if a == b or c == d:
            removed += range(a, b)
            added += range(c, d)
            continue
        anchors = _anchors(old[a:b], new[c:d])
        if anchors:
            open_parts += _between(anchors, (a, b, c, d))
        elif (b - a) * (d - c) <= _EXACT:
            _exact(old, new, (a, b, c, d), added, removed)
        else:
            _counted(old, new, (a, b, c, d), added, removed)
    return LineDiff(tuple(_settled(new, sorted(added))), tuple(sorted(removed)))


def _settled(new: Sequence[str], added: list[int]) -> Iterator[int]:
    """Move each run of new lines up, where that says the same, to begin at a heading.

    A block put before one of the same heading may as well be its heading's rest and the other's
    heading: only the first reading is what a person did.
    """
    last = -1
    for run in _runs(added):
        start, end = run[0], run[-1]
        for at in range(start, last, -1):
            if new[at].lstrip().startswith("#"):
                start, end = at, end - (start - at)
                break
            if at - 1 <= last or new[at - 1] != new[end - (start - at)]:
                break
        last = end
        yield from range(start, end + 1)


_Part = tuple[int, int, int, int]


def _trimmed(old: Sequence[str], new: Sequence[str], part: _Part) -> _Part:
    a, b, c, d = part
    while a < b and c < d and old[a] == new[c]:
        a, c = a + 1, c + 1
    while a < b and c < d and old[b - 1] == new[d - 1]:
        b, d = b - 1, d - 1
    return a, b, c, d


def _anchors(old: Sequence[str], new: Sequence[str]) -> list[tuple[int, int]]:
    """Return pairs of positions of lines that are unique in both, in the order of both."""
    in_old, in_new = Counter(old), Counter(new)
    places = {line: at for at, line in enumerate(new) if in_new[line] == 1}
    pairs = [
        (at, places[line]) for at, line in enumerate(old) if in_old[line] == 1 and line in places
    ]
    return _longest_rise(pairs)


def _longest_rise(pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    tails: list[int] = []
    best: list[int] = []
    before: list[int] = []
    for at, (_, place) in enumerate(pairs):
        length = bisect_left(tails, place)
        if length == len(tails):
            tails.append(place)
            best.append(at)
        else:
            tails[length], best[length] = place, at
        before.append(best[length - 1] if length else -1)
    found: list[tuple[int, int]] = []
    at = best[-1] if best else -1
    while at >= 0:
        found.append(pairs[at])
        at = before[at]
    return found[::-1]


def _between(anchors: list[tuple[int, int]], part: _Part) -> list[_Part]:
    a, b, c, d = part
    parts = []
    for x, y in anchors:
        parts.append((a, part[0] + x, c, part[2] + y))
        a, c = part[0] + x + 1, part[2] + y + 1
    return [*parts, (a, b, c, d)]


def _exact(
    old: Sequence[str], new: Sequence[str], part: _Part, added: list[int], removed: list[int]
) -> None:
    a, b, c, d = part
    for tag, i, j, k, m in SequenceMatcher(None, old[a:b], new[c:d], autojunk=False).get_opcodes():
        if tag != "equal":
            removed += range(a + i, a + j)
            added += range(c + k, c + m)


def _counted(
    old: Sequence[str], new: Sequence[str], part: _Part, added: list[int], removed: list[int]
) -> None:
    a, b, c, d = part
    kept = Counter(old[a:b]) & Counter(new[c:d])
    added += _beyond(new, range(c, d), Counter(kept))
    removed += _beyond(old, range(a, b), kept)


def _beyond(lines: Sequence[str], places: Iterable[int], kept: Counter[str]) -> list[int]:
    found = []
    for at in places:
        if kept[lines[at]] > 0:
            kept[lines[at]] -= 1
        else:
            found.append(at)
    return found


def not_moved(lines: Sequence[str], added: Iterable[int], removed: Counter[str]) -> tuple[int, ...]:
    """Leave out lines that only moved: the same commit removed them elsewhere.

    Lines move together: of a run of new lines most must have been removed. A single line that is
    spelled like a removed one says the same again, and is new.

    Args:
        lines: The new text.
        added: Positions in it, rising.
        removed: Lines the commit took out of any text; those found again are taken from it.
    """
    found: list[int] = []
    for run in _runs(added):
        telling = [at for at in run if len(lines[at].strip()) >= _TELLING]
        wanted = Counter(lines[at].strip() for at in telling)
        moved = wanted & removed
        if len(telling) > 0 and moved.total() >= max(_MOVED * len(telling), 1):
            removed.subtract(moved)
            found += [at for at in run if not _taken(moved, lines[at].strip())]
        else:
            found += run
    return tuple(found)


def _runs(places: Iterable[int]) -> Iterator[list[int]]:
    run: list[int] = []
    for at in places:
        if run and at != run[-1] + 1:
            yield run
            run = []
        run.append(at)
    if run:
        yield run


def _taken(moved: Counter[str], line: str) -> bool:
    if moved[line] > 0:
        moved[line] -= 1
        return True
    return False

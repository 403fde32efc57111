"""The nearest thing that is true: what a claim that does not hold may have meant."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from posixpath import basename, dirname

from planctl._text import printable
from planctl.models.claims.claim import NumberClaim, PathClaim, TestClaim
from planctl.models.claims.paths import PathIndex, places
from planctl.ops.claims.answers import Memory
from planctl.ops.claims.views import View

_MOST = 4_000
_CUTOFF = 0.6
_FILES = 200
_VALUES = (".json", ".jsonl", ".csv", ".yaml", ".yml", ".log", ".txt", ".out")


def nearest_path(claim: PathClaim, index: PathIndex, folders: Sequence[str]) -> str:
    """Return the file a path most likely means: of the same name, else of a name much like it."""
    name = basename(claim.path.rstrip("/"))
    same = index.ending(name)
    if same:
        return printable(same[0])
    from difflib import get_close_matches

    near: dict[str, str] = {}
    for folder in dict.fromkeys(dirname(path) for path in places(claim, folders)):
        for path in index.below(folder) if folder else ():
            near.setdefault(basename(path), path)
            if len(near) >= _MOST:
                break
    found = get_close_matches(name, near, 1, _CUTOFF)
    return printable(near[found[0]]) if found else ""


def nearest_test(claim: TestClaim, results: Iterable[tuple[str, str]]) -> str:
    """Return the recorded run that looks most like what is claimed; the newest without any."""
    known = list(results)
    if not known:
        return "no run of tests is recorded"
    counted = {str(number) for _, number in claim.counts}
    alike = (item for item in known if any(number in item[1].split() for number in counted))
    log, text = next(alike, known[0])
    return f"{log} says `{text}`"


def nearest_number(claim: NumberClaim, view: View, memory: Memory, paths: Iterable[str]) -> str:
    """Return the value nearest to the one told, among files that have one of that name."""
    found: list[tuple[float, str]] = []
    if claim.name:
        for path in islice((path for path in paths if path.endswith(_VALUES)), _FILES):
            for value in memory.values(view, path, claim.name):
                away = abs(value.value - claim.value)
                found.append((away, f"{path} {value.place} is {value.value!r}"))
    return min(found, default=(0.0, ""))[1]

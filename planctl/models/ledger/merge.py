"""A three-way merge of ledgers, item by item; what is free text is left to git.

Both sides and their base are made alike where planctl's own lines differ: fields get the value that
holds after the merge, new attempts and new items of the other side are taken out. What then still
differs is text, and git joins that. What was taken out goes back in last.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from planctl.models.ledger.archive import Entry, entries, without
from planctl.models.ledger.fields import values_of, with_values
from planctl.models.ledger.regions import Region, plain_of, regions


@dataclass(frozen=True)
class Sides:
    """What git is to join, and what goes back in afterwards.

    Attributes:
        base: The last common version, made alike.
        ours: The version of the branch that is merged into.
        theirs: The version of the branch that is merged.
        attempts: New attempts of theirs, and those of ours that stand beside changes of theirs.
        items: New items of theirs (of ours too, if they were to be taken apart): id → the region
            with its markers, and the item above it.
        stray: Lines of an item that both sides made and that only theirs has.
    """

    base: str
    ours: str
    theirs: str
    attempts: tuple[Entry, ...]
    items: Mapping[str, tuple[str, str | None]]
    stray: Mapping[str, str]


def prepared(base: str, ours: str, theirs: str, path: str, apart: bool = False) -> Sides:
    """Make three versions of a ledger alike where planctl knows how they are joined.

    Args:
        base: The last common version.
        ours: The version of the branch that is merged into.
        theirs: The version of the branch that is merged.
        path: The name of the ledger, for errors.
        apart: Take new items of ours out too: git may not join them with changes beside them.

    Raises:
        BadFileError: One of them cannot be read: a region has no end.
    """
    values = values_of(base, ours, theirs, path)
    base, ours, theirs = (with_values(text, path, values) for text in (base, ours, theirs))
    base, ours, theirs = _without_gone(base, ours, theirs, path)
    whole = _ids(theirs, path) - _ids(base, path) - _ids(ours, path)
    fresh = [entry for entry in _new_of(theirs, path, base) if entry.item not in whole]
    known = _counted(_new_of(ours, path, base))
    attempts = [entry for entry in fresh if not _taken(known, entry)]
    theirs = without(theirs, fresh)
    own = _beside_changes(base, ours, theirs, path)
    text, items, stray = _without_new_items(base, ours, theirs, path)
    ours = without(ours, own)
    if apart:
        ours, mine, _ = _without_new_items(base, base, ours, path)
        items = {**mine, **items}
    return Sides(base, ours, text, (*own, *attempts), items, stray)


def _without_gone(base: str, ours: str, theirs: str, path: str) -> tuple[str, str, str]:
    """Take out of all three the attempts that one side took out: it archived them."""
    kept = _counted(entries(ours, path)) & _counted(entries(theirs, path))
    gone = _counted(entries(base, path)) - kept
    if not gone:
        return base, ours, theirs

    def shorter(text: str) -> str:
        left = Counter(gone)
        return without(text, [entry for entry in entries(text, path) if _taken(left, entry)])

    return shorter(base), shorter(ours), shorter(theirs)


def _beside_changes(base: str, ours: str, theirs: str, path: str) -> list[Entry]:
    """Return the new attempts of ours in items that theirs changed: git might not join them."""
    before, after = _contents(base, path), _contents(theirs, path)
    return [
        entry
        for entry in _new_of(ours, path, base)
        if entry.item in before and before[entry.item] != after.get(entry.item)
    ]


def _contents(text: str, path: str) -> dict[str, str]:
    return {region.id: region.of(text) for region in regions(plain_of(text), path)}


def _ids(text: str, path: str) -> set[str]:
    return {region.id for region in regions(plain_of(text), path)}


def completed(text: str, path: str, sides: Sides) -> str:
    """Return the joined text with what was taken out of theirs.

    Raises:
        BadFileError: A region of the joined text has no end.
    """
    for name, (region_text, above) in sides.items.items():
        text = _with_region(text, path, name, region_text, above)
    for name, lines in sides.stray.items():
        region = _region(text, path, name)
        if region is not None:
            text = text[: region.end] + lines + text[region.end :]
    for entry in sides.attempts:
        at = _place_of(text, path, entry)
        if at is not None:
            text = text[:at] + entry.text + text[at:]
    return text


def lost(text: str, path: str, sides: Sequence[str], base: str) -> list[str]:
    """Return the attempts that a side added and the joined text does not have.

    Raises:
        BadFileError: A region of the joined text has no end.
    """
    there = _counted(entries(text, path))
    wanted = [entry for side in sides for entry in _new_of(side, path, base)]
    return [entry.text for entry in wanted if not there[entry.item, entry.text]]


def _counted(found: Iterable[Entry]) -> Counter[tuple[str, str]]:
    return Counter((entry.item, entry.text) for entry in found)


def _taken(known: Counter[tuple[str, str]], entry: Entry) -> bool:
    """Tell whether the other side added the same attempt; each of its own counts once."""
    key = (entry.item, entry.text)
    known[key] -= 1
    return known[key] >= 0


def _new_of(text: str, path: str, base: str) -> list[Entry]:
    before = _counted(entries(base, path))
    return [entry for entry in entries(text, path) if not _taken(before, entry)]


def _region(text: str, path: str, name: str) -> Region | None:
    return next((one for one in regions(plain_of(text), path) if one.id == name), None)


def _without_new_items(
    base: str, ours: str, theirs: str, path: str
) -> tuple[str, dict[str, tuple[str, str | None]], dict[str, str]]:
    """Take out of theirs the items that the base does not have."""
    before = _ids(base, path)
    mine = {region.id: region for region in regions(plain_of(ours), path)}
    found = list(regions(plain_of(theirs), path))
    items: dict[str, tuple[str, str | None]] = {}
    stray: dict[str, str] = {}
    text = theirs
    for index in reversed(range(len(found))):
        region = found[index]
        if region.id in before:
            continue
        whole = theirs[region.begin : region.after]
        if region.id in mine:
            stray[region.id] = _only_in(region.of(theirs), mine[region.id].of(ours))
        else:
            above = found[index - 1].id if index else None
            items[region.id] = (whole if whole.endswith("\n") else whole + "\n", above)
        text = text[: _gap_before(theirs, region.begin)] + text[region.after :]
    return text, dict(reversed(items.items())), {name: t for name, t in stray.items() if t}


def _only_in(other: str, own: str) -> str:
    there = Counter(own.splitlines(keepends=True))
    found = []
    for line in other.splitlines(keepends=True):
        there[line] -= 1
        if there[line] < 0 and line.strip() and not line.startswith("## "):
            found.append(line)
    return "".join(found)


def _gap_before(text: str, begin: int) -> int:
    """Return where the blank line above a region begins, if there is one."""
    for gap in ("\r\n", "\n"):
        if text[:begin].endswith(gap) and text[: begin - len(gap)].endswith("\n"):
            return begin - len(gap)
    return begin


def _place_of(text: str, path: str, entry: Entry) -> int | None:
    """Return where an attempt goes: after the last one of its item that is not later."""
    region = _region(text, path, entry.item)
    if region is None:
        return None
    there = list(entries(text, path, [entry.item]))
    earlier = [one.end for one in there if one.when <= entry.when]
    if earlier:
        return max(earlier)
    return there[0].start if there else region.end


def _with_region(text: str, path: str, name: str, region: str, above: str | None) -> str:
    found = list(regions(plain_of(text), path))
    names = [one.id for one in found]
    if name in names:
        return text
    if above is None or above not in names or names[-1] == above:
        newline = "\r\n" if "\r\n" in region else "\n"
        gap = "" if not text else newline if text.endswith("\n") else newline * 2
        return text + gap + region
    at = found[names.index(above)].after
    newline = "\r\n" if "\r\n" in region else "\n"
    return text[:at] + newline + region + text[at:]

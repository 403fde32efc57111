"""What the fields of a ledger's items hold after a merge: each by a rule of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from planctl.models.ledger import document as ledger
from planctl.models.ledger.document import PRIORITIES, FieldName, dependencies, fields_in
from planctl.models.ledger.regions import plain_of, regions

_T = TypeVar("_T")
_FIELDS: tuple[FieldName, ...] = ("Status", "Priority", "Depends on", "Archive")
_NONE = len(PRIORITIES)


def _fields(text: str, path: str) -> dict[str, dict[str, list[str]]]:
    plain = plain_of(text)
    found: dict[str, dict[str, list[str]]] = {}
    for region in regions(plain, path):
        known = found.setdefault(region.id, {})
        for name, values in fields_in(region.of(plain)).items():
            known.setdefault(name, []).extend(values)
    return found


def values_of(base: str, ours: str, theirs: str, path: str) -> dict[str, dict[FieldName, str]]:
    """Return the fields that hold after a merge, by item, where not all three say the same.

    Args:
        base: The last common version.
        ours: The version of the branch that is merged into.
        theirs: The version of the branch that is merged.
        path: The name of the ledger, for errors.

    Raises:
        BadFileError: A region has no end.
    """
    sides = [_fields(text, path) for text in (base, ours, theirs)]
    found: dict[str, dict[FieldName, str]] = {}
    for item in dict.fromkeys((*sides[1], *sides[2])):
        for name in _FIELDS:
            told = [side.get(item, {}).get(name) for side in sides]
            if told[0] == told[1] == told[2] and len(told[1] or ()) < 2:
                continue
            found.setdefault(item, {})[name] = _JOIN[name](*told)
    return found


def with_values(text: str, path: str, values: Mapping[str, Mapping[FieldName, str]]) -> str:
    """Return a ledger with other values of fields, where it has these fields.

    Raises:
        BadFileError: A region has no end.
    """
    there = _fields(text, path)
    for item, fields in values.items():
        for name, value in fields.items():
            if there.get(item, {}).get(name, [value]) != [value]:
                text = ledger.with_field(text, path, item, name, value)
    return text


Told = list[str] | None
"""The values of a field on one side, one a line; None when the side does not have the line."""


def _three(base: _T, ours: _T, theirs: _T, both: Callable[[_T, _T], _T]) -> _T:
    """Return what a three-way merge makes of a value; `both` decides when both sides changed it."""
    if ours == theirs or theirs == base:
        return ours
    return theirs if ours == base else both(ours, theirs)


def _status(base: Told, ours: Told, theirs: Told) -> str:
    def one(told: Told) -> str:
        return ledger.cautious(told or ()) or (told[0] if told else "pending")

    def less(a: str, b: str) -> str:
        return ledger.cautious((a, b)) or a

    if base is None:
        return less(one(ours or theirs), one(theirs or ours))
    return _three(one(base), one(ours or base), one(theirs or base), less)


def _priority(base: Told, ours: Told, theirs: Told) -> str:
    def higher(a: str, b: str) -> str:
        return min(a, b, key=lambda name: PRIORITIES.index(name) if name in PRIORITIES else _NONE)

    first, second = (ours or base or theirs or [""])[0], (theirs or base or ours or [""])[0]
    return _three((base or [""])[0], first, second, higher)


def _names(base: Told, ours: Told, theirs: Told) -> str:
    sets = [[name for line in told or () for name in dependencies(line)]
            for told in (base, ours or base, theirs or base)]  # fmt: skip
    gone = set(sets[0]) - (set(sets[1]) & set(sets[2]))
    kept = [name for name in dict.fromkeys((*sets[1], *sets[2])) if name not in gone]
    return ", ".join(kept) or "none"


_JOIN: dict[FieldName, Callable[[Told, Told, Told], str]] = {
    "Status": _status,
    "Priority": _priority,
    "Depends on": _names,
    "Archive": _names,
}

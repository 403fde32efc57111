"""Lists of name patterns as OpenSSH reads them: `*`, `?`, and `!` for names left out."""

from __future__ import annotations

from collections.abc import Iterable


def meet(first: str, second: str) -> bool:
    """Tell whether some name fits both of two patterns; a plain name is a pattern too.

    Takes time in proportion to the product of their lengths, whatever they hold.
    """
    fits = [[False] * (len(second) + 1) for _ in range(len(first) + 1)]
    for i in range(len(first), -1, -1):
        for j in range(len(second), -1, -1):
            fits[i][j] = _meet_at(first[i : i + 1], second[j : j + 1], i, j, fits)
    return fits[0][0]


def _meet_at(a: str, b: str, i: int, j: int, fits: list[list[bool]]) -> bool:
    if a == "*":
        return fits[i + 1][j] or (b != "" and fits[i][j + 1])
    if b == "*":
        return fits[i][j + 1] or (a != "" and fits[i + 1][j])
    if not a or not b:
        return not a and not b
    return (a == b or "?" in (a, b)) and fits[i + 1][j + 1]


def is_pattern(name: str) -> bool:
    """Tell whether a text stands for more than one name."""
    return any(char in name for char in "*?") or name.startswith("!")


def covers(patterns: Iterable[str], name: str) -> bool:
    """Tell whether a list of patterns takes a name in: one fits, and none leaves it out."""
    listed = tuple(patterns)
    if any(item.startswith("!") and meet(item[1:], name) for item in listed):
        return False
    return any(not item.startswith("!") and meet(item, name) for item in listed)


def overlap(first: tuple[str, ...], second: tuple[str, ...]) -> bool:
    """Tell whether two lists may name the same one: never False when they could."""
    for ours in (item for item in first if not item.startswith("!")):
        for theirs in (item for item in second if not item.startswith("!")):
            if not meet(ours, theirs):
                continue
            plain = next((item for item in (ours, theirs) if not is_pattern(item)), None)
            if plain is None or (covers(first, plain) and covers(second, plain)):
                return True
    return False

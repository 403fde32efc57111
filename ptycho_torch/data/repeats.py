"""Positions and patterns that occur twice."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator

import numpy as np

from ptycho_torch.data.light import Light
from ptycho_torch.data.remark import Remark
from ptycho_torch.data.scan import Array, ScanData

_SAME_PX = 1e-6
_ENOUGH_COUNTS = 20
"""Two patterns of fewer counts may be equal by chance."""
_DIFFERENT = 5.0
"""Standard deviations."""
_MOST_PAIRS = 200


def repeated_remarks(scan: ScanData, light: Light) -> Iterator[Remark]:
    """Look for positions and patterns that occur more than once.

    A scan that visits every position equally often, with patterns that agree within the noise of
    photons, is one of several exposures, and fine.

    Args:
        scan: The measurement.
        light: Its sums.

    Yields:
        What looks wrong.
    """
    pairs = _equal_pairs(scan.positions_px)
    if len(pairs) and not _by_chance(scan.positions_px, len(pairs)):
        visits = np.bincount(pairs.ravel(), minlength=len(scan))
        evenly = visits.min() == visits.max()
        if not evenly or _differ(scan, light, pairs):
            first, second = pairs[0]
            yield Remark(
                "duplicate-positions",
                f"{len(np.unique(pairs))} patterns share their position with another one, first "
                f"numbers {first} and {second}",
                "the stage or its read-out stood still, or lines were written twice; leave these "
                "patterns out, or let positions be corrected",
            )
    same = _equal_patterns(scan, light)
    if same:
        first, second = same[0]
        yield Remark(
            "duplicate-patterns",
            f"{len(same)} patterns are copies of others, first numbers {first} and {second}",
            "a detector that delivered a frame twice, or a file that was put together twice",
        )


def _equal_pairs(positions_px: Array) -> Array:
    """Return (n, 2) pairs of patterns at one position, each with the next one there."""
    _, where = np.unique(np.round(positions_px / _SAME_PX), axis=0, return_inverse=True)
    order = np.argsort(where.ravel(), kind="stable")
    sorted_places = where.ravel()[order]
    follows = np.flatnonzero(sorted_places[1:] == sorted_places[:-1])
    return np.stack([order[follows], order[follows + 1]], axis=1)


def _by_chance(positions_px: Array, pairs: int) -> bool:
    """Whether positions on whole pixels are so dense that some fall together."""
    if not np.array_equal(positions_px, np.rint(positions_px)):
        return False
    extent = positions_px.max(axis=0) - positions_px.min(axis=0) + 1
    expected = len(positions_px) ** 2 / 2 / float(np.prod(extent))
    return pairs <= expected + 3 * math.sqrt(expected)


def _differ(scan: ScanData, light: Light, pairs: Array) -> bool:
    """Whether patterns at one position differ by more than photon noise.

    Of two counts a and b with one mean, (a - b)^2 / (a + b) has the mean 1 and the variance
    2 - 2 / (a + b), whatever that mean is.
    """
    excess = variance = 0.0
    power = 1 if scan.measurement == "counts" else 2
    for first, second in pairs[:_MOST_PAIRS]:
        a, b = (
            scan.diffraction[index].astype(np.float64) ** power / light.unit
            for index in (first, second)
        )
        both = (a + b)[a + b > 0]
        difference = (a - b)[a + b > 0]
        excess += float((np.square(difference) / both - 1).sum())
        variance += float((2 - 2 / np.maximum(both, 1)).sum())
    return excess > _DIFFERENT * math.sqrt(max(variance, 1.0))


def _equal_patterns(scan: ScanData, light: Light) -> list[tuple[int, int]]:
    """Return pairs of patterns that are equal bit by bit, though they have light."""
    known: dict[bytes, int] = {}
    found = []
    for index in np.flatnonzero(light.per_pattern >= _ENOUGH_COUNTS):
        digest = hashlib.blake2b(scan.diffraction[index].tobytes(), digest_size=16).digest()
        if digest in known:
            found.append((known[digest], int(index)))
        known.setdefault(digest, int(index))
    return found

"""What all patterns of a scan add up to, in one pass and without a copy of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ptycho_torch.data.scan import Array, ScanData

_BLOCK_BYTES = 1 << 24


@dataclass(frozen=True)
class Light:
    """Sums over a scan's patterns, as counts.

    Attributes:
        total: (row, col) float64, counts of each pixel over all patterns.
        square: (row, col) float64, the same of the squared counts.
        per_pattern: (n,) float64, counts of each pattern.
        unit: What one count is in the file's intensity: the smallest positive value.
    """

    total: Array
    square: Array
    per_pattern: Array
    unit: float

    @property
    def patterns(self) -> int:
        """How many."""
        return len(self.per_pattern)


def blocks(scan: ScanData) -> Iterator[tuple[slice, Array]]:
    """Yield intensities a few patterns at a time.

    Args:
        scan: The measurement.

    Yields:
        Which patterns, and their (n, row, col) float32 intensity in the file's unit.
    """
    step = max(1, _BLOCK_BYTES // (4 * scan.n_pixel**2))
    for start in range(0, len(scan), step):
        part = slice(start, start + step)
        values = scan.diffraction[part]
        yield part, values if scan.measurement == "counts" else np.square(values)


def gather(scan: ScanData) -> Light:
    """Sum up a scan.

    Args:
        scan: The measurement; at least one value is above 0.

    Returns:
        The sums, in counts as far as the smallest value is one count.
    """
    total = np.zeros((scan.n_pixel, scan.n_pixel))
    square = np.zeros_like(total)
    per_pattern = np.zeros(len(scan))
    unit = np.inf
    for part, intensity in blocks(scan):
        total += intensity.sum(axis=0, dtype=np.float64)
        square += np.einsum("nij,nij->ij", intensity, intensity, dtype=np.float64)
        per_pattern[part] = intensity.sum(axis=(1, 2), dtype=np.float64)
        unit = min(unit, float(np.min(intensity, initial=np.inf, where=intensity > 0)))
    return Light(total / unit, square / unit**2, per_pattern / unit, unit)

"""Fourier ring correlation: up to which frequency two images agree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
_SLOW_PER_PX = 0.0625


@dataclass(frozen=True)
class RingCorrelation:
    """Agreement of two images, ring by ring.

    Attributes:
        frequency: (k,) float64, cycles per pixel, up to 0.5.
        value: (k,) float64 in [-1, 1].
        half_bit: (k,) float64, the half-bit threshold.
        one_bit: (k,) float64, the 1-bit threshold.
    """

    frequency: Array
    value: Array
    half_bit: Array
    one_bit: Array

    def crossing(self, threshold: Array | float) -> float:
        """Frequency at which the correlation falls below a threshold.

        Rings below an eighth of the band may lie under the threshold before the curve rises: a
        slow drift of the phase, which overlapping patches hardly fix, says nothing of resolution.

        Args:
            threshold: One value, or one a ring.

        Returns:
            Cycles per pixel, linearly interpolated; 0 if the curve never rises in time, the last
            ring's frequency if it never falls.
        """
        margin = self.value - threshold
        above = np.flatnonzero((margin >= 0) & (self.frequency <= _SLOW_PER_PX))
        if len(above) == 0:
            return 0.0
        below = np.flatnonzero(margin[above[0] :] < 0) + above[0]
        if len(below) == 0:
            return float(self.frequency[-1])
        last = int(below[0]) - 1
        step = margin[last] / (margin[last] - margin[last + 1])
        low, high = self.frequency[last], self.frequency[last + 1]
        return float(low + step * (high - low))


def ring_correlation(first: Array, second: Array) -> RingCorrelation:
    """Correlate two images ring by ring in Fourier space.

    Means are removed and a Hann window is applied first; otherwise the common frame would
    correlate by itself and even a flat object would score. Thresholds: van Heel and Schatz,
    J. Struct. Biol. 151, 2005, 10.1016/j.jsb.2005.05.009.

    Args:
        first: (H, W) complex or real.
        second: (H, W), registered to the first.

    Returns:
        The correlation with its thresholds.
    """
    window = np.hanning(first.shape[0])[:, None] * np.hanning(first.shape[1])[None, :]
    spectra = [np.fft.fft2((image - image.mean()) * window) for image in (first, second)]
    frequency = np.hypot(np.fft.fftfreq(first.shape[0])[:, None], np.fft.fftfreq(first.shape[1]))
    width = 1 / min(first.shape)
    ring = np.rint(frequency / width).astype(int).ravel()
    rings = int(0.5 / width)

    def total(values: Array) -> Array:
        return np.bincount(ring, values.ravel(), minlength=rings + 1)[1 : rings + 1]

    cross = total((spectra[0] * spectra[1].conj()).real)
    power = total(np.abs(spectra[0]) ** 2) * total(np.abs(spectra[1]) ** 2)
    value = np.divide(cross, np.sqrt(power), out=np.zeros_like(cross), where=power > 0)
    root = np.sqrt(total(np.ones_like(frequency)))
    half_bit = (0.2071 + 1.9102 / root) / (1.2071 + 0.9102 / root)
    one_bit = (0.5 + 2.4142 / root) / (1.5 + 1.4142 / root)
    return RingCorrelation(width * np.arange(1, rings + 1), value, half_bit, one_bit)

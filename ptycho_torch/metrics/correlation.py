"""Fourier ring correlation: up to which frequency two images agree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Array = npt.NDArray[Any]
_SLOW_PER_PX = 0.0625
_TAPER = 0.25
_FAINT = 1e-9
_NEAR, _WEAK = 4, 1e-4


@dataclass(frozen=True)
class RingCorrelation:
    """Agreement of two images, ring by ring.

    Attributes:
        frequency: (k,) float64, cycles per pixel, up to 0.5.
        value: (k,) float64 in [-1, 1].
        half_bit: (k,) float64, the half-bit threshold.
        one_bit: (k,) float64, the 1-bit threshold.
        samples: (k,) float64, independent samples a ring; the correlation of independent noise
            has the standard deviation 1 / sqrt(samples).
        transfer: (k,) float64, how much of the second image's amplitude the first one shows,
            Re sum F conj(G) / sum |G|^2; NaN where the second has none.
    """

    frequency: Array
    value: Array
    half_bit: Array
    one_bit: Array
    samples: Array
    transfer: Array

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
        return _falls(self.frequency, self.value - threshold)

    def transfer_crossing(self, level: float = 0.5) -> float:
        """Frequency at which the transferred amplitude falls below a level.

        Args:
            level: Share of the second image's amplitude.

        Returns:
            Cycles per pixel, as `crossing`; rings without amplitude in the second are skipped.
        """
        known = np.isfinite(self.transfer)
        if not known.any():
            return 0.0
        return _falls(self.frequency[known], self.transfer[known] - level)


def ring_correlation(first: Array, second: Array, inside: Array | None = None) -> RingCorrelation:
    """Correlate two images ring by ring in Fourier space.

    Means are removed and a window is applied first; otherwise the common frame would correlate by
    itself and even a flat object would score. The window is a Hann window, and falls to 0 towards
    what is not compared.

    Thresholds: van Heel and Schatz, J. Struct. Biol. 151, 2005, 10.1016/j.jsb.2005.05.009,
    equations 14 and 17. They are stated for rings whose correlation, for independent noise, has
    the standard deviation 1 / sqrt(n). That n is the number of pixels in the ring only for real
    images without a window: a window makes neighbours in Fourier space dependent, and a complex
    image has twice the numbers, since the two halves of a real one's ring are the same.

    Args:
        first: (H, W) complex or real.
        second: (H, W), registered to the first.
        inside: (H, W) bool, True where the two are compared; None is everywhere.

    Returns:
        The correlation with its thresholds.
    """
    window = apodisation(first.shape, inside)
    spectra = [_spectrum(image, window) for image in (first, second)]
    frequency = np.hypot(np.fft.fftfreq(first.shape[0])[:, None], np.fft.fftfreq(first.shape[1]))
    width = 1 / min(first.shape)
    ring = np.rint(frequency / width).astype(int)
    rings = int(0.5 / width)

    def total(values: Array) -> Array:
        return np.bincount(ring.ravel(), values.ravel(), minlength=rings + 1)[1 : rings + 1]

    cross = total((spectra[0] * spectra[1].conj()).real)
    powers = [total(np.abs(spectrum) ** 2) for spectrum in spectra]
    power = powers[0] * powers[1]
    value = np.divide(cross, np.sqrt(power), out=np.zeros_like(cross), where=power > 0)
    there = powers[1] > _FAINT * powers[1].max(initial=0)
    transfer = np.divide(cross, powers[1], out=np.full_like(cross, np.nan), where=there)
    samples = _samples(ring, rings, window)
    if np.iscomplexobj(first) or np.iscomplexobj(second):
        samples = 2 * samples
    half_bit, one_bit = thresholds(samples)
    return RingCorrelation(
        width * np.arange(1, rings + 1), value, half_bit, one_bit, samples, transfer
    )


def thresholds(samples: Array) -> tuple[Array, Array]:
    """Return the half-bit and the 1-bit threshold of van Heel and Schatz.

    Args:
        samples: (k,) independent samples a ring.

    Returns:
        Both (k,); for many samples they tend to 0.1716 and 0.3333. Never above 1.
    """
    root = np.sqrt(samples)
    half_bit = (0.2071 + 1.9102 / root) / (1.2071 + 0.9102 / root)
    one_bit = (0.5 + 2.4142 / root) / (1.5 + 1.4142 / root)
    return np.minimum(half_bit, 1.0), np.minimum(one_bit, 1.0)


def apodisation(shape: tuple[int, ...], inside: Array | None = None) -> Array:
    """Return the window that both images are multiplied with.

    Args:
        shape: (H, W).
        inside: (H, W) bool, True where the images are compared; None is everywhere.

    Returns:
        (H, W) float64, a Hann window, multiplied by a cosine that falls to 0 within a quarter of
        the shorter edge towards what is not compared.
    """
    # Symmetric about the middle and nowhere 0, so that no pixel of a small image is lost.
    rows, cols = (np.hanning(edge + 2)[1:-1] for edge in shape)
    window: Array = np.multiply.outer(rows, cols)
    if inside is None or inside.all():
        return window
    depth = ndimage.distance_transform_edt(inside)
    width = max(1.0, min(_TAPER * min(shape), float(depth.max())))
    edge = 0.5 - 0.5 * np.cos(np.pi * np.clip(depth / (width + 1), 0, 1))
    return np.asarray(window * edge)


def _spectrum(image: Array, window: Array) -> Array:
    total = window.sum()
    mean = (image * window).sum() / total if total > 0 else 0.0
    rest = (image - mean) * window
    if np.abs(rest).max(initial=0) <= 1e-7 * abs(mean):  # constant but for rounding
        rest = np.zeros_like(rest)
    return np.asarray(np.fft.fft2(rest))


def _samples(ring: Array, rings: int, window: Array) -> Array:
    """Independent complex samples a ring: n^2 over the summed |correlation|^2 of its pixel pairs.

    For white noise under a window w, two pixels of the Fourier plane correlate as the transform of
    w^2 between them, which is narrow: pairs farther apart than a few pixels do not count.
    """
    kernel = np.abs(np.fft.fft2(window**2)) ** 2
    kernel = kernel / max(float(kernel[0, 0]), 1e-300)
    reach = [min(_NEAR, (edge - 1) // 2) for edge in window.shape]
    count = np.bincount(ring.ravel(), minlength=rings + 1)[1 : rings + 1].astype(np.float64)
    pairs = count.copy()
    for row in range(reach[0] + 1):
        for col in range(-reach[1], reach[1] + 1):
            share = float(kernel[row, col])
            if (row, col) > (0, 0) and share > _WEAK:
                # Every pair is met once from each side.
                same = ring[ring == np.roll(ring, (row, col), (0, 1))]
                pairs += 2 * share * np.bincount(same, minlength=rings + 1)[1 : rings + 1]
    return count**2 / pairs


def _falls(frequency: Array, margin: Array) -> float:
    """Where a margin over frequency changes its sign for good after it was positive early."""
    above = np.flatnonzero((margin >= 0) & (frequency <= _SLOW_PER_PX))
    if len(above) == 0:
        return 0.0
    below = np.flatnonzero(margin[above[0] :] < 0) + above[0]
    if len(below) == 0:
        return float(frequency[-1])
    last = int(below[0]) - 1
    step = margin[last] / (margin[last] - margin[last + 1])
    low, high = frequency[last], frequency[last + 1]
    return float(low + step * (high - low))

"""Remove what ptychography leaves open: a shift, a phase ramp and a complex factor."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.registration import phase_cross_correlation

Array = npt.NDArray[Any]

MAX_SHIFT_PX = 6
"""A larger shift is not drift but a wrong frame: it is left alone and shows in every figure."""

_UPSAMPLING = 50
_ITERATIONS = 5


@dataclass(frozen=True)
class Aligned:
    """A reconstruction on the truth's pixels.

    Attributes:
        image: (H, W) complex128, shift, ramp, gain and global phase removed.
        shift_px: (row, col) by which the reconstruction was moved.
    """

    image: Array
    shift_px: tuple[float, float]


def align(found: Array, truth: Array, margin: int) -> Aligned:
    """Bring a reconstruction onto the truth.

    Args:
        found: (H + 2 margin, W + 2 margin) complex, the reconstruction with a border to shift in.
        truth: (H, W) complex.
        margin: Width of that border in pixels.

    Returns:
        The aligned centre of the reconstruction.
    """
    inner = _centre(found, margin)
    if np.ptp(np.abs(inner)) == 0 and np.ptp(np.angle(inner)) == 0:
        return Aligned(match_gain(inner, truth), (0.0, 0.0))
    # The ramp must go before interpolation, or it would be interpolated as detail.
    level = found * _ramp(found.shape, fit_ramp(inner, truth), margin)
    shift = _find_shift(level, truth, margin)
    inner = _centre(_moved(level, shift), margin)
    inner = inner * _ramp(inner.shape, fit_ramp(inner, truth), 0)
    return Aligned(match_gain(inner, truth), (float(shift[0]), float(shift[1])))


def _find_shift(found: Array, truth: Array, margin: int) -> Array:
    """Shift to apply, by repeated cross-correlation of windowed images.

    The window keeps the borders from correlating but pulls each estimate towards 0; measuring
    what is left after moving removes that.
    """
    window = np.hanning(truth.shape[0])[:, None] * np.hanning(truth.shape[1])[None, :]
    reference = (truth - truth.mean()) * window
    shift = np.zeros(2)
    for _ in range(_ITERATIONS):
        inner = _centre(_moved(found, shift), margin)
        inner = match_gain(inner * _ramp(inner.shape, fit_ramp(inner, truth), 0), truth)
        step, _, _ = phase_cross_correlation(  # type: ignore[no-untyped-call]
            reference,
            (inner - inner.mean()) * window,
            upsample_factor=_UPSAMPLING,
            normalization=None,
        )
        shift = shift + step
        if np.abs(shift).max() > min(MAX_SHIFT_PX, margin):
            return np.zeros(2)
        if np.abs(step).max() < 2 / _UPSAMPLING:
            break
    return shift


def _moved(image: Array, shift: Array) -> Array:
    if not np.any(shift):
        return image
    parts = [ndimage.shift(p, shift, order=3, mode="nearest") for p in (image.real, image.imag)]
    moved: Array = parts[0] + 1j * parts[1]
    return moved


def fit_ramp(found: Array, truth: Array) -> tuple[float, float]:
    """Find the linear phase between two images.

    The strongest frequency of conj(found) truth gives a start; a weighted least-squares fit of the
    phase that is left, iterated, gives the rest.

    Args:
        found: (H, W) complex.
        truth: (H, W) complex.

    Returns:
        Radians per pixel (row, col) to multiply `found` with.
    """
    product = np.conj(found) * truth
    spectrum = np.abs(np.fft.fft2(product))
    peak = np.unravel_index(int(spectrum.argmax()), spectrum.shape)
    slope = np.array(
        [2 * math.pi * np.fft.fftfreq(n)[i] for n, i in zip(product.shape, peak, strict=True)]
    )
    rows, cols = (axis - axis.mean() for axis in np.indices(product.shape, dtype=np.float64))
    weight = np.abs(product)
    spread = [float((weight * axis**2).sum()) for axis in (rows, cols)]
    if min(spread) == 0:
        return 0.0, 0.0
    for _ in range(10):
        left = product * np.exp(-1j * (slope[0] * rows + slope[1] * cols))
        left = left * np.exp(-1j * np.angle(left.sum()))
        angle = weight * np.angle(left)
        step = [float((angle * a).sum()) / s for a, s in zip((rows, cols), spread, strict=True)]
        slope += step
        if max(map(abs, step)) < 1e-9:
            break
    return float(slope[0]), float(slope[1])


def match_gain(found: Array, truth: Array) -> Array:
    """Scale to the truth: the amplitude's least-squares gain and the mean relative phase.

    Args:
        found: (H, W) complex.
        truth: (H, W) complex.

    Returns:
        (H, W) complex128.
    """
    power = float(np.square(np.abs(found), dtype=np.float64).sum())
    if power == 0:
        return found.astype(np.complex128)
    gain = float((np.abs(found) * np.abs(truth)).sum(dtype=np.float64)) / power
    phase = np.angle((np.conj(found) * truth).sum(dtype=np.complex128))
    matched: Array = found.astype(np.complex128) * (gain * np.exp(1j * phase))
    return matched


def _ramp(shape: tuple[int, ...], slope: tuple[float, float], margin: int) -> Array:
    rows, cols = np.indices(shape, dtype=np.float64) - margin
    ramp: Array = np.exp(1j * (slope[0] * rows + slope[1] * cols))
    return ramp


def _centre(image: Array, margin: int) -> Array:
    return image[margin : image.shape[0] - margin, margin : image.shape[1] - margin]

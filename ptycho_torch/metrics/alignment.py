"""Remove what ptychography leaves open: a shift, a phase ramp and a complex factor.

The shift is a fraction of a pixel, applied in Fourier space: that is exact for what the pixels can
hold and, other than interpolation by splines, takes nothing away from noise or detail. Shift, ramp
and factor are those that minimise the squared distance, all at once by Gauss-Newton steps, so no
window and no grid of trial shifts biases them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

MAX_SHIFT_PX = 6
"""As far as a reconstruction in the reference's own frame is moved; more is another frame."""

BORDER_PX = 16
"""Pixels around an image in which it fades out before it is shifted."""

_STEPS = 30
_HALVINGS = 6
_ENOUGH_PX = 1e-5


@dataclass(frozen=True)
class Aligned:
    """A reconstruction on the reference's pixels.

    Attributes:
        image: (H, W) complex128, shift, ramp, gain and global phase removed.
        shift_px: (row, col) by which the reconstruction was moved.
        ramp_rad_per_px: (row, col) slope of the phase that it was multiplied with.
    """

    image: Array
    shift_px: tuple[float, float]
    ramp_rad_per_px: tuple[float, float] = (0.0, 0.0)


def align(
    found: Array,
    truth: Array,
    margin: int,
    inside: Array | None = None,
    reach_px: float = 1.5,
) -> Aligned:
    """Bring a reconstruction onto a reference, from about a pixel away.

    Args:
        found: (H + 2 margin, W + 2 margin) complex, the reconstruction with a border to shift in.
        truth: (H, W) complex.
        margin: Width of that border in pixels.
        inside: (H, W) bool, True where the two are compared; None is everywhere.
        reach_px: As far as it is shifted; 0 leaves it where it is.

    Returns:
        The aligned centre of the reconstruction.
    """
    used = np.ones(truth.shape, bool) if inside is None else inside
    inner = centre(found, margin)
    fit = _Fit(found, truth, margin, used)
    start = fit_ramp(np.where(used, inner, 0), truth)
    # Within a border of m pixels no more than m can be moved without inventing what comes in.
    limit = (
        0.0 if _constant(truth[used]) or _constant(inner[used]) else min(reach_px, float(margin))
    )
    state = fit.minimised(np.array([0.0, 0.0, *start]), limit)
    image = match_gain(fit.moved(state)[0], truth, used)
    row, col, slow, fast = (float(value) for value in state)
    return Aligned(image, (row, col), (slow, fast))


class _Fit:
    """Squared distance of a shifted, tilted and scaled image from a reference.

    The state is (row shift, column shift, row slope, column slope).
    """

    def __init__(self, found: Array, truth: Array, margin: int, inside: Array) -> None:
        self.truth, self.inside, self.margin = truth, inside, margin
        self.found = _tame(found, margin)
        extra = max(0, BORDER_PX - margin)
        self.border = margin + extra
        self.found = np.pad(self.found, extra, mode="symmetric")
        self.fade = np.multiply.outer(*(_fade(edge, self.border) for edge in self.found.shape))
        self.axes = [np.arange(edge, dtype=np.float64) - self.border for edge in self.found.shape]
        self.frequency = [np.fft.fftfreq(edge) for edge in self.found.shape]
        middle = [(edge - 1) / 2 for edge in truth.shape]
        rows, cols = (axis - m for axis, m in zip(np.indices(truth.shape), middle, strict=True))
        self.lever = rows[inside], cols[inside]

    def minimised(self, state: Array, limit: float) -> Array:
        """Gauss-Newton steps, halved until the distance falls, shifts within `limit`."""
        best = self.distance(state)
        for _ in range(_STEPS):
            step = self.step(state, movable=limit > 0)
            for _ in range(_HALVINGS):
                trial = state + step
                trial[:2] = np.clip(trial[:2], -limit, limit)
                reached = self.distance(trial)
                if reached < best:
                    break
                step = step / 2
            else:
                return state
            gained, state, best = best - reached, trial, reached
            if np.abs(step).max() < _ENOUGH_PX or gained < 1e-12 * best:
                break
        return state

    def distance(self, state: Array) -> float:
        """1 - |correlation|^2, the squared relative distance with the best complex factor."""
        found, truth = self.moved(state)[0][self.inside], self.truth[self.inside]
        power = float(np.square(np.abs(found)).sum() * np.square(np.abs(truth)).sum())
        return 1 - abs(complex(np.vdot(found, truth))) ** 2 / power if power else 1.0

    def step(self, state: Array, *, movable: bool) -> Array:
        """Least squares for the change of the state, the complex factor free."""
        image, *slopes = (part[self.inside] for part in self.moved(state, derivatives=movable))
        target = self.truth[self.inside]
        factor = np.vdot(image, target) / max(float(np.square(np.abs(image)).sum()), 1e-300)
        image = factor * image
        parts = [*(factor * part for part in slopes), *(1j * axis * image for axis in self.lever)]
        columns = np.stack([*parts, image, 1j * image])
        normal = (columns.conj() @ columns.T).real
        right = (columns.conj() @ (target - image)).real
        size = np.sqrt(np.maximum(np.diag(normal), 1e-300))
        solved = np.linalg.lstsq(normal / np.outer(size, size), right / size, rcond=1e-10)[0]
        change = solved / size
        if not movable:
            return np.array([0.0, 0.0, *change[:2]])
        return np.concatenate([np.clip(change[:2], -1, 1), change[2:4]])

    def moved(self, state: Array, *, derivatives: bool = False) -> tuple[Array, ...]:
        """The centre of the levelled, shifted image, and its derivatives by the shifts."""
        tilt = [np.exp(1j * k * axis) for k, axis in zip(state[2:], self.axes, strict=True)]
        level = self.found * np.multiply.outer(*tilt)
        if not (np.any(state[:2]) or derivatives):
            return (centre(level, self.border),)
        mean = centre(level, self.border)[self.inside].mean()
        spectrum = np.fft.fft2((level - mean) * self.fade)
        turn = [
            np.exp(-2j * math.pi * f * s) for f, s in zip(self.frequency, state[:2], strict=True)
        ]
        spectrum = spectrum * np.multiply.outer(*turn)
        images = [mean + centre(np.fft.ifft2(spectrum), self.border)]
        if derivatives:
            rows, cols = (-2j * math.pi * f for f in self.frequency)
            for factor in (rows[:, None], cols[None, :]):
                images.append(centre(np.fft.ifft2(spectrum * factor), self.border))
        return tuple(images)


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


def match_gain(found: Array, truth: Array, inside: Array | None = None) -> Array:
    """Scale to the truth: the amplitude's least-squares gain and the mean relative phase.

    Args:
        found: (H, W) complex.
        truth: (H, W) complex.
        inside: (H, W) bool, True where the two are compared; None is everywhere.

    Returns:
        (H, W) complex128.
    """
    one, other = (found, truth) if inside is None else (found[inside], truth[inside])
    power = float(np.square(np.abs(one), dtype=np.float64).sum())
    if power == 0:
        return found.astype(np.complex128)
    gain = float((np.abs(one) * np.abs(other)).sum(dtype=np.float64)) / power
    phase = np.angle((np.conj(one) * other).sum(dtype=np.complex128))
    matched: Array = found.astype(np.complex128) * (gain * np.exp(1j * phase))
    return matched


def centre(image: Array, margin: int) -> Array:
    """Return an image without its border.

    Args:
        image: (H + 2 margin, W + 2 margin).
        margin: Width of the border.

    Returns:
        (H, W), a view.
    """
    return image[margin : image.shape[0] - margin, margin : image.shape[1] - margin]


def _tame(found: Array, margin: int) -> Array:
    """Bound the border's amplitude by the inside's: its spikes would ring into the inside."""
    strongest = float(np.abs(centre(found, margin)).max(initial=0))
    size = np.abs(found)
    scale = np.divide(strongest, size, out=np.ones_like(size, dtype=np.float64), where=size > 0)
    bounded: Array = found * np.minimum(scale, 1.0)
    return bounded


def _fade(edge: int, border: int) -> Array:
    """1 inside and just outside, falling to 0 at the far end of the border as a cosine."""
    flat = border // 3
    distance = np.minimum(np.arange(edge), np.arange(edge)[::-1])
    rise = np.clip((distance + 1) / (border - flat + 1), 0, 1)
    return np.asarray(0.5 - 0.5 * np.cos(math.pi * rise))


def _constant(values: Array) -> bool:
    mean = values.mean()
    return bool(np.abs(values - mean).max(initial=0) <= 1e-9 * abs(mean))

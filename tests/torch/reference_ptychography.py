"""An exact metric and a textbook rPIE in NumPy, to judge `ptycho_torch` by; it imports none of it.

The metric removes shift, phase ramp and complex gain with a general optimiser over all of them at
once, where the package has a fast way. The textbook's rPIE takes one pattern after the other
(Maiden, Johnson and Li, Optica 4, 2017, 10.1364/OPTICA.4.000736), without momentum, batches or
likelihoods.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage, optimize

from tests.torch.reference_scenes import Measured, corner_of, intensity_at, shift_ramp

Array = npt.NDArray[Any]

_ROOM_PX = 8


@dataclass(frozen=True)
class Judgement:
    """How far an object is from the truth.

    Attributes:
        error: |c found - truth| / |truth| with the best shift, ramp and complex c.
        amplitude: Mean absolute error of the amplitude.
        phase_rad: Mean absolute error of the phase.
        flat: `error` of the flat object.
    """

    error: float
    amplitude: float
    phase_rad: float
    flat: float


def judge(found: Array, origin: Array, measured: Measured) -> Judgement:
    """Compare between the outermost positions, where at least a tenth of the median light fell.

    Args:
        found: (H, W) complex.
        origin: (row, col), the true object's pixel of `found[0, 0]`.
        measured: The truth.

    Returns:
        The errors.
    """
    low = np.ceil(measured.positions_px.min(axis=0)).astype(int)
    high = np.floor(measured.positions_px.max(axis=0)).astype(int) + 1
    window = slice(low[0], high[0]), slice(low[1], high[1])
    light = _light(measured)[window]
    lit = light >= 0.1 * np.median(light)
    reference = measured.obj[window] * lit
    start, stop = low - origin, high - origin
    room = int(min(_ROOM_PX, *start, *(np.array(found.shape) - stop)))
    wide = found[start[0] - room : stop[0] + room, start[1] - room : stop[1] + room]
    fitted = _fitted(wide.astype(np.complex128), reference, room)[lit]
    flat, reference = _flat_error(reference, lit), reference[lit]
    gain = (np.abs(fitted) * np.abs(reference)).sum() / (np.abs(fitted) ** 2).sum()
    turned = fitted * np.exp(1j * np.angle(np.vdot(fitted, reference)))
    return Judgement(
        error=float(np.linalg.norm(fitted - reference) / np.linalg.norm(reference)),
        amplitude=float(np.abs(gain * np.abs(fitted) - np.abs(reference)).mean()),
        phase_rad=float(np.abs(np.angle(turned * reference.conj())).mean()),
        flat=flat,
    )


def _light(measured: Measured) -> Array:
    """Summed intensity of the true probe over the object."""
    light = np.zeros(measured.obj.shape)
    size = measured.probe.shape[-1]
    for place in measured.positions_px:
        (row, col), _ = corner_of(place, size)
        light[row : row + size, col : col + size] += (np.abs(measured.probe) ** 2).sum(axis=0)
    return light


def _fitted(wide: Array, truth: Array, room: int) -> Array:
    """Move, ramp and scale so that the squared distance is smallest where the truth is not 0."""
    shift, slope = _whole_start(wide, truth, room)
    rows, cols = (axis - room for axis in np.indices(wide.shape, np.float64))
    level = wide * np.exp(1j * (slope[0] * rows + slope[1] * cols))
    places = np.indices(truth.shape, np.float64)
    centred = places - (np.array(truth.shape)[:, None, None] - 1) / 2

    def at(values: Array) -> Array:
        grid = places + room - values[:2, None, None]
        moved = ndimage.map_coordinates(level, grid, order=3, mode="nearest")
        moved = moved * np.exp(0.05j * np.tensordot(values[2:], centred, axes=1)) * (truth != 0)
        return np.asarray(moved * (np.vdot(moved, truth) / np.vdot(moved, moved).real))

    begin = np.array([*shift, 0.0, 0.0])
    simplex = begin + np.vstack([np.zeros(4), 0.3 * np.eye(4)])
    best = optimize.minimize(
        lambda values: float(np.linalg.norm(at(values) - truth)),
        begin,
        method="Nelder-Mead",
        options={"xatol": 1e-3, "fatol": 1e-6, "maxiter": 300, "initial_simplex": simplex},
    )
    return at(best.x)


def _whole_start(wide: Array, truth: Array, room: int) -> tuple[Array, Array]:
    """Try every whole shift; the strongest frequency of conj(found) truth is the ramp."""
    size = tuple(2 * edge for edge in truth.shape)
    best: tuple[float, Array, Array] = (-1.0, np.zeros(2), np.zeros(2))
    for row, col in np.ndindex(2 * room + 1, 2 * room + 1):
        piece = wide[row : row + truth.shape[0], col : col + truth.shape[1]]
        spectrum = np.abs(fft.fft2(piece.conj() * truth, size))
        peak = np.unravel_index(int(spectrum.argmax()), size)
        value = float(spectrum[peak] / max(np.linalg.norm(piece), 1e-30))
        if value > best[0]:
            slope = [2 * math.pi * fft.fftfreq(n)[k] for n, k in zip(size, peak, strict=True)]
            best = (value, np.array([room - row, room - col], float), np.array(slope))
    return best[1], best[2]


def _flat_error(truth: Array, lit: Array) -> float:
    peak = np.abs(fft.fft2(truth, tuple(4 * edge for edge in truth.shape))).max()
    return math.sqrt(max(0.0, 1 - float(peak / np.linalg.norm(truth)) ** 2 / lit.sum()))


def r_factor(
    measured: Measured, obj: Array, origin: Array, probe: Array, positions_px: Array
) -> float:
    """R factor of an object with a probe, by this reference's own forward model, best gain.

    Args:
        measured: Counts and mask.
        obj: (H, W) complex.
        origin: (row, col) of `obj[0, 0]` in the frame of the positions.
        probe: (mode, N, N) complex.
        positions_px: (n, 2) float64.

    Returns:
        sqrt(sum (g sqrt I - A)^2 / sum A^2) with the best g.
    """
    good = True if measured.mask is None else measured.mask
    found = np.stack([intensity_at(obj, probe, place - origin) for place in positions_px]) * good
    amplitude, wanted = np.sqrt(found), np.sqrt(measured.counts * good)
    gain = (amplitude * wanted).sum() / found.sum()
    return float(np.linalg.norm(gain * amplitude - wanted) / np.linalg.norm(wanted))


@dataclass(frozen=True)
class Textbook:
    """What the textbook's rPIE found.

    Attributes:
        obj: (H, W) complex64.
        origin: (row, col) of its first pixel.
        epochs: Passes it made.
        cpu_s: CPU seconds it took.
    """

    obj: Array
    origin: Array
    epochs: int
    cpu_s: float


def textbook_rpie(
    measured: Measured, *, epochs: int = 30, cpu_s: float = math.inf, alpha: float = 0.1
) -> Textbook:
    """Reconstruct by sequential rPIE with probe update from the second pass.

    Args:
        measured: The measurement; given probe and positions are used.
        epochs: Most passes.
        cpu_s: No pass is begun after so many CPU seconds.
        alpha: Regularisation of the object's step.

    Returns:
        The object and what it cost.
    """
    size = measured.counts.shape[-1]
    good = None if measured.mask is None else np.fft.ifftshift(measured.mask)
    modulus = np.fft.ifftshift(np.sqrt(measured.counts), axes=(-2, -1)).astype(np.float32)
    energy = float(((modulus if good is None else modulus * good) ** 2).sum()) / len(modulus)
    probe = measured.given_probe.astype(np.complex64)
    probe *= np.float32(math.sqrt(energy) / np.linalg.norm(probe))
    origin = np.floor(measured.given_px.min(axis=0)).astype(int) - size // 2 - 1
    stop = np.ceil(measured.given_px.max(axis=0)).astype(int) + size // 2 + 2
    obj = np.ones(tuple(stop - origin), np.complex64)
    places = [corner_of(place - origin, size) for place in measured.given_px]
    ramps = [shift_ramp(size, rest).astype(np.complex64) for _, rest in places]
    rng = np.random.default_rng(0)
    began, epoch = time.process_time(), 0
    while epoch < epochs and time.process_time() - began < cpu_s:
        for index in rng.permutation(len(modulus)):
            row, col = places[index][0]
            patch = obj[row : row + size, col : col + size]
            here = fft.ifft2(fft.fft2(probe) * ramps[index])
            change = _projected(patch * here, modulus[index], good) - patch * here
            old, weight = patch.copy(), (np.abs(here) ** 2).sum(axis=0)
            patch += (here.conj() * change).sum(axis=0) / _regularised(weight, alpha)
            if epoch > 0:
                move = old.conj() * change / (np.abs(old) ** 2).max()
                probe = probe + fft.ifft2(fft.fft2(move) * ramps[index].conj())
        epoch += 1
    return Textbook(obj, origin, epoch, time.process_time() - began)


def _projected(wave: Array, modulus: Array, good: Array | None) -> Array:
    far = fft.fft2(wave, norm="ortho")
    factor = modulus / np.maximum(np.sqrt((np.abs(far) ** 2).sum(axis=0)), 1e-6)
    factor = factor if good is None else np.where(good, factor, 1)
    return np.asarray(fft.ifft2(far * factor, norm="ortho"))


def _regularised(weight: Array, alpha: float) -> Array:
    return np.asarray((1 - alpha) * weight + alpha * weight.max())

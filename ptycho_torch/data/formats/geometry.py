"""From a beamline's metres to the package's pixels, and a first probe where a file has none."""

from __future__ import annotations

import math

import numpy as np
from scipy.spatial import cKDTree

from ptycho_torch.data.scan import Array, as_complex64

PLANCK_TIMES_LIGHT_EV_M = 1.239841984e-6
"""h·c in eV·m (CODATA 2018); wavelength = h·c / energy."""
ELECTRONVOLT_J = 1.602176634e-19
"""One electronvolt in joules (CODATA 2018, exact)."""
STEPS_WIDE = 3.0
"""Width in steps of a probe that is guessed: neighbours then overlap by two thirds."""
_MOST_DEFOCUS = 4.0
"""Radians at the detector's edge, a pixel of the frame: light then fills the frame."""
_HALVINGS = 24
_TINY = float(np.finfo(np.float64).tiny)
_MOST_BEYOND = 8
MARGIN_PX = 6
"""Object pixels left free around the outermost patches."""


def object_pixel_m(energy_ev: float, distance_m: float, detector_pixel_m: float, n: int) -> float:
    """Return the edge of an object pixel in the far field, λz / (N p).

    Args:
        energy_ev: Photon energy in electronvolts, > 0.
        distance_m: Sample to detector in metres, > 0.
        detector_pixel_m: Edge of a detector pixel in metres, > 0.
        n: Detector pixels an edge.

    Returns:
        Metres.
    """
    return PLANCK_TIMES_LIGHT_EV_M / energy_ev * distance_m / (n * detector_pixel_m)


def placed(rows: Array, columns: Array, n: int) -> Array:
    """Move positions so that every patch lies inside an object array with a small margin.

    Args:
        rows: (n_pattern,) in object pixels, from any origin.
        columns: The same for columns.
        n: Edge of a patch in pixels.

    Returns:
        (n_pattern, 2) float64, (row, col) of patch centres; the smallest is n // 2 + `MARGIN_PX`.
    """
    positions = np.stack([rows, columns], axis=1).astype(np.float64)
    if not len(positions):  # a scan of nothing, which is refused as such
        return positions
    return np.asarray(positions - positions.min(axis=0) + n // 2 + MARGIN_PX)


def covering(layer: Array, positions_px: Array, n: int) -> tuple[Array, Array] | None:
    """Widen an object over whose border some patches reach, as jittered positions make them.

    Args:
        layer: (H, W) complex.
        positions_px: (n_pattern, 2) float64, (row, col) of patch centres in its pixels.
        n: Edge of a patch in pixels.

    Returns:
        Object, its border repeated, and positions in it; None where patches reach out by more than
        an eighth of their edge: then the object is another scan's, or positions are wrong.
    """
    start = np.rint(positions_px) - n // 2
    if not np.isfinite(start).all():
        return None
    before = np.maximum(0, -start.min(axis=0))
    after = np.maximum(0, start.max(axis=0) + n - layer.shape)
    if max(before.max(), after.max()) > n / _MOST_BEYOND:
        return None
    room = np.stack([before, after], axis=1).astype(int)
    return np.pad(layer, room, mode="edge"), positions_px + before


def probe_from_patterns(counts: Array, positions_px: Array) -> Array:
    """Make a first guess of the probe: what the mean pattern focuses to, out of focus.

    In focus it would be a spot, smaller than the step of most scans. So the wave gets the defocus
    that makes it `STEPS_WIDE` steps wide, as far as half the frame allows. Its sign is arbitrary.

    Args:
        counts: (n, N, N) counts, zero frequency at N // 2.
        positions_px: (n, 2) float64, (row, col) in object pixels.

    Returns:
        (1, N, N) complex64 with the mean counts as its energy.
    """
    mean = np.sqrt(counts.sum(axis=0, dtype=np.float64) / max(1, len(counts)))
    n = mean.shape[-1]
    rows, cols = np.indices(mean.shape) - n // 2
    square = (rows**2 + cols**2) * (2 / n) ** 2

    def focused(defocus_rad: float) -> Array:
        wave = np.fft.ifftshift(mean * np.exp(1j * defocus_rad * square))
        return np.asarray(np.fft.fftshift(np.fft.ifft2(wave, norm="ortho")))

    wanted = min(STEPS_WIDE * _step_px(positions_px), n / 2)
    low, high = 0.0, _MOST_DEFOCUS * n
    if wanted > even_diameter_px(focused(low)[None]):
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            wide = even_diameter_px(focused(middle)[None]) > wanted
            low, high = (low, middle) if wide else (middle, high)
    return as_complex64(focused(low)[None])


def even_diameter_px(probe: Array) -> float:
    """Diameter of the disc of even light that has the probe's participation area.

    The area is (sum I)^2 / sum I^2, which for an even disc is its own.

    Args:
        probe: (mode, row, col) complex.

    Returns:
        Pixels.
    """
    light = np.square(np.abs(probe), dtype=np.float64).sum(axis=0)
    area = float(light.sum()) ** 2 / max(float(np.square(light).sum()), _TINY)
    return 2 * math.sqrt(area / math.pi)


def _step_px(positions_px: Array) -> float:
    """Median distance to the nearest other position; 0 without one."""
    distinct = np.unique(positions_px, axis=0)
    if len(distinct) < 2 or not np.isfinite(distinct).all():
        return 0.0
    distance, _ = cKDTree(distinct).query(distinct, k=2)
    return float(np.median(distance[:, 1]))

"""From a beamline's metres to the package's pixels, and a first probe where a file has none."""

from __future__ import annotations

import numpy as np

from ptycho_torch.data.scan import Array, as_complex64

PLANCK_TIMES_LIGHT_EV_M = 1.239841984e-6
"""h·c in eV·m (CODATA 2018); wavelength = h·c / energy."""
ELECTRONVOLT_J = 1.602176634e-19
"""One electronvolt in joules (CODATA 2018, exact)."""
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
    return np.asarray(positions - positions.min(axis=0) + n // 2 + MARGIN_PX)


def probe_from_patterns(counts: Array) -> Array:
    """Make a first guess of the probe: what the mean pattern focuses to, with flat phase.

    Args:
        counts: (n, N, N) counts, zero frequency at N // 2.

    Returns:
        (1, N, N) complex64 with the mean counts as its energy.
    """
    mean = np.sqrt(counts.mean(axis=0, dtype=np.float64))
    probe = np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(mean), norm="ortho"))
    return as_complex64(probe[None])

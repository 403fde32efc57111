"""A realistic probe: the focus of an aberrated lens with a round aperture, out of focus."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from ptycho_torch.data.scan import Array

_APERTURE = 0.25
"""Radius of the aperture on the detector as a fraction of its half-width."""


def make_probe(
    n_pixel: int = 64,
    spot: float = 0.2,
    astigmatism_rad: float = 0.7,
    coma_rad: float = 0.5,
) -> Array:
    """Build a defocused probe.

    The pupil is a soft-edged disc with the phase
    `a rho^2 + s rho^2 cos 2 theta + c (3 rho^3 - 2 rho) cos theta` (defocus, astigmatism, coma in
    the notation of the Zernike polynomials); the probe is its inverse Fourier transform. Geometry
    ties the defocus to the spot: the edge ray of the pupil lands at the spot's radius.

    Args:
        n_pixel: Edge of the array.
        spot: Radius of the geometric spot as a fraction of the edge.
        astigmatism_rad: Astigmatism at the pupil's rim in radians.
        coma_rad: Coma at the pupil's rim in radians.

    Returns:
        (1, n_pixel, n_pixel) complex64 of unit energy, centred at `N // 2`.
    """
    axis = np.arange(n_pixel) - n_pixel // 2
    rows, cols = np.meshgrid(axis, axis, indexing="ij")
    rim = _APERTURE * n_pixel / 2
    rho = np.hypot(rows, cols) / rim
    theta = np.arctan2(rows, cols)
    # d(phase)/dk at the rim is 2 a / rim, which moves a ray by N / (2 pi) times that.
    defocus = spot * np.pi * rim
    phase = defocus * rho**2 + astigmatism_rad * rho**2 * np.cos(2 * theta)
    phase += coma_rad * (3 * rho**3 - 2 * rho) * np.cos(theta)
    disc = gaussian_filter((rho <= 1).astype(np.float64), 0.02 * n_pixel)
    pupil = disc * np.exp(1j * phase)
    probe = np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(pupil)))
    probe /= np.sqrt(np.sum(np.abs(probe) ** 2))
    return probe[None].astype(np.complex64)

"""Smooth phases in a probe's pupil: defocus, astigmatism, coma, spherical aberration.

A probe's Fourier transform is its pupil as the detector sees it. Light that travels on in free
space takes up a phase there that grows with the square of the angle (Fresnel): exp(i s (u^2 + v^2))
with u and v the frequencies in units of the Nyquist frequency, so s is the phase in radians at the
edge of the detector. Over a distance z

    s = -pi wavelength z / (4 pixel_size^2)

since u = 2 pixel_size f for the spatial frequency f, and free space multiplies a spectrum by
exp(-i pi wavelength z f^2).
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Complex, Float
from torch import Tensor

_LEAST_SPREAD = 1e-6


def pupil_axes(size: int) -> tuple[Float[Tensor, "size 1"], Float[Tensor, "1 size"]]:
    """Frequencies of a pupil in units of the Nyquist frequency, in the order of `fft2`.

    Args:
        size: Edge N in pixels.

    Returns:
        Row and column frequency, -1 to below 1, (N, 1) and (1, N) float64.
    """
    axis = 2 * torch.fft.fftfreq(size, dtype=torch.float64)
    return axis[:, None], axis[None, :]


def aberrated(
    probe: Complex[Tensor, "mode row col"], phase_rad: Float[Tensor, "row col"]
) -> Complex[Tensor, "mode row col"]:
    """Add a phase to a probe's pupil; the probe keeps its energy and its mean pattern.

    Args:
        probe: (mode, row, col) complex.
        phase_rad: (row, col) in the order of `fft2`.

    Returns:
        (mode, row, col) complex of the probe's precision.
    """
    turn = torch.polar(torch.ones_like(phase_rad), phase_rad)
    changed: Tensor = torch.fft.ifft2(torch.fft.fft2(probe) * turn.to(probe.dtype))
    return changed


def defocus_phase(size: int, strength_rad: float) -> Float[Tensor, "size size"]:
    """Phase of free space.

    Args:
        size: Edge N in pixels.
        strength_rad: s, the phase at the middle of the detector's edge.

    Returns:
        (N, N) float64 in the order of `fft2`.
    """
    rows, cols = pupil_axes(size)
    return strength_rad * (rows.square() + cols.square())


def travelled_m(strength_rad: float, pixel_size_m: float, wavelength_m: float) -> float:
    """Distance in free space that gives a defocus.

    Args:
        strength_rad: s, see the module's text.
        pixel_size_m: Edge of an object pixel in metres.
        wavelength_m: Of the light in metres.

    Returns:
        Metres along the beam.
    """
    return -4 * strength_rad * pixel_size_m**2 / (math.pi * wavelength_m)


def aberration_basis(light: Float[Tensor, "row col"]) -> Float[Tensor, "term row col"]:
    """Low aberrations that are independent of each other over a given pupil.

    Defocus, two astigmatisms, two comas and spherical aberration, made orthogonal to piston, tilts
    and one another with the pupil's light as weight (Gram-Schmidt, as Zernike's polynomials are
    for a disc). Tilts only move a probe.

    Args:
        light: (row, col) intensity of the pupil in the order of `fft2`.

    Returns:
        (6, row, col) float64, each of unit root mean square over the light.
    """
    rows, cols = pupil_axes(light.shape[-1])
    square = rows.square() + cols.square()
    whole = torch.ones_like(square)
    terms = [
        *(whole, rows * whole, cols * whole),
        *(square, rows.square() - cols.square(), rows * cols),
        *(rows * square, cols * square, square.square()),
    ]
    weight = light.double() / light.double().sum()
    found: list[Tensor] = []
    for term in terms:
        for other in found:
            term = term - other * (weight * term * other).sum()
        found.append(term / (weight * term.square()).sum().sqrt().clamp_min(_LEAST_SPREAD))
    return torch.stack(found[3:])

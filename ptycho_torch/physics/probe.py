"""The probe: its gauge, its energy and its sub-pixel shifts.

Probe and object are known only up to a common factor. The gauge fixed here gives the probe unit
energy, sum over modes and pixels of |P|^2 = 1, while amplitudes are divided by the root of the
mean counts per pattern (`scaling`). In vacuum |O| is then about 1 at every dose.

Objects live on an integer pixel grid. What is left of a position after rounding shifts that
pattern's probe, by the Fourier shift theorem, so no object is ever interpolated.
"""

from __future__ import annotations

import torch
from jaxtyping import Complex, Float
from torch import Tensor


def probe_energy(probe: Complex[Tensor, "mode row col"]) -> float:
    """Total energy of all modes.

    Args:
        probe: (mode, row, col) complex.

    Returns:
        Sum of |P|^2.
    """
    return float(probe.detach().abs().square().sum(dtype=torch.float64))


def shift_probe(
    probe: Complex[Tensor, "mode row col"], shift_px: Float[Tensor, "*batch 2"]
) -> Complex[Tensor, "*batch mode row col"]:
    """Move the probe by fractions of a pixel, `P(r - shift)`.

    The shift theorem in the orthonormal basis: multiply the spectrum by
    exp(-2 pi i (f_row s_row + f_col s_col)). It keeps the energy and wraps at the border.

    Args:
        probe: (mode, row, col) complex.
        shift_px: (..., 2) float, (row, col) in pixels, towards larger indices.

    Returns:
        (..., mode, row, col) complex, one shifted probe for every shift.
    """
    return shift_field(probe, shift_px)


def shift_field(
    field: Complex[Tensor, "*#batch mode row col"], shift_px: Float[Tensor, "*#batch 2"]
) -> Complex[Tensor, "*#batch mode row col"]:
    """Move fields by fractions of a pixel, each by its own shift.

    Args:
        field: (..., mode, row, col) complex.
        shift_px: (..., 2) float, (row, col) in pixels; broadcast against the fields.

    Returns:
        (..., mode, row, col) complex.
    """
    shifted: Tensor = torch.fft.ifft2(torch.fft.fft2(field) * _ramps(field, shift_px))
    return shifted


def sum_shifted(
    fields: Complex[Tensor, "pattern mode row col"], shift_px: Float[Tensor, "pattern 2"]
) -> Complex[Tensor, "mode row col"]:
    """Shift fields, each by its own shift, and add them up: one transform back for all.

    Args:
        fields: (pattern, mode, row, col) complex.
        shift_px: (pattern, 2) float, (row, col) in pixels.

    Returns:
        (mode, row, col) complex, the sum of `shift_field(fields, shift_px)`.
    """
    spectra = torch.fft.fft2(fields) * _ramps(fields, shift_px)
    summed: Tensor = torch.fft.ifft2(spectra.sum(dim=0))
    return summed


def _ramps(field: Tensor, shift_px: Tensor) -> Tensor:
    """(..., 1, row, col) factors of the spectrum that shift a field."""
    rows, cols = field.shape[-2:]
    row_ramp = _ramp(rows, shift_px[..., 0])
    col_ramp = _ramp(cols, shift_px[..., 1])
    ramp = row_ramp[..., :, None] * col_ramp[..., None, :]
    return ramp[..., None, :, :].to(field.dtype)


def _ramp(size: int, shift: Float[Tensor, "*batch"]) -> Complex[Tensor, "*batch size"]:
    frequency = torch.fft.fftfreq(size, dtype=shift.dtype, device=shift.device)
    angle = -2 * torch.pi * frequency * shift[..., None]
    return torch.complex(angle.cos(), angle.sin())


def illumination(
    probe: Complex[Tensor, "*batch mode row col"],
) -> Float[Tensor, "*batch row col"]:
    """Intensity of the probe, summed over its modes.

    Args:
        probe: (..., mode, row, col) complex.

    Returns:
        (..., row, col) real, sum over modes of |P|^2.
    """
    return (probe.real.square() + probe.imag.square()).sum(dim=-3)

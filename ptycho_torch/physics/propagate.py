"""Far-field propagation.

The discrete Fourier transform is orthonormal, so a field and its diffraction carry the same
energy, and the zero frequency of the detector lies at index `N // 2` of both axes. The field
itself is not shifted first: that would change only the phase on the detector, which no detector
sees.
"""

from __future__ import annotations

import torch
from jaxtyping import Complex, Float
from torch import Tensor


def propagate(field: Complex[Tensor, "*batch row col"]) -> Complex[Tensor, "*batch row col"]:
    """Carry an exit wave to the detector, `fftshift(FFT_ortho(field))`.

    Args:
        field: Complex field at the sample.

    Returns:
        Complex field at the detector, zero frequency at `N // 2`.
    """
    spectrum: Tensor = torch.fft.fft2(field, norm="ortho")
    centred: Tensor = torch.fft.fftshift(spectrum, dim=(-2, -1))
    return centred


def backpropagate(field: Complex[Tensor, "*batch row col"]) -> Complex[Tensor, "*batch row col"]:
    """Carry a detector field back to the sample; inverse and adjoint of `propagate`.

    Args:
        field: Complex field at the detector, zero frequency at `N // 2`.

    Returns:
        Complex field at the sample.
    """
    wave: Tensor = torch.fft.ifft2(torch.fft.ifftshift(field, dim=(-2, -1)), norm="ortho")
    return wave


def detector_gauge(size: int) -> Float[Tensor, "size size"]:
    """What a field is multiplied with so that the bare `fft2` carries it to the detector.

    (-1)^(row + col) moves the zero frequency to `N // 2` (shift theorem, N even), 1 / N makes the
    transform orthonormal; so loops need neither rolled copies nor scaled ones.

    Args:
        size: Edge N of the field in pixels, even.

    Returns:
        (N, N) float32 g with `fft2(g * field) == propagate(field)` up to rounding, and
        `g * N**2 * ifft2(wave) == backpropagate(wave)`.
    """
    sign = 1.0 - 2.0 * (torch.arange(size) % 2)
    return sign[:, None] * sign[None, :] / size

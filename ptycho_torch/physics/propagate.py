"""Far-field propagation.

The discrete Fourier transform is orthonormal, so a field and its diffraction carry the same
energy, and the zero frequency of the detector lies at index `N // 2` of both axes. The field
itself is not shifted first: that would change only the phase on the detector, which no detector
sees.
"""

from __future__ import annotations

import torch
from jaxtyping import Complex
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

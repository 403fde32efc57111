"""What the network sees of a pattern."""

from __future__ import annotations

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from ptycho_torch.physics.projection import project_patterns

INPUT_CHANNELS = 3
"""Amplitude, real part and imaginary part of the projected patch."""


def network_inputs(
    amplitude: Float[Tensor, "pattern row col"],
    rest: Float[Tensor, "pattern 2"],
    probe: Complex[Tensor, "mode row col"],
    input_scale: float,
    iterations: int = 10,
    alpha: float = 0.1,
    mask: Tensor | None = None,
) -> Float[Tensor, "pattern 3 row col"]:
    """Build the network's input channels; done once a data set.

    Args:
        amplitude: (pattern, row, col) unit-dose amplitude, zero frequency at `N // 2`.
        rest: (pattern, 2) sub-pixel rest of each position.
        probe: (mode, row, col) probe of unit energy.
        input_scale: Factor of the amplitude channel (`Scales.input_scale`).
        iterations: Single-pattern projections.
        alpha: Their regularisation.
        mask: (row, col) bool, True where a pixel was measured, or None.

    Returns:
        (pattern, 3, row, col) float32: scaled amplitude, real and imaginary part of the patch
        that the projections find.
    """
    patch = project_patterns(amplitude, rest, probe, iterations, alpha, mask)
    return torch.stack([amplitude * input_scale, patch.real, patch.imag], dim=1)

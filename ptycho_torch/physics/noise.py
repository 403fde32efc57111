"""Photon counting noise."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def count_photons(
    intensity: Float[Tensor, "*batch row col"], nphotons: float, generator: torch.Generator
) -> Float[Tensor, "*batch row col"]:
    """Draw Poisson counts for unit-dose intensities.

    Args:
        intensity: (..., row, col), in units where the mean sum over a pattern is 1.
        nphotons: Mean photons per pattern.
        generator: Source of randomness; equal states give equal counts.

    Returns:
        (..., row, col) whole numbers in the input's dtype.
    """
    return torch.poisson(intensity * nphotons, generator=generator)

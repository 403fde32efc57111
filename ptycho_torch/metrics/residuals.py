"""Agreement with the measurement, which needs no truth."""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def r_factor(
    intensity: Float[Tensor, "*batch row col"],
    amplitude: Float[Tensor, "*batch row col"],
    mask: Bool[Tensor, "row col"] | None = None,
) -> float:
    """Relative distance of amplitudes, sqrt(sum (sqrt I - A)^2 / sum A^2).

    Args:
        intensity: Predicted intensity, not negative.
        amplitude: Measured amplitude in the same unit.
        mask: (row, col) bool, True where a pixel was measured, or None.

    Returns:
        0 for a perfect fit.
    """
    difference = (intensity.sqrt() - amplitude).square()
    energy = amplitude.square()
    if mask is not None:
        difference, energy = difference * mask, energy * mask
    ratio = difference.sum(dtype=torch.float64) / energy.sum(dtype=torch.float64)
    return math.sqrt(float(ratio))


def poisson_nll(
    intensity: Float[Tensor, "*batch row col"],
    counts: Float[Tensor, "*batch row col"],
    mask: Bool[Tensor, "row col"] | None = None,
    background: float = 0.05,
) -> float:
    """Poisson negative log-likelihood per pixel, without the counts' own log-factorial.

    Args:
        intensity: Expected photons a pixel.
        counts: Measured photons a pixel.
        mask: (row, col) bool, True where a pixel was measured, or None.
        background: Photons added inside the logarithm, so that one count on a dark pixel does
            not decide everything.

    Returns:
        Mean over pixels of I - k log(I + background).
    """
    values = intensity - torch.xlogy(counts, intensity + background)
    if mask is not None:
        values = values[..., mask]
    return float(values.mean(dtype=torch.float64))

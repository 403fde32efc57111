"""Losses on the detector."""

from __future__ import annotations

import math
from typing import Literal, cast, get_args

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

LossMode = Literal["amplitude", "poisson", "mae"]

_AMPLITUDE_FLOOR = 1e-9
_BACKGROUND_PHOTONS = 0.05


class DiffractionLoss(nn.Module):
    """Distance of predicted from measured diffraction.

    - `amplitude`: sum (sqrt(I + 1e-9) - x)^2, the variance-stabilised Gaussian likelihood of
      counts (Godard et al., Opt. Express 20, 2012, 10.1364/OE.20.025914);
    - `poisson`: negative log-likelihood of the counts per photon, sum (I - x^2 log(I + b)) with
      b = 0.05 photons, less its value for a perfect fit;
    - `mae`: sum |sqrt(I + 1e-9) - x|.

    Args:
        mode: Which of them.
        nphotons: Mean photons per pattern; only `poisson` uses it.
        mask: (row, col) bool, True where a pixel was measured, or None for all.
    """

    mask: Tensor | None

    def __init__(self, mode: LossMode, nphotons: float, mask: Tensor | None = None) -> None:
        super().__init__()
        self.mode = mode
        self.background = _BACKGROUND_PHOTONS / nphotons
        self.register_buffer("mask", mask)

    def forward(
        self,
        intensity: Float[Tensor, "*batch row col"],
        amplitude: Float[Tensor, "*batch row col"],
    ) -> Float[Tensor, ""]:
        """Compare a prediction with the measurement.

        Args:
            intensity: Predicted unit-dose intensity.
            amplitude: Measured unit-dose amplitude x.

        Returns:
            Scalar: sum over pixels, mean over patterns.
        """
        return self.per_pattern(intensity, amplitude).mean()

    def per_pattern(
        self,
        intensity: Float[Tensor, "*batch row col"],
        amplitude: Float[Tensor, "*batch row col"],
    ) -> Float[Tensor, "*batch"]:
        """The loss of each pattern on its own.

        Args:
            intensity: Predicted unit-dose intensity.
            amplitude: Measured unit-dose amplitude x.

        Returns:
            One value a pattern.
        """
        if self.mode == "poisson":
            pixels = _poisson(intensity, amplitude, self.background)
        else:
            difference = (intensity + _AMPLITUDE_FLOOR).sqrt() - amplitude
            pixels = difference.abs() if self.mode == "mae" else difference.square()
        if self.mask is not None:
            pixels = pixels * self.mask
        return pixels.sum(dim=(-2, -1))


def _poisson(intensity: Tensor, amplitude: Tensor, background: float) -> Tensor:
    counts = amplitude.square()
    fit = intensity - torch.xlogy(counts, intensity + background)
    perfect = counts - torch.xlogy(counts, counts + background)
    return fit - perfect


def choose_mode(
    mode: Literal["auto", "amplitude", "poisson", "mae"],
    nphotons: float,
    poisson_below: float = 1e5,
) -> LossMode:
    """Turn `auto` into a loss.

    Args:
        mode: `auto` or one of the losses.
        nphotons: Mean photons per pattern.
        poisson_below: Below this dose the counts' own likelihood is used.

    Returns:
        The loss's name.
    """
    for known in get_args(LossMode):
        if mode == known:
            return cast("LossMode", known)
    return "poisson" if nphotons < poisson_below else "amplitude"


def noise_floor(mode: LossMode, nphotons: float, measured: Bool[Tensor, "row col"]) -> float:
    """What the loss of the true object is from photon noise alone, about.

    The square root of a count has the variance 1/4, so N^2 bright pixels give N^2 / (4 nphotons)
    in unit dose; the Poisson loss is twice that (half a degree of freedom a pixel), and the mean
    absolute error of a Gaussian is sqrt(2 / pi) of its width. Pixels with less than a photon
    contribute less, so this is an upper estimate. A loss well below it fits the noise.

    Args:
        mode: Which loss.
        nphotons: Mean photons per pattern.
        measured: (row, col) bool, the pixels that count.

    Returns:
        The loss that is left when only noise is.
    """
    pixels = float(measured.sum())
    if mode == "mae":
        return pixels * math.sqrt(1 / (2 * math.pi * nphotons))
    return pixels / ((2 if mode == "poisson" else 4) * nphotons)

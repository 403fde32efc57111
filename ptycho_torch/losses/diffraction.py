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
_BRIGHT_PHOTONS = 40
"""Expected photons from which the limit for many photons holds to a per cent."""
_TABLE = 1025


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


def photon_noise(
    mode: LossMode,
    nphotons: float,
    intensity: Float[Tensor, "*batch row col"],
    mask: Bool[Tensor, "row col"] | None = None,
) -> float:
    """What photon noise alone leaves of a loss: the expectation for the true object.

    Counts k with the expectation m have E[(sqrt k - sqrt m)^2] = 2 m - 2 sqrt(m) E[sqrt k], which
    is 1/4 for bright pixels and m for dark ones; half the Poisson deviance is 1/2 for bright
    pixels. So N^2 bright pixels give N^2 / (4 nphotons) in `amplitude` and twice that in
    `poisson`. All are concave in m, so the mean of patterns that differ much, as those of a
    diffuser do, gives an overestimate, in amplitude by up to a third.

    Args:
        mode: Which loss.
        nphotons: Mean photons per pattern.
        intensity: Expected unit-dose intensity of every pattern; or the mean of measured ones,
            for an estimate.
        mask: The pixels that count, or None for all.

    Returns:
        The loss of a pattern, their mean. A trained loss well below it fits the noise.
    """
    usable = intensity if mask is None else intensity[..., mask]
    mean = (usable.flatten().double() * nphotons).clamp_min(0)
    bright = mean > _BRIGHT_PHOTONS
    share = {"amplitude": 1 / 4, "poisson": 1 / 2, "mae": math.sqrt(1 / (2 * math.pi))}[mode]
    dark = _expected(mode, mean[~bright])
    patterns = intensity[..., 0, 0].numel()
    total = (float(dark.sum()) + share * int(bright.sum())) / patterns
    return total / (math.sqrt(nphotons) if mode == "mae" else nphotons)


def _expected(mode: LossMode, mean: Tensor) -> Tensor:
    """Expected loss of every pixel in photons, read off a table that is even in the amplitude."""
    at = torch.linspace(0, math.sqrt(_BRIGHT_PHOTONS), _TABLE, dtype=torch.float64)
    table = _summed(mode, at.square())
    place = mean.sqrt() / at[-1] * (_TABLE - 1)
    left = place.long().clamp_max(_TABLE - 2)
    return torch.lerp(table[left], table[left + 1], place - left)


def _summed(mode: LossMode, mean: Tensor) -> Tensor:
    """Expected loss at every mean, summed over the counts it may give."""
    count = torch.arange(3 * _BRIGHT_PHOTONS, dtype=torch.float64)
    expected = mean[:, None]
    log_chance = torch.xlogy(count, expected) - expected - torch.lgamma(count + 1)
    if mode == "poisson":
        loss = _poisson(expected, count.sqrt(), _BACKGROUND_PHOTONS)
    else:
        difference = expected.sqrt() - count.sqrt()
        loss = difference.abs() if mode == "mae" else difference.square()
    return (log_chance.exp() * loss).sum(dim=1)

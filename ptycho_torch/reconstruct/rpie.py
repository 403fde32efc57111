"""What an rPIE run is told, what it hands back, and what its steps follow on the detector."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from ptycho_torch.config import RPIE_ALPHA
from ptycho_torch.data.scan import Array
from ptycho_torch.reconstruct.stitch import Canvas

Likelihood = Literal["amplitude", "poisson"]

_BACKGROUND_PHOTONS = 0.05


@dataclass(frozen=True)
class RpieOptions:
    """Settings of a run.

    Attributes:
        epochs: Passes over all patterns.
        batch_size: Patterns a step.
        alpha: Weight of the maximum in the object step's denominator; smaller is faster on clean
            data and noisier on real data.
        update_probe: Whether the probe is refined too.
        probe_alpha: The same weight in the probe's step.
        probe_from: Epoch from which the probe moves, counted from 0.
        seed: Of the order of the patterns.
        momentum: Share of the object's last move that is kept, 0 to below 1.
        batch_growth: Factor by which a step's patterns grow after each third of the epochs.
        likelihood: What the exit waves' change follows.
        nphotons: Photons per pattern; only `poisson` uses it.
        correct_positions: Whether positions are refined too, from the third epoch.
    """

    epochs: int = 3
    batch_size: int = 16
    alpha: float = RPIE_ALPHA
    update_probe: bool = False
    probe_alpha: float = 1.0
    probe_from: int = 0
    seed: int = 0
    momentum: float = 0.0
    batch_growth: int = 1
    likelihood: Likelihood = "amplitude"
    nphotons: float = math.inf
    correct_positions: bool = False

    def batch_of(self, epoch: int, patterns: int) -> int:
        """Choose how many patterns a step takes.

        Args:
            epoch: Counted from 0.
            patterns: Of the scan; grown batches leave at least four steps an epoch.

        Returns:
            Patterns a step.
        """
        growth: int = self.batch_growth ** min(2, epoch * 3 // self.epochs)
        return max(self.batch_size, min(self.batch_size * growth, patterns // 4))


@dataclass(frozen=True)
class Epoch:
    """What an epoch saw, each pattern before its own step.

    Attributes:
        number: Counted from 1.
        r_factor: Of all patterns.
        position_step_px: Median length of the positions' steps; NaN without correction.
    """

    number: int
    r_factor: float
    position_step_px: float

    @property
    def moved(self) -> bool:
        """Whether positions were corrected after this epoch."""
        return not math.isnan(self.position_step_px)


@dataclass(frozen=True)
class RpieResult:
    """What a run of rPIE leaves.

    Attributes:
        canvas: The object with its coverage.
        probe: (mode, N, N) complex64 of unit energy.
        positions_px: (n, 2) float64, the corrected positions, or the given ones.
        epochs: One an epoch, in order.
    """

    canvas: Canvas
    probe: Tensor
    positions_px: Array
    epochs: list[Epoch]

    @property
    def r_factors(self) -> list[float]:
        """R factor of every epoch, measured while it ran."""
        return [epoch.r_factor for epoch in self.epochs]


def wave_factor(
    intensity: Tensor, predicted: Tensor, measured: Tensor, options: RpieOptions
) -> Tensor:
    """Choose by what the waves on the detector change, as a fraction of themselves.

    Args:
        intensity: (k, N, N) predicted unit-dose intensity.
        predicted: (k, N, N) its root.
        measured: (k, N, N) measured unit-dose amplitude.
        options: Likelihood and dose.

    Returns:
        (k, N, N) real.
    """
    if options.likelihood == "amplitude":
        return measured / predicted.clamp_min(1e-12) - 1
    background = _BACKGROUND_PHOTONS / options.nphotons
    ratio = (measured.square() + background) / (intensity + background)
    # Half the gradient: the same step as the projection's where both nearly agree; never a
    # larger one than doubling, where a dark pixel got a photon.
    return (0.5 * (ratio - 1)).clamp_max(1.0)

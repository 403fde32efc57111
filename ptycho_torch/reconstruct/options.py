"""What an iterative run is told and what it hands back, whichever engine runs it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from ptycho_torch.config import RPIE_ALPHA
from ptycho_torch.data.scan import Array
from ptycho_torch.reconstruct.stitch import Canvas

Likelihood = Literal["amplitude", "poisson"]

PHASES = 3
"""Parts of a run: each may have larger batches; the last one is regularised and averaged."""


_STEPS_AT_FIRST = 64
_LEAST_BATCH = 8


@dataclass(frozen=True)
class RunOptions:
    """Settings that every engine knows.

    Attributes:
        epochs: Passes over all patterns.
        batch_size: Patterns a step.
        update_probe: Whether the probe is refined too.
        probe_from: Epoch from which the probe moves, counted from 0.
        seed: Of the order of the patterns.
        batch_growth: Factor by which a step's patterns grow after each third of the epochs.
        likelihood: What the steps follow.
        nphotons: Photons per pattern; `poisson` and the regularisation use it.
        correct_positions: Whether positions are refined too.
        regularisation: Strength of the total variation in units of the object's photon noise,
            in the last third of the epochs; 0 for none.
        stop_early: Whether to stop once further epochs change less than the noise.
    """

    epochs: int = 3
    batch_size: int = 16
    update_probe: bool = False
    probe_from: int = 0
    seed: int = 0
    batch_growth: int = 1
    likelihood: Likelihood = "amplitude"
    nphotons: float = math.inf
    correct_positions: bool = False
    regularisation: float = 0.0
    stop_early: bool = False

    def phase_of(self, epoch: int) -> int:
        """Say which part of the run an epoch belongs to.

        Args:
            epoch: Counted from 0, skipped ones included.

        Returns:
            0, 1 or 2.
        """
        return min(PHASES - 1, epoch * PHASES // self.epochs)

    def first_of(self, phase: int) -> int:
        """Find a phase's first epoch.

        Args:
            phase: 0, 1 or 2; 3 stands for the end of the run.

        Returns:
            The epoch, counted from 0.
        """
        return -(-phase * self.epochs // PHASES)

    def batch_of(self, epoch: int, patterns: int) -> int:
        """Choose how many patterns a step takes.

        Growing batches begin small where there are few patterns: with a dozen steps an epoch the
        object's coarse shape is easily caught in a wrong place.

        Args:
            epoch: Counted from 0, skipped ones included.
            patterns: Of the scan; grown batches leave at least four steps an epoch.

        Returns:
            Patterns a step.
        """
        phase = self.phase_of(epoch)
        if self.batch_growth > 1 and phase == 0:
            return min(self.batch_size, max(_LEAST_BATCH, patterns // _STEPS_AT_FIRST))
        growth: int = self.batch_growth**phase
        return max(self.batch_size, min(self.batch_size * growth, patterns // 4))


@dataclass(frozen=True)
class RpieOptions(RunOptions):
    """Settings of rPIE.

    Attributes:
        alpha: Weight of the maximum in the object step's denominator; smaller is faster on clean
            data and noisier on real data.
        probe_alpha: The same weight in the probe's step.
        momentum: Share of the object's last move that is kept, 0 to below 1.
    """

    alpha: float = RPIE_ALPHA
    probe_alpha: float = 1.0
    momentum: float = 0.0


@dataclass(frozen=True)
class GradientOptions(RunOptions):
    """Settings of the gradient engine.

    Attributes:
        learning_rate: Adam's first step of an object pixel, in units of the object (|O| is about
            1); the steps fall along half a cosine.
        probe_rate: The same for the probe, in units of its root mean square where it is bright.
        position_rate: The same for a coordinate, in pixels.
    """

    learning_rate: float = 0.03
    probe_rate: float = 0.02
    position_rate: float = 0.1


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
    position_step_px: float = math.nan

    @property
    def moved(self) -> bool:
        """Whether positions were corrected after this epoch."""
        return not math.isnan(self.position_step_px)


@dataclass(frozen=True)
class EngineResult:
    """What an engine leaves.

    Attributes:
        canvas: The object with its coverage.
        probe: (mode, N, N) complex64 of unit energy.
        positions_px: (n, 2) float64, the corrected positions, or the given ones.
        epochs: One an epoch, in order.
        settled: Whether the run ended before its last epoch, since nothing changed any more.
        given_up: Whether it ended since its start was doubted.
    """

    canvas: Canvas
    probe: Tensor
    positions_px: Array
    epochs: list[Epoch]
    settled: bool = False
    given_up: bool = False

    @property
    def r_factors(self) -> list[float]:
        """R factor of every epoch, measured while it ran."""
        return [epoch.r_factor for epoch in self.epochs]

"""The iterative engine: mini-batch rPIE with momentum, probe modes and position correction.

Each step takes some patterns at once, moves their exit waves towards the measurement, and moves
the object along the summed, regularised changes (Maiden, Johnson and Li, Optica 4, 2017,
10.1364/OPTICA.4.000736):

    O += merge(conj(P) dpsi) / ((1 - alpha) merge(|P|^2) + alpha max merge(|P|^2))

and, when asked to, the probe likewise with the patches in the probe's place. The exit wave's
change is the projection onto the measured modulus, or for few photons a step along the gradient
of the Poisson likelihood, which trusts a pixel without counts as much as it deserves (Thibault
and Guizar-Sicairos, New J. Phys. 14, 2012, 10.1088/1367-2630/14/6/063004).

With momentum the object goes on along a decaying sum of its moves, as in mPIE (the first paper,
section 4), here after every step; growing batches then average out what the noise of single
patterns left.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from ptycho_torch.config import RPIE_ALPHA
from ptycho_torch.data.scan import Array
from ptycho_torch.errors import DivergedError
from ptycho_torch.physics.patches import extract, merge, scan_canvas, split_positions
from ptycho_torch.physics.probe import illumination, probe_energy, shift_field, shift_probe
from ptycho_torch.physics.propagate import backpropagate, propagate
from ptycho_torch.reconstruct.positions import (
    FAST_GAIN,
    MAX_DRIFT_PX,
    SEARCH_AT,
    SLOW_FROM,
    PositionCorrector,
)
from ptycho_torch.reconstruct.probe_modes import mode_factors, orthogonal_modes
from ptycho_torch.reconstruct.stitch import Canvas, stitch

logger = logging.getLogger(__name__)

Likelihood = Literal["amplitude", "poisson"]

_BACKGROUND_PHOTONS = 0.05
_BALANCE_PATTERNS = 64


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


def run_rpie(
    amplitude: Tensor,
    positions_px: Array,
    probe: Tensor,
    options: RpieOptions,
    start: Canvas | None = None,
    mask: Tensor | None = None,
    watch: Callable[[Epoch], None] | None = None,
) -> RpieResult:
    """Reconstruct, or refine a reconstruction.

    Args:
        amplitude: (n, N, N) unit-dose amplitude, zero frequency at `N // 2`.
        positions_px: (n, 2) float64, (row, col) of the patch centres.
        probe: (mode, N, N) complex64 of unit energy.
        options: Epochs, step sizes, order.
        start: Object to start from; None starts from the flat one. Pixels it does not cover
            start flat.
        mask: (row, col) bool, True where a pixel was measured, or None.
        watch: Called after every epoch.

    Returns:
        Object, probe, positions and what each epoch saw.

    Raises:
        DivergedError: The object became non-finite.
    """
    state = _State(amplitude, positions_px, probe, mask, options)
    if start is not None:
        _place(state, start)
    epochs = []
    for number in range(1, options.epochs + 1):
        epochs.append(state.epoch(number))
        if watch is not None:
            watch(epochs[-1])
    return state.result(epochs)


class _State:
    """Object, probe and positions while they change; the patterns beside them."""

    def __init__(
        self,
        amplitude: Tensor,
        positions_px: Array,
        probe: Tensor,
        mask: Tensor | None,
        options: RpieOptions,
    ) -> None:
        self.amplitude = amplitude
        self.mask = mask
        self.options = options
        self.size = probe.shape[-1]
        self.start = torch.from_numpy(positions_px)
        corners, self.rest = split_positions(self.start, self.size)
        # Positions that move need room to move in.
        room = MAX_DRIFT_PX if options.correct_positions else 0
        low, (height, width) = scan_canvas(corners, self.size)
        self.origin, self.shape = low - room, (height + 2 * room, width + 2 * room)
        self.corners = corners - self.origin
        self.positions = self.start.clone()
        self.object = torch.ones(1, *self.shape, dtype=torch.complex64)
        self.move = torch.zeros_like(self.object)
        self.probe = probe.clone()
        self.order = torch.Generator().manual_seed(options.seed)
        square = amplitude.square() if mask is None else amplitude.square() * mask
        self.energy = float(square.sum(dtype=torch.float64))

    def epoch(self, number: int) -> Epoch:
        """Pass once over all patterns.

        Args:
            number: Counted from 1.

        Raises:
            DivergedError: The object became non-finite.
        """
        order = torch.randperm(len(self.amplitude), generator=self.order)
        misfit = torch.zeros(len(order))
        for index in torch.split(order, self.options.batch_of(number - 1, len(order))):
            misfit[index] = self.step(index, number)
        seen = float(misfit.sum(dtype=torch.float64))
        if not math.isfinite(seen):
            raise DivergedError(
                f"rPIE became non-finite in epoch {number}",
                hint="check the probe and the patterns; a larger alpha takes smaller steps",
            )
        moved = math.nan
        if self.options.correct_positions and number > 2:
            moved = self._correct(number, misfit)
        if self.options.update_probe and len(self.probe) > 1:
            self._balance_modes(order[:_BALANCE_PATTERNS])
        return Epoch(number, math.sqrt(seen / self.energy), moved)

    def step(self, index: Tensor, number: int) -> Tensor:
        """Work on some patterns.

        Returns:
            (k,) squared distance of predicted from measured amplitude, before the step.
        """
        corners = self.corners[index][None]
        patches, probes = self.cut(corners[0], self.rest[index])
        wave = propagate(patches[:, None] * probes)
        intensity = illumination(wave)
        measured = self.amplitude[index]
        factor = _factor(intensity, measured, self.options)
        square = (intensity.sqrt() - measured).square()
        if self.mask is not None:
            factor, square = factor * self.mask, square * self.mask
        change = backpropagate(wave * factor[:, None])
        weight = merge(illumination(probes)[None], corners, *self.shape)
        move = merge((probes.conj() * change).sum(dim=1)[None], corners, *self.shape)
        options = self.options
        self.move = options.momentum * self.move + move / _regularised(weight, options.alpha)
        self.object = self.object + self.move
        if options.update_probe and number > options.probe_from:
            self._step_probe(patches, change, index)
        return square.sum(dim=(-2, -1))

    def _balance_modes(self, index: Tensor) -> None:
        """Make the modes orthogonal and give each the power that explains some patterns best."""
        self.probe = orthogonal_modes(self.probe)
        patches, probes = self.cut(self.corners[index], self.rest[index])
        wave = propagate(patches[:, None] * probes)
        parts = wave.real.square() + wave.imag.square()
        measured = self.amplitude[index].square()
        if self.mask is not None:
            parts, measured = parts * self.mask, measured * self.mask
        self.probe = self.probe * mode_factors(parts, measured)[:, None, None].sqrt()

    def cut(self, corners: Tensor, rest: Tensor) -> tuple[Tensor, Tensor]:
        """Cut the object and shift the probe for some patterns.

        Args:
            corners: (k, 2) int64, on the canvas.
            rest: (k, 2) float32, what is left of the positions.

        Returns:
            (k, N, N) patches and (k, mode, N, N) probes.
        """
        return extract(self.object, corners[None], self.size)[0], shift_probe(self.probe, rest)

    def _step_probe(self, patches: Tensor, change: Tensor, index: Tensor) -> None:
        move = shift_field(patches.conj()[:, None] * change, -self.rest[index]).sum(dim=0)
        weight = patches.abs().square().sum(dim=0)
        self.probe = self.probe + move / _regularised(weight, self.options.probe_alpha)

    def _correct(self, number: int, misfit: Tensor) -> float:
        """Move the positions on; returns the median step in pixels."""
        corrector = PositionCorrector(self._cut_at, self.amplitude, self.mask)
        share = number / self.options.epochs
        positions = self.positions
        if _passes(share, SEARCH_AT, self.options.epochs):
            energy = self.amplitude.square().sum(dim=(-2, -1))
            positions = corrector.searched(positions, misfit / energy)
        else:
            positions = corrector.stepped(positions, FAST_GAIN if share < SLOW_FROM else 1.0)
        # Object and positions may drift together: what most patterns do is not an error.
        drift = (positions - self.start).median(dim=0).values
        positions = self._inside(positions - drift)
        moved = float((positions - self.positions).norm(dim=1).median())
        self.positions = positions
        corners, self.rest = split_positions(positions, self.size)
        self.corners = corners - self.origin
        return moved

    def _inside(self, positions: Tensor) -> Tensor:
        half = self.size // 2
        low = self.origin + half + 1
        high = self.origin + torch.tensor(self.shape) - half - 1
        return torch.minimum(torch.maximum(positions, low.double()), high.double())

    def _cut_at(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        corners, rest = split_positions(self._inside(positions), self.size)
        return self.cut(corners - self.origin, rest)

    def result(self, epochs: list[Epoch]) -> RpieResult:
        """Normalise the probe to unit energy and hand the factor to the object."""
        norm = math.sqrt(probe_energy(self.probe))
        probe = self.probe / norm
        positions: Array = self.positions.numpy()
        coverage = stitch(
            torch.ones(len(positions), 1, 1).expand(-1, self.size, self.size), positions, probe
        ).coverage
        corners, _ = split_positions(self.positions, self.size)
        origin, (height, width) = scan_canvas(corners, self.size)
        row, col = (origin - self.origin).tolist()
        found = (self.object[0, row : row + height, col : col + width] * norm).numpy()
        canvas = Canvas(found, coverage, (int(origin[0]), int(origin[1])))
        return RpieResult(canvas, probe, positions, epochs)


def _factor(intensity: Tensor, measured: Tensor, options: RpieOptions) -> Tensor:
    """By what the waves on the detector change, as a fraction of themselves."""
    if options.likelihood == "amplitude":
        return measured / intensity.sqrt().clamp_min(1e-12) - 1
    background = _BACKGROUND_PHOTONS / options.nphotons
    ratio = (measured.square() + background) / (intensity + background)
    # Half the gradient: the same step as the projection's where both nearly agree; never a
    # larger one than doubling, where a dark pixel got a photon.
    return (0.5 * (ratio - 1)).clamp_max(1.0)


def _passes(share: float, marks: tuple[float, ...], epochs: int) -> bool:
    """Whether an epoch is the first one that reaches one of the marks."""
    return any(share >= mark > share - 1 / epochs for mark in marks)


def _place(state: _State, start: Canvas) -> None:
    """Copy the covered part of a canvas into the state's object."""
    shift = np.array(start.origin) - state.origin.numpy()
    low = np.maximum(shift, 0)
    high = np.minimum(shift + start.object.shape, state.shape)
    inner = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    outer = tuple(slice(a, b) for a, b in zip(low - shift, high - shift, strict=True))
    covered = torch.from_numpy(start.covered()[outer])
    target = state.object[0][inner]
    target[covered] = torch.from_numpy(start.object[outer])[covered]


def _regularised(weight: Tensor, alpha: float) -> Tensor:
    return (1 - alpha) * weight + alpha * weight.max()

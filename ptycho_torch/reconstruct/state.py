"""Object, probe and positions of an iterative run while they change, and one step of rPIE.

In here the probes carry the factor `detector_gauge`, so that a bare Fourier transform takes an
exit wave to the detector and a bare inverse one brings its change back, already multiplied as the
object's step needs it: sum over modes of conj(P g) N^2 ifft2(w) = conj(P) backpropagate(w).
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from ptycho_torch.data.scan import Array
from ptycho_torch.errors import DivergedError
from ptycho_torch.physics.patches import Windows, scan_canvas, split_positions
from ptycho_torch.physics.probe import illumination, probe_energy, shift_probe, sum_shifted
from ptycho_torch.physics.propagate import detector_gauge
from ptycho_torch.reconstruct.positions import (
    FAST_GAIN,
    MAX_DRIFT_PX,
    SEARCH_AT,
    SLOW_FROM,
    PositionCorrector,
)
from ptycho_torch.reconstruct.probe_modes import mode_factors, orthogonal_modes
from ptycho_torch.reconstruct.rpie import Epoch, RpieOptions, RpieResult, wave_factor
from ptycho_torch.reconstruct.stitch import Canvas, stitch

_BALANCE_PATTERNS = 64
_KEPT_PROBES_BYTES = 256 * 2**20


class EngineState:
    """Object, probe and positions while they change; the patterns beside them.

    Args:
        amplitude: (n, N, N) unit-dose amplitude, zero frequency at `N // 2`.
        positions_px: (n, 2) float64, (row, col) of the patch centres.
        probe: (mode, N, N) complex64 of unit energy.
        mask: (row, col) bool, True where a pixel was measured, or None.
        options: Epochs, step sizes, order.
    """

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
        self.object = torch.ones(self.shape, dtype=torch.complex64)
        self.move = torch.zeros_like(self.object)
        self.probe = probe.clone()
        self.gauge = detector_gauge(self.size)
        self.kept_probes = self._keep_probes()
        self.order = torch.Generator().manual_seed(options.seed)
        square = amplitude.square() if mask is None else amplitude.square() * mask
        self.energy = float(square.sum(dtype=torch.float64))

    def epoch(self, number: int) -> Epoch:
        """Pass once over all patterns.

        Args:
            number: Counted from 1.

        Returns:
            What the epoch saw.

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

        Args:
            index: (k,) int64, which patterns.
            number: Of the epoch, counted from 1.

        Returns:
            (k,) squared distance of predicted from measured amplitude, before the step.
        """
        windows = Windows(self.corners[index], self.size, self.shape)
        patches, probes = windows.cut(self.object), self._probes_on(index)
        wave = torch.fft.fft2(patches[:, None] * probes)
        intensity = _intensity(wave)
        measured, root = self.amplitude[index], intensity.sqrt()
        factor = wave_factor(intensity, root, measured, self.options)
        square = (root - measured).square_()
        if self.mask is not None:
            factor, square = factor * self.mask, square * self.mask
        change = torch.fft.ifft2(wave.mul_(factor[:, None]), norm="forward")
        options = self.options
        weight = windows.add(_intensity(probes)).mul_(self.size**2)
        move = windows.add((probes.conj() * change).sum(dim=1))
        self.move.mul_(options.momentum).add_(move.div_(_regularised(weight, options.alpha)))
        self.object.add_(self.move)
        if options.update_probe and number > options.probe_from:
            self._step_probe(patches, change, index)
        return square.sum(dim=(-2, -1))

    def cut(self, corners: Tensor, rest: Tensor) -> tuple[Tensor, Tensor]:
        """Cut the object and shift the probe for some patterns.

        Args:
            corners: (k, 2) int64, on the canvas.
            rest: (k, 2) float32, what is left of the positions.

        Returns:
            (k, N, N) patches and (k, mode, N, N) probes.
        """
        windows = Windows(corners, self.size, self.shape)
        return windows.cut(self.object), shift_probe(self.probe, rest)

    def result(self, epochs: list[Epoch]) -> RpieResult:
        """Normalise the probe to unit energy and hand the factor to the object.

        Args:
            epochs: What every epoch saw.

        Returns:
            The run's result.
        """
        norm = math.sqrt(probe_energy(self.probe))
        probe = self.probe / norm
        positions: Array = self.positions.numpy()
        coverage = stitch(
            torch.ones(len(positions), 1, 1).expand(-1, self.size, self.size), positions, probe
        ).coverage
        corners, _ = split_positions(self.positions, self.size)
        origin, (height, width) = scan_canvas(corners, self.size)
        row, col = (origin - self.origin).tolist()
        found = (self.object[row : row + height, col : col + width] * norm).numpy()
        canvas = Canvas(found, coverage, (int(origin[0]), int(origin[1])))
        return RpieResult(canvas, probe, positions, epochs)

    def place(self, start: Canvas) -> None:
        """Copy the covered part of a canvas into the object.

        Args:
            start: Where to start from.
        """
        shift = np.array(start.origin) - self.origin.numpy()
        low = np.maximum(shift, 0)
        high = np.minimum(shift + start.object.shape, self.shape)
        inner = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        outer = tuple(slice(a, b) for a, b in zip(low - shift, high - shift, strict=True))
        covered = torch.from_numpy(start.covered()[outer])
        self.object[inner][covered] = torch.from_numpy(start.object[outer])[covered]

    def _keep_probes(self) -> Tensor | None:
        """Shift the probe once for every pattern, where nothing moves and memory allows it."""
        needed = len(self.rest) * self.probe.numel() * self.probe.element_size()
        options = self.options
        if options.update_probe or options.correct_positions or needed > _KEPT_PROBES_BYTES:
            return None
        return torch.cat([self._shifted(rest) for rest in torch.split(self.rest, 64)])

    def _probes_on(self, index: Tensor) -> Tensor:
        """(k, mode, N, N) shifted probes in the detector's gauge."""
        return (
            self._shifted(self.rest[index])
            if self.kept_probes is None
            else (self.kept_probes[index])
        )

    def _shifted(self, rest: Tensor) -> Tensor:
        return shift_probe(self.probe, rest).mul_(self.gauge)

    def _step_probe(self, patches: Tensor, change: Tensor, index: Tensor) -> None:
        pulled = (patches.conj() * self.gauge)[:, None] * change
        move = sum_shifted(pulled, -self.rest[index])
        weight = _intensity(patches[:, None]).sum(dim=0)
        self.probe = self.probe + move / _regularised(weight, self.options.probe_alpha)

    def _balance_modes(self, index: Tensor) -> None:
        """Make the modes orthogonal and give each the power that explains some patterns best."""
        self.probe = orthogonal_modes(self.probe)
        windows = Windows(self.corners[index], self.size, self.shape)
        waves = windows.cut(self.object)[:, None] * self._shifted(self.rest[index])
        parts = illumination(torch.fft.fft2(waves)[:, :, None])
        measured = self.amplitude[index].square()
        if self.mask is not None:
            parts, measured = parts * self.mask, measured * self.mask
        self.probe = self.probe * mode_factors(parts, measured)[:, None, None].sqrt()

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


def _intensity(field: Tensor) -> Tensor:
    """Sum over modes of |field|^2, (k, mode, N, N) → (k, N, N); one pass where there is one."""
    if field.shape[1] > 1:
        return illumination(field)
    only = field[:, 0]
    return torch.addcmul(only.real.square(), only.imag, only.imag)


def _passes(share: float, marks: tuple[float, ...], epochs: int) -> bool:
    """Whether an epoch is the first one that reaches one of the marks."""
    return any(share >= mark > share - 1 / epochs for mark in marks)


def _regularised(weight: Tensor, alpha: float) -> Tensor:
    return weight.mul(1 - alpha).add_(alpha * weight.max())

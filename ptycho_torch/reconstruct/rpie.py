"""Mini-batch rPIE with momentum, probe modes and position correction.

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

In here probes carry the factor `detector_gauge`, so that a bare Fourier transform takes an exit
wave to the detector and a bare inverse one brings its change back, multiplied already as the
object's step needs it: conj(P g) N^2 ifft2(w) = conj(P) backpropagate(w).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ptycho_torch.data.scan import Array
from ptycho_torch.physics.patches import Windows, split_positions
from ptycho_torch.physics.probe import illumination, shift_probe, sum_shifted
from ptycho_torch.physics.propagate import detector_gauge
from ptycho_torch.reconstruct.options import RpieOptions
from ptycho_torch.reconstruct.positions import (
    FAST_GAIN,
    SEARCH_AT,
    SLOW_FROM,
    PositionCorrector,
)
from ptycho_torch.reconstruct.probe_modes import mode_factors, orthogonal_modes
from ptycho_torch.reconstruct.state import RunState

_BACKGROUND_PHOTONS = 1e-4
_LARGEST_FACTOR = 10.0
_BALANCE_PATTERNS = 64
_KEPT_PROBES_BYTES = 256 * 2**20


class RpieState(RunState):
    """An rPIE run.

    Args:
        amplitude: (n, N, N) unit-dose amplitude, zero frequency at `N // 2`.
        positions_px: (n, 2) float64, (row, col) of the patch centres.
        probe: (mode, N, N) complex64 of unit energy.
        mask: (row, col) bool, True where a pixel was measured, or None.
        options: Epochs, step sizes, order.
    """

    options: RpieOptions

    def __init__(
        self,
        amplitude: Tensor,
        positions_px: Array,
        probe: Tensor,
        mask: Tensor | None,
        options: RpieOptions,
    ) -> None:
        super().__init__(amplitude, positions_px, probe, mask, options)
        self.move = torch.zeros_like(self.object)
        self.gauge = detector_gauge(self.size)
        self.kept_probes = self._keep_probes()

    def step(self, index: Tensor) -> Tensor:
        """Work on some patterns.

        Args:
            index: (k,) int64, which patterns.

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
        scale = _regularised(weight, options.alpha)
        if self.regularised:
            share = len(index) / len(self.amplitude)
            self.smoother().pull(self.object, move, scale, share)
        self.move.mul_(options.momentum).add_(move.div_(scale))
        self.object.add_(self.move)
        if options.update_probe and self.clock >= options.probe_from:
            self._step_probe(patches, change, index)
        return square.sum(dim=(-2, -1))

    def after_epoch(self, order: Tensor, misfit: Tensor) -> float:
        """Correct the positions, then balance the modes; see `RunState.after_epoch`."""
        moved = math.nan
        if self.options.correct_positions and self.clock >= 2:
            moved = self._correct(misfit)
        if self.options.update_probe and len(self.probe) > 1:
            self._balance_modes(order[:_BALANCE_PATTERNS])
        return moved

    def snapshot(self) -> dict[str, Tensor]:
        """See `RunState.snapshot`."""
        return {**super().snapshot(), "move": self.move}

    def restore(self, kept: dict[str, Tensor]) -> None:
        """See `RunState.restore`."""
        super().restore(kept)
        self.move = kept["move"]

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
        factors = mode_factors(parts, measured)[:, None, None].sqrt()
        self.probe = (self.probe * factors).contiguous()

    def _correct(self, misfit: Tensor) -> float:
        """Move the positions on; returns the median step in pixels."""
        corrector = PositionCorrector(self._cut_at, self.amplitude, self.mask)
        share = (self.clock + 1) / self.options.epochs
        positions = self.positions
        if _passes(share, SEARCH_AT, self.options.epochs):
            energy = self.amplitude.square().sum(dim=(-2, -1))
            positions = corrector.searched(positions, misfit / energy)
        else:
            positions = corrector.stepped(positions, FAST_GAIN if share < SLOW_FROM else 1.0)
        positions = self.without_drift(positions)
        moved = float((positions - self.positions).norm(dim=1).median())
        self.stand_at(positions)
        return moved

    def _cut_at(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        corners, rest = split_positions(self.inside(positions), self.size)
        return self.cut(corners - self.origin, rest)


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
    # Half the gradient: the same step as the projection's where both nearly agree. A photon on a
    # dark pixel asks for far more than the others take away; a low limit would break that balance
    # and darken what is dark, no limit lets single photons shake the object.
    return (0.5 * (ratio - 1)).clamp_max(_LARGEST_FACTOR)


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

"""Mini-batch rPIE: the plain iterative method, for probes, refinement and comparison.

Each step takes some patterns at once, replaces the modulus of their exit waves, and moves the
object along the summed, regularised changes (Maiden, Johnson and Li, Optica 4, 2017,
10.1364/OPTICA.4.000736):

    O += merge(conj(P) dpsi) / ((1 - alpha) merge(|P|^2) + alpha max merge(|P|^2))

and, when asked to, the probe likewise with the patches in the probe's place.

With momentum the object goes on along a decaying sum of its moves, as in mPIE (the same paper,
section 4), here after every step; growing batches then average out what the noise of single
patterns left.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ptycho_torch.config import RPIE_ALPHA
from ptycho_torch.data.scan import Array, ScanData
from ptycho_torch.errors import DivergedError
from ptycho_torch.losses.diffraction import DiffractionLoss
from ptycho_torch.physics.patches import extract, merge, scan_canvas, split_positions
from ptycho_torch.physics.probe import illumination, probe_energy, shift_field, shift_probe
from ptycho_torch.physics.projection import replace_modulus
from ptycho_torch.physics.scaling import compute_scales
from ptycho_torch.reconstruct.assemble import canvas_intensity
from ptycho_torch.reconstruct.stitch import Canvas, stitch

logger = logging.getLogger(__name__)


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
        seed: Of the order of the patterns.
        momentum: Share of the object's last move that is kept, 0 to below 1.
        batch_growth: Factor by which a step's patterns grow after each third of the epochs.
    """

    epochs: int = 3
    batch_size: int = 16
    alpha: float = RPIE_ALPHA
    update_probe: bool = False
    probe_alpha: float = 1.0
    seed: int = 0
    momentum: float = 0.0
    batch_growth: int = 1

    def batch_of(self, epoch: int) -> int:
        """Return how many patterns a step of an epoch takes; epochs count from 0."""
        growth: int = self.batch_growth ** min(2, epoch * 3 // self.epochs)
        return self.batch_size * growth


@dataclass(frozen=True)
class RpieResult:
    """What a run of rPIE leaves.

    Attributes:
        canvas: The object with its coverage.
        probe: (mode, N, N) complex64 of unit energy.
        r_factors: R factor of every epoch, measured while it ran.
    """

    canvas: Canvas
    probe: Tensor
    r_factors: list[float]


class _State:
    """Object and probe while they change; patterns, corners and rests beside them."""

    def __init__(
        self, amplitude: Tensor, positions_px: Array, probe: Tensor, mask: Tensor | None
    ) -> None:
        self.amplitude = amplitude
        self.mask = mask
        self.size = probe.shape[-1]
        corners, self.rest = split_positions(torch.from_numpy(positions_px), self.size)
        self.origin, self.shape = scan_canvas(corners, self.size)
        self.corners = corners - self.origin
        self.object = torch.ones(1, *self.shape, dtype=torch.complex64)
        self.move = torch.zeros_like(self.object)
        self.probe = probe.clone()

    def step(self, index: Tensor, options: RpieOptions) -> float:
        """Work on some patterns.

        Returns:
            Squared distance of predicted from measured amplitude, before the step.
        """
        corners = self.corners[index][None]
        patches = extract(self.object, corners, self.size)[0]
        probes = shift_probe(self.probe, self.rest[index])
        wave = patches[:, None] * probes
        change = replace_modulus(wave, self.amplitude[index], self.mask) - wave
        light = illumination(probes)
        weight = merge(light[None], corners, *self.shape)
        move = merge((probes.conj() * change).sum(dim=1)[None], corners, *self.shape)
        self.move = options.momentum * self.move + move / _regularised(weight, options.alpha)
        self.object = self.object + self.move
        if options.update_probe:
            self._step_probe(patches, change, index, options.probe_alpha)
        # By Parseval the change at the sample is as large as that on the detector.
        return float(change.abs().square().sum())

    def _step_probe(self, patches: Tensor, change: Tensor, index: Tensor, alpha: float) -> None:
        move = shift_field(patches.conj()[:, None] * change, -self.rest[index]).sum(dim=0)
        weight = patches.abs().square().sum(dim=0)
        self.probe = self.probe + move / _regularised(weight, alpha)

    def result(self, r_factors: list[float], positions_px: Array) -> RpieResult:
        """Normalise the probe to unit energy and hand the factor to the object."""
        norm = math.sqrt(probe_energy(self.probe))
        probe = self.probe / norm
        coverage = stitch(
            torch.ones(len(self.rest), 1, 1).expand(-1, self.size, self.size), positions_px, probe
        ).coverage
        origin = (int(self.origin[0]), int(self.origin[1]))
        found = (self.object[0] * norm).numpy()
        return RpieResult(Canvas(found, coverage, origin), probe, r_factors)


def run_rpie(
    amplitude: Tensor,
    positions_px: Array,
    probe: Tensor,
    options: RpieOptions,
    start: Canvas | None = None,
    mask: Tensor | None = None,
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

    Returns:
        Object, probe and the R factor of each epoch.

    Raises:
        DivergedError: The object became non-finite.
    """
    state = _State(amplitude, positions_px, probe, mask)
    if start is not None:
        _place(state, start)
    generator = torch.Generator().manual_seed(options.seed)
    energy = float(amplitude.square().sum(dtype=torch.float64))
    r_factors = []
    for epoch in range(options.epochs):
        order = torch.randperm(len(amplitude), generator=generator)
        batches = torch.split(order, options.batch_of(epoch))
        distance = math.fsum(state.step(index, options) for index in batches)
        r_factors.append(math.sqrt(distance / energy))
        if not math.isfinite(distance):
            raise DivergedError(
                f"rPIE became non-finite in epoch {epoch + 1}",
                hint="check the probe and the patterns; a larger alpha takes smaller steps",
            )
    return state.result(r_factors, positions_px)


def prepare_probe(scan: ScanData, epochs: int = 8, seed: int = 0) -> Array:
    """Refine the probe of a real scan before a network is trained with it.

    A wrong probe cannot be trained away: on the Siemens star the file's probe leaves 80 % of the
    flat object's loss even for the right object.

    Args:
        scan: The measurement with its starting guess.
        epochs: rPIE epochs with probe update.
        seed: Of the order of the patterns.

    Returns:
        (mode, N, N) complex64 in the file's unit: its energy is the mean sum of squares of the
        file's amplitudes.

    Raises:
        DivergedError: The object became non-finite.
    """
    scales = compute_scales(scan.amplitude(), scan.probe)
    amplitude = torch.from_numpy(scan.amplitude() * np.float32(scales.amplitude_scale))
    probe = torch.from_numpy(scan.probe * np.complex64(scales.probe_factor))
    options = RpieOptions(epochs=epochs, update_probe=True, seed=seed)
    mask = None if scan.mask is None else torch.from_numpy(scan.mask)
    result = run_rpie(amplitude, scan.positions_px, probe, options, mask=mask)
    logger.info(
        "probe prepared by %d rPIE epochs, R %.4f -> %.4f",
        epochs,
        result.r_factors[0],
        result.r_factors[-1],
    )
    prepared: Array = result.probe.numpy() * np.complex64(math.sqrt(scales.mean_intensity))
    return prepared


def unexplained_fraction(scan: ScanData) -> float | None:
    """How much of the flat object's loss the file's own object leaves with the file's probe.

    The object's scale is fitted first, since files differ in their gauge.

    Args:
        scan: A scan, best with an object.

    Returns:
        loss(object) / loss(flat), near 0 when probe and object explain the data and near 1 when
        they do not; None when the scan has no object.
    """
    if scan.object is None:
        return None
    scales = compute_scales(scan.amplitude(), scan.probe)
    amplitude = torch.from_numpy(scan.amplitude() * np.float32(scales.amplitude_scale))
    probe = torch.from_numpy(scan.probe * np.complex64(scales.probe_factor))
    known = Canvas(scan.object, np.ones(scan.object.shape, np.float32), (0, 0))
    flat = Canvas(np.ones_like(scan.object), known.coverage, (0, 0))
    mask = None if scan.mask is None else torch.from_numpy(scan.mask)
    losses = [_fitted_loss(c, amplitude, scan.positions_px, probe, mask) for c in (known, flat)]
    return losses[0] / losses[1]


def _fitted_loss(
    canvas: Canvas, amplitude: Tensor, positions_px: Array, probe: Tensor, mask: Tensor | None
) -> float:
    """Amplitude loss of an object at the scale that fits best."""
    loss = DiffractionLoss("amplitude", 1.0, mask)
    predicted = canvas_intensity(canvas, positions_px, probe)
    gain = float((predicted.sqrt() * amplitude).sum() / predicted.sum())
    return float(loss(predicted * gain**2, amplitude))


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

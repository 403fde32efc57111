"""Short reconstructions of a part of a scan, judged by patterns they have not seen.

Which positions, which probe explains a scan best? The misfit of the patterns that an object was
made from is a poor judge: positions spread wide leave every pattern to itself, and anything can be
explained. So some patterns near the middle are kept apart, and the object that the others gave has
to predict them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ptycho_torch.data.scan import Array, ScanData
from ptycho_torch.losses.diffraction import photon_noise
from ptycho_torch.physics.scaling import Scales, compute_scales
from ptycho_torch.reconstruct.assemble import canvas_intensity
from ptycho_torch.reconstruct.engine import EngineResult, RpieOptions, run_engine
from ptycho_torch.reconstruct.stitch import Canvas

PATTERNS = 150
"""Patterns of a trial; of a longer scan those nearest to its middle."""
FEWEST = 12
_INNER = 0.35
"""Patterns within this part of the extent, to each side of the middle, may be kept apart."""
_ONE_IN = 4
_LEAST_APART = 3


def central_part(scan: ScanData, patterns: int) -> ScanData:
    """Return the patterns nearest to the middle of a scan.

    Args:
        scan: The measurement.
        patterns: How many at most.

    Returns:
        A part of it, in order.
    """
    distance = np.linalg.norm(scan.positions_px - np.median(scan.positions_px, axis=0), axis=1)
    return scan.select(np.sort(np.argsort(distance, kind="stable")[:patterns]))


@dataclass(frozen=True)
class Trial:
    """What came of one trial.

    Attributes:
        misfits: (k,) squared distance of predicted from measured amplitude of each pattern that
            was kept apart, in unit dose.
        predicted: (k, N, N) their unit-dose intensity.
        result: The engine's.
    """

    misfits: Array
    predicted: Tensor
    result: EngineResult

    @property
    def misfit(self) -> float:
        """Mean of the misfits."""
        return float(self.misfits.mean())


class Trials:
    """A part of a scan, ready for trials.

    Args:
        scan: The measurement, of `FEWEST` patterns or more.
        seed: Of the order of the patterns.

    Attributes:
        scan: The part.
        scales: Its scales.
        apart: (k,) int64, the patterns that are kept apart.
        light: Mean light of those, in unit dose.
        noise: What photons leave of their misfit for the true object, about.
    """

    def __init__(self, scan: ScanData, seed: int = 0) -> None:
        self.scan = central_part(scan, PATTERNS)
        self.seed = seed
        self.scales: Scales = compute_scales(
            self.scan.amplitude(), self.scan.probe, self.scan.nphotons
        )
        self.amplitude = torch.from_numpy(
            self.scan.amplitude() * np.float32(self.scales.amplitude_scale)
        )
        self.mask = None if scan.mask is None else torch.from_numpy(scan.mask)
        self.apart = kept_apart(self.scan.positions_px)
        mean = self.amplitude[self.apart].square().mean(dim=0)
        self.noise = photon_noise("amplitude", self.scales.nphotons, mean, self.mask)
        self.light = float(mean.sum() if self.mask is None else mean[self.mask].sum())
        self.probe = torch.from_numpy(self.scan.probe * np.complex64(self.scales.probe_factor))

    @property
    def count_unit(self) -> float:
        """One photon in the intensity of the scan's file."""
        return self.scales.mean_intensity / self.scales.nphotons

    def run(self, positions_px: Array, *, epochs: int = 6, update_probe: bool = True) -> Trial:
        """Reconstruct from most patterns and predict the others.

        Args:
            positions_px: (n, 2) float64, of the part's patterns.
            epochs: Passes.
            update_probe: Whether the probe may change.

        Returns:
            How well that went.

        Raises:
            DivergedError: The object became non-finite.
        """
        options = RpieOptions(
            epochs=epochs,
            alpha=0.1,
            momentum=0.7,
            batch_growth=4,
            update_probe=update_probe,
            probe_from=1,
            seed=self.seed,
        )
        used = np.setdiff1d(np.arange(len(self.scan)), self.apart)
        found = run_engine(
            self.amplitude[used], positions_px[used], self.probe, options, mask=self.mask
        )
        return self._judged(found.canvas, found.probe, positions_px, found)

    def constant(self) -> float:
        """Return the misfit of no model at all: every pattern predicted by the mean of the others.

        Unlike a flat object's it does not depend on the given probe.
        """
        used = np.setdiff1d(np.arange(len(self.scan)), self.apart)
        mean = self.amplitude[used].square().mean(dim=0).sqrt()
        square = (mean - self.amplitude[self.apart]).square()
        square = square if self.mask is None else square * self.mask
        return float(square.sum(dim=(-2, -1)).mean())

    def _judged(
        self, canvas: Canvas, probe: Tensor, positions_px: Array, found: EngineResult
    ) -> Trial:
        wide = _widened(canvas, positions_px[self.apart], self.scan.n_pixel)
        intensity = canvas_intensity(wide, positions_px[self.apart], probe)
        square = (intensity.sqrt() - self.amplitude[self.apart]).square()
        square = square if self.mask is None else square * self.mask
        return Trial(square.sum(dim=(-2, -1)).numpy().astype(np.float64), intensity, found)


def kept_apart(positions_px: Array) -> Array:
    """Choose the patterns that a trial does not see: every fourth near the middle.

    Args:
        positions_px: (n, 2) float64.

    Returns:
        (k,) int64, at least three.
    """
    extent = np.ptp(positions_px, axis=0)
    away = np.abs(positions_px - np.median(positions_px, axis=0))
    inner = np.flatnonzero(np.all(away <= _INNER * extent, axis=1))
    if len(inner) < _LEAST_APART * _ONE_IN:
        inner = np.argsort(np.linalg.norm(away, axis=1), kind="stable")[: _LEAST_APART * _ONE_IN]
    return np.sort(inner)[::_ONE_IN]


def significance(worse: Trial, better: Trial) -> float:
    """Return by how many standard errors one trial predicts worse than another.

    Args:
        worse: A trial.
        better: One that kept the same patterns apart.
    """
    difference = worse.misfits - better.misfits
    error = float(difference.std(ddof=1)) / math.sqrt(len(difference))
    return float(difference.mean()) / max(error, 1e-30)


def _widened(canvas: Canvas, positions_px: Array, size: int) -> Canvas:
    """Add a flat border where patches reach beyond the canvas."""
    corner = np.rint(positions_px).astype(int) - size // 2 - np.array(canvas.origin)
    before = np.maximum(0, 1 - corner.min(axis=0))
    after = np.maximum(0, corner.max(axis=0) + size + 1 - np.array(canvas.object.shape))
    if not before.any() and not after.any():
        return canvas
    room = tuple(zip(before.tolist(), after.tolist(), strict=True))
    return Canvas(
        np.pad(canvas.object, room, constant_values=1),
        np.pad(canvas.coverage, room),
        (canvas.origin[0] - int(before[0]), canvas.origin[1] - int(before[1])),
    )

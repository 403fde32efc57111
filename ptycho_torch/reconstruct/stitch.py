"""Put patches together into one object."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ptycho_torch.data.scan import Array
from ptycho_torch.errors import DivergedError
from ptycho_torch.physics.patches import merge, scan_canvas, split_positions
from ptycho_torch.physics.probe import illumination, shift_probe

COVERAGE_FLOOR = 1e-4
"""Where less than this fraction of the strongest illumination fell, nothing is claimed."""


@dataclass(frozen=True)
class Canvas:
    """A reconstructed object in the scan's pixel frame.

    Attributes:
        object: (H, W) complex64; exactly 0 where the coverage is below the floor.
        coverage: (H, W) float32, sum of |P|^2 over the patches, probe of unit energy.
        origin: Object pixel (row, col) of `object[0, 0]`, so position p lies at p - origin.
    """

    object: Array
    coverage: Array
    origin: tuple[int, int]

    def covered(self, floor: float = COVERAGE_FLOOR) -> Array:
        """Where there was light.

        Args:
            floor: Fraction of the strongest coverage.

        Returns:
            (H, W) bool.
        """
        enough: Array = self.coverage >= floor * self.coverage.max()
        return enough


class Stitcher:
    """Adds weighted patches to a scan's canvas, a few at a time.

    Every pixel of a patch counts with the weight |P|^2 of its own shifted probe, the noise-optimal
    weight for patches of equal quality.

    Args:
        positions_px: (n, 2) float64, all positions the canvas must hold.
        probe: (mode, N, N) complex, unit energy.
    """

    def __init__(self, positions_px: Array, probe: Tensor) -> None:
        size = probe.shape[-1]
        corners, _ = split_positions(torch.from_numpy(positions_px), size)
        self._origin, self._shape = scan_canvas(corners, size)
        self._probe = probe.detach().cpu()
        self._sum = torch.zeros(self._shape, dtype=torch.complex64)
        self._weight = torch.zeros(self._shape, dtype=torch.float32)

    def add(self, patches: Tensor, positions_px: Array) -> None:
        """Add some patches.

        Args:
            patches: (k, N, N) complex.
            positions_px: (k, 2) float64, their positions.
        """
        corners, rest = split_positions(torch.from_numpy(positions_px), patches.shape[-1])
        placed = (corners - self._origin)[None]
        weight = illumination(shift_probe(self._probe, rest))
        weighted = patches.detach().cpu().to(torch.complex64) * weight
        self._sum += merge(weighted[None], placed, *self._shape)[0]
        self._weight += merge(weight[None], placed, *self._shape)[0]

    def finish(self) -> Canvas:
        """Divide by the weights.

        Returns:
            The object with its coverage.

        Raises:
            DivergedError: A patch was not finite.
        """
        if not bool(torch.isfinite(self._sum.abs()).all()):
            raise DivergedError(
                "the stitched object is not finite", hint="lower the learning rate and train again"
            )
        lit = self._weight >= COVERAGE_FLOOR * self._weight.max()
        quotient = self._sum / self._weight.clamp_min(torch.finfo(torch.float32).tiny)
        origin = (int(self._origin[0]), int(self._origin[1]))
        stitched = torch.where(lit, quotient, torch.zeros_like(quotient)).numpy()
        return Canvas(object=stitched, coverage=self._weight.numpy(), origin=origin)


def stitch(
    patches: Tensor,
    positions_px: Array,
    probe: Tensor,
    phases: Tensor | None = None,
    chunk: int = 256,
) -> Canvas:
    """Stitch all patches of a scan.

    Args:
        patches: (n, N, N) complex object patches.
        positions_px: (n, 2) float64, (row, col) of their centres.
        probe: (mode, N, N) complex, unit energy.
        phases: (n,) complex unit phases to multiply the patches with, or None.
        chunk: Patches added at once.

    Returns:
        The object with its coverage.

    Raises:
        DivergedError: A patch was not finite.
    """
    stitcher = Stitcher(positions_px, probe)
    for start in range(0, len(patches), chunk):
        part = slice(start, start + chunk)
        block = patches[part]
        if phases is not None:
            block = block * phases[part, None, None]
        stitcher.add(block, positions_px[part])
    return stitcher.finish()


def cut_patches(canvas: Canvas, positions_px: Array, size: int) -> Tensor:
    """Cut every position's patch out of a canvas.

    Args:
        canvas: A stitched object.
        positions_px: (n, 2) float64, positions that the canvas holds.
        size: Patch edge in pixels.

    Returns:
        (n, size, size) complex64.
    """
    corners, _ = split_positions(torch.from_numpy(positions_px), size)
    starts = (corners - torch.tensor(canvas.origin)).numpy()
    rows = starts[:, 0, None] + np.arange(size)
    cols = starts[:, 1, None] + np.arange(size)
    return torch.from_numpy(canvas.object[rows[:, :, None], cols[:, None, :]])

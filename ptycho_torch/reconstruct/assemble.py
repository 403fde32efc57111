"""From patches to the best stitched object: with or without phase synchronisation."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import torch
from torch import Tensor

from ptycho_torch.data.scan import Array
from ptycho_torch.metrics.residuals import r_factor
from ptycho_torch.physics.forward import diffract
from ptycho_torch.physics.patches import split_positions
from ptycho_torch.physics.probe import shift_probe
from ptycho_torch.reconstruct.stitch import Canvas, cut_patches, stitch
from ptycho_torch.reconstruct.sync import sync_phases

logger = logging.getLogger(__name__)

_CHUNK = 128


@dataclass(frozen=True)
class Assembly:
    """A stitched object and how well it explains the patterns.

    Attributes:
        canvas: The object with its coverage.
        r_factor: Of the stitched object.
        synchronised: Whether the patches' phases were aligned first.
        components: Parts of the scan that do not overlap with each other; 1 for a sound scan.
    """

    canvas: Canvas
    r_factor: float
    synchronised: bool
    components: int


def assemble(
    patches: Tensor,
    positions_px: Array,
    probe: Tensor,
    amplitude: Tensor,
    mask: Tensor | None = None,
    sync: bool = True,
) -> Assembly:
    """Stitch patches as they are and with synchronised phases, and keep the better object.

    Args:
        patches: (n, N, N) complex object patches.
        positions_px: (n, 2) float64, (row, col) of their centres.
        probe: (mode, N, N) complex, unit energy.
        amplitude: (n, N, N) unit-dose amplitude, which decides.
        mask: (row, col) bool, True where a pixel was measured, or None.
        sync: Whether to try synchronisation at all.

    Returns:
        The object with the lower R factor.

    Raises:
        DivergedError: A patch was not finite.
    """
    plain = stitch(patches, positions_px, probe)
    plain_r = canvas_r_factor(plain, positions_px, probe, amplitude, mask)
    if not sync:
        return Assembly(plain, plain_r, synchronised=False, components=1)
    found = sync_phases(patches, positions_px, probe)
    aligned = stitch(patches, positions_px, probe, found.phases)
    aligned_r = canvas_r_factor(aligned, positions_px, probe, amplitude, mask)
    if found.components > 1:
        logger.warning(
            "the scan falls into %d parts that do not overlap; their phases are not comparable",
            found.components,
        )
    logger.info(
        "each pattern on its own, put together: R=%.4f, with synchronised phases %.4f",
        plain_r,
        aligned_r,
    )
    if aligned_r < plain_r:
        return Assembly(aligned, aligned_r, synchronised=True, components=found.components)
    return Assembly(plain, plain_r, synchronised=False, components=found.components)


def canvas_r_factor(
    canvas: Canvas,
    positions_px: Array,
    probe: Tensor,
    amplitude: Tensor,
    mask: Tensor | None = None,
) -> float:
    """R factor of a stitched object.

    Args:
        canvas: The object.
        positions_px: (n, 2) float64, positions that the canvas holds.
        probe: (mode, N, N) complex, unit energy.
        amplitude: (n, N, N) unit-dose amplitude.
        mask: (row, col) bool, True where a pixel was measured, or None.

    Returns:
        sqrt(sum (sqrt I - x)^2 / sum x^2).
    """
    return r_factor(canvas_intensity(canvas, positions_px, probe), amplitude, mask)


def canvas_intensity(canvas: Canvas, positions_px: Array, probe: Tensor) -> Tensor:
    """Diffraction that an object would give.

    Args:
        canvas: The object.
        positions_px: (n, 2) float64, positions that the canvas holds.
        probe: (mode, N, N) complex, unit energy.

    Returns:
        (n, N, N) unit-dose intensity.
    """
    size = probe.shape[-1]
    parts = []
    for start in range(0, len(positions_px), _CHUNK):
        positions = positions_px[start : start + _CHUNK]
        _, rest = split_positions(torch.from_numpy(positions), size)
        patches = cut_patches(canvas, positions, size)
        parts.append(diffract(patches, shift_probe(probe, rest)))
    return torch.cat(parts)

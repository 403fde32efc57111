"""A scan made ready for any method: scales, unit-dose tensors, and what costs nothing to know."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

import numpy as np
import torch

from ptycho_torch.data.inspection import Inspection, inspect_scan
from ptycho_torch.data.remark import Remark
from ptycho_torch.data.scan import Array, ScanData
from ptycho_torch.errors import DataFileError
from ptycho_torch.iterative import measured_mask
from ptycho_torch.physics.patches import split_positions
from ptycho_torch.physics.projection import project_patterns
from ptycho_torch.physics.scaling import Scales, compute_scales
from ptycho_torch.reconstruct.assemble import assemble
from ptycho_torch.reconstruct.probe_modes import with_modes
from ptycho_torch.reconstruct.result import Reconstruction
from ptycho_torch.reconstruct.stitch import Canvas

UNKNOWN_DOSE_PHOTONS = 1e6
"""Taken where values are in no known unit: enough for the likelihood of many photons."""
_LOOKED_AT = 64

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Scene:
    """A scan in the units every method works in.

    Attributes:
        given: The measurement as it was read.
        patterns: (n,) int64, numbers of the patterns that are used: those with light.
        scan: These alone, its probe with as many modes as were asked for, and with the energy of a
            mean pattern: this probe times the object are the data.
        inspection: What was found in it.
        scales: Its scales; every method uses these, so their objects share one gauge.
        amplitude: (n, N, N) float32 unit-dose amplitude.
        mask: (row, col) bool, True where a pixel was measured, or None.
    """

    given: ScanData
    patterns: Array
    scan: ScanData
    inspection: Inspection
    scales: Scales
    amplitude: torch.Tensor
    mask: torch.Tensor | None

    def unit_probe(self) -> torch.Tensor:
        """The scan's probe with unit energy.

        Returns:
            (mode, N, N) complex64.
        """
        return torch.from_numpy(self.scan.probe * np.complex64(self.scales.probe_factor))

    def placed(self, canvas: Canvas) -> Reconstruction:
        """Take a canvas for the object of this scan.

        Args:
            canvas: It holds every position.

        Returns:
            A reconstruction with the scan's own probe and positions.
        """
        return Reconstruction(
            canvas=canvas,
            probe=self.scan.probe,
            positions_px=self.scan.positions_px,
            patterns=self.patterns,
            scales=self.scales,
            pixel_size_m=self.scan.pixel_size_m,
        )


def prepare_scene(scan: ScanData, modes: int | None = None, nphotons: float | None = None) -> Scene:
    """Look at a scan, say what was found, and bring it into the methods' units.

    Args:
        scan: The measurement.
        modes: Incoherent probe modes; None takes as many as the scan has.
        nphotons: Mean photons per pattern; None takes what the scan says.

    Returns:
        The scene.

    Raises:
        DataFileError: The positions are in another unit.
    """
    scan, unknown = _with_dose(scan, nphotons)
    inspection = inspect_scan(scan)
    inspection = replace(inspection, remarks=(*inspection.remarks, *unknown))
    for line in inspection.lines():
        logger.info(line)
    for remark in inspection.remarks:
        logger.warning(remark.line())
    if (unit := inspection.unit_remark) is not None:
        raise DataFileError(f"{scan.source}: {unit.message}", unit.hint)
    given, patterns = scan, _lit_patterns(scan)
    if len(patterns) < len(scan):
        logger.warning("%d patterns without light are left out", len(scan) - len(patterns))
        scan = scan.select(patterns)
    scales = compute_scales(scan.amplitude(), scan.probe, scan.nphotons, "as the file says")
    # Whatever power the file's probe has: with this one, probe times object are the data.
    probe = with_modes(torch.from_numpy(scan.probe), modes or len(scan.probe)).numpy()
    scan = replace(scan, probe=probe / np.complex64(scales.amplitude_scale))
    scales = scales.with_probe_in_data_unit()
    amplitude = torch.from_numpy(scan.amplitude() * np.float32(scales.amplitude_scale))
    return Scene(given, patterns, scan, inspection, scales, amplitude, measured_mask(scan))


def _lit_patterns(scan: ScanData) -> Array:
    """Numbers of the patterns that hold light; all, where none does, for others to refuse."""
    used = slice(None) if scan.mask is None else scan.mask
    lit = np.flatnonzero([frame[used].any() for frame in scan.diffraction])
    return lit if len(lit) else np.arange(len(scan))


def _with_dose(scan: ScanData, nphotons: float | None) -> tuple[ScanData, tuple[Remark, ...]]:
    """Settle how many photons a pattern has, or say that nobody knows."""
    if nphotons is not None:
        return replace(scan, nphotons=nphotons), ()
    if scan.nphotons is not None or scan.measurement == "counts" or _are_counts(scan):
        return scan, ()
    remark = Remark(
        "dose-unknown",
        f"the amplitudes are no roots of counts: {UNKNOWN_DOSE_PHOTONS:g} photons a pattern "
        "are assumed",
        "give --nphotons; with few photons another likelihood and method are better. Counts times "
        "a gain look like this, too: then give --measurement counts as well",
    )
    return replace(scan, nphotons=UNKNOWN_DOSE_PHOTONS), (remark,)


def _are_counts(scan: ScanData) -> bool:
    """Whether the squares of amplitudes are whole numbers, as far as single precision can say."""
    squares = np.square(scan.diffraction[:_LOOKED_AT], dtype=np.float64)
    telling = squares[(squares > 0.1) & (squares < 1e4)]
    if telling.size == 0:
        return False
    return bool(np.mean(np.abs(telling - np.rint(telling)) < 0.02) > 0.9)


def flat_object(scene: Scene) -> Reconstruction:
    """The object that is 1 everywhere: what iterations start from.

    Args:
        scene: The scan.

    Returns:
        It, with the scan's probe and positions.
    """
    positions, half = scene.scan.positions_px, scene.scan.n_pixel // 2
    low = np.floor(positions.min(axis=0)).astype(int) - half
    high = np.ceil(positions.max(axis=0)).astype(int) + half
    shape = (int(high[0] - low[0]) + 1, int(high[1] - low[1]) + 1)
    canvas = Canvas(
        np.ones(shape, np.complex64), np.ones(shape, np.float32), (int(low[0]), int(low[1]))
    )
    return scene.placed(canvas)


def projected_object(scene: Scene) -> Reconstruction:
    """Every pattern projected on its own and stitched: the control of every network.

    Args:
        scene: The scan.

    Returns:
        The object that the projections give without any network.
    """
    scan, probe = scene.scan, scene.unit_probe()
    _, rest = split_positions(torch.from_numpy(scan.positions_px), scan.n_pixel)
    patches = project_patterns(scene.amplitude, rest, probe, mask=scene.mask)
    found = assemble(patches, scan.positions_px, probe, scene.amplitude, scene.mask)
    return scene.placed(found.canvas)

"""What `check` found, undone: positions read another way, pixels masked, patterns moved.

Nothing here guesses: what is done is said by the caller, who had it from the scan's remarks.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

import numpy as np

from ptycho_torch.data.defects import find_defects
from ptycho_torch.data.formats.geometry import placed
from ptycho_torch.data.inspection import far_field, frame_shift
from ptycho_torch.data.light import gather
from ptycho_torch.data.placement import STEPS, UNITS_M, scaled, turned_about
from ptycho_torch.data.scan import Array, ScanData
from ptycho_torch.errors import ConfigError, DataFileError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Amendments:
    """What is to be changed about a scan.

    Attributes:
        orientation: Any of `placement.STEPS`.
        position_unit: What positions are in, a key of `UNITS_M`; None for object pixels.
        position_scale: Factor of all positions, about their mean.
        position_rotation_deg: See `placement.scaled`.
        subtract_background: Counts taken from every pixel, as far as it has any.
        mask_defects: Whether dead, hot, saturated and stopped pixels are masked.
        recentre: Whether patterns are moved so that the zero frequency lies at N / 2.
        drop_empty: Whether patterns without light are left out.
    """

    orientation: tuple[str, ...] = ()
    position_unit: str | None = None
    position_scale: float = 1.0
    position_rotation_deg: float = 0.0
    subtract_background: float = 0.0
    mask_defects: bool = False
    recentre: bool = False
    drop_empty: bool = False

    @property
    def asked(self) -> bool:
        """Whether anything is to be changed."""
        return self != Amendments()

    def onto(self, scan: ScanData) -> ScanData:
        """Change a scan: patterns first, then positions, in the order of the attributes.

        Args:
            scan: The measurement.

        Returns:
            Another one. Its object is left out where it lay in the frame of the old positions.

        Raises:
            DataFileError: Positions are in metres and the object's pixel size is not known.
        """
        if self.drop_empty:
            scan = _without_empty(scan)
        if self.recentre:
            scan = _recentred(scan)
        if self.mask_defects:
            scan = _masked(scan)
        if self.subtract_background:
            scan = _less_background(scan, self.subtract_background)
        positions = self._moved(scan)
        if np.array_equal(positions, scan.positions_px):
            return scan
        if scan.object is not None:
            logger.info("the file's object lay in the frame of the old positions: left out")
        n = scan.n_pixel
        return replace(scan, positions_px=placed(positions[:, 0], positions[:, 1], n), object=None)

    def _moved(self, scan: ScanData) -> Array:
        positions = scan.positions_px
        if self.position_unit is not None:
            if scan.pixel_size_m is None:
                raise DataFileError(
                    f"{scan.source}: positions in {self.position_unit} become pixels by the edge "
                    "of an object pixel, which is not known",
                    hint="give `--pixel_size_m`, or energy, distance and detector pixel",
                )
            positions = positions * (UNITS_M[self.position_unit] / scan.pixel_size_m)
        positions = turned_about(positions, self.orientation)
        if self.position_scale == 1 and self.position_rotation_deg == 0:
            return positions
        return scaled(positions, self.position_scale, self.position_rotation_deg)


def read_orientation(text: str) -> tuple[str, ...]:
    """Read an orientation as a flag has it.

    Args:
        text: Steps with `-` or `_` for the blank, separated by commas: `swap,flip-rows`.

    Returns:
        Steps of `placement.STEPS`.

    Raises:
        ConfigError: One of them is unknown.
    """
    steps = tuple(
        step.strip().lower().replace("-", " ").replace("_", " ") for step in text.split(",")
    )
    for step in steps:
        if step not in STEPS:
            known = ", ".join(name.replace(" ", "-") for name in STEPS)
            raise ConfigError(f"`orientation` is `{text}`", f"join any of {known} by commas")
    return steps


def _without_empty(scan: ScanData) -> ScanData:
    lit = np.flatnonzero(gather(scan).per_pattern > 0)
    logger.info("%d of %d patterns without light left out", len(scan) - len(lit), len(scan))
    return scan.select(lit)


def _recentred(scan: ScanData) -> ScanData:
    shift = frame_shift(gather(scan).total, far_field(scan.probe))
    logger.info("patterns moved by %s px", shift)
    mask = None if scan.mask is None else np.roll(scan.mask, shift, axis=(0, 1))
    return replace(scan, diffraction=np.roll(scan.diffraction, shift, axis=(1, 2)), mask=mask)


def _masked(scan: ScanData) -> ScanData:
    bad = find_defects(scan, gather(scan), far_field(scan.probe)).bad()
    logger.info("%d pixels masked", int(bad.sum()))
    good = ~bad if scan.mask is None else scan.mask & ~bad
    return replace(scan, diffraction=np.where(good, scan.diffraction, 0), mask=good)


def _less_background(scan: ScanData, counts: float) -> ScanData:
    light = scan.diffraction if scan.measurement == "counts" else np.square(scan.diffraction)
    left = np.maximum(light - np.float32(counts), 0)
    return replace(scan, diffraction=left if scan.measurement == "counts" else np.sqrt(left))

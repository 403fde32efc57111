"""What a scan is, and what looks wrong with it, before anything is reconstructed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy import ndimage
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from ptycho_torch.data.scan import Array, ScanData

LOW_OVERLAP = 0.5
"""Below this linear overlap of neighbours the object is hardly determined (Bunk et al.,
Ultramicroscopy 108, 2008, 10.1016/j.ultramic.2007.08.003, recommend 0.6)."""

UNIT_SLUG = "positions-unit"
"""The remark after which nothing can be reconstructed."""

_SPREAD = 16
"""A canvas of more than this many times all patterns' pixels is nearly empty."""
_LARGE_CANVAS = 2**24
_SATURATED_PIXELS = 10
_ENOUGH_PATTERNS = 10
_SATURATED_COUNTS = 100
_HOT_FACTOR = 30.0


@dataclass(frozen=True)
class Remark:
    """Something that looks wrong.

    Attributes:
        slug: Which test spoke, for programs.
        message: What was seen.
        hint: What to do about it.
    """

    slug: str
    message: str
    hint: str

    def line(self) -> str:
        """Return it as one line of a log."""
        return f"{self.message}; {self.hint} [{self.slug}]"


@dataclass(frozen=True)
class Inspection:
    """What was found in a scan.

    Attributes:
        patterns: How many.
        n_pixel: Edge of a pattern in pixels.
        measurement: What the file stores.
        photons_per_pattern: Mean sum of squares of the amplitude: photons if the file has counts.
        probe_modes: How many.
        probe_diameter_px: Diameter of a disc of even light as large as the probe.
        step_px: Median distance of a position to its nearest neighbour; None without one.
        overlap: Linear overlap of neighbours, 1 - step / diameter; None without any.
        extent_px: (row, col) range of the positions.
        components: Parts of the scan that do not overlap with each other.
        remarks: What looks wrong.
    """

    patterns: int
    n_pixel: int
    measurement: str
    photons_per_pattern: float
    probe_modes: int
    probe_diameter_px: float
    step_px: float | None
    overlap: float | None
    extent_px: tuple[float, float]
    components: int
    remarks: tuple[Remark, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)

    @property
    def unit_remark(self) -> Remark | None:
        """The remark that the positions are in another unit, or None."""
        return next((remark for remark in self.remarks if remark.slug == UNIT_SLUG), None)

    def lines(self) -> list[str]:
        """Return what was found in a few lines for a person, remarks not among them."""
        where = "one position"
        if self.step_px is not None and self.overlap is not None:
            where = (
                f"positions {self.step_px:.2f} px apart over {self.extent_px[0]:.0f} x "
                f"{self.extent_px[1]:.0f} px: overlap {self.overlap:.2f}"
            )
        return [
            f"{self.patterns} patterns of {self.n_pixel} px stored as {self.measurement}, "
            f"{self.photons_per_pattern:.3g} photons each if those are counts",
            f"probe of {self.probe_modes} mode(s), about {self.probe_diameter_px:.0f} px wide; "
            f"{where}",
        ]


def inspect_scan(scan: ScanData) -> Inspection:
    """Look at a scan.

    Args:
        scan: The measurement.

    Returns:
        Facts, and remarks on what looks wrong. Nothing is changed.
    """
    diameter = probe_diameter(scan.probe)
    step, parts = _neighbours(scan.positions_px, diameter)
    extent = scan.positions_px.max(axis=0) - scan.positions_px.min(axis=0)
    intensity = np.square(scan.amplitude(), dtype=np.float32)
    mean = intensity.mean(axis=0, dtype=np.float64)
    remarks = [
        *_position_remarks(scan, step, diameter, extent, parts),
        *_pixel_remarks(scan, mean),
        *_frame_remarks(mean, intensity),
    ]
    return Inspection(
        patterns=len(scan),
        n_pixel=scan.n_pixel,
        measurement=scan.measurement,
        photons_per_pattern=float(mean.sum()),
        probe_modes=len(scan.probe),
        probe_diameter_px=diameter,
        step_px=step,
        overlap=None if step is None else 1 - step / diameter,
        extent_px=(float(extent[0]), float(extent[1])),
        components=parts,
        remarks=tuple(remarks),
    )


def probe_diameter(probe: Array) -> float:
    """Diameter of the disc of even light that has the probe's participation area.

    The area is (sum I)^2 / sum I^2, which for an even disc is its own.

    Args:
        probe: (mode, row, col) complex.

    Returns:
        Pixels.
    """
    light = np.square(np.abs(probe), dtype=np.float64).sum(axis=0)
    area = float(light.sum()) ** 2 / float(np.square(light).sum())
    return 2 * math.sqrt(area / math.pi)


def _neighbours(positions_px: Array, diameter: float) -> tuple[float | None, int]:
    """Median distance to the nearest neighbour, and how many parts do not touch each other."""
    if len(positions_px) < 2:
        return None, len(positions_px)
    tree = cKDTree(positions_px)
    distance, _ = tree.query(positions_px, k=2)
    # Coarse places instead of patterns: a dense scan has millions of overlapping pairs.
    coarse = diameter / 4
    places = cKDTree(np.unique(np.floor(positions_px / coarse), axis=0) * coarse)
    graph = places.sparse_distance_matrix(places, diameter)
    parts, _ = connected_components(graph, directed=False)
    return float(np.median(distance[:, 1])), int(parts)


def _position_remarks(
    scan: ScanData, step: float | None, diameter: float, extent: Array, parts: int
) -> Iterator[Remark]:
    if step is None:
        return
    canvas = float(np.prod(extent + scan.n_pixel))
    if float(extent.max()) < 1:
        yield Remark(
            UNIT_SLUG,
            f"all positions lie within {float(extent.max()):.2g} px",
            "they are probably in another unit than object pixels, such as metres or micrometres",
        )
    elif step > diameter:
        yield Remark(
            UNIT_SLUG,
            f"neighbours are {step:.3g} px apart, farther than the probe is wide "
            f"({diameter:.3g} px)",
            "positions are probably in another unit, or the pixel size is wrong",
        )
    elif canvas > max(_LARGE_CANVAS, _SPREAD * len(scan) * scan.n_pixel**2):
        yield Remark(
            UNIT_SLUG,
            f"positions spread over {extent[0]:.3g} x {extent[1]:.3g} px, of which {len(scan)} "
            f"patterns of {scan.n_pixel} px can cover little",
            "some positions are probably in another unit, or wrong",
        )
    else:
        yield from _coverage_remarks(step, diameter, parts, len(scan))


def _coverage_remarks(step: float, diameter: float, parts: int, patterns: int) -> Iterator[Remark]:
    if 1 - step / diameter < LOW_OVERLAP:
        yield Remark(
            "overlap",
            f"neighbours overlap by {1 - step / diameter:.2f} of the probe's width "
            f"({step:.3g} px apart, probe {diameter:.3g} px)",
            "below 0.5 the object is hardly determined; 0.6 and more is usual",
        )
    if 1 < parts < patterns:
        yield Remark(
            "disconnected",
            f"the scan falls into {parts} parts that do not overlap",
            "phases of different parts are not comparable; check the positions",
        )


def _pixel_remarks(scan: ScanData, mean: Array) -> Iterator[Remark]:
    usable = np.ones(mean.shape, bool) if scan.mask is None else scan.mask
    around = ndimage.median_filter(mean, size=5)
    counts = scan.measurement == "counts"
    dead = usable & (mean == 0) & (around * len(scan) > 20) if counts else usable & False
    if dead.any():
        yield Remark(
            "dead-pixels",
            f"{int(dead.sum())} pixels never counted although their neighbours did, first at "
            f"{_first(dead)}",
            "mask them, or the object explains light that is not missing",
        )
    hot = usable & (mean > _HOT_FACTOR * np.maximum(around, mean.mean() * 1e-3))
    hot &= _away_from_centre(mean.shape)
    # In a few patterns a speckle of the sample is as bright.
    if hot.any() and len(scan) >= _ENOUGH_PATTERNS:
        yield Remark(
            "hot-pixels",
            f"{int(hot.sum())} pixels count over {_HOT_FACTOR:.0f} times what their neighbours "
            f"do, first at {_first(hot)}",
            "mask them if they are the detector's and not Bragg peaks of the sample",
        )
    top = float(scan.diffraction.max())
    where = (scan.diffraction == top) & usable
    if counts and top >= _SATURATED_COUNTS and int(where.sum()) >= _SATURATED_PIXELS:
        yield Remark(
            "saturated",
            f"{int(where.sum())} values are exactly {top:g}, the largest of all",
            "the detector is probably saturated there; mask these pixels",
        )


def _frame_remarks(mean: Array, intensity: Array) -> Iterator[Remark]:
    size = mean.shape[0]
    total = float(mean.sum())
    if total > 0:
        half = size // 2
        inner = float(mean[half // 2 : -(half // 2), half // 2 : -(half // 2)].sum())
        if inner < 0.25 * total:
            yield Remark(
                "zero-frequency",
                f"only {inner / total:.0%} of the light falls into the middle of the detector",
                "the zero frequency seems to lie at the corner: apply fftshift",
            )
        else:
            centre = np.array(ndimage.center_of_mass(mean)) - half
            if float(np.abs(centre).max()) > size / 8:
                yield Remark(
                    "off-centre",
                    f"the light's centre is ({centre[0]:+.1f}, {centre[1]:+.1f}) px off N / 2",
                    "crop the patterns around the direct beam",
                )
    empty = np.flatnonzero(intensity.sum(axis=(1, 2)) == 0)
    if len(empty):
        yield Remark(
            "empty-patterns",
            f"{len(empty)} patterns hold no light at all, first number {empty[0]}",
            "leave them out: the shutter was probably closed",
        )


def _away_from_centre(shape: tuple[int, ...]) -> Array:
    rows, cols = np.indices(shape) - np.array(shape)[:, None, None] // 2
    away: Array = np.hypot(rows, cols) > 3
    return away


def _first(where: Array) -> str:
    row, col = np.argwhere(where)[0]
    return f"({row}, {col})"

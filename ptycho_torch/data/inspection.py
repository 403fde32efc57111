"""What a scan is, and what looks wrong with it, before anything is reconstructed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy import ndimage
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from ptycho_torch.data.defects import detector_remarks, find_defects
from ptycho_torch.data.formats.geometry import even_diameter_px
from ptycho_torch.data.light import Light, gather
from ptycho_torch.data.placement import UNITS_M, is_raster
from ptycho_torch.data.remark import Remark
from ptycho_torch.data.repeats import repeated_remarks
from ptycho_torch.data.scan import Array, ScanData

__all__ = ["UNIT_SLUG", "Inspection", "Remark", "far_field", "inspect_scan"]

LOW_OVERLAP = 0.5
"""Below this linear overlap of neighbours the object is hardly determined (Bunk et al.,
Ultramicroscopy 108, 2008, 10.1016/j.ultramic.2007.08.003, recommend 0.6)."""

UNIT_SLUG = "positions-unit"
"""The remark after which nothing can be reconstructed."""

_SPREAD = 16
"""A canvas of more than this many times all patterns' pixels is nearly empty."""
_LARGE_CANVAS = 2**24
_LONG = 1e5
_OFF_CENTRE = 1 / 16
_ENOUGH_PATTERNS = 10
_SMALLEST_STEP_PX = 0.25
_USUAL_STEP = (0.05, 0.7)
"""In widths of the probe."""
_SMALLEST_EXTENT = 0.25
"""In widths of the probe: what is scanned less is no scan."""


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
            overlap = f"overlap {self.overlap:.2f}" if self.overlap > 0 else "no overlap"
            height, width = (
                f"{edge:.0f}" if edge < _LONG else f"{edge:.3g}" for edge in self.extent_px
            )
            where = f"positions {self.step_px:.3g} px apart over {height} x {width} px: {overlap}"
        stored = "counts each" if self.measurement == "counts" else "each when squared"
        unit = f"{stored} (stored as {self.measurement})"
        modes = "1 mode" if self.probe_modes == 1 else f"{self.probe_modes} modes"
        return [
            f"{self.patterns} patterns of {self.n_pixel} px, {self.photons_per_pattern:.3g} {unit}",
            f"probe of {modes}, about {self.probe_diameter_px:.0f} px wide; {where}",
        ]


def inspect_scan(scan: ScanData) -> Inspection:
    """Look at a scan.

    Args:
        scan: The measurement.

    Returns:
        Facts, and remarks on what looks wrong. Nothing is changed.
    """
    diameter = even_diameter_px(scan.probe)
    step, parts = _neighbours(scan.positions_px, diameter)
    extent = scan.positions_px.max(axis=0) - scan.positions_px.min(axis=0)
    light = gather(scan)
    expected = far_field(scan.probe)
    remarks = [
        *_position_remarks(scan, step, diameter, extent, parts),
        *repeated_remarks(scan, light),
        *detector_remarks(find_defects(scan, light, expected)),
        *_frame_remarks(light, expected),
    ]
    return Inspection(
        patterns=len(scan),
        n_pixel=scan.n_pixel,
        measurement=scan.measurement,
        photons_per_pattern=float(light.per_pattern.mean()) * light.unit,
        probe_modes=len(scan.probe),
        probe_diameter_px=diameter,
        step_px=step,
        overlap=None if step is None else 1 - step / diameter,
        extent_px=(float(extent[0]), float(extent[1])),
        components=parts,
        remarks=tuple(remarks),
    )


def _neighbours(positions_px: Array, diameter: float) -> tuple[float | None, int]:
    """Median distance to the nearest neighbour, and how many parts do not touch each other."""
    distinct = np.unique(positions_px, axis=0)  # several exposures are no step
    if len(distinct) < 2:
        return None, len(distinct)
    distance, _ = cKDTree(distinct).query(distinct, k=2)
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
    standing = len(scan) >= _ENOUGH_PATTERNS and step < _SMALLEST_STEP_PX
    if float(extent.max()) < max(1.0, _SMALLEST_EXTENT * diameter) or standing:
        yield Remark(
            UNIT_SLUG,
            f"all positions lie within {float(extent.max()):.2g} px, {step:.2g} px apart, where "
            f"the probe is {diameter:.3g} px wide",
            "they are probably in another unit than object pixels, such as metres or micrometres",
            _unit_cure(scan, step, diameter),
        )
    elif step > diameter:
        yield Remark(
            UNIT_SLUG,
            f"neighbours are {step:.3g} px apart, farther than the probe is wide "
            f"({diameter:.3g} px)",
            "positions are probably in another unit, or the pixel size is wrong",
            _unit_cure(scan, step, diameter),
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
        if is_raster(scan.positions_px):
            yield Remark(
                "raster-grid",
                "the positions form a regular raster: an error that repeats with its step of "
                f"{step:.3g} px fits the patterns as well as the object does",
                "distrust features of that period; scan along a spiral, or with some jitter",
                advice=True,
            )


def _unit_cure(scan: ScanData, step: float, diameter: float) -> str:
    """The one factor between units that makes a scan of usual overlap, as a flag; else nothing."""
    if scan.pixel_size_m is None:
        return ""
    flags = {f"--position_scale 1e{power}": 10.0**power for power in (-9, -6, -3, 3, 6, 9)}
    flags |= {f"--position_unit {unit}": m / scan.pixel_size_m for unit, m in UNITS_M.items()}
    low, high = _USUAL_STEP
    fitting = [f for f, factor in flags.items() if low < factor * step / diameter < high]
    return fitting[0] if len(fitting) == 1 else ""


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


def far_field(probe: Array) -> Array:
    """Return the intensity that a probe alone gives on the detector, with a sum of 1.

    Args:
        probe: (mode, N, N) complex.

    Returns:
        (N, N) float64, zero frequency at N // 2.
    """
    wave = np.fft.fftshift(np.fft.fft2(probe), axes=(-2, -1))
    light = np.square(np.abs(wave), dtype=np.float64).sum(axis=0)
    return np.asarray(light / light.sum())


def _frame_remarks(light: Light, expected: Array) -> Iterator[Remark]:
    size = light.total.shape[0]
    shift = frame_shift(light.total, expected)
    if shift in _half(size)[1:]:
        yield Remark(
            "zero-frequency",
            f"only {_inner(light.total):.0%} of the light falls into the middle of the detector, "
            f"{_inner(np.roll(light.total, shift, axis=(0, 1))):.0%} into that of the patterns "
            f"shifted by {shift}",
            "the zero frequency seems to lie at the corner: apply fftshift",
            "--recentre",
        )
    elif shift != (0, 0):
        yield Remark(
            "off-centre",
            f"the light's centre is ({-shift[0]:+d}, {-shift[1]:+d}) px off from where the probe "
            "lets expect it",
            "crop the patterns around the direct beam",
            "--recentre",
        )
    empty = np.flatnonzero(light.per_pattern == 0)
    if len(empty):
        yield Remark(
            "empty-patterns",
            f"{len(empty)} patterns hold no light at all, first number {empty[0]}",
            "leave them out: the shutter was probably closed",
            "--drop_empty",
        )


def frame_shift(total: Array, expected: Array) -> tuple[int, int]:
    """Find the shift of patterns that brings their zero frequency to N / 2.

    Args:
        total: (row, col) light of all patterns.
        expected: (row, col) intensity that the given probe alone would give.

    Returns:
        (rows, cols): N / 2 where it lies at the corner or an edge; what brings the centre of the
        light to where the probe has it, where they are far apart; (0, 0) else.
    """
    size = total.shape[0]
    inner = {shift: _inner(np.roll(total, shift, axis=(0, 1))) for shift in _half(size)}
    best = max(inner, key=lambda shift: inner[shift])
    if inner[best] > 2 * inner[0, 0]:
        return best
    off = np.array(ndimage.center_of_mass(total)) - size // 2
    explained = np.array(ndimage.center_of_mass(expected)) - size // 2
    if min(np.abs(off).max(), np.abs(off - explained).max()) <= size * _OFF_CENTRE:
        return 0, 0
    row, col = np.rint(explained - off).astype(int)
    return int(row), int(col)


def _half(size: int) -> list[tuple[int, int]]:
    half = size // 2
    return [(0, 0), (half, 0), (0, half), (half, half)]


def _inner(total: Array) -> float:
    """Share of the light in the middle half of rows and columns."""
    quarter = total.shape[0] // 4
    return float(total[quarter:-quarter, quarter:-quarter].sum() / total.sum())

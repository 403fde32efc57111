"""What looks wrong with a detector: dead, hot and saturated pixels, a beam stop, a wrong frame.

A dark or bright pixel is only a defect where light itself could not be so: zeros of a coherent
beam are lines (or points with a dark surrounding), bright spots have a width. So a pixel is judged
by its immediate neighbours, and the middle by what the given probe lets expect there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import ndimage

from ptycho_torch.data.light import Light, blocks
from ptycho_torch.data.remark import Remark
from ptycho_torch.data.scan import Array, ScanData

_RING = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]], bool)
_LIT_COUNTS = 30
"""A neighbour with so many counts over all patterns makes a pixel without any improbable."""
_SMALL_CLUSTER = 4
_POINT_ZERO = 0.35
"""About a point where light vanishes it grows with the square of the distance: neighbours have a
quarter of what lies two pixels off."""
_HOT_FACTOR = 10.0
_HOT_COUNTS = 50
_ENOUGH_PATTERNS = 10
_STEADY = 4.0
"""Largest variance, in means, of what does not depend on the sample; photons alone have 1."""
_SATURATED_VALUES = 10
_FEW_COUNTS = 100
_NEAR_THE_TOP = 0.03
_STOPPED = 0.3
_ALIKE = 0.7
"""Correlation of the light's amplitude outside a stop with what the probe alone gives there."""
_LIT_RING_COUNTS = 200
_ELSE = "or the object explains light that is not missing"
_CURE = "--mask_defects"


@dataclass(frozen=True)
class Defects:
    """What is wrong with a detector's pixels.

    Attributes:
        stop_px: Radius of a dark middle that the probe does not explain; None without one.
        dead: (row, col) bool, pixels that never counted.
        hot: (row, col) bool, pixels that count what their neighbours do not.
        saturated: (row, col) bool, pixels that reached the largest value.
        saturated_values: How many values are that, and the value itself; None if they are few.
    """

    stop_px: float | None
    dead: Array
    hot: Array
    saturated: Array
    saturated_values: tuple[int, float] | None

    def bad(self) -> Array:
        """Return (row, col) bool, True where a pixel should be masked."""
        stopped = _from_centre(self.dead.shape) <= (-1 if self.stop_px is None else self.stop_px)
        return np.asarray(self.dead | self.hot | self.saturated | stopped)


def find_defects(scan: ScanData, light: Light, far_field: Array) -> Defects:
    """Look at the detector's pixels.

    Args:
        scan: The measurement.
        light: Its sums.
        far_field: (row, col) intensity that the given probe alone would give.

    Returns:
        What is wrong; pixels that are masked already are not.
    """
    usable = np.ones(light.total.shape, bool) if scan.mask is None else scan.mask
    stopped = _beam_stop(light, usable, far_field)
    near = 0.0 if stopped is None else stopped + 2
    dead = _dead(light, usable) & (_from_centre(usable.shape) > near)
    hot = _hot(light, usable)
    full, values = _saturated(scan, usable & ~hot, light.unit)
    return Defects(stopped, dead, hot, full, values)


def detector_remarks(found: Defects) -> Iterator[Remark]:
    """Put into words what is wrong with the detector's pixels.

    Args:
        found: What `find_defects` found.

    Yields:
        What looks wrong.
    """
    if found.stop_px is not None:
        yield Remark(
            "beam-stop",
            f"the middle is dark within {found.stop_px:.3g} px though the probe lets expect light "
            "there",
            f"a beam stop: mask its pixels, {_ELSE}",
            _CURE,
        )
    if found.dead.any():
        yield Remark(
            "dead-pixels",
            f"{int(found.dead.sum())} pixels never counted although their neighbours did, first at "
            f"{_first(found.dead)}",
            f"mask them, {_ELSE}",
            _CURE,
        )
    if found.hot.any():
        yield Remark(
            "hot-pixels",
            f"{int(found.hot.sum())} pixels count over {_HOT_FACTOR:.0f} times what their "
            f"neighbours do, first at {_first(found.hot)}",
            "mask them if they are the detector's and not Bragg peaks of the sample",
            _CURE,
        )
    if found.saturated_values is not None:
        count, value = found.saturated_values
        yield Remark(
            "saturated",
            f"{count} values are exactly {value:g}, the largest of all, and few are near it",
            "the detector is probably saturated there; mask these pixels",
            _CURE,
        )


def _dead(light: Light, usable: Array) -> Array:
    """Pixels without counts, alone or in small clusters, lines or blocks, that are lit around."""
    dark = usable & (light.total == 0)
    lit = light.total > _LIT_COUNTS
    labels, count = ndimage.label(dark, np.ones((3, 3)))
    around = ndimage.median_filter(light.total, size=5)
    dead = np.zeros_like(dark)
    for number, place in enumerate(ndimage.find_objects(labels, count), start=1):
        wide = tuple(slice(max(0, part.start - 1), part.stop + 1) for part in place)
        cluster = labels[wide] == number
        border = ndimage.binary_dilation(cluster, np.ones((3, 3))) & ~cluster & usable[wide]
        bright = border & lit[wide] & (light.total[wide] > _POINT_ZERO * around[wide])
        share = float(bright.sum()) / max(1, int(border.sum()))
        small = int(cluster.sum()) <= _SMALL_CLUSTER
        if border.any() and (share == 1 if small else share > 0.8 and _is_block(cluster)):
            dead[wide] |= cluster
    return np.asarray(dead | _dead_lines(light, dark))


def _is_block(cluster: Array) -> bool:
    """Whether a cluster, in a frame one pixel wider, fills its box as a module's gap does."""
    rows, cols = np.flatnonzero(cluster.any(1)), np.flatnonzero(cluster.any(0))
    box = (rows[-1] - rows[0] + 1) * (cols[-1] - cols[0] + 1)
    return bool(cluster.sum() > 0.9 * box)


def _dead_lines(light: Light, dark: Array) -> Array:
    """Whole rows and columns without counts beside lit ones."""
    dead = np.zeros_like(dark)
    for view, lines in ((light.total, dead), (light.total.T, dead.T)):
        for index in np.flatnonzero(view.sum(axis=1) == 0):
            beside = [view[other] for other in (index - 1, index + 1) if 0 <= other < len(view)]
            if all(np.mean(line > _LIT_COUNTS) > 0.25 for line in beside):
                lines[index] = True
    return dead & dark


def _hot(light: Light, usable: Array) -> Array:
    """Pixels far brighter than any but two of their neighbours, away from the direct beam."""
    if light.patterns < _ENOUGH_PATTERNS:  # in a few patterns a speckle of the sample is as bright
        return np.zeros(usable.shape, bool)
    total = np.where(usable, light.total, 0)
    third = ndimage.rank_filter(total, -3, footprint=_RING)
    mean = light.total / light.patterns
    spread = light.square / light.patterns - mean**2
    bright = total > np.maximum(_HOT_FACTOR * third, _HOT_COUNTS)
    steady = spread < _STEADY * np.maximum(mean, 1e-9)
    far_above = total > 10 * _HOT_FACTOR * np.maximum(third, 1)
    return np.asarray(
        usable & bright & (steady | far_above) & (_from_centre(total.shape) > _direct_beam(total))
    )


def _saturated(scan: ScanData, usable: Array, unit: float) -> tuple[Array, Any]:
    """Many values that are the largest, more than the density of those just below explains."""
    highest = max(float(part.max(initial=0, where=usable)) for _, part in blocks(scan)) / unit
    width = 1 + int(_NEAR_THE_TOP * highest)
    full = np.zeros(usable.shape, bool)
    at = near = 0
    for _, part in blocks(scan):
        counts = part / np.float32(unit)
        top = (counts >= highest * (1 - 1e-6)) & usable
        full |= top.any(axis=0)
        at += int(np.count_nonzero(top))
        near += int(np.count_nonzero((counts >= highest - width - 0.5) & usable))
    enough = _SATURATED_VALUES * (2 if highest < _FEW_COUNTS else 1)
    if at >= enough and at > 0.5 * (near - at) / width:
        return full, (at, highest * unit)
    return np.zeros_like(full), None


def _beam_stop(light: Light, usable: Array, far_field: Array) -> float | None:
    """Return the radius of a dark middle with a sharp edge that the probe has not, or None."""
    distance = _from_centre(usable.shape)
    found = None
    for radius in np.arange(1.0, usable.shape[0] / 5, 0.5):
        inside = usable & (distance <= radius)
        edge = inside & (distance > radius - 1) if radius > 1 else inside
        ring = usable & (distance > radius) & (distance <= radius + 1)
        if edge.sum() < 5 or light.total[ring].sum() < _LIT_RING_COUNTS:
            continue
        beyond = light.total[ring].mean()
        dark = light.total[edge].mean() < _STOPPED * beyond
        expected = far_field[edge].mean() > 0.7 * far_field[ring].mean()
        if dark and expected and light.total[inside].mean() < 2 * beyond:
            found = float(radius)
    return found if found is not None and _alike(light, usable, far_field, found) else None


def _alike(light: Light, usable: Array, far_field: Array, stopped: float) -> bool:
    """Whether the given probe tells where the light is beside a dark middle.

    Another probe than that of the scan may expect light in the dark middle of a ring-shaped pupil.
    """
    outside = usable & (_from_centre(usable.shape) > stopped + 1)
    seen, expected = np.sqrt(light.total[outside]), np.sqrt(far_field[outside])
    if seen.std() == 0 or expected.std() == 0:
        return False
    return bool(np.corrcoef(seen, expected)[0, 1] > _ALIKE)


def _from_centre(shape: tuple[int, ...]) -> Array:
    rows, cols = np.indices(shape) - np.array(shape)[:, None, None] // 2
    return np.asarray(np.hypot(rows, cols))


def _direct_beam(total: Array) -> float:
    """Radius about the middle within which nothing is taken for a hot pixel."""
    return max(3.0, len(total) / 16)


def _first(where: Array) -> str:
    row, col = np.argwhere(where)[0]
    return f"({row}, {col})"

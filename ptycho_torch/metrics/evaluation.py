"""Compare a reconstruction with a truth or with another one, the flat object beside it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ptycho_torch.errors import PreconditionError
from ptycho_torch.metrics.alignment import MAX_SHIFT_PX, Aligned, align, centre, match_gain
from ptycho_torch.metrics.correlation import RingCorrelation, ring_correlation
from ptycho_torch.metrics.field import Field, levelled, scan_window
from ptycho_torch.metrics.figures import contrast_correlation, figures
from ptycho_torch.metrics.registration import Placement, place
from ptycho_torch.metrics.resemblance import UNKNOWN, Scene, resemblance

Array = npt.NDArray[Any]

SMALLEST_WINDOW_PX = 16
_WIDEST_MARGIN_PX = 24
_MARGIN_PX = 4
_POOR, _SURE, _DISTINCT = 0.5, 0.9, 1.4


@dataclass(frozen=True)
class Judgement:
    """How a reconstruction compares with a reference.

    Attributes:
        row: Its figures.
        flat: The same of the flat object, levelled like it.
        looks_like: What it turned out to be (see `resemblance`).
        remarks: What a reader should know before believing the figures.
        found: (h, w) complex128, the aligned reconstruction.
        reference: (h, w) complex128.
        inside: (h, w) bool, True where they were compared.
        corner: Reference pixel (row, col) of `reference[0, 0]`.
        rings: Ring correlation of both.
        flat_rings: Ring correlation of flat object and reference, what the frame alone gives.
    """

    row: dict[str, float]
    flat: dict[str, float]
    looks_like: str
    remarks: tuple[str, ...]
    found: Array
    reference: Array
    inside: Array
    corner: tuple[int, int]
    rings: RingCorrelation
    flat_rings: RingCorrelation

    def rows(self) -> dict[str, dict[str, float]]:
        """Return both rows by name."""
        return {"reconstruction": self.row, "flat": self.flat}


def evaluate(
    found: Array,
    origin: tuple[int, int],
    truth: Array,
    positions_px: Array,
    coverage: Array | None = None,
) -> dict[str, dict[str, float]]:
    """Judge a reconstruction inside the scan window, in the truth's own pixel frame.

    The window spans the outermost positions. Shift, phase ramp, gain and global phase are removed
    before anything is measured.

    Args:
        found: (H, W) complex reconstruction.
        origin: Object pixel (row, col) of `found[0, 0]`.
        truth: (H', W') complex, object pixel (0, 0) first.
        positions_px: (n, 2) float64 positions of the scan.
        coverage: (H, W) summed illumination; where it is low nothing is compared.

    Returns:
        Rows `reconstruction` and `flat` with the figures of `figures.figures`, and
        `shift_row_px`, `shift_col_px`.

    Raises:
        PreconditionError: The window is too small or not covered by both images.
    """
    field = Field(found, origin, coverage, positions_px)
    return judge(field, Field(truth, name="truth"), search=False).rows()


def judge(
    found: Field,
    reference: Field,
    *,
    same_frame: bool = True,
    search: bool = True,
    equals: bool = False,
) -> Judgement:
    """Compare two images.

    In one frame the reconstruction is searched for within a few pixels of its place. Only if it is
    not there, or if the two frames have nothing to do with each other, it is looked for
    everywhere.

    Args:
        found: The reconstruction; its positions, if known, define the window.
        reference: The truth, or another reconstruction.
        same_frame: Whether both origins are of the same scan pixels.
        search: Whether to look everywhere for what is not in its place, and to name what it
            looks like; otherwise both only show in the figures.
        equals: Neither is the truth: both are brought to the root mean square 1, so that the
            figures are the same whichever comes first.

    Returns:
        Figures, curves and images.

    Raises:
        PreconditionError: The window is too small, not covered by both, or holds no numbers.
    """
    start = (reference.origin[0] - found.origin[0], reference.origin[1] - found.origin[1])
    remarks: list[str] = []
    if same_frame:
        window = _window(found, reference, start)
        pair = _paired(found, reference, window, _nearby(found, reference, window, start))
    else:
        pair = _anywhere(found, reference, 0.25) or _nowhere(found, reference)
    if same_frame and search and _doubtful(pair, start):
        elsewhere = _anywhere(found, reference, 0.6)
        if elsewhere is not None and _clearly_better(elsewhere, pair, found, reference):
            pair = elsewhere
            off = [a - b for a, b in zip(pair.offset, start, strict=True)]
            remarks.append(f"lies {off[0]}, {off[1]} px (row, col) from where its origin puts it")
    if equals:
        pair = _normalised(pair)
    moved = start[0] - pair.offset[0], start[1] - pair.offset[1]
    return _judged(found, pair, moved, remarks, search=search)


@dataclass(frozen=True)
class _Pair:
    """Two images on the same pixels."""

    aligned: Aligned
    reference: Array
    inside: Array
    corner: tuple[int, int]
    offset: tuple[int, int]
    plane: tuple[float, float]
    score: float = 0.0

    def correlation(self) -> float:
        """Contrast correlation."""
        return contrast_correlation(self.aligned.image[self.inside], self.reference[self.inside])


def _window(found: Field, reference: Field, start: tuple[int, int]) -> Array:
    """Where to compare, on the reference's pixels; the scan window must be covered by both."""
    if found.positions_px is not None:
        low, high = scan_window(found.positions_px)
        _check_size(low, high)
        for field in (reference, found):
            first, last = low - field.origin, high - field.origin
            if min(first) < 0 or np.any(last > field.image.shape):
                raise PreconditionError(
                    f"the {field.name} of shape {field.image.shape} does not cover the scan "
                    f"window {tuple(map(int, first))} to {tuple(map(int, last))}",
                    hint="check that both use the pixel frame of the positions; "
                    "`evaluate --against` needs no common frame",
                )
    return _shared(found, reference, start)


def _shared(found: Field, reference: Field, offset: tuple[int, int]) -> Array:
    """What both are trusted in, on the reference's pixels."""
    inside = reference.trusted()
    moved = np.zeros(inside.shape, bool)
    trusted = found.trusted()
    target, source = [], []
    for o, size, other in zip(offset, inside.shape, trusted.shape, strict=True):
        first, last = max(0, -o), min(size, other - o)
        target.append(slice(first, max(first, last)))
        source.append(slice(first + o, max(first, last) + o))
    moved[tuple(target)] = trusted[tuple(source)]
    return inside & moved


def _nearby(
    found: Field, reference: Field, window: Array, start: tuple[int, int]
) -> tuple[int, int]:
    """The best offset within a few pixels of the expected one."""
    low, high = _box(window)
    cut = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    spot = place(
        _numbers(found.image),
        _numbers(reference.image)[cut],
        found.known(),
        window[cut] & reference.known()[cut],
        near=(start[0] + low[0], start[1] + low[1]),
        within=MAX_SHIFT_PX,
    )
    return spot.offset[0] - low[0], spot.offset[1] - low[1]


def _doubtful(pair: _Pair, start: tuple[int, int]) -> bool:
    """Whether the place that was found may not be the right one: poor, or as far as was looked."""
    far = max(abs(a - b) for a, b in zip(pair.offset, start, strict=True))
    return pair.correlation() < _POOR or far >= MAX_SHIFT_PX


def _clearly_better(one: _Pair, other: _Pair, found: Field, reference: Field) -> bool:
    """Whether a pair agrees much better than another, and than strangers do somewhere."""
    misfits = [1 - max(pair.correlation(), 0) ** 2 for pair in (one, other)]
    if one.correlation() < _POOR or misfits[0] > 0.5 * misfits[1]:
        return False
    turned = replace(found, image=found.image.T, coverage=None, positions_px=None)
    return one.correlation() >= _SURE or one.score >= _DISTINCT * _spot(turned, reference).score


def _spot(found: Field, reference: Field, shared: float = 0.6) -> Placement:
    """The best place of all, by what is known inside both scan windows."""
    known = found.known() & found.trusted(), reference.known() & reference.trusted()
    return place(_numbers(found.image), _numbers(reference.image), *known, shared=shared)


def _anywhere(found: Field, reference: Field, shared: float) -> _Pair | None:
    """The pair at the best offset of all, or None if no place fits."""
    spot = _spot(found, reference, shared)
    window = _shared(found, reference, spot.offset)
    size = [b - a for a, b in zip(*_box(window), strict=True)]
    if spot.score <= 0 or min(size) < SMALLEST_WINDOW_PX:
        return None
    return replace(_paired(found, reference, window, spot.offset), score=spot.score)


def _nowhere(found: Field, reference: Field) -> _Pair:
    """Two images that fit nowhere, compared middle on middle, which will say so."""
    offset = tuple(
        (a - b) // 2 for a, b in zip(found.image.shape, reference.image.shape, strict=True)
    )
    place_ = (offset[0], offset[1])
    return _paired(found, reference, _shared(found, reference, place_), place_)


def _paired(found: Field, reference: Field, window: Array, offset: tuple[int, int]) -> _Pair:
    """Cut both out and align them.

    Some pixels of border are needed to shift in; where the reconstruction ends with the window,
    the window gives them.
    """
    low, high = _box(window)
    _check_size(low, high)
    room = [
        (a + o, size - b - o)
        for a, b, o, size in zip(low, high, offset, found.image.shape, strict=True)
    ]
    shrink = [[max(0, _MARGIN_PX - side) for side in sides] for sides in room]
    low = low + np.array([sides[0] for sides in shrink])
    high = high - np.array([sides[1] for sides in shrink])
    _check_size(low, high)
    margin = min(_WIDEST_MARGIN_PX, *(max(_MARGIN_PX, side) for sides in room for side in sides))
    inner = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    outer = tuple(
        slice(a + o - margin, b + o + margin) for a, b, o in zip(low, high, offset, strict=True)
    )
    inside = window[inner]
    images = found.image[outer].astype(np.complex128), reference.image[inner]
    _check_numbers(found.name, images[0][margin:-margin, margin:-margin][inside])
    _check_numbers(reference.name, images[1][inside])
    truth, slopes = levelled(_numbers(images[1]).astype(np.complex128), inside)
    aligned = align(_numbers(images[0]), truth, margin, inside)
    tilt = [a - b for a, b in zip(aligned.ramp_rad_per_px, slopes, strict=True)]
    # A hole stays one: the shift would fill it with what its rim rings.
    image = np.where(centre(images[0], margin) == 0, 0, aligned.image)
    aligned = replace(aligned, image=image, ramp_rad_per_px=(tilt[0], tilt[1]))
    plane = (-slopes[0], -slopes[1])
    return _Pair(aligned, truth, inside, (int(low[0]), int(low[1])), offset, plane)


def _normalised(pair: _Pair) -> _Pair:
    """Both images with root mean square 1 where they are compared."""
    found, reference = (
        image / np.sqrt(np.square(np.abs(image[pair.inside])).mean())
        for image in (pair.aligned.image, pair.reference)
    )
    return replace(pair, aligned=replace(pair.aligned, image=found), reference=reference)


def _judged(
    found: Field, pair: _Pair, moved: tuple[int, int], remarks: list[str], *, search: bool
) -> Judgement:
    reference, inside = pair.reference, pair.inside
    rings = ring_correlation(pair.aligned.image, reference, inside)
    # The reference is level, so the constant is the best of all featureless objects.
    flat = match_gain(np.ones_like(reference), reference, inside)
    flat_rings = ring_correlation(flat, reference, inside)
    rows = [
        figures(pair.aligned.image, reference, inside, rings) | _gauge(pair.aligned, moved),
        figures(flat, reference, inside, flat_rings)
        | _gauge(Aligned(flat, (0.0, 0.0), pair.plane), (0, 0)),
    ]
    scene = Scene(_numbers(found.image), found.known(), reference, inside, pair.aligned.image)
    looks_like = resemblance(scene, rows[0], rings) if search else UNKNOWN
    return Judgement(
        row=rows[0],
        flat=rows[1],
        looks_like=looks_like,
        remarks=(*remarks, *_remarks(pair, rows)),
        found=pair.aligned.image,
        reference=reference,
        inside=inside,
        corner=pair.corner,
        rings=rings,
        flat_rings=flat_rings,
    )


def _gauge(aligned: Aligned, moved: tuple[int, int]) -> dict[str, float]:
    """What was removed before anything was measured."""
    row, col = (whole + part for whole, part in zip(moved, aligned.shift_px, strict=True))
    slopes = aligned.ramp_rad_per_px
    return {
        "shift_row_px": row,
        "shift_col_px": col,
        "ramp_row_rad_per_px": slopes[0],
        "ramp_col_rad_per_px": slopes[1],
    }


def _remarks(pair: _Pair, rows: list[dict[str, float]]) -> list[str]:
    remarks = []
    if (share := float(pair.inside.mean())) < 0.9:
        remarks.append(f"{1 - share:.0%} of the window have too little light and are left out")
    zeros = int(np.count_nonzero(pair.aligned.image[pair.inside] == 0))
    if zeros:
        remarks.append(f"{zeros} compared pixels are exactly 0; their phase counts as guessed")
    if rows[0]["relative_error"] >= rows[1]["relative_error"]:
        remarks.append("not closer to the reference than the flat object is")
    return remarks


def _box(window: Array) -> tuple[Array, Array]:
    """First and beyond-last (row, col) of what is True; both 0 where nothing is."""
    bounds = []
    for axis in (1, 0):
        hit = np.flatnonzero(window.any(axis=axis))
        bounds.append((int(hit[0]), int(hit[-1]) + 1) if len(hit) else (0, 0))
    return np.array([b[0] for b in bounds]), np.array([b[1] for b in bounds])


def _check_size(low: Array, high: Array) -> None:
    if min(high - low) < SMALLEST_WINDOW_PX:
        raise PreconditionError(
            f"the scan window is {high[0] - low[0]} x {high[1] - low[1]} px",
            hint=f"at least {SMALLEST_WINDOW_PX} px each way, in which both images say "
            "something, are needed to judge one",
        )


def _check_numbers(name: str, values: Array) -> None:
    bad = int(np.count_nonzero(~np.isfinite(values)))
    if bad:
        raise PreconditionError(
            f"the {name} holds {bad} values that are NaN or infinite where it is compared",
            hint="a run that diverged leaves them; reconstruct again",
        )
    if not np.any(values):
        raise PreconditionError(
            f"the {name} is 0 everywhere where it is compared",
            hint="nothing can be said about it; check that the right array is read",
        )


def _numbers(image: Array) -> Array:
    """The image with 0 in place of what is no number."""
    return np.where(np.isfinite(image), image, 0)

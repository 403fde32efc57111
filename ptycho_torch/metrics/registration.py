"""Where does one complex image lie in another, whatever ramp, phase and scale lie between them?

A phase ramp multiplies the product of neighbours, O(r + d) conj(O(r)), by a constant of modulus 1,
and leaves |O|^2 alone. So these three images are correlated in the place of O itself: |O|^2, and
the products with the neighbours below and to the right. No ramp needs to be known first.

The correlation is normalised inside the part that both images share (Padfield, IEEE Trans. Image
Process. 21, 2012, 10.1109/TIP.2011.2181402), so neither bright borders nor small overlaps win.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import fft

Array = npt.NDArray[Any]

NEIGHBOUR_PX = 2
"""Distance of the neighbours whose product is taken."""

_LARGEST_PX = 192
_SHARED = 0.25
_CLOSE_PX = 16
_CHANCE = 0.005


@dataclass(frozen=True)
class Placement:
    """Where an image fits best.

    Attributes:
        offset: (row, col) such that `found[p + offset]` shows what `reference[p]` shows.
        score: Mean of the three normalised correlations, up to 1.
    """

    offset: tuple[int, int]
    score: float


def place(
    found: Array,
    reference: Array,
    found_known: Array,
    reference_known: Array,
    near: tuple[int, int] | None = None,
    within: int | None = None,
    largest: int = _LARGEST_PX,
    shared: float = _SHARED,
) -> Placement:
    """Find the whole-pixel offset between two images.

    Large images are searched at a lower resolution first, then around what was found there.

    Args:
        found: (H, W) complex.
        reference: (H', W') complex.
        found_known: (H, W) bool, True where `found` says something.
        reference_known: (H', W') bool, likewise.
        near: Offset to search around; None searches everywhere.
        within: Pixels each way around `near`.
        largest: Edge in pixels above which a lower resolution comes first.
        shared: Fraction of the smaller image that both must have in common: small overlaps
            agree by chance.

    Returns:
        The best offset.
    """
    block = max(1, -(-max(*found.shape, *reference.shape) // largest))
    pair = ((found, found_known), (reference, reference_known))
    start, reach = near, within
    if block > 1 and (within is None or within > _CLOSE_PX):
        features = [list(_features(image, known, block)) for image, known in pair]
        limit = None if within is None else -(-within // block)
        middle = None if near is None else (round(near[0] / block), round(near[1] / block))
        best = _search(features[0], features[1], middle, limit, shared)
        start = (best.offset[0] * block, best.offset[1] * block)
        reach = block
    if block > 1:
        pair, moved = _centre_pair(pair, start or (0, 0), largest)
    else:
        moved = (0, 0)
    features = [list(_features(image, known, 1)) for image, known in pair]
    around = None if start is None else (start[0] - moved[0], start[1] - moved[1])
    best = _search(features[0], features[1], around, reach, shared if block == 1 else _SHARED)
    return Placement((best.offset[0] + moved[0], best.offset[1] + moved[1]), best.score)


def _features(image: Array, known: Array, block: int) -> Iterator[tuple[Array, Array]]:
    """The three ramp-free images with where they are known, averaged over blocks."""
    step = NEIGHBOUR_PX
    yield _blocks(np.square(np.abs(image)), known, block)
    for axis in (0, 1):
        ahead, behind = [slice(None)] * 2, [slice(None)] * 2
        ahead[axis], behind[axis] = slice(step, None), slice(None, -step)
        product = np.zeros(image.shape, np.complex128)
        both = np.zeros(image.shape, bool)
        product[tuple(behind)] = image[tuple(ahead)] * np.conj(image[tuple(behind)])
        both[tuple(behind)] = known[tuple(ahead)] & known[tuple(behind)]
        yield _blocks(product, both, block)


def _blocks(values: Array, known: Array, block: int) -> tuple[Array, Array]:
    """Average over blocks; a block is known where most of it is. The unknown is 0."""
    values = np.where(known, values, 0)
    if block == 1:
        return values, known.astype(np.float64)
    height, width = (edge // block * block for edge in values.shape)
    shape = (height // block, block, width // block, block)
    count = known[:height, :width].reshape(shape).sum(axis=(1, 3))
    total = values[:height, :width].reshape(shape).sum(axis=(1, 3))
    enough = count > block * block / 2
    return np.where(enough, total / np.maximum(count, 1), 0), enough.astype(np.float64)


def _search(
    found: list[tuple[Array, Array]],
    reference: list[tuple[Array, Array]],
    near: tuple[int, int] | None,
    within: int | None,
    shared: float,
) -> Placement:
    """Correlate all features and take the best offset of those allowed."""
    maps = [
        _correlation(*one, *other, shared, signed=index == 0)
        for index, (one, other) in enumerate(zip(found, reference, strict=True))
    ]
    score = np.mean(maps, axis=0)
    height, width = reference[0][0].shape
    rows = np.arange(score.shape[0]) - (height - 1)
    cols = np.arange(score.shape[1]) - (width - 1)
    if within is not None:
        row, col = near or (0, 0)
        far = (np.abs(rows - row) > within)[:, None] | (np.abs(cols - col) > within)[None, :]
        # Staying is the default: a place that is hardly better is chance.
        here = np.where(far, -np.inf, score)
        at = int(np.argmin(np.abs(rows - row))), int(np.argmin(np.abs(cols - col)))
        if here.max() <= score[at] + _CHANCE:
            return Placement((row, col), float(score[at]))
        score = here
    top = np.unravel_index(int(score.argmax()), score.shape)
    return Placement((int(rows[top[0]]), int(cols[top[1]])), float(score[top]))


def _correlation(
    found: Array,
    found_known: Array,
    reference: Array,
    reference_known: Array,
    share: float,
    *,
    signed: bool,
) -> Array:
    """Masked normalised cross-correlation at every offset, 0 where too little is shared.

    Args:
        found: (H, W), 0 where unknown.
        found_known: (H, W) of 0 and 1.
        reference: (H', W'), 0 where unknown.
        reference_known: (H', W') of 0 and 1.
        share: Fraction of the smaller image's known pixels that must be shared.
        signed: Anticorrelation counts as none; else the modulus is taken.

    Returns:
        (H + H' - 1, W + W' - 1), offset (0, 0) at [H' - 1, W' - 1].
    """
    shape = tuple(a + b - 1 for a, b in zip(found.shape, reference.shape, strict=True))
    size = [fft.next_fast_len(edge) for edge in shape]

    def transformed(image: Array) -> Array:
        return np.asarray(fft.fft2(image, size))

    first = [transformed(part) for part in (found, found_known, np.square(np.abs(found)))]
    second = [
        transformed(np.conj(part)[::-1, ::-1])
        for part in (reference, reference_known, np.square(np.abs(reference)))
    ]

    def together(one: Array, other: Array) -> Array:
        return np.asarray(fft.ifft2(one * other))[: shape[0], : shape[1]]

    count = together(first[1], second[1]).real
    smaller = min(found_known.sum(), reference_known.sum())
    shared = count > max(share * smaller, 1)
    count = np.where(shared, count, 1)
    sums = together(first[0], second[1]), together(first[1], second[0])
    cross = together(first[0], second[0]) - sums[0] * sums[1] / count
    spread = (
        together(first[2], second[1]).real - np.square(np.abs(sums[0])) / count,
        together(first[1], second[2]).real - np.square(np.abs(sums[1])) / count,
    )
    floor = [1e-9 * max(float(part.max(initial=0)), 1e-300) for part in spread]
    valid = shared & (spread[0] > floor[0]) & (spread[1] > floor[1])
    size_ = np.sqrt(np.where(valid, spread[0] * spread[1], 1))
    value = np.clip(cross.real, 0, None) if signed else np.abs(cross)
    return np.where(valid, np.minimum(value / size_, 1), 0)


def _centre_pair(
    pair: tuple[tuple[Array, Array], tuple[Array, Array]], offset: tuple[int, int], edge: int
) -> tuple[tuple[tuple[Array, Array], tuple[Array, Array]], tuple[int, int]]:
    """Crop both images to the middle of what they share at an offset.

    Returns:
        The crops, and by how much offsets between them are smaller than between the wholes.
    """
    (found, found_known), (reference, reference_known) = pair
    low, high = [], []
    for axis in (0, 1):
        first = max(0, -offset[axis])
        last = min(reference.shape[axis], found.shape[axis] - offset[axis])
        middle, half = (first + last) // 2, min(edge, max(last - first, 2)) // 2
        low.append(max(0, middle - half))
        high.append(min(reference.shape[axis], middle + half))
    inner = slice(low[0], high[0]), slice(low[1], high[1])
    start = [max(0, a + o) for a, o in zip(low, offset, strict=True)]
    stop = [b + o for b, o in zip(high, offset, strict=True)]
    outer = slice(start[0], stop[0]), slice(start[1], stop[1])
    moved = (start[0] - low[0], start[1] - low[1])
    crops = (found[outer], found_known[outer]), (reference[inner], reference_known[inner])
    return crops, moved

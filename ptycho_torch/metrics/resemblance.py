"""What a reconstruction looks like when it does not look like the reference.

Figures alone do not tell a reconstruction that is upside down from one that failed. So a poor one
is tried in the eight orientations, each as it is and conjugated, and named by what it turns out
to be. None of this changes a figure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ptycho_torch.metrics.alignment import BORDER_PX, align, centre, fit_ramp
from ptycho_torch.metrics.correlation import RingCorrelation
from ptycho_torch.metrics.figures import contrast_correlation
from ptycho_torch.metrics.registration import place

Array = npt.NDArray[Any]

SAME, PART, OTHER = "the same object", "in part the same object", "another object, or none"
FLAT, BLURRED = "a flat object", "the same object, blurred"
UNKNOWN = "not looked at"

_GOOD = 0.97
_TRIED = 3
_TRIAL_PX = 96
_BETTER, _SURE, _OVERLAP, _DISTINCT = 0.7, 0.9, 0.6, 1.55


@dataclass(frozen=True)
class Scene:
    """A reconstruction before and after alignment, beside its reference.

    Attributes:
        found: (H, W) complex, all there is of the reconstruction.
        known: (H, W) bool, True where it says something.
        reference: (h, w) complex, the compared window.
        inside: (h, w) bool, True where it is compared.
        aligned: (h, w) complex, the reconstruction brought onto the reference.
    """

    found: Array
    known: Array
    reference: Array
    inside: Array
    aligned: Array


def resemblance(scene: Scene, row: Mapping[str, float], rings: RingCorrelation) -> str:
    """Name what a reconstruction looks like.

    Args:
        scene: The images.
        row: Their figures.
        rings: Their ring correlation.

    Returns:
        `the same object`, perhaps `blurred`; how it is turned, such as `rows flipped, conjugate`;
        `a flat object`, `in part the same object`, or `another object, or none`.
    """
    if _contrast(scene.aligned, scene.inside) < 0.1 * _contrast(scene.reference, scene.inside):
        return FLAT
    correlation = row["contrast_correlation"]
    if correlation >= _GOOD and _phase_correlation(scene) >= 0.5:
        return BLURRED if _is_blurred(row, rings) else SAME
    trials = _trials(scene)
    # Most ways of turning make a stranger of any object: their score is what chance gives.
    chance = float(np.median([trial.score for trial in trials]))
    turned = _turned(scene, trials, correlation, chance)
    if turned is not None:
        return turned
    own = place(scene.found, scene.reference, scene.known, scene.inside, largest=_TRIAL_PX)
    if correlation < _SURE and (correlation < 0.1 or own.score < _DISTINCT * chance):
        return OTHER
    if correlation >= 0.6 or row["frc_half_bit_per_px"] >= 0.1:
        return BLURRED if _is_blurred(row, rings) else SAME
    return PART


def turns() -> Iterator[tuple[str, tuple[bool, bool, bool, bool]]]:
    """Yield all ways to turn an image but the one that leaves it, with their names.

    Yields:
        The name, and whether the image was transposed, then its rows and its columns flipped,
        and whether it was conjugated.
    """
    words = ("transposed", "rows flipped", "columns flipped", "conjugate")
    for number in range(1, 16):
        way = (bool(number & 4), bool(number & 2), bool(number & 1), bool(number & 8))
        name = ", ".join(word for word, done in zip(words, way, strict=True) if done)
        if way == (False, True, True, True):
            name = "twin image (conjugate, turned by 180 degrees)"
        yield name, way


def undone(image: Array, way: tuple[bool, bool, bool, bool]) -> Array:
    """Turn an image back.

    Args:
        image: (H, W), turned in a way that `turns` yields.
        way: That way.

    Returns:
        The image as it was before.
    """
    transposed, rows, cols, conjugate = way
    image = image[:: -1 if rows else 1, :: -1 if cols else 1]
    image = image.T if transposed else image
    return np.conj(image) if conjugate else image


@dataclass(frozen=True)
class _Trial:
    """A reconstruction turned back in one way, where it fits best."""

    score: float
    name: str
    image: Array
    offset: tuple[int, int]


def _trials(scene: Scene) -> list[_Trial]:
    """All ways to turn the reconstruction, best first."""
    trials = []
    for name, way in turns():
        image, there = undone(scene.found, way), undone(scene.known, (*way[:3], False))
        spot = place(
            image, scene.reference, there, scene.inside, largest=_TRIAL_PX, shared=_OVERLAP
        )
        trials.append(_Trial(spot.score, name, image, spot.offset))
    return sorted(trials, key=lambda trial: -trial.score)


def _turned(scene: Scene, trials: list[_Trial], correlation: float, chance: float) -> str | None:
    """The way of turning that explains the reconstruction much better than none, if there is."""
    best = max(
        (_agreement(scene, trial.image, trial.offset), trial.name, trial.score)
        for trial in trials[:_TRIED]
    )
    agreement, name, score = best
    clearly = 1 - agreement**2 < _BETTER**2 * (1 - max(correlation, 0) ** 2)
    distinct = agreement >= _GOOD or score >= _DISTINCT * chance
    return name if agreement >= 0.5 and distinct and clearly else None


def _agreement(scene: Scene, image: Array, offset: tuple[int, int]) -> float:
    """Contrast correlation of a turned image after it is aligned."""
    shape = scene.reference.shape
    low = np.array(offset) - BORDER_PX
    high = np.array(offset) + shape + BORDER_PX
    spare = [
        (max(0, -int(a)), max(0, int(b) - edge))
        for a, b, edge in zip(low, high, image.shape, strict=True)
    ]
    rows, cols = (
        slice(max(0, int(a)), min(edge, int(b)))
        for a, b, edge in zip(low, high, image.shape, strict=True)
    )
    cut = image[rows, cols]
    there = centre(np.pad(np.ones(cut.shape, bool), spare), BORDER_PX) & scene.inside
    if there.sum() < 0.9 * _OVERLAP * scene.inside.sum():
        return 0.0
    padded = np.pad(cut, spare, mode="edge")
    aligned = align(padded, scene.reference, BORDER_PX, there).image
    return contrast_correlation(aligned[there], scene.reference[there])


def _phase_correlation(scene: Scene) -> float:
    """Correlation of the phases alone; 1 where the reference has none to speak of."""
    truth, found = scene.reference[scene.inside], scene.aligned[scene.inside]
    mean = truth.sum()
    turn = np.conj(mean) / abs(mean) if abs(mean) > 0 else 1.0
    phases = [np.angle(values * turn) for values in (found, truth)]
    if phases[1].std() < 0.01:
        return 1.0
    return contrast_correlation(*(phase.astype(complex) for phase in phases))


def _contrast(image: Array, inside: Array) -> float:
    """Root mean square of what is not a plane wave, over that of everything."""
    slopes = fit_ramp(np.where(inside, image, 0), np.ones_like(image))
    ramp = np.multiply.outer(
        *(np.exp(1j * k * np.arange(n)) for k, n in zip(slopes, image.shape, strict=True))
    )
    values = (image * ramp)[inside]
    whole = float(np.sqrt(np.square(np.abs(values)).mean()))
    return float(np.sqrt(np.square(np.abs(values - values.mean())).mean())) / max(whole, 1e-300)


def _is_blurred(row: Mapping[str, float], rings: RingCorrelation) -> bool:
    """Whether contrast is lost at frequencies at which both still agree well."""
    lost = row["transfer50_per_px"]
    there = (rings.frequency >= lost) & (rings.frequency <= 1.5 * lost)
    return 0.03 < lost < 0.35 and bool(there.any()) and float(rings.value[there].mean()) > 0.7

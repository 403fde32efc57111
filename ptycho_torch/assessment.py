"""What a reconstruction is worth: beside a truth, another reconstruction, or its own data."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ptycho_torch.data.formats import read_scan
from ptycho_torch.data.formats.objects import FoundObject, read_object
from ptycho_torch.data.scan import Measurement, ScanData
from ptycho_torch.errors import PreconditionError
from ptycho_torch.halves import Split, correlate_halves
from ptycho_torch.metrics.evaluation import Judgement, judge
from ptycho_torch.metrics.field import Field
from ptycho_torch.metrics.resemblance import FLAT, SAME
from ptycho_torch.pictures import Comparison, draw_comparison
from ptycho_torch.reconstruct.result import Reconstruction, measure, read_reconstruction

logger = logging.getLogger(__name__)

_SHOWN = (
    *("relative_error", "contrast_correlation", "mae_amplitude", "mae_phase_rad"),
    *("ssim_amplitude", "ssim_phase", "psnr_amplitude_db", "psnr_phase_db"),
    *("frc50_per_px", "frc_half_bit_per_px", "frc_one_bit_per_px", "transfer50_per_px"),
    *("shift_row_px", "shift_col_px"),
)
_SAME_SIZE = 0.002


@dataclass(frozen=True)
class Question:
    """What is asked about a reconstruction.

    Attributes:
        found: File with the reconstruction.
        truth: File with the true object in the scan's pixels, or None.
        against: File with another reconstruction in whatever pixels, or None.
        scan: Scan it was made from, or None.
        measurement: What the scan's values are; None decides from them.
        halves: How to halve the scan for a split-half correlation, or None for none.
        epochs: rPIE passes for each half.
        picture: PNG to write, or None.
    """

    found: Path
    truth: Path | None = None
    against: Path | None = None
    scan: Path | None = None
    measurement: Measurement | None = None
    halves: Split | None = None
    epochs: int = 24
    picture: Path | None = None


def assess(question: Question) -> dict[str, Any]:
    """Answer a question with everything that can be said.

    Args:
        question: The files and what is wanted.

    Returns:
        Plain values for JSON, as `docs/reference/outputs.md` lists them.

    Raises:
        DataFileError: A file cannot be read or holds no object.
        PreconditionError: The two have too little in common, or the scan is another one.
        DivergedError: A half of the scan diverged.
    """
    reference = question.truth or question.against
    report: dict[str, Any] = {}
    scan = None if question.scan is None else read_scan(question.scan, question.measurement)
    if reference is not None:
        report |= _compared(question, read_object(question.found), read_object(reference), scan)
    if scan is not None:
        result = read_reconstruction(question.found)
        report["data"] = measure(result, scan)
        if question.halves is not None:
            alone = question.picture if reference is None else None
            report["halves"] = _halved(question, result, scan, alone)
    return report


def _compared(
    question: Question, found: FoundObject, other: FoundObject, scan: ScanData | None
) -> dict[str, Any]:
    truth = question.against is None
    pixel = found.pixel_size_m or (None if scan is None else scan.pixel_size_m)
    fields = _field(found, "reconstruction"), _field(other, "truth" if truth else "other object")
    fields = fields[0], _same_pixels(fields[1], pixel, other.pixel_size_m)
    pixel = pixel or other.pixel_size_m
    framed = found.in_scan_frame and other.in_scan_frame
    if truth and not framed and found.object.shape == other.object.shape:
        # An array alone says nothing of its frame; one of equal shape is taken to share it.
        framed = True
        if found.positions_px is None:
            positions = other.positions_px
            fields = Field(found.object, positions_px=positions), fields[1]
    judgement = judge(*fields, same_frame=truth and framed, equals=not truth)
    report = _told(judgement, pixel)
    if question.picture is not None:
        names = ("reconstruction", "truth" if truth else "the other")
        draw_comparison(question.picture, _picture(judgement, names, pixel))
        report["picture"] = question.picture.as_posix()
    return report


def _field(found: FoundObject, name: str) -> Field:
    return Field(found.object, found.origin, found.coverage, found.positions_px, name)


def _same_pixels(field: Field, pixel_m: float | None, own_m: float | None) -> Field:
    """Bring the other image onto pixels of the first one's size, where both are known."""
    if pixel_m is None or own_m is None or abs(own_m / pixel_m - 1) < _SAME_SIZE:
        return field
    factor = own_m / pixel_m
    if not 0.25 < factor < 4:
        raise PreconditionError(
            f"the pixels are {pixel_m:.4g} m and {own_m:.4g} m large",
            "more than a factor of four apart; bring them to one size first",
        )
    logger.warning("the %s has pixels of %.4g m; brought to %.4g m", field.name, own_m, pixel_m)
    return field.rescaled(factor)


def _told(judgement: Judgement, pixel_m: float | None) -> dict[str, Any]:
    rings = judgement.rings
    values = {
        "frequency_per_px": rings.frequency,
        "value": rings.value,
        "flat": judgement.flat_rings.value,
        "half_bit": rings.half_bit,
        "one_bit": rings.one_bit,
        "transfer": rings.transfer,
        "samples": rings.samples,
    }
    height, width = judgement.inside.shape
    return {
        **{name: _finite(row) for name, row in judgement.rows().items()},
        "looks_like": judgement.looks_like,
        "remarks": list(judgement.remarks),
        "window": {
            "corner_px": list(judgement.corner),
            "shape_px": [height, width],
            "compared_px": int(judgement.inside.sum()),
        },
        "pixel_size_m": pixel_m,
        "resolution_m": _resolution(judgement.row, pixel_m),
        "frc": {name: [_number(v) for v in array.tolist()] for name, array in values.items()},
    }


def _resolution(row: Mapping[str, float], pixel_m: float | None) -> dict[str, float | None] | None:
    """Half periods in metres: what a frequency resolves is half of its wavelength."""
    if pixel_m is None:
        return None
    names = {"frc50": "frc50_per_px", "half_bit": "frc_half_bit_per_px"}
    names["one_bit"] = "frc_one_bit_per_px"
    return {name: pixel_m / (2 * row[key]) if row[key] > 0 else None for name, key in names.items()}


def _halved(
    question: Question, result: Reconstruction, scan: ScanData, picture: Path | None
) -> dict[str, Any]:
    """Correlate the halves; the picture is theirs where there is nothing else to show."""
    assert question.halves is not None
    halves = correlate_halves(result, scan, question.halves, question.epochs)
    pixel = scan.pixel_size_m
    report = {
        **_finite(halves.as_dict()),
        "resolution_m": _resolution(halves.judgement.row, pixel),
        "frc": _told(halves.judgement, pixel)["frc"],
    }
    if picture is not None:
        names = ("first half", "second half")
        draw_comparison(picture, _picture(halves.judgement, names, pixel))
        report["picture"] = picture.as_posix()
    return report


def _picture(judgement: Judgement, names: tuple[str, str], pixel_m: float | None) -> Comparison:
    looks_like = judgement.looks_like
    lines = [f"looks like: {looks_like}"] if looks_like in (SAME, FLAT) else []
    if not lines:
        lines = [f"looks like: {looks_like.upper()}"]
    return Comparison(
        names=names,
        images=(judgement.found, judgement.reference),
        inside=judgement.inside,
        frequency_per_px=judgement.rings.frequency,
        curves={"correlation": judgement.rings.value, "flat object": judgement.flat_rings.value},
        thresholds={"half-bit": judgement.rings.half_bit, "1-bit": judgement.rings.one_bit},
        rows={
            names[0]: {key: _number(judgement.row[key]) for key in _SHOWN},
            "flat object": {key: _number(judgement.flat[key]) for key in _SHOWN},
        },
        remarks=[*lines, *judgement.remarks],
        pixel_size_m=pixel_m,
    )


def _finite(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: _number(value) if isinstance(value, float) else value for name, value in row.items()
    }


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def default_picture(found: Path, reference: Path | None) -> Path:
    """Where the picture goes unless told: beside the reconstruction, named after both.

    Args:
        found: File with the reconstruction.
        reference: File it is compared with, or None.

    Returns:
        A PNG in the reconstruction's folder.
    """
    other = "halves" if reference is None else reference.name.split(".")[0]
    return found.parent / f"{found.name.split('.')[0]}_against_{other}.png"

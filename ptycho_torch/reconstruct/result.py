"""A reconstruction as a file: object, coverage, probe, positions and scales."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ptycho_torch.artifacts import write_bytes
from ptycho_torch.data.formats.content import ZIP, first_bytes
from ptycho_torch.data.formats.npz_archive import npz_members
from ptycho_torch.data.scan import Array, ScanData
from ptycho_torch.errors import DataFileError, PreconditionError
from ptycho_torch.metrics import evaluate, poisson_nll, r_factor
from ptycho_torch.physics.scaling import Scales
from ptycho_torch.pictures import draw_field
from ptycho_torch.reconstruct.assemble import canvas_intensity
from ptycho_torch.reconstruct.stitch import Canvas

RECONSTRUCTION_FILE = "reconstruction.npz"
_KEYS = ("object", "coverage", "origin", "probe", "positions", "patterns", "scales")
_GIVEN = "given_positions"
_PIXEL = "pixel_size_m"
_HINT = "give the `reconstruction.npz` that inference wrote"


@dataclass(frozen=True)
class Reconstruction:
    """An object with all that is needed to judge or refine it.

    Attributes:
        canvas: The object, |O| about 1 in vacuum, with coverage and origin.
        probe: (mode, row, col) complex64 in the file's unit.
        positions_px: (n, 2) float64, positions of the patterns that were used.
        patterns: (n,) int64, numbers of these patterns in their scan.
        scales: The scales of the training.
        given_positions_px: (n, 2) float64, the scan's positions where `positions_px` are corrected
            ones; None where they are the same.
        pixel_size_m: Edge of an object pixel in metres; None where the scan did not say.
    """

    canvas: Canvas
    probe: Array
    positions_px: Array
    patterns: Array
    scales: Scales
    given_positions_px: Array | None = None
    pixel_size_m: float | None = None

    def unit_probe(self) -> torch.Tensor:
        """The probe with unit energy.

        Returns:
            (mode, row, col) complex64.
        """
        return torch.from_numpy(self.probe * np.complex64(self.scales.probe_factor))


def write_reconstruction(
    folder: Path, result: Reconstruction, *, pictures: bool = True
) -> list[Path]:
    """Write `reconstruction.npz` and pictures of amplitude and phase.

    Args:
        folder: Where they go.
        result: What to write.
        pictures: Whether to draw any.

    Returns:
        The files.
    """
    canvas = result.canvas
    more = {_GIVEN: result.given_positions_px, _PIXEL: result.pixel_size_m}
    buffer = io.BytesIO()
    np.savez(
        buffer,
        allow_pickle=False,
        object=canvas.object,
        coverage=canvas.coverage,
        origin=np.array(canvas.origin),
        probe=result.probe,
        positions=result.positions_px,
        patterns=result.patterns,
        scales=np.array(json.dumps(result.scales.to_dict(), sort_keys=True)),
        **{key: np.asarray(value) for key, value in more.items() if value is not None},
    )
    path = folder / RECONSTRUCTION_FILE
    write_bytes(path, buffer.getvalue())
    if not pictures:
        return [path]
    inside = scan_window(canvas, result.positions_px)
    shown = canvas.object[inside], canvas.covered()[inside]
    return [path, *draw_field(folder, "reconstruction", *shown, result.pixel_size_m)]


def read_reconstruction(path: Path) -> Reconstruction:
    """Read what `write_reconstruction` wrote.

    Args:
        path: The NPZ file.

    Returns:
        The reconstruction.

    Raises:
        DataFileError: The file is missing, damaged or something else.
    """
    if not first_bytes(path).startswith(ZIP):
        raise DataFileError(f"`{path}` is no NPZ file", _HINT)
    with npz_members(path) as members:
        missing = sorted(set(_KEYS) - members.names)
        if missing:
            raise DataFileError(f"`{path}` lacks {missing}: not a reconstruction", _HINT)
        found = {key: members.get(key) for key in _KEYS}
        given = members.optional(_GIVEN)
        pixel_size_m = members.number(_PIXEL)
    row, col = (int(value) for value in found["origin"])
    return Reconstruction(
        canvas=Canvas(found["object"], found["coverage"], (row, col)),
        probe=found["probe"],
        positions_px=found["positions"],
        patterns=found["patterns"],
        scales=_scales(path, str(found["scales"])),
        given_positions_px=given,
        pixel_size_m=pixel_size_m,
    )


def _scales(path: Path, text: str) -> Scales:
    try:
        values = json.loads(text)
    except ValueError as error:
        raise DataFileError(f"`{path}`: `scales` is no JSON: {error}", _HINT) from error
    if not isinstance(values, dict):
        raise DataFileError(f"`{path}`: `scales` is {values!r}, no mapping", _HINT)
    return Scales.from_dict(values)


def scan_window(canvas: Canvas, positions_px: Array) -> tuple[slice, slice]:
    """Find the part of a canvas between the outermost positions, where coverage is best.

    Args:
        canvas: The object.
        positions_px: (n, 2) float64.

    Returns:
        Row and column range of the canvas.
    """
    low = np.floor(positions_px.min(axis=0)).astype(int) - canvas.origin
    high = np.ceil(positions_px.max(axis=0)).astype(int) + 1 - canvas.origin
    return slice(low[0], high[0]), slice(low[1], high[1])


def measure(result: Reconstruction, scan: ScanData) -> dict[str, Any]:
    """Judge a reconstruction by the patterns it was made from.

    Args:
        result: The reconstruction.
        scan: The scan it belongs to.

    Returns:
        `r_factor` and `poisson_nll_per_pixel`, and the same of the flat object beside them.

    Raises:
        DataFileError: The scan has other patterns than the reconstruction.
    """
    used = used_patterns(result, scan)
    amplitude = torch.from_numpy(used.amplitude() * np.float32(result.scales.amplitude_scale))
    mask = None if scan.mask is None else torch.from_numpy(scan.mask)
    flat = Canvas(np.ones_like(result.canvas.object), result.canvas.coverage, result.canvas.origin)
    values: dict[str, Any] = {"patterns": len(used)}
    for prefix, canvas in (("", result.canvas), ("flat_", flat)):
        intensity = canvas_intensity(canvas, result.positions_px, result.unit_probe())
        dose = result.scales.nphotons
        nll = poisson_nll(intensity * dose, amplitude.square() * dose, mask)
        values[f"{prefix}r_factor"] = r_factor(intensity, amplitude, mask)
        values[f"{prefix}poisson_nll_per_pixel"] = nll
    return values


def compare(result: Reconstruction, truth: Array) -> dict[str, Any]:
    """Judge a reconstruction by the true object, with the flat object beside it.

    Args:
        result: The reconstruction.
        truth: (H, W) complex, object pixel (0, 0) first.

    Returns:
        Rows `reconstruction` and `flat` (see `metrics.evaluate`); a number that does not exist,
        such as a crossing that never happens, is None.

    Raises:
        PreconditionError: The scan window is too small or not covered.
    """
    canvas = result.canvas
    rows = evaluate(canvas.object, canvas.origin, truth, result.positions_px, canvas.coverage)
    return {name: _finite(row) for name, row in rows.items()}


def used_patterns(result: Reconstruction, scan: ScanData) -> ScanData:
    """Select the patterns that a reconstruction was made from.

    Args:
        result: The reconstruction.
        scan: The scan it belongs to.

    Returns:
        The scan with these patterns alone.

    Raises:
        DataFileError: The scan has fewer patterns.
        PreconditionError: Its positions are other ones.
    """
    last = int(result.patterns.max())
    if last >= len(scan):
        raise DataFileError(
            f"the reconstruction uses pattern {last}, but `{scan.source}` has {len(scan)} patterns",
            "give the scan that the reconstruction was made from",
        )
    used = scan.select(result.patterns)
    given = result.given_positions_px
    expected = result.positions_px if given is None else given
    if not np.array_equal(used.positions_px, expected):
        raise PreconditionError(
            f"`{scan.source}` has other positions than the reconstruction",
            "give the scan that the reconstruction was made from",
        )
    return used


def _finite(row: Mapping[str, float]) -> dict[str, float | None]:
    return {name: value if math.isfinite(value) else None for name, value in row.items()}

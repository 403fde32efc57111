"""One scan in memory, whatever file it came from.

Conventions, fixed here for the whole package:

- axes `batch, channel, mode, row, col`; a scan has `n` patterns of `row x col` pixels;
- the zero frequency of a pattern lies at index `N // 2`;
- positions are (row, col) of the patch centre in object pixels, so patch `i` of an object array
  is `object[row - N/2 : row + N/2, col - N/2 : col + N/2]`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ptycho_torch.errors import DataFileError

Measurement = Literal["counts", "amplitude"]
Array = npt.NDArray[Any]


@dataclass(frozen=True)
class ScanData:
    """A ptychographic scan: patterns, probe, positions and what is known beside them.

    Attributes:
        diffraction: (n, row, col) float32, zero frequency at `N // 2`; photon counts or their
            square root, as `measurement` says.
        measurement: What the values of `diffraction` are.
        probe: (mode, row, col) complex64, modes add incoherently.
        positions_px: (n, 2) float64, (row, col) of the patch centres in object pixels.
        object: (H, W) complex64 in the same pixel frame as the positions (a truth or a
            reference reconstruction), or None.
        mask: (row, col) bool, True where a detector pixel is usable, or None for all.
        pixel_size_m: Edge of an object pixel in metres, or None.
        energy_ev: Photon energy in electronvolts, or None.
        distance_m: Sample to detector in metres, or None.
        nphotons: Mean photons per pattern that the values stand for, or None if not stated.
        source: Where the scan came from, for logs and reports.

    Raises:
        DataFileError: The parts do not fit together or hold impossible values.
    """

    diffraction: Array
    measurement: Measurement
    probe: Array
    positions_px: Array
    object: Array | None = None
    mask: Array | None = None
    pixel_size_m: float | None = None
    energy_ev: float | None = None
    distance_m: float | None = None
    nphotons: float | None = None
    source: str = "memory"

    def __post_init__(self) -> None:
        _check_shapes(self)
        _check_values(self)

    def __len__(self) -> int:
        """Number of patterns."""
        return int(self.diffraction.shape[0])

    @property
    def n_pixel(self) -> int:
        """Edge of a pattern in pixels."""
        return int(self.diffraction.shape[-1])

    def amplitude(self) -> Array:
        """Measured amplitude, the square root of the counts.

        Returns:
            (n, row, col) float32.
        """
        if self.measurement == "counts":
            return np.sqrt(self.diffraction)
        return self.diffraction

    def select(self, index: Sequence[int] | Array | slice) -> ScanData:
        """Keep some of the patterns.

        Args:
            index: Anything that indexes the pattern axis.

        Returns:
            A scan with those patterns and the same probe, object and mask.
        """
        keep = index if isinstance(index, slice) else np.asarray(index)
        return replace(
            self, diffraction=self.diffraction[keep], positions_px=self.positions_px[keep]
        )


def _fail(scan: ScanData, message: str, hint: str) -> DataFileError:
    return DataFileError(f"{scan.source}: {message}", hint=hint)


def _check_shapes(scan: ScanData) -> None:
    """Raise unless every array has the shape the others ask for."""
    shape = scan.diffraction.shape
    if len(shape) != 3 or shape[1] != shape[2] or shape[0] == 0:
        raise _fail(
            scan,
            f"`diffraction` has shape {shape}, expected (n, N, N) with n > 0",
            "patterns must be square; crop or pad the detector first",
        )
    if shape[1] % 2:
        raise _fail(scan, f"`diffraction` has odd size N = {shape[1]}", "crop one row and column")
    if scan.probe.ndim != 3 or scan.probe.shape[1:] != shape[1:]:
        raise _fail(
            scan,
            f"`probe` has shape {scan.probe.shape}, expected (mode, {shape[1]}, {shape[2]})",
            "probe and patterns must have the same size",
        )
    if scan.positions_px.shape != (shape[0], 2):
        raise _fail(
            scan,
            f"`positions_px` has shape {scan.positions_px.shape}, expected ({shape[0]}, 2)",
            "one (row, col) pair a pattern",
        )
    if scan.object is not None and scan.object.ndim != 2:
        raise _fail(
            scan, f"`object` has shape {scan.object.shape}, expected (H, W)", "give one slice"
        )
    if scan.mask is not None and scan.mask.shape != shape[1:]:
        raise _fail(
            scan,
            f"`mask` has shape {scan.mask.shape}, expected {shape[1:]}",
            "one flag a detector pixel",
        )


def _check_values(scan: ScanData) -> None:
    """Raise on values no measurement can have."""
    lowest, highest = _range(scan.diffraction)
    named = {"probe": scan.probe, "positions": scan.positions_px}
    if scan.object is not None:
        named["object"] = scan.object
    if not np.isfinite(lowest) or not np.isfinite(highest):
        named = {"diffraction": scan.diffraction, **named}
    for name, values in named.items():
        _check_finite(scan, name, values)
    if lowest < 0:
        raise _fail(
            scan,
            f"`diffraction` holds negative values, the lowest is {lowest:g}",
            "mask the pixels that hold it, or subtract the dark field so that it clips at 0",
        )
    if highest == 0:
        raise _fail(scan, "`diffraction` is zero everywhere", "check the detector's data path")
    if not np.any(scan.probe):
        raise _fail(scan, "`probe` is zero everywhere", "give a starting guess of the probe")
    for name in ("nphotons", "pixel_size_m", "energy_ev", "distance_m"):
        value = getattr(scan, name)
        if value is not None and not 0 < value < np.inf:
            raise _fail(
                scan, f"`{name}` is {value}", "give a positive finite number or leave it out"
            )


def _check_finite(scan: ScanData, name: str, values: Array) -> None:
    bad = int(np.count_nonzero(~np.isfinite(values)))
    if bad:
        raise _fail(
            scan,
            f"`{name}` holds {bad} values that are NaN or infinite",
            "drop those patterns"
            if name == "positions"
            else "mask dead pixels or drop those patterns before writing the file",
        )


def _range(values: Array) -> tuple[float, float]:
    """Return the smallest and the largest value, NaN if there is one; no copy is made."""
    return float(values.min()), float(values.max())


def as_float32(values: Array) -> Array:
    """Return real numbers as float32 in C order; what float32 cannot hold becomes infinite."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.ascontiguousarray(values, dtype=np.float32)


def as_complex64(values: Array) -> Array:
    """Return numbers as complex64 in C order; what float32 cannot hold becomes infinite."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.ascontiguousarray(values, dtype=np.complex64)

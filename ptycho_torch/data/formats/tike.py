"""tike NPZ files: `data`, `scan`, `probe`.

| key | meaning |
|---|---|
| `data` | (n, N, N) or (1, n, N, N) counts, zero frequency at the corner |
| `scan` | (n, 2) or (1, n, 2) (row, col) of patch corners in object pixels, may be negative |
| `probe` | (…, mode, N, N) complex, centred as the patches are |

Source of the conventions: tike's documentation (tike.ptycho), checked against its test data.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from ptycho_torch.data.formats.geometry import placed
from ptycho_torch.data.scan import Array, Measurement, ScanData, as_complex64, as_float32
from ptycho_torch.errors import DataFileError

KEYS = frozenset({"data", "scan", "probe"})
"""The keys by which such a file is told."""


def read_tike(path: Path, member: Callable[[str], Array]) -> ScanData:
    """Read a tike NPZ file.

    Args:
        path: The file, for messages.
        member: Returns an array of the archive by key.

    Returns:
        The scan; positions moved so that every patch lies inside the object.

    Raises:
        DataFileError: Shapes that do not fit, several views.
    """
    patterns = _one_view(path, "data", member("data"), 3)
    corners = _one_view(path, "scan", member("scan"), 2)
    numbers = patterns.dtype.kind in "iuf" and corners.dtype.kind in "iuf"
    if not numbers or corners.shape != (len(patterns), 2):
        raise DataFileError(
            f"{path}: `data` has shape {patterns.shape} and type {patterns.dtype}, `scan` "
            f"{corners.shape} and {corners.dtype}",
            hint="expected (n, N, N) counts and (n, 2) corners",
        )
    n = patterns.shape[-1]
    measurement: Measurement = "counts"
    return ScanData(
        diffraction=as_float32(np.fft.fftshift(patterns, axes=(1, 2))),
        measurement=measurement,
        probe=_modes(path, member("probe")),
        positions_px=placed(corners[:, 0].astype(np.float64), corners[:, 1].astype(np.float64), n),
        source=str(path),
    )


def _one_view(path: Path, key: str, array: Array, axes: int) -> Array:
    if array.ndim == axes + 1 and array.shape[0] == 1:
        return np.asarray(array[0])
    if array.ndim != axes:
        raise DataFileError(
            f"{path}: `{key}` has shape {array.shape}",
            hint="one view a file; split a tomography set by its first axis",
        )
    return array


def _modes(path: Path, probe: Array) -> Array:
    """Return the incoherent modes; eigen probes (the axis before them) beyond one are refused."""
    if probe.ndim < 2 or probe.dtype.kind != "c" or int(np.prod(probe.shape[:-3])) != 1:
        raise DataFileError(
            f"{path}: `probe` has shape {probe.shape} and type {probe.dtype}",
            hint="expected (1, 1, 1, mode, N, N) complex: one view without eigen probes",
        )
    modes = probe.reshape(-1, *probe.shape[-2:])
    return as_complex64(modes)

"""The training HDF5 file of Ptychodus: counts, probe, object and positions in one file.

Flat names: `patterns` (n, N, N), `bad_pixels` (N, N), `probe` (mode, N, N), `object` (H, W),
`probe_position_x_px`, `probe_position_y_px` (n,), `object_pixel_width_m`,
`object_pixel_height_m`, `photon_energy_eV`, `detector_object_distance_m`. Positions are pixel
indices in the object array with centres at (N − 1) / 2, so a patch starts at index − (N − 1) / 2;
the patch centre as this package counts it is half a pixel further.

Source: `ptychodus.api.io.TrainingDataFileKeys` of Ptychodus 1.7.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ptycho_torch.data.scan import Array, ScanData, as_complex64, as_float32
from ptycho_torch.errors import DataFileError

if TYPE_CHECKING:
    # NPZ files ask here whether they are products; they need no HDF5.
    from ptycho_torch.data.formats.hdf5 import Hdf5Source

MARKS = ("patterns", "probe_position_x_px", "probe_position_y_px")
"""The names by which such a file is told."""
PRODUCT_MARK = "probe_position_x_m"
"""A product file: positions and results, but no patterns."""


def read_training_file(source: Hdf5Source) -> ScanData:
    """Read a training file of Ptychodus.

    Args:
        source: The open file.

    Returns:
        The scan, with object and mask.

    Raises:
        DataFileError: Something is missing or does not fit.
    """
    why = "export the file again from Ptychodus (training data)"
    patterns = source.array("patterns", why)
    bad = source.optional(["bad_pixels"])
    columns, rows = (source.array(f"probe_position_{axis}_px", why) for axis in "xy")
    if columns.shape != rows.shape or columns.ndim != 1:
        raise DataFileError(
            f"{source.path}: {columns.shape} x and {rows.shape} y positions", hint=why
        )
    counts = as_float32(patterns)
    mask = None if bad is None or not bad.any() else ~bad.astype(bool)
    return ScanData(
        diffraction=counts,
        measurement="counts",
        probe=_probe(source, why),
        positions_px=np.stack([rows, columns], axis=1).astype(np.float64) + 0.5,
        object=_object(source),
        mask=mask,
        pixel_size_m=source.number(["object_pixel_width_m"]),
        energy_ev=source.number(["photon_energy_eV"]),
        distance_m=source.number(["detector_object_distance_m"]),
        source=str(source.path),
    )


def product_refused(path: Path) -> DataFileError:
    """Return the error for a product: it holds no patterns."""
    return DataFileError(
        f"{path}: a product of Ptychodus holds positions and results, but no patterns",
        hint="`ptycho-torch join PATTERNS TARGET --positions THIS` brings them together",
    )


def _probe(source: Hdf5Source, why: str) -> Array:
    probe = source.array("probe", why)
    if probe.ndim not in (2, 3) or probe.dtype.kind != "c":
        raise DataFileError(
            f"{source.path}: `probe` has shape {probe.shape} and type {probe.dtype}",
            hint="expected (mode, N, N) complex",
        )
    return as_complex64(probe.reshape(-1, *probe.shape[-2:]))


def _object(source: Hdf5Source) -> Array | None:
    found = source.optional(["object"])
    if found is None or found.ndim != 2 or found.dtype.kind != "c":
        return None
    return as_complex64(found)

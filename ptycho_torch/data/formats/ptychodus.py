"""The training HDF5 file of Ptychodus: counts, probe, object and positions in one file.

Flat names: `patterns` (n, N, N), `bad_pixels` (N, N), `probe` (mode, N, N), `object` (H, W),
`probe_position_x_px`, `probe_position_y_px` (n,), `object_pixel_width_m`,
`object_pixel_height_m`, `photon_energy_eV`, `detector_object_distance_m`. Positions are pixel
indices in the object array with centres at (N − 1) / 2, so a patch starts at index − (N − 1) / 2;
the patch centre as this package counts it is half a pixel further.

Source: `ptychodus.api.io.TrainingDataFileKeys` of Ptychodus 1.7.
"""

from __future__ import annotations

import h5py
import numpy as np

from ptycho_torch.data.formats.counts import write_counts
from ptycho_torch.data.formats.hdf5 import Hdf5Source
from ptycho_torch.data.formats.product import modes_of, positive, require
from ptycho_torch.data.scan import Array, ScanData, as_complex64
from ptycho_torch.errors import DataFileError

MARKS = ("patterns", "probe_position_x_px", "probe_position_y_px")
"""The names by which such a file is told."""
_WHY = "export the file again from Ptychodus (training data)"
_HALF_PX = 0.5


def read_training_file(source: Hdf5Source) -> ScanData:
    """Read a training file of Ptychodus.

    Args:
        source: The open file.

    Returns:
        The scan, with object and mask.

    Raises:
        DataFileError: Something is missing or does not fit.
    """
    columns, rows = (source.array(f"probe_position_{axis}_px", _WHY) for axis in "xy")
    numbers = all(item.dtype.kind in "iuf" for item in (columns, rows))
    if columns.shape != rows.shape or columns.ndim != 1 or not numbers:
        raise DataFileError(
            f"{source.path}: {columns.shape} x and {rows.shape} y positions of type "
            f"{columns.dtype} and {rows.dtype}",
            hint=_WHY,
        )
    bad = source.optional(["bad_pixels"])
    if bad is not None and bad.dtype.kind not in "biu":
        raise DataFileError(f"{source.path}: `bad_pixels` holds {bad.dtype}", hint=_WHY)
    return ScanData(
        diffraction=source.float32("patterns", _WHY),
        measurement="counts",
        probe=modes_of(source.path, source.array("probe", _WHY)),
        positions_px=np.stack([rows, columns], axis=1).astype(np.float64) + _HALF_PX,
        object=_object(source),
        mask=None if bad is None or not bad.any() else ~bad.astype(bool),
        pixel_size_m=positive(source.number(["object_pixel_width_m"])),
        energy_ev=positive(source.number(["photon_energy_eV"])),
        distance_m=positive(source.number(["detector_object_distance_m"])),
        source=str(source.path),
    )


def write_training_file(file: h5py.File, scan: ScanData) -> None:
    """Write a scan as Ptychodus exports training data.

    Args:
        file: An open, empty HDF5 file.
        scan: Needs an object, `pixel_size_m`, `energy_ev` and `distance_m`.

    Raises:
        DataFileError: One of these is not known.
    """
    require(scan, ("object", "pixel_size_m", "energy_ev", "distance_m"))
    write_counts(file, "patterns", scan)
    shape = scan.diffraction.shape[1:]
    file["bad_pixels"] = np.zeros(shape, bool) if scan.mask is None else ~scan.mask
    file["probe"] = scan.probe
    file["object"] = scan.object
    for axis, column in (("y", 0), ("x", 1)):
        file[f"probe_position_{axis}_px"] = scan.positions_px[:, column] - _HALF_PX
    for axis in ("width", "height"):
        file[f"object_pixel_{axis}_m"] = scan.pixel_size_m
    file["photon_energy_eV"] = scan.energy_ev
    file["detector_object_distance_m"] = scan.distance_m


def _object(source: Hdf5Source) -> Array | None:
    found = source.optional(["object"])
    if found is None or found.ndim != 2 or found.dtype.kind != "c" or found.size == 0:
        return None
    return as_complex64(found)

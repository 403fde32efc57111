"""CXI 1.6 and NXcxi_ptycho, written: one layout that is both.

NeXus tells groups by class, CXI by name; so each group has the name of the one and the class of the
other. What NXcxi_ptycho demands and nobody knows (extent and divergence of the beam) is left out
rather than invented. Probe, object and its frame are where Ptychodus 1.7 writes and reads them.

Sources: see `cxi`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ptycho_torch.data.formats import cxi_names as cxi
from ptycho_torch.data.formats.counts import write_counts
from ptycho_torch.data.formats.geometry import ELECTRONVOLT_J, object_pixel_m
from ptycho_torch.data.formats.product import KNOWN, Product, require
from ptycho_torch.data.scan import Array, ScanData

_ENTRY = cxi.ENTRIES[0]
_CLASSES = {
    "": "NXentry",
    "instrument_1": "NXinstrument",
    cxi.SOURCE: "NXsource",
    cxi.BEAM: "NXbeam",
    cxi.DETECTOR: "NXdetector",
    "sample_1": "NXsample",
    "sample_1/geometry_1": "NXcollection",
    "sample_1/transformations": "NXtransformations",
    "data_1": "NXcollection",
    "data": "NXdata",
}


def write_cxi(file: h5py.File, scan: ScanData) -> None:
    """Write a scan; `read_cxi` gives it back.

    Args:
        file: An open, empty HDF5 file.
        scan: What to write; needs `pixel_size_m`, `energy_ev` and `distance_m`.

    Raises:
        DataFileError: One of these is not known, so positions cannot be given in metres.
    """
    require(scan, KNOWN)
    entry = _frame(file, scan, _metres(scan.positions_px, scan.object, scan.pixel_size_m or 0))
    write_counts(entry, f"{cxi.DETECTOR}/data", scan)
    if scan.mask is not None:
        bits = np.where(scan.mask, 0, cxi.INVALID).astype(np.uint32)
        entry[cxi.MASK] = bits
    if scan.object is None:
        entry[cxi.ORIGIN] = np.zeros(2)
    else:
        _write_object(entry, scan.object, scan.pixel_size_m or 0)
    entry[cxi.MEASUREMENT] = scan.measurement
    for link in ("data_1/data", "data/data"):
        entry[link] = h5py.SoftLink(f"/{_ENTRY}/{cxi.DETECTOR}/data")
    entry["data"].attrs.update(signal="data", axes=["x", ".", "."], x_indices=0, y_indices=0)
    entry[cxi.DETECTOR].attrs.update(signal="data", axes=["translation", ".", "."])


def write_cxi_product(file: h5py.File, product: Product) -> None:
    """Write probe, object and positions without patterns, as Ptychodus does.

    Args:
        file: An open, empty HDF5 file.
        product: Needs `pixel_size_m`, `energy_ev` and `distance_m`.

    Raises:
        DataFileError: One of these is not known.
    """
    require(product, KNOWN)
    pixel = product.pixel_size_m or 0
    entry = _frame(file, product, _metres(product.positions_px, product.object, pixel))
    entry[cxi.INDEXES] = product.indexes
    _write_object(entry, product.object, pixel)
    entry["process_1/program"] = "ptycho_torch"


def _frame(file: h5py.File, item: ScanData | Product, metres: Array) -> h5py.Group:
    """Write what scans and products share."""
    file["cxi_version"] = cxi.VERSION
    file["number_of_entries"] = 1
    file.attrs["default"] = _ENTRY
    entry = file.create_group(_ENTRY)
    for name, kind in _CLASSES.items():
        group = entry.require_group(name) if name else entry
        group.attrs["NX_class"] = kind
    entry["title"] = Path(item.source).stem
    entry["definition"] = "NXcxi_ptycho"
    entry["sample_1/name"] = Path(item.source).stem
    entry["data_1"].attrs["signal"] = "data"
    entry.attrs["default"] = "data"
    _write_optics(entry, item)
    _write_positions(entry, metres)
    entry[cxi.IMAGE] = item.probe[None]
    entry[cxi.PROBE[0]] = h5py.SoftLink(f"/{_ENTRY}/{cxi.IMAGE}")
    if item.nphotons is not None:
        entry[cxi.NPHOTONS] = item.nphotons
    return entry


def _write_optics(entry: h5py.Group, item: ScanData | Product) -> None:
    energy_ev, distance = item.energy_ev or 0, item.distance_m or 0
    n = item.probe.shape[-1]
    # The same relation gives the detector's pixel from the object's: N a p = λz.
    pixel = object_pixel_m(energy_ev, distance, item.pixel_size_m or 0, n)
    measured: dict[str, tuple[Any, str]] = {
        f"{cxi.SOURCE}/energy": (energy_ev * ELECTRONVOLT_J, "J"),
        f"{cxi.BEAM}/energy": (energy_ev * ELECTRONVOLT_J, "J"),
        f"{cxi.BEAM}/incident_beam_energy": (energy_ev * ELECTRONVOLT_J, "J"),
        f"{cxi.DETECTOR}/distance": (distance, "m"),
        f"{cxi.DETECTOR}/x_pixel_size": (pixel, "m"),
        f"{cxi.DETECTOR}/y_pixel_size": (pixel, "m"),
        f"{cxi.DETECTOR}/beam_center_x": (n // 2 * pixel, "m"),
        f"{cxi.DETECTOR}/beam_center_y": (n // 2 * pixel, "m"),
        f"{cxi.DETECTOR}/basis_vectors": ([[0.0, -pixel], [-pixel, 0.0], [0.0, 0.0]], "m"),
    }
    for name, (value, units) in measured.items():
        entry[name] = value
        entry[name].attrs["units"] = units
    entry[f"{cxi.SOURCE}/probe"] = "x-ray"


def _metres(positions_px: Array, layer: Array | None, pixel_m: float) -> Array:
    """Return (n, 3) x, y, z in metres, about the object's centre if there is one."""
    middle = np.zeros(2) if layer is None else np.array(layer.shape) / 2
    metres = np.zeros((len(positions_px), 3))
    metres[:, :2] = (positions_px - middle)[:, ::-1] * pixel_m
    return metres


def _write_positions(entry: h5py.Group, metres: Array) -> None:
    entry[f"{cxi.DETECTOR}/translation"] = metres
    entry[f"{cxi.DETECTOR}/translation"].attrs.update(
        units="m", axes="translation:y:x", interpretation="image"
    )
    for link in ("sample_1/geometry_1/translation", "data_1/translation"):
        entry[link] = h5py.SoftLink(f"/{_ENTRY}/{cxi.DETECTOR}/translation")
    for column, (axis, vector) in enumerate((("x", (1, 0, 0)), ("y", (0, 1, 0)))):
        name = f"sample_1/transformations/{axis}"
        entry[name] = metres[:, column]
        entry[name].attrs.update(units="m", vector=vector, transformation_type="translation")
        entry[f"data/{axis}"] = h5py.SoftLink(f"/{_ENTRY}/{name}")


def _write_object(entry: h5py.Group, layer: Array, pixel_m: float) -> None:
    entry[cxi.OBJECT] = layer[None]
    for axis in ("width", "height"):
        entry[f"ptychodus/object_pixel_{axis}_m"] = pixel_m
        entry[f"ptychodus/probe_pixel_{axis}_m"] = pixel_m
    for axis in "xy":
        entry[cxi.CENTRE.format(axis)] = 0.0

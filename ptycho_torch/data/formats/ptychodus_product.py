"""Products of Ptychodus, HDF5 and NPZ: positions in metres about the centre of the object.

Pixel (W − 1) / 2 of the object lies at the centre, and a patch begins (N − 1) / 2 pixels before its
position; so the patch centre as this package counts it is W / 2 plus the distance from the centre.
In HDF5 pixel sizes and centres are attributes of `probe` and `object`, in NPZ keys of their own.
A file may leave 0 where something is not known.

Source: `ptychodus.api.io.ProductFileKeys`, `ptychodus.plugins.npz_product_file` (1.7).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ptycho_torch.data.formats.hdf5 import Hdf5Source
from ptycho_torch.data.formats.npz import PRODUCT_MARK
from ptycho_torch.data.formats.npz_archive import Members
from ptycho_torch.data.formats.product import KNOWN, Product, layer_of, modes_of, positive, require
from ptycho_torch.data.scan import Array
from ptycho_torch.errors import DataFileError

MARK = PRODUCT_MARK
"""The name by which a product is told."""
_WHY = "export the product again from Ptychodus"
_NUMBERS = (
    *("object_pixel_width_m", "object_pixel_height_m", "object_center_x_m", "object_center_y_m"),
    *("photon_energy_eV", "detector_object_distance_m", "probe_photon_count"),
)


def read_product_hdf5(source: Hdf5Source) -> Product:
    """Read an HDF5 product.

    Args:
        source: The open file.

    Returns:
        The product.

    Raises:
        DataFileError: Something is missing or does not fit.
    """

    def number(name: str) -> float | None:
        if name.startswith("object_"):
            return source.attribute_number("object", name.removeprefix("object_"))
        return source.attribute_number("/", name)

    numbers = {name: number(name) for name in _NUMBERS}
    if numbers["photon_energy_eV"] is None:
        numbers["photon_energy_eV"] = number("probe_energy_eV")  # its name before version 1.6
    return _product(source.path, lambda name: source.array(name, _WHY), numbers)


def read_product_npz(members: Members) -> Product:
    """Read an NPZ product.

    Args:
        members: The open archive.

    Returns:
        The product.

    Raises:
        DataFileError: Something is missing or does not fit.
    """
    return _product(
        members.path,
        lambda name: members.require(name, _WHY),
        {name: members.number(name) for name in _NUMBERS},
    )


def write_product_hdf5(file: h5py.File, product: Product) -> None:
    """Write an HDF5 product.

    Args:
        file: An open, empty HDF5 file.
        product: Needs pixel size, energy and distance.

    Raises:
        DataFileError: One of these is not known.
    """
    arrays, numbers = _contents(product)
    geometry = {key: numbers.pop(key) for key in sorted(numbers) if key.startswith("object_")}
    geometry |= {key: numbers.pop(key) for key in sorted(numbers) if key.startswith("probe_pixel")}
    file.attrs.update(numbers)
    for name, values in arrays.items():
        file[name] = values
    for key, value in geometry.items():
        name, _, attribute = key.partition("_")
        file[name].attrs[attribute] = value


def product_arrays(product: Product) -> dict[str, Any]:
    """Return what an NPZ product holds.

    Args:
        product: Needs pixel size, energy and distance.

    Returns:
        Arrays and numbers by key.

    Raises:
        DataFileError: One of these is not known.
    """
    arrays, numbers = _contents(product)
    return {**arrays, **{key: np.array(value) for key, value in numbers.items()}}


def _contents(product: Product) -> tuple[dict[str, Array], dict[str, Any]]:
    """Return arrays and numbers, the latter with NPZ's names."""
    require(product, KNOWN)
    pixel = float(product.pixel_size_m or 0)
    metres = (product.positions_px - np.array(product.object.shape) / 2) * pixel
    arrays = {
        "probe_position_indexes": product.indexes,
        "probe_position_x_m": metres[:, 1],
        "probe_position_y_m": metres[:, 0],
        "probe": product.probe[None],
        "object": product.object[None],
        "object_layer_spacing_m": np.zeros(0),
        "loss_epochs": np.zeros(0, np.int64),
        "loss_values": np.zeros(0),
    }
    numbers = {
        "name": Path(product.source).stem,
        "comments": "",
        "detector_object_distance_m": product.distance_m,
        "photon_energy_eV": product.energy_ev,
        "probe_photon_count": product.nphotons or 0.0,
        "exposure_time_s": 0.0,
        "mass_attenuation_m2_per_kg": 0.0,
        "tomography_angle_deg": 0.0,
        "focus_object_distance_m": 0.0,
        "far_field": True,
        "object_center_x_m": 0.0,
        "object_center_y_m": 0.0,
        **{
            f"{name}_pixel_{axis}_m": pixel
            for name in ("object", "probe")
            for axis in ("width", "height")
        },
    }
    return arrays, numbers


def _product(path: Path, get: Callable[[str], Array], numbers: dict[str, float | None]) -> Product:
    pixel = numbers["object_pixel_width_m"]
    height = numbers["object_pixel_height_m"] or 0
    if pixel is None or pixel <= 0 or not np.isclose(pixel, height, rtol=1e-3):
        raise DataFileError(
            f"{path}: object pixels of {pixel} m by {height} m",
            hint="positions in metres need square object pixels of known size",
        )
    layer = layer_of(path, get("object"))
    centre = [numbers[f"object_center_{axis}_m"] or 0.0 for axis in "yx"]
    metres = _columns(path, [get(f"probe_position_{axis}_m") for axis in "yx"])
    return Product(
        probe=modes_of(path, get("probe")),
        positions_px=(metres - centre) / pixel + np.array(layer.shape) / 2,
        object=layer,
        indexes=_indexes(path, get("probe_position_indexes")),
        pixel_size_m=pixel,
        energy_ev=positive(numbers["photon_energy_eV"]),
        distance_m=positive(numbers["detector_object_distance_m"]),
        nphotons=positive(numbers["probe_photon_count"]),
        source=str(path),
    )


def _columns(path: Path, columns: list[Array]) -> Array:
    """Return (n, 2) float64 of two columns of numbers."""
    if columns[0].shape != columns[1].shape or any(
        item.ndim != 1 or item.dtype.kind not in "iuf" for item in columns
    ):
        raise DataFileError(
            f"{path}: positions of shape {columns[0].shape} and {columns[1].shape}, types "
            f"{columns[0].dtype} and {columns[1].dtype}",
            hint="expected (n,) numbers for each axis",
        )
    return np.stack(columns, axis=1).astype(np.float64)


def _indexes(path: Path, found: Array) -> Array:
    whole = found.ndim == 1 and found.dtype.kind in "iuf" and np.isfinite(found).all()
    if not whole or np.any(np.abs(found.astype(np.float64)) > 2**53):
        raise DataFileError(
            f"{path}: `probe_position_indexes` has shape {found.shape} and type {found.dtype}",
            hint="expected (n,) numbers of patterns",
        )
    return found.astype(np.int64)

"""What other programs leave without the patterns: probe, positions and object.

- Ptychodus product (HDF5 or NPZ, told by `probe_position_x_m`): positions in metres about a centre,
  which lies at pixel (W − 1) / 2 of the object.
- ptypy `.ptyr` (told by `content/obj`): metres (row, col) of patch centres; `_origin` is where
  pixel 0 lies.
- PtychoShelves or fold_slice `.mat` v7.3 (told by `outputs/probe_positions`): pixels (x, y) about
  the object's centre.

MATLAB stores columns first and complex numbers as pairs, so all its axes come out reversed.

Sources: `ptychodus.api.io.ProductFileKeys` (1.7); ptypy `core/ptycho.py` (`save_run`) and
`core/classes.py` (`Storage`); fold_slice `find_reconstruction_ROI_external.m`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from ptycho_torch.data.formats.geometry import PLANCK_TIMES_LIGHT_EV_M
from ptycho_torch.data.formats.hdf5 import Hdf5Source, opened
from ptycho_torch.data.formats.npz_archive import npz_members
from ptycho_torch.data.formats.ptychodus import PRODUCT_MARK
from ptycho_torch.data.scan import Array, ScanData, as_complex64
from ptycho_torch.errors import DataFileError


@dataclass(frozen=True)
class Product:
    """A result without patterns.

    Attributes:
        probe: (mode, N, N) complex64, modes add incoherently.
        positions_px: (n, 2) float64, (row, col) of patch centres in pixels of `object`.
        object: (H, W) complex64.
        indexes: (n,) int64, the pattern each position belongs to, counted from 0.
        pixel_size_m: Edge of an object pixel in metres, or None.
        energy_ev: Photon energy in electronvolts, or None.
        distance_m: Sample to detector in metres, or None.
    """

    probe: Array
    positions_px: Array
    object: Array
    indexes: Array
    pixel_size_m: float | None = None
    energy_ev: float | None = None
    distance_m: float | None = None


def read_product(path: Path) -> Product:
    """Read a product.

    Args:
        path: A file of one of the kinds of this module.

    Returns:
        The product in the package's conventions.

    Raises:
        DataFileError: It is none of these, damaged, or its parts do not fit together.
    """
    if path.suffix == ".npz":
        return _ptychodus_npz(path)
    with opened(path) as source:
        if source.has(PRODUCT_MARK):
            return _ptychodus_hdf5(source)
        if source.names("content/obj"):
            return _ptyr(source)
        if source.has("outputs/probe_positions"):
            return _matlab(source)
    raise DataFileError(
        f"{path}: no positions, probe and object where a known format has them",
        hint="a product of Ptychodus, a `.ptyr` of ptypy or a `.mat` v7.3 of PtychoShelves",
    )


def write_product(file: h5py.File, scan: ScanData) -> None:
    """Write probe, positions and object of a scan as a product of Ptychodus.

    Args:
        file: An open, empty HDF5 file.
        scan: Needs an object, `pixel_size_m`, `energy_ev` and `distance_m`.

    Raises:
        DataFileError: One of these is not known.
    """
    wanted = ("object", "pixel_size_m", "energy_ev", "distance_m")
    missing = [f"`{key}`" for key in wanted if getattr(scan, key) is None]
    if scan.object is None or scan.pixel_size_m is None or missing:
        raise DataFileError(
            f"{scan.source}: {', '.join(missing)} not known; a product holds them",
            hint="write NPZ, which needs none of them",
        )
    file.attrs.update(
        name=Path(scan.source).stem,
        comments="",
        detector_object_distance_m=scan.distance_m,
        photon_energy_eV=scan.energy_ev,
        probe_photon_count=scan.nphotons or 0.0,
        exposure_time_s=0.0,
        mass_attenuation_m2_per_kg=0.0,
        tomography_angle_deg=0.0,
        focus_object_distance_m=0.0,
        far_field=True,
    )
    middle = np.array(scan.object.shape) / 2
    metres = (scan.positions_px - middle) * scan.pixel_size_m
    file["probe_position_indexes"] = np.arange(len(scan))
    file["probe_position_x_m"], file["probe_position_y_m"] = metres[:, 1], metres[:, 0]
    file["probe"] = scan.probe[None]
    file["object"] = scan.object[None]
    for name in ("probe", "object"):
        file[name].attrs.update(pixel_width_m=scan.pixel_size_m, pixel_height_m=scan.pixel_size_m)
    file["object"].attrs.update(center_x_m=0.0, center_y_m=0.0)
    file["object_layer_spacing_m"] = np.zeros(0)


def _ptychodus_hdf5(source: Hdf5Source) -> Product:
    def attribute(name: str, key: str) -> float | None:
        value = source.attribute(name, key)
        return None if value is None else float(value)

    numbers = {
        "object_pixel_width_m": attribute("object", "pixel_width_m"),
        "object_pixel_height_m": attribute("object", "pixel_height_m"),
        "object_center_x_m": attribute("object", "center_x_m"),
        "object_center_y_m": attribute("object", "center_y_m"),
        "photon_energy_eV": attribute("/", "photon_energy_eV") or attribute("/", "probe_energy_eV"),
        "detector_object_distance_m": attribute("/", "detector_object_distance_m"),
    }
    return _ptychodus(source.path, lambda name: source.array(name, "export it again"), numbers)


def _ptychodus_npz(path: Path) -> Product:
    keys = (
        *("object_pixel_width_m", "object_pixel_height_m"),
        *("object_center_x_m", "object_center_y_m"),
        *("photon_energy_eV", "detector_object_distance_m"),
    )
    with npz_members(path) as members:
        return _ptychodus(
            path,
            lambda name: members.require(name, "export the product again"),
            {key: members.number(key) for key in keys},
        )


def _ptychodus(
    path: Path, get: Callable[[str], Array], numbers: dict[str, float | None]
) -> Product:
    """Positions: pixel (W − 1) / 2 lies at the centre; patches begin half a pixel before ours."""
    pixel = numbers["object_pixel_width_m"]
    if not pixel or not np.isclose(pixel, numbers["object_pixel_height_m"] or 0, rtol=1e-3):
        raise DataFileError(
            f"{path}: object pixels of {pixel} m by {numbers['object_pixel_height_m']} m",
            hint="positions in metres need square object pixels of known size",
        )
    layers = _layers(path, get("object"))
    centre = [numbers[f"object_center_{axis}_m"] or 0.0 for axis in "yx"]
    metres = np.stack([get("probe_position_y_m"), get("probe_position_x_m")], axis=1)
    return Product(
        probe=_modes(path, get("probe")),
        positions_px=(metres - centre) / pixel + np.array(layers.shape) / 2,
        object=layers,
        indexes=get("probe_position_indexes").astype(np.int64),
        pixel_size_m=pixel,
        energy_ev=numbers["photon_energy_eV"],
        distance_m=numbers["detector_object_distance_m"],
    )


def _ptyr(source: Hdf5Source) -> Product:
    names = source.names("content/obj")
    if len(names) != 1:
        raise DataFileError(
            f"{source.path}: {len(names)} objects ({', '.join(names)})",
            hint="only runs with one object are read",
        )
    name, why = names[0], "save the run with `kind='minimal'`"
    below = f"content/obj/{name}"
    coordinates = source.array(f"content/positions/{name}", why).astype(np.float64)
    psize = source.array(f"{below}/_psize", why).astype(np.float64).ravel()
    origin = source.array(f"{below}/_origin", why).astype(np.float64).ravel()
    if psize.size != 2 or origin.size != 2 or not np.isclose(psize[0], psize[1], rtol=1e-3):
        raise DataFileError(f"{source.path}: `_psize` is {psize}", hint="expected square pixels")
    probes = source.names("content/probe")
    if len(probes) != 1:
        raise DataFileError(
            f"{source.path}: {len(probes)} probes", hint="only runs with one probe are read"
        )
    return Product(
        probe=_modes(source.path, source.array(f"content/probe/{probes[0]}/data", why)),
        positions_px=(coordinates - origin) / psize,
        object=_layers(source.path, source.array(f"{below}/data", why)),
        indexes=np.arange(len(coordinates)),
        pixel_size_m=float(psize[0]),
    )


def _matlab(source: Hdf5Source) -> Product:
    why = "save it with `-v7.3`, with `object`, `probe`, `outputs` and `p`"
    probe = _columns_first(source.array("probe", why))
    found = _columns_first(source.array("object", why))
    pixels = _columns_first(source.array("outputs/probe_positions", why)).astype(np.float64)
    if probe.ndim < 2 or found.ndim < 2 or pixels.ndim != 2 or pixels.shape[1] != 2:
        raise DataFileError(
            f"{source.path}: object {found.shape}, probe {probe.shape}, positions {pixels.shape}",
            hint="expected (row, column, …) twice and (n, 2)",
        )
    modes = np.moveaxis(probe.reshape(*probe.shape[:2], -1)[..., : _shared(probe)], -1, 0)
    layers = _layers(source.path, np.moveaxis(found.reshape(*found.shape[:2], -1), -1, 0))
    size = np.array(probe.shape[:2])
    first = np.ceil(np.array(layers.shape) / 2 - size / 2) - 1  # MATLAB counts from 1
    wavelength = source.number(["p/lambda"])
    pixel = source.optional(["p/dx_spec"])
    return Product(
        probe=_modes(source.path, modes),
        positions_px=pixels[:, ::-1] + first + size // 2,
        object=layers,
        indexes=np.arange(len(pixels)),
        pixel_size_m=None if pixel is None else float(pixel.ravel()[0]),
        energy_ev=PLANCK_TIMES_LIGHT_EV_M / wavelength if wavelength else None,
    )


def _shared(probe: Array) -> int:
    """Return how many modes all patterns share: the third axis; the fourth varies by pattern."""
    return int(probe.shape[2]) if probe.ndim > 2 else 1


def _columns_first(array: Array) -> Array:
    """Return a MATLAB array with its axes as MATLAB counts them, complex if it was."""
    if array.dtype.names and {"real", "imag"} <= set(array.dtype.names):
        array = array["real"] + 1j * array["imag"]
    return np.asarray(array.T)


def _modes(path: Path, probe: Array) -> Array:
    """Return (mode, N, N); of several probes along a scan the first."""
    if probe.dtype.kind != "c" or probe.ndim not in (2, 3, 4):
        raise DataFileError(
            f"{path}: the probe has shape {probe.shape} and type {probe.dtype}",
            hint="expected (mode, N, N) complex",
        )
    modes = probe[0] if probe.ndim == 4 else probe
    return as_complex64(modes.reshape(-1, *modes.shape[-2:]))


def _layers(path: Path, found: Array) -> Array:
    layers = found.reshape(-1, *found.shape[-2:]) if found.ndim >= 2 else found
    if found.dtype.kind != "c" or found.ndim < 2 or len(layers) != 1:
        raise DataFileError(
            f"{path}: the object has shape {found.shape} and type {found.dtype}",
            hint="expected one layer, complex; multislice is not supported",
        )
    return as_complex64(layers[0])

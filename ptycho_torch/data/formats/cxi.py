"""CXI (version 1.6 and later) and NeXus NXcxi_ptycho files.

Patterns are counts at `data_1/data` (or in the detector). `sample_1/geometry_1/translation` holds
(x, y, z) of the *sample* in metres. Detector pixels count against x and y (the default basis
vectors are (0, −p, 0) and (−p, 0, 0)), and the patch moves over the object against the sample; so
the two signs cancel: row = +y / dx, col = +x / dx. (Checked on a near-field file, in which the
object itself can be seen to move.) Energy is in joules unless an attribute `units` says otherwise.

Sources: The CXI File Format, version 1.6 (cxidb.org); NeXus application definition NXcxi_ptycho.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import h5py
import numpy as np

from ptycho_torch.data.formats.geometry import (
    ELECTRONVOLT_J,
    PLANCK_TIMES_LIGHT_EV_M,
    object_pixel_m,
    placed,
    probe_from_patterns,
)
from ptycho_torch.data.formats.hdf5 import Hdf5Source
from ptycho_torch.data.scan import Array, ScanData, as_complex64, as_float32
from ptycho_torch.errors import DataFileError

logger = logging.getLogger(__name__)

_VERSION = 160
_SIGNAL = 0x1000
"""CXI_PIXEL_HAS_SIGNAL: the one mask bit that marks a pixel as good."""
_INVALID = 1
_DATA = ("data_1/data", "instrument_1/detector_1/data", "data/data", "instrument/detector/data")
_TRANSLATION = (
    "sample_1/geometry_1/translation",
    "data_1/translation",
    "instrument_1/detector_1/translation",
    "sample/transformations/translation",
)
_ENERGY = (
    "instrument_1/source_1/energy",
    "instrument_1/beam_1/energy",
    "instrument_1/source_1/wavelength",
    "instrument_1/beam_1/wavelength",
)
_PROBE = ("image_1/data", "instrument_1/source_1/illumination")
_UNITS_EV = {"j": 1 / ELECTRONVOLT_J, "joule": 1 / ELECTRONVOLT_J, "ev": 1.0, "kev": 1e3}


def entry_of(source: Hdf5Source) -> str | None:
    """Return the entry of a CXI or NXcxi_ptycho file that holds patterns, or None."""
    for entry in ("entry_1", "entry"):
        if source.first(f"{entry}/{name}" for name in _DATA) is not None:
            return entry
    return None


@dataclass(frozen=True)
class _Optics:
    """Energy, distance and pixel sizes as stated; None where a file does not say."""

    energy_ev: float | None
    distance_m: float | None
    detector_pixel_m: float | None

    def pixel_m(self, n: int) -> float | None:
        """Edge of an object pixel in metres, if everything it follows from is stated."""
        known = (self.energy_ev, self.distance_m, self.detector_pixel_m)
        if any(value is None or value <= 0 for value in known):
            return None
        return object_pixel_m(*known, n)  # type: ignore[arg-type]


def read_cxi(source: Hdf5Source) -> ScanData:
    """Read a CXI or NXcxi_ptycho file.

    Args:
        source: The open file; `entry_of` finds an entry in it.

    Returns:
        The scan; without a probe in the file, what the mean pattern focuses to.

    Raises:
        DataFileError: Something the positions in pixels follow from is missing.
    """
    entry = entry_of(source) or "entry_1"
    name = source.first(f"{entry}/{item}" for item in _DATA) or f"{entry}/{_DATA[0]}"
    patterns = source.array(name, "give the patterns as (n, N, N)")
    if patterns.ndim != 3 or patterns.dtype.kind not in "iuf":
        raise DataFileError(
            f"{source.path}: `{name}` has shape {patterns.shape} and type {patterns.dtype}",
            hint="expected (n, N, N) counts",
        )
    mask = _mask(source, entry, patterns.shape[1:])
    counts = as_float32(patterns)
    if mask is not None:
        counts[:, ~mask] = 0  # what a bad pixel holds is no count, often -1 or the largest integer
    optics = _optics(source, entry)
    pixel = optics.pixel_m(patterns.shape[-1])
    return ScanData(
        diffraction=counts,
        measurement="counts",
        probe=_probe(source, entry, counts),
        positions_px=_positions(source, entry, pixel, counts.shape),
        mask=mask,
        pixel_size_m=pixel,
        energy_ev=optics.energy_ev,
        distance_m=optics.distance_m,
        source=str(source.path),
    )


def write_cxi(file: h5py.File, scan: ScanData) -> None:
    """Write a scan as CXI 1.6; `read_cxi` gives it back, positions up to a common shift.

    Args:
        file: An open, empty HDF5 file.
        scan: What to write; needs `pixel_size_m`, `energy_ev` and `distance_m`.

    Raises:
        DataFileError: One of these is not known, so positions cannot be given in metres.
    """
    known = {key: getattr(scan, key) for key in ("pixel_size_m", "energy_ev", "distance_m")}
    missing = [f"`{key}`" for key, value in known.items() if not value]
    if missing:
        raise DataFileError(
            f"{scan.source}: {', '.join(missing)} not known; CXI has positions in metres",
            hint="write NPZ, which has them in pixels",
        )
    counts = scan.diffraction if scan.measurement == "counts" else scan.diffraction**2
    # The same relation gives the detector's pixel from the object's: N a p = λz.
    pixel = object_pixel_m(
        known["energy_ev"], known["distance_m"], known["pixel_size_m"], scan.n_pixel
    )
    metres = np.zeros((len(scan), 3))
    metres[:, 0], metres[:, 1] = (
        scan.positions_px[:, axis] * known["pixel_size_m"] for axis in (1, 0)
    )
    datasets = {
        "cxi_version": _VERSION,
        "entry_1/instrument_1/detector_1/data": counts,
        "entry_1/instrument_1/detector_1/distance": known["distance_m"],
        "entry_1/instrument_1/detector_1/x_pixel_size": pixel,
        "entry_1/instrument_1/detector_1/y_pixel_size": pixel,
        "entry_1/instrument_1/detector_1/basis_vectors": [[0.0, -pixel], [-pixel, 0.0], [0.0, 0.0]],
        "entry_1/instrument_1/source_1/energy": known["energy_ev"] * ELECTRONVOLT_J,
        "entry_1/sample_1/geometry_1/translation": metres,
        "entry_1/image_1/data": scan.probe,
    }
    if scan.mask is not None:
        datasets["entry_1/instrument_1/detector_1/mask"] = np.where(scan.mask, 0, _INVALID).astype(
            np.uint32
        )
    for name, value in datasets.items():
        file[name] = value
    file["entry_1/data_1/data"] = h5py.SoftLink("/entry_1/instrument_1/detector_1/data")
    file["entry_1/data_1/translation"] = h5py.SoftLink("/entry_1/sample_1/geometry_1/translation")


def _optics(source: Hdf5Source, entry: str) -> _Optics:
    detector = f"{entry}/instrument_1/detector_1"
    sizes = [source.number([f"{detector}/{axis}_pixel_size"]) for axis in ("x", "y")]
    stated = [abs(size) for size in sizes if size]
    if len(stated) == 2 and not np.isclose(stated[0], stated[1], rtol=1e-3):
        raise DataFileError(
            f"{source.path}: detector pixels of {stated[0]:g} m by {stated[1]:g} m",
            hint="only square pixels are supported; bin or resample the patterns",
        )
    distance = source.number([f"{detector}/distance"])
    return _Optics(
        energy_ev=_energy_ev(source, entry),
        distance_m=None if distance is None else abs(distance),
        detector_pixel_m=stated[0] if stated else _basis_pixel_m(source, detector),
    )


def _basis_pixel_m(source: Hdf5Source, detector: str) -> float | None:
    basis = source.optional([f"{detector}/basis_vectors"])
    return None if basis is None or basis.size == 0 else float(np.abs(basis).max())


def _energy_ev(source: Hdf5Source, entry: str) -> float | None:
    name = source.first(f"{entry}/{item}" for item in _ENERGY)
    value = None if name is None else source.number([name])
    if name is None or not value:
        return None
    if name.endswith("wavelength"):
        return PLANCK_TIMES_LIGHT_EV_M / value
    units = source.attribute(name, "units")
    text = units.decode() if isinstance(units, bytes) else str(units or "J")
    factor = _UNITS_EV.get(text.strip().lower())
    if factor is None:
        raise DataFileError(
            f"{source.path}: `{name}` is in `{text}`", hint="expected J, eV or keV in `units`"
        )
    return value * factor


def _positions(
    source: Hdf5Source, entry: str, pixel_m: float | None, shape: tuple[int, ...]
) -> Array:
    name = source.first(f"{entry}/{item}" for item in _TRANSLATION)
    if name is None:
        raise DataFileError(
            f"{source.path}: `{entry}/sample_1/geometry_1/translation` is missing",
            hint="a ptychographic scan needs (n, 3) positions in metres",
        )
    metres = source.array(name, "").astype(np.float64)
    if metres.ndim != 2 or metres.shape[1] not in (2, 3) or len(metres) != shape[0]:
        raise DataFileError(
            f"{source.path}: `{name}` has shape {metres.shape} for {shape[0]} patterns",
            hint="expected (n, 3): x, y, z in metres",
        )
    if pixel_m is None:
        raise DataFileError(
            f"{source.path}: energy, distance or detector pixel size is missing",
            hint="positions in metres become pixels through λz/(N p): all three are needed",
        )
    logger.info("%s: positions in metres, object pixel %.4g m", source.path, pixel_m)
    return placed(metres[:, 1] / pixel_m, metres[:, 0] / pixel_m, shape[-1])


def _mask(source: Hdf5Source, entry: str, shape: tuple[int, ...]) -> Array | None:
    """Return True where a pixel is good: no bit set, or only the one for signal."""
    bits = source.optional([f"{entry}/instrument_1/detector_1/mask"])
    if bits is None:
        return None
    if bits.shape != shape or bits.dtype.kind not in "iub":
        raise DataFileError(
            f"{source.path}: the mask has shape {bits.shape} and type {bits.dtype}",
            hint=f"expected {shape} unsigned integers, 0 where a pixel is good",
        )
    good = (bits == 0) | (bits == _SIGNAL)
    return None if good.all() else np.asarray(good)


def _probe(source: Hdf5Source, entry: str, counts: Array) -> Array:
    probe = source.optional(f"{entry}/{item}" for item in _PROBE)
    if probe is None:
        logger.warning("%s: no probe in the file; starting from the mean pattern", source.path)
        return probe_from_patterns(counts)
    modes = probe.reshape(-1, *probe.shape[-2:]) if probe.ndim >= 2 else probe
    if probe.dtype.kind != "c" or modes.shape[1:] != counts.shape[1:]:
        raise DataFileError(
            f"{source.path}: the probe has shape {probe.shape} and type {probe.dtype}",
            hint=f"expected (mode, {counts.shape[1]}, {counts.shape[2]}) complex",
        )
    return as_complex64(modes)

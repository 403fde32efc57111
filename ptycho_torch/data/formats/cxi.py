"""CXI (version 1.6 and later) and NeXus NXcxi_ptycho files, read.

Patterns are counts at `data_1/data` (or in the detector; as a raster (rows, columns, N, N), too).
`sample_1/geometry_1/translation` holds (x, y, z) of the *sample* in metres. Detector pixels count
against x and y (the default basis vectors are (0, −p, 0) and (−p, 0, 0)), and the patch moves over
the object against the sample; so the two signs cancel: row = +y / dx, col = +x / dx. (Checked on a
near-field file, in which the object itself can be seen to move.)

Energy is in joules unless an attribute `units` says otherwise. In NXcxi_ptycho the photons' energy
is the beam's; the source's is that of the machine. In CXI it is the source's. So the beam's counts
where there is one.

Probe and object follow Ptychodus 1.7: `source_1/illumination` or `image_1`, and `image_2` in a
frame that `ptychodus/object_…` states. An `image_1` of another size is the picture of a sample, as
in plain CXI.

Sources: The CXI File Format, version 1.6 (cxidb.org); NeXus application definition NXcxi_ptycho
and github.com/nexusformat/definitions/issues/647; `ptychodus.plugins.cxi_file` (1.7).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

import numpy as np

from ptycho_torch.data.formats import cxi_names as cxi
from ptycho_torch.data.formats.cxi_optics import read_optics
from ptycho_torch.data.formats.geometry import covering, placed, probe_from_patterns
from ptycho_torch.data.formats.hdf5 import Hdf5Source
from ptycho_torch.data.formats.product import Product, layer_of, modes_of
from ptycho_torch.data.scan import Array, Measurement, ScanData, as_complex64
from ptycho_torch.errors import DataFileError

logger = logging.getLogger(__name__)

_METRES = {"m": 1.0, "mm": 1e-3, "um": 1e-6, "µm": 1e-6, "nm": 1e-9}


def entry_of(source: Hdf5Source) -> str | None:
    """Return the entry of a CXI or NXcxi_ptycho file that holds patterns, or None."""
    return next((entry for entry in cxi.ENTRIES if _first(source, entry, cxi.DATA)), None)


def is_product(source: Hdf5Source) -> bool:
    """Tell whether a CXI file holds probe, object and its frame, but no patterns."""
    entry = cxi.ENTRIES[0]
    return source.has(f"{entry}/{cxi.OBJECT}") and source.has(f"{entry}/{cxi.OBJECT_PIXEL}")


def read_cxi(source: Hdf5Source) -> ScanData:
    """Read a CXI or NXcxi_ptycho file.

    Args:
        source: The open file; `entry_of` finds an entry in it.

    Returns:
        The scan; without a probe in the file, what the mean pattern focuses to.

    Raises:
        DataFileError: Something the positions in pixels follow from is missing.
    """
    entry = entry_of(source) or cxi.ENTRIES[0]
    light = _patterns(source, entry)
    mask = _mask(source, entry, light.shape[1:])
    if mask is not None:
        light[:, ~mask] = 0  # what a bad pixel holds is no count, often -1 or the largest integer
    optics = read_optics(source, entry)
    pixel = optics.pixel_m(light.shape[-1])
    metres = _translation(source, entry, len(light))
    if pixel is None:
        raise DataFileError(
            f"{source.path}: energy, distance or detector pixel size is missing",
            hint="positions in metres become pixels through λz/(N p): all three are needed",
        )
    logger.info("%s: positions in metres, object pixel %.4g m", source.path, pixel)
    positions, layer = _frame(source, entry, metres, pixel, light.shape[-1])
    probe = _probe(source, entry, light.shape[-1])
    if probe is None:
        logger.warning("%s: no probe in the file; starting from the mean pattern", source.path)
        probe = probe_from_patterns(light, positions)
    return ScanData(
        diffraction=light,
        measurement=_measurement(source, entry, light),
        probe=probe,
        positions_px=positions,
        object=layer,
        mask=mask,
        pixel_size_m=pixel,
        energy_ev=optics.energy_ev,
        distance_m=optics.distance_m,
        nphotons=source.number([f"{entry}/{cxi.NPHOTONS}"]),
        source=str(source.path),
    )


def read_cxi_product(source: Hdf5Source) -> Product:
    """Read what Ptychodus leaves as CXI: probe, object and positions.

    Args:
        source: The open file; `is_product` is true of it.

    Returns:
        The product.

    Raises:
        DataFileError: Something is missing or does not fit.
    """
    entry, why = cxi.ENTRIES[0], "export the product again from Ptychodus"
    layer = layer_of(source.path, source.array(f"{entry}/{cxi.OBJECT}", why))
    metres = _translation(source, entry, None)
    optics = read_optics(source, entry)
    positions, pixel = _in_object(source, entry, metres, layer)
    indexes = source.optional([f"{entry}/{cxi.INDEXES}"])
    if indexes is None or indexes.dtype.kind not in "iu":
        indexes = np.arange(len(positions))
    probe = source.array(source.first(_below(entry, cxi.PROBE)) or f"{entry}/image_1/data", why)
    return Product(
        probe=modes_of(source.path, probe),
        positions_px=positions,
        object=layer,
        indexes=indexes.astype(np.int64),
        pixel_size_m=pixel,
        energy_ev=optics.energy_ev,
        distance_m=optics.distance_m,
        nphotons=source.number([f"{entry}/{cxi.NPHOTONS}"]) or None,
        source=str(source.path),
    )


def _below(entry: str, names: Iterable[str]) -> list[str]:
    return [f"{entry}/{name}" for name in names]


def _first(source: Hdf5Source, entry: str, names: Iterable[str]) -> str | None:
    return source.first(_below(entry, names))


def _patterns(source: Hdf5Source, entry: str) -> Array:
    name = _first(source, entry, cxi.DATA) or f"{entry}/{cxi.DATA[0]}"
    shape = source.shape(name)
    if len(shape) not in (3, 4):
        raise DataFileError(
            f"{source.path}: `{name}` has shape {shape}", hint="expected (n, N, N) counts"
        )
    light = source.float32(name, "expected (n, N, N) counts")
    if light.ndim == 4 and light.size:
        logger.info("%s: a raster of %d x %d patterns", source.path, *light.shape[:2])
        light = light.reshape(-1, *light.shape[-2:])
    return light


def _measurement(source: Hdf5Source, entry: str, light: Array) -> Measurement:
    """Return what the values are; a scan of amplitudes was squared on writing, which is undone."""
    if source.text(f"{entry}/{cxi.MEASUREMENT}") != "amplitude":
        return "counts"
    if light.size and light.min() >= 0:
        np.sqrt(light, out=light)
    return "amplitude"


def _translation(source: Hdf5Source, entry: str, count: int | None) -> Array:
    """Return (n, 2) metres, (y, x)."""
    name = _first(source, entry, cxi.TRANSLATION)
    if name is None:
        return _motors(source, entry, count)
    metres = source.array(name, "")
    fits = metres.ndim == 2 and metres.shape[1] in (2, 3) and metres.dtype.kind in "iuf"
    if not fits or len(metres) != (count if count is not None else len(metres)):
        raise DataFileError(
            f"{source.path}: `{name}` has shape {metres.shape} and type {metres.dtype} for {count} "
            "patterns",
            hint="expected (n, 3): x, y, z in metres",
        )
    return np.asarray(metres[:, [1, 0]].astype(np.float64))


def _motors(source: Hdf5Source, entry: str, count: int | None) -> Array:
    """Return (n, 2) metres from the motors that NXcxi_ptycho links into `data`."""
    columns = []
    for axis in "yx":
        name = _first(source, entry, (f"data/{axis}", f"sample_1/transformations/{axis}"))
        if name is None:
            raise DataFileError(
                f"{source.path}: `{entry}/sample_1/geometry_1/translation` is missing",
                hint="a ptychographic scan needs (n, 3) positions in metres",
            )
        units = str(source.attribute(name, "units") or "m").strip()
        values = source.array(name, "")
        if units not in _METRES or values.dtype.kind not in "iuf":
            raise DataFileError(
                f"{source.path}: `{name}` holds {values.dtype} in `{units}`",
                hint=f"expected numbers in {', '.join(_METRES)}",
            )
        columns.append(values.astype(np.float64).ravel() * _METRES[units])
    if {len(column) for column in columns} != {len(columns[0]) if count is None else count}:
        raise DataFileError(
            f"{source.path}: {len(columns[0])} y and {len(columns[1])} x for {count} patterns",
            hint="expected one position a pattern",
        )
    return np.stack(columns, axis=1)


def _frame(
    source: Hdf5Source, entry: str, metres: Array, pixel_m: float, n: int
) -> tuple[Array, Array | None]:
    """Return positions in pixels and the object they are in, if the file has it and says where."""
    loose = placed(metres[:, 0] / pixel_m, metres[:, 1] / pixel_m, n)
    if not is_product(source):
        origin = source.optional([f"{entry}/{cxi.ORIGIN}"])
        if origin is None or origin.shape != (2,) or origin.dtype.kind not in "iuf":
            return loose, None
        return metres / pixel_m + origin, None
    layer = layer_of(source.path, source.array(f"{entry}/{cxi.OBJECT}", ""))
    positions, _ = _in_object(source, entry, metres, layer)
    found = covering(layer, positions, n)
    if found is None:
        logger.warning(
            "%s: the object of %d x %d px does not cover the scan, whose positions spread over "
            "%.4g x %.4g px; left out. Are they in metres? `ptycho-torch check` tells",
            *(source.path, *layer.shape, *np.ptp(positions, axis=0)),
        )
        return loose, None
    return found[1], found[0]


def _in_object(
    source: Hdf5Source, entry: str, metres: Array, layer: Array
) -> tuple[Array, float | None]:
    """Return positions in pixels of an object, and its pixel; see `ptychodus_product`."""
    pixel = source.number([f"{entry}/{cxi.OBJECT_PIXEL}"])
    if pixel is None or pixel <= 0:
        raise DataFileError(f"{source.path}: object pixels of {pixel} m", hint="export it again")
    centre = [source.number([f"{entry}/{cxi.CENTRE.format(axis)}"]) or 0.0 for axis in "yx"]
    return (metres - centre) / pixel + np.array(layer.shape) / 2, pixel


def _mask(source: Hdf5Source, entry: str, shape: tuple[int, ...]) -> Array | None:
    """Return True where a pixel is good: no bit set, or only the one for signal."""
    bits = source.optional([f"{entry}/{cxi.MASK}"])
    if bits is None:
        return None
    if bits.shape != shape or bits.dtype.kind not in "iub":
        raise DataFileError(
            f"{source.path}: the mask has shape {bits.shape} and type {bits.dtype}",
            hint=f"expected {shape} unsigned integers, 0 where a pixel is good",
        )
    good = (bits == 0) | (bits == cxi.SIGNAL)
    return None if good.all() else np.asarray(good)


def _probe(source: Hdf5Source, entry: str, n: int) -> Array | None:
    for name in _below(entry, cxi.PROBE):
        if not source.has(name):
            continue
        shape = source.shape(name)
        if name.endswith(cxi.IMAGE) and shape[-2:] != (n, n):
            logger.warning("%s: `%s` of shape %s is no probe", source.path, name, shape)
            continue
        probe = source.array(name, "")
        if probe.dtype.kind != "c" or probe.shape[-2:] != (n, n) or probe.size == 0:
            raise DataFileError(
                f"{source.path}: the probe has shape {probe.shape} and type {probe.dtype}",
                hint=f"expected (mode, {n}, {n}) complex",
            )
        return as_complex64(probe.reshape(-1, n, n))
    return None

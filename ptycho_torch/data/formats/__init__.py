"""Read and write scan files; the reader is chosen by content, never by the file's name."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from ptycho_torch.data.formats.content import HDF5, NPY, ZIP, first_bytes, is_packed, unpacked
from ptycho_torch.data.formats.npz import read_npz, write_npz
from ptycho_torch.data.formats.writing import FORMATS, SUFFIXES, write_scan
from ptycho_torch.data.scan import Measurement, ScanData
from ptycho_torch.errors import DataFileError

if TYPE_CHECKING:
    from ptycho_torch.data.formats.hdf5 import Hdf5Source
    from ptycho_torch.data.formats.product import Product

__all__ = ["FORMATS", "SUFFIXES", "read_file", "read_scan", "write_npz", "write_scan"]

logger = logging.getLogger(__name__)

_KNOWN = (
    "NPZ of PtychoPINN, Ptychodus or tike; CXI, NXcxi_ptycho, HDF5 training data and products of "
    "Ptychodus; `.ptyr` of ptypy; `.mat` v7.3 of PtychoShelves"
)


def read_scan(path: Path | str, measurement: Measurement | None = None) -> ScanData:
    """Read one scan.

    Args:
        path: The file; packed with bzip2 or gzip is fine.
        measurement: What the stored values are; None decides from the values and logs it.

    Returns:
        The scan in the package's conventions.

    Raises:
        DataFileError: The file is missing, damaged, of an unknown kind or inconsistent.
    """
    found = read_file(path, measurement)
    if not isinstance(found, ScanData):
        raise DataFileError(
            f"{path}: holds probe, positions and object, but no patterns",
            hint="`ptycho-torch join PATTERNS TARGET --positions THIS` brings them together",
        )
    return found


def read_file(path: Path | str, measurement: Measurement | None = None) -> ScanData | Product:
    """Read a scan, or what another program left of one without its patterns.

    Args:
        path: The file; packed with bzip2 or gzip is fine.
        measurement: What the stored values are; None decides from the values and logs it.

    Returns:
        A scan or a product.

    Raises:
        DataFileError: The file is missing, damaged, of an unknown kind or inconsistent.
    """
    file = Path(path)
    head = first_bytes(file)
    try:
        # What is computed of impossible numbers is not finite, and refused for that.
        with np.errstate(all="ignore"):
            return _read(file, head, measurement)
    except MemoryError as error:
        raise DataFileError(
            f"{file}: does not fit into the memory", hint="crop or split the scan"
        ) from error


def _read(file: Path, head: bytes, measurement: Measurement | None) -> ScanData | Product:
    content: BinaryIO | None = None
    if is_packed(head):
        content = unpacked(file, head)
        head = content.read(8)
        content.seek(0)
    if head.startswith(ZIP):
        return read_npz(file, measurement, content)
    if head.startswith(HDF5):
        return _read_hdf5(file, content, measurement)
    raise DataFileError(
        f"`{file}` is of a kind no reader is for: {_kind(head)}", hint=f"there is {_KNOWN}"
    )


def _kind(head: bytes) -> str:
    if head.startswith(NPY):
        return "a single NPY array; `ptycho-torch join` takes it with a table of positions"
    if head.startswith(b"MATLAB 5"):
        return "a MATLAB file of version 5 to 7.2; save it with `-v7.3`"
    return f"unknown ({head!r})" if head else "empty"


def _read_hdf5(
    file: Path, content: BinaryIO | None, measurement: Measurement | None
) -> ScanData | Product:
    from ptycho_torch.data.formats.hdf5 import opened

    with opened(file, content) as source:
        kind, found = _of_kind(source)
    logger.info("%s: read as %s", file, kind)
    if measurement == "amplitude" and isinstance(found, ScanData) and found.measurement == "counts":
        raise DataFileError(f"{file}: {kind} holds counts", hint="leave `--measurement` out")
    return found


def _of_kind(source: Hdf5Source) -> tuple[str, ScanData | Product]:
    """Return the name of the format and what is in the file."""
    from ptycho_torch.data.formats import cxi, matlab, ptychodus, ptychodus_product, ptyr

    if all(source.has(name) for name in ptychodus.MARKS):
        return "training data of Ptychodus", ptychodus.read_training_file(source)
    if source.has(ptychodus_product.MARK):
        return "product of Ptychodus", ptychodus_product.read_product_hdf5(source)
    if source.names(ptyr.MARK):
        return "run of ptypy", ptyr.read_ptyr(source)
    if source.has(matlab.MARK):
        return "result of PtychoShelves", matlab.read_matlab(source)
    if cxi.entry_of(source) is not None:
        return "CXI", cxi.read_cxi(source)
    if cxi.is_product(source):
        return "product of Ptychodus in CXI", cxi.read_cxi_product(source)
    raise DataFileError(
        f"{source.path}: no patterns, and no product, where a known format has them",
        hint=f"there is {_KNOWN}",
    )

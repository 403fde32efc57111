"""Read and write scan files; the reader is chosen by content, never by the file's name."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import BinaryIO

from ptycho_torch.data.formats.content import first_bytes, is_packed, unpacked
from ptycho_torch.data.formats.npz import read_npz, write_npz
from ptycho_torch.data.scan import Measurement, ScanData
from ptycho_torch.errors import DataFileError

__all__ = ["read_scan", "write_npz", "write_scan"]

logger = logging.getLogger(__name__)

_HDF5 = b"\x89HDF\r\n\x1a\n"
_ZIP = b"PK\x03\x04"
_KNOWN = "NPZ of PtychoPINN, Ptychodus or tike; CXI, NXcxi_ptycho, HDF5 training data of Ptychodus"
SUFFIXES = (".npz", ".cxi", ".h5")
"""What `write_scan` writes, by the end of the name."""


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
    file = Path(path)
    head = first_bytes(file)
    content: BinaryIO | None = None
    if is_packed(head):
        content = unpacked(file, head)
        head = content.read(8)
        content.seek(0)
    if head.startswith(_ZIP):
        return read_npz(file, measurement, content)
    if head.startswith(_HDF5):
        return _read_hdf5(file, content, measurement)
    kind = "a single NPY array" if head.startswith(b"\x93NUMPY") else f"unknown ({head!r})"
    raise DataFileError(
        f"`{file}` is of a kind no reader is for: {kind}", hint=f"there is {_KNOWN}"
    )


def write_scan(path: Path | str, scan: ScanData) -> None:
    """Write a scan; the format follows from the end of the name.

    Args:
        path: Target; written beside it first and moved into place. `.npz`, `.cxi`, or `.h5` for a
            product of Ptychodus (without patterns).
        scan: What to write.

    Raises:
        DataFileError: CXI and products need pixel size, energy and distance, products an object.
    """
    target = Path(path)
    if target.suffix == ".npz":
        write_npz(target, scan)
        return
    from ptycho_torch.data.formats.cxi import write_cxi
    from ptycho_torch.data.formats.hdf5 import written
    from ptycho_torch.data.formats.product import write_product

    with written(target) as file:
        (write_cxi if target.suffix == ".cxi" else write_product)(file, scan)


def _read_hdf5(file: Path, content: BinaryIO | None, measurement: Measurement | None) -> ScanData:
    from ptycho_torch.data.formats import cxi, ptychodus
    from ptycho_torch.data.formats.hdf5 import opened

    with opened(file, content) as source:
        if all(source.has(name) for name in ptychodus.MARKS):
            kind, read = "training data of Ptychodus", ptychodus.read_training_file
        elif source.has(ptychodus.PRODUCT_MARK):
            raise ptychodus.product_refused(file)
        elif cxi.entry_of(source) is not None:
            kind, read = "CXI", cxi.read_cxi
        else:
            raise DataFileError(
                f"{file}: no patterns where a known format has them", hint=f"there is {_KNOWN}"
            )
        logger.info("%s: read as %s", file, kind)
        scan = read(source)
    if measurement == "amplitude":
        raise DataFileError(f"{file}: {kind} holds counts", hint="leave `--measurement` out")
    return scan

"""Read and write scan files; the reader is chosen by content, never by the file's name."""

from __future__ import annotations

import logging
from pathlib import Path

from ptycho_torch.data.formats.npz import read_npz, write_npz
from ptycho_torch.data.scan import Measurement, ScanData
from ptycho_torch.errors import DataFileError

__all__ = ["read_scan", "write_npz"]

logger = logging.getLogger(__name__)

_MAGIC_NAMES = {
    b"\x89HDF\r\n\x1a\n": "an HDF5 file",
    b"BZh": "a bzip2 archive",
    b"\x1f\x8b": "a gzip archive",
    b"\x93NUMPY": "a single NPY array",
}
_ZIP = b"PK\x03\x04"


def read_scan(path: Path | str, measurement: Measurement | None = None) -> ScanData:
    """Read one scan.

    Args:
        path: The file.
        measurement: What the stored values are; None decides from the values and logs it.

    Returns:
        The scan in the package's conventions.

    Raises:
        DataFileError: The file is missing, damaged, of an unknown kind or inconsistent.
    """
    file = Path(path)
    try:
        with file.open("rb") as stream:
            head = stream.read(8)
    except OSError as error:
        raise DataFileError(
            f"cannot read `{file}`: {error.strerror}", hint="check the path and its permissions"
        ) from error
    if head.startswith(_ZIP):
        return read_npz(file, measurement)
    kind = next((name for magic, name in _MAGIC_NAMES.items() if head.startswith(magic)), None)
    raise DataFileError(
        f"`{file}` is {kind or 'of an unknown kind (first bytes ' + repr(head) + ')'}",
        hint="an NPZ file with `diff3d`, `probeGuess`, `xcoords` and `ycoords` is expected",
    )

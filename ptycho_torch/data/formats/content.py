"""What a file begins with, what it may cost to read, and files packed with bzip2 or gzip."""

from __future__ import annotations

import bz2
import gzip
import io
import math
import os
import resource
import stat
import zlib
from pathlib import Path
from typing import BinaryIO

from ptycho_torch.errors import DataFileError

NPY = b"\x93NUMPY"
ZIP = b"PK\x03\x04"
HDF5 = b"\x89HDF\r\n\x1a\n"
_MATLAB_WITH_HDF5 = b"MATLAB 7.3"
_READERS: dict[bytes, type[bz2.BZ2File] | type[gzip.GzipFile]] = {
    b"BZh": bz2.BZ2File,
    b"\x1f\x8b": gzip.GzipFile,
}
_PIECE = 1 << 24
_CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")

SMALL_BYTES = 1 << 28
"""What may be unpacked from however little."""
MOST_UNPACKED = 500
"""Beyond `SMALL_BYTES`, more than this many times what is stored is no measurement: deflate reaches
1,032 and bzip2 far more, but only on zeros; counts of one photon a hundred pixels reach 100."""


def first_bytes(path: Path) -> bytes:
    """Return the beginning of a file, by which its kind is told.

    HDF5 with a user block before it, as MATLAB writes it, begins as plain HDF5 does.

    Raises:
        DataFileError: It cannot be read, or is no plain file: a pipe would never end.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            kind = "a folder" if path.is_dir() else "no plain file"
            raise DataFileError(f"cannot read `{path}`: it is {kind}", hint="name one file")
        with path.open("rb") as stream:
            head = stream.read(10)
    except OSError as error:
        raise DataFileError(
            f"cannot read `{path}`: {error.strerror}", hint="check the path and its permissions"
        ) from error
    except ValueError as error:
        raise DataFileError(f"cannot read {str(path)!r}: {error}", "name one file") from error
    return HDF5 if head == _MATLAB_WITH_HDF5 else head[:8]


def memory_limit_bytes() -> int:
    """Return what reading one array may take: half of the memory this process may have."""
    limits = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    own = resource.getrlimit(resource.RLIMIT_AS)[0]
    if own != resource.RLIM_INFINITY:
        limits.append(own)
    if _CGROUP_LIMIT.is_file():
        said = _CGROUP_LIMIT.read_text().strip()
        limits += [int(said)] if said.isdigit() else []
    return min(limits) // 2


def check_size(
    path: Path, name: str, shape: tuple[int, ...], itemsize: int, stored_bytes: int
) -> None:
    """Refuse an array before it is read that would fill the memory.

    Args:
        path: The file, for the message.
        name: The array in it.
        shape: As the file declares it.
        itemsize: Bytes an element.
        stored_bytes: What the file holds for it.

    Raises:
        DataFileError: With its copy in float32 it takes more than `memory_limit_bytes`, or it is
            out of all proportion to what is stored, as in a file made to fill the memory.
    """
    promised = math.prod(shape) * itemsize
    limit = memory_limit_bytes()
    if promised + 4 * math.prod(shape) > limit:
        raise DataFileError(
            f"{path}: `{name}` has shape {shape}, {promised / 1e9:.3g} GB",
            hint=f"with its copy in float32, {limit / 1e9:.3g} GB fit here; crop or split the scan",
        )
    if promised > max(SMALL_BYTES, MOST_UNPACKED * stored_bytes):
        raise DataFileError(
            f"{path}: `{name}` has shape {shape} and promises {promised:,} bytes, but the file "
            f"holds {stored_bytes:,} for it",
            hint="the file is damaged or hostile; if it is neither, save it without compression",
        )


def is_packed(head: bytes) -> bool:
    """Tell by its first bytes whether a file is packed with bzip2 or gzip."""
    return head.startswith(tuple(_READERS))


def unpacked(path: Path, head: bytes) -> BinaryIO:
    """Unpack a file.

    Args:
        path: The file.
        head: Its first bytes.

    Returns:
        Its content, at the start.

    Raises:
        DataFileError: It is damaged, or unpacks to more than half of this machine's memory or to
            more than `MOST_UNPACKED` times its size.
    """
    reader = next(reader for magic, reader in _READERS.items() if head.startswith(magic))
    most = min(memory_limit_bytes(), max(SMALL_BYTES, MOST_UNPACKED * path.stat().st_size))
    content = io.BytesIO()
    try:
        with reader(path, "rb") as stream:
            while piece := stream.read(_PIECE):
                content.write(piece)
                if content.tell() > most:
                    raise DataFileError(
                        f"{path}: unpacks to more than {most / 1e9:.3g} GB",
                        hint="unpack it on a larger machine, and crop or split the scan",
                    )
    except (OSError, EOFError, zlib.error) as error:
        raise DataFileError(
            f"{path}: the archive is damaged or truncated: {error}", hint="copy the file again"
        ) from error
    content.seek(0)
    return content

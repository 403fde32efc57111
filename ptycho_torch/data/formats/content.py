"""What a file begins with; files packed with bzip2 or gzip, unpacked as far as memory reaches."""

from __future__ import annotations

import bz2
import gzip
import io
import os
import zlib
from pathlib import Path
from typing import BinaryIO

from ptycho_torch.errors import DataFileError

_READERS: dict[bytes, type[bz2.BZ2File] | type[gzip.GzipFile]] = {
    b"BZh": bz2.BZ2File,
    b"\x1f\x8b": gzip.GzipFile,
}
_PIECE = 1 << 24


def first_bytes(path: Path) -> bytes:
    """Return the first eight bytes of a file, by which its kind is told.

    Raises:
        DataFileError: It cannot be read.
    """
    try:
        with path.open("rb") as stream:
            return stream.read(8)
    except OSError as error:
        raise DataFileError(
            f"cannot read `{path}`: {error.strerror}", hint="check the path and its permissions"
        ) from error


def memory_limit_bytes() -> int:
    """Return what one array may take: half of this machine's memory."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2


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
        DataFileError: It is damaged, or unpacks to more than half of this machine's memory.
    """
    reader = next(reader for magic, reader in _READERS.items() if head.startswith(magic))
    limit = memory_limit_bytes()
    content = io.BytesIO()
    try:
        with reader(path, "rb") as stream:
            while piece := stream.read(_PIECE):
                content.write(piece)
                if content.tell() > limit:
                    raise DataFileError(
                        f"{path}: unpacks to more than {limit / 1e9:.3g} GB",
                        hint="unpack it on a larger machine, and crop or split the scan",
                    )
    except (OSError, EOFError, zlib.error) as error:
        raise DataFileError(
            f"{path}: the archive is damaged or truncated: {error}", hint="copy the file again"
        ) from error
    content.seek(0)
    return content

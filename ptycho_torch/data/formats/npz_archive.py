"""NPZ archives read with care: no pickles, nothing larger than it is, errors that name the key."""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ptycho_torch.data.scan import Array
from ptycho_torch.errors import DataFileError


class Members:
    """The arrays of one archive, each read on demand with errors that name file and key."""

    def __init__(self, path: Path, archive: Any) -> None:
        self.path = path
        self._archive = archive
        self.names = frozenset(archive.files)

    def get(self, key: str) -> Array:
        """Return an array.

        Raises:
            DataFileError: It is damaged.
        """
        try:
            return np.asarray(self._archive[key])
        except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise damaged(self.path, error, key) from error

    def require(self, key: str, why: str) -> Array:
        """Return an array that must be there; `why` is the way out.

        Raises:
            DataFileError: It is missing or damaged.
        """
        if key not in self.names:
            raise DataFileError(
                f"{self.path}: key `{key}` is missing; the file has {sorted(self.names)}", hint=why
            )
        return self.get(key)

    def optional(self, key: str) -> Array | None:
        """Return an array, or None if there is none of that name."""
        return self.get(key) if key in self.names else None

    def number(self, key: str) -> float | None:
        """Return one number, or None if there is none of that name.

        Raises:
            DataFileError: It is no single number.
        """
        value = self.optional(key)
        if value is None:
            return None
        if value.size != 1 or value.dtype.kind not in "iuf":
            raise DataFileError(
                f"{self.path}: `{key}` has shape {value.shape} and type {value.dtype}",
                hint="expected one number",
            )
        return float(value.reshape(()))


@contextmanager
def npz_members(path: Path, content: BinaryIO | None = None) -> Iterator[Members]:
    """Open an archive after looking at every member's header.

    Args:
        path: The file.
        content: What it holds, when it is packed once more.

    Raises:
        DataFileError: Damaged, a pickled member, a member that promises more than it holds.
    """
    source = path if content is None else content
    _check_members(path, source)
    if content is not None:
        content.seek(0)
    with np.load(source, allow_pickle=False) as archive:
        yield Members(path, archive)


def damaged(path: Path, error: Exception, key: str | None = None) -> DataFileError:
    """Return the error for an archive that cannot be read."""
    where = f" in key `{key}`" if key else ""
    return DataFileError(
        f"{path}: the archive is damaged or truncated{where}: {error}",
        hint="copy or export the file again",
    )


def _check_members(path: Path, source: Path | BinaryIO) -> None:
    """Look at every member's header before anything is loaded.

    A member that holds Python objects would run code; one whose header promises more than the
    member holds would fill the memory first.
    """
    try:
        with zipfile.ZipFile(source) as archive:
            for item in archive.infolist():
                with archive.open(item) as stream:
                    _check_header(path, item, stream)
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, OSError) as error:
        raise damaged(path, error) from error


def _check_header(path: Path, item: zipfile.ZipInfo, stream: Any) -> None:
    version = np.lib.format.read_magic(stream)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
    else:
        shape, _, dtype = np.lib.format.read_array_header_2_0(stream)
    name = item.filename.removesuffix(".npy")
    if dtype.hasobject:
        raise DataFileError(
            f"{path}: member `{name}` is a pickled object",
            hint="pickles can run code and are never loaded; write the file again "
            "without that member, or store it as a plain array or string",
        )
    promised = math.prod(shape) * dtype.itemsize
    if promised > item.file_size:
        raise DataFileError(
            f"{path}: member `{name}` promises {promised:,} bytes and holds {item.file_size:,}",
            hint="the file is damaged; copy or export it again",
        )

"""NPZ archives read with care: no pickles, nothing larger than it is, errors that name the key."""

from __future__ import annotations

import os
import struct
import tempfile
import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ptycho_torch.data.formats.content import check_size
from ptycho_torch.data.scan import Array
from ptycho_torch.errors import DataFileError

FAILURES = (
    *(OSError, EOFError, ValueError, KeyError, TypeError, IndexError, OverflowError, SyntaxError),
    *(RuntimeError, zipfile.BadZipFile, zlib.error, struct.error, tokenize.TokenError),
)
"""What zipfile and numpy raise, depending on which of an archive's structures is damaged."""


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
        except FAILURES as error:
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

    def numbers(self, key: str, kinds: str, why: str) -> Array | None:
        """Return an array of numbers, or None if there is none of that name.

        Args:
            key: Its name.
            kinds: The kinds of numbers expected, as `numpy.dtype.kind` names them.
            why: The way out.

        Raises:
            DataFileError: It holds something else.
        """
        value = self.optional(key)
        if value is not None and value.dtype.kind not in kinds:
            raise DataFileError(
                f"{self.path}: `{key}` holds {value.dtype}, not numbers of the kind expected",
                hint=why,
            )
        return value

    def number(self, key: str) -> float | None:
        """Return one number, or None if there is none of that name.

        Raises:
            DataFileError: It is no single finite number.
        """
        value = self.optional(key)
        if value is None:
            return None
        if value.size != 1 or value.dtype.kind not in "iuf":
            raise DataFileError(
                f"{self.path}: `{key}` has shape {value.shape} and type {value.dtype}",
                hint="expected one number",
            )
        if not np.isfinite(value).all():
            raise DataFileError(
                f"{self.path}: `{key}` is {value.ravel()[0]}, no finite number",
                hint="correct or remove it",
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


def write_arrays(target: Path, arrays: Mapping[str, Any]) -> None:
    """Write an archive; it appears complete or not at all, and equal arrays give equal bytes.

    Args:
        target: The file.
        arrays: What to write, by key; no objects.
    """
    handle, temporary = tempfile.mkstemp(dir=target.parent, suffix=".npz.tmp")
    try:
        with os.fdopen(handle, "wb") as stream:
            np.savez(stream, allow_pickle=False, **arrays)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(target)
    finally:
        Path(temporary).unlink(missing_ok=True)


def damaged(path: Path, error: Exception, key: str | None = None) -> DataFileError:
    """Return the error for an archive that cannot be read."""
    where = f" in key `{key}`" if key else ""
    said = str(error).splitlines()[0] if str(error) else type(error).__name__
    return DataFileError(
        f"{path}: the archive is damaged or truncated{where}: {said}",
        hint="copy or export the file again",
    )


def _check_members(path: Path, source: Path | BinaryIO) -> None:
    """Look at every member's header before anything is loaded.

    A member that holds Python objects would run code; one whose header promises more than the
    member holds, or which unpacks to more than the memory, would fill the memory first.
    """
    try:
        with zipfile.ZipFile(source) as archive:
            for item in archive.infolist():
                with archive.open(item) as stream:
                    _check_header(path, item, stream)
    except FAILURES as error:
        raise damaged(path, error) from error


def _check_header(path: Path, item: zipfile.ZipInfo, stream: Any) -> None:
    shape, dtype = npy_header(stream)
    name = item.filename.removesuffix(".npy")
    if dtype.hasobject:
        raise DataFileError(
            f"{path}: member `{name}` is a pickled object",
            hint="pickles can run code and are never loaded; write the file again "
            "without that member, or store it as a plain array or string",
        )
    promised = int(np.prod(shape, dtype=object)) * dtype.itemsize
    if promised > item.file_size:
        raise DataFileError(
            f"{path}: member `{name}` promises {promised:,} bytes and holds {item.file_size:,}",
            hint="the file is damaged; copy or export it again",
        )
    check_size(path, name, shape, dtype.itemsize, item.compress_size)


def npy_header(stream: Any) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Read the header of an NPY stream.

    Args:
        stream: At its start.

    Returns:
        Shape and type as declared.

    Raises:
        ValueError: It is none, or declares a negative size.
    """
    version = np.lib.format.read_magic(stream)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
    else:
        shape, _, dtype = np.lib.format.read_array_header_2_0(stream)
    if any(length < 0 for length in shape):
        raise ValueError(f"shape {shape}")
    return shape, dtype

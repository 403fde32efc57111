"""HDF5 files read with care: every failure names file and path, nothing larger than the memory."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import h5py
import numpy as np

from ptycho_torch.data.formats.content import memory_limit_bytes
from ptycho_torch.data.scan import Array
from ptycho_torch.errors import DataFileError


class Hdf5Source:
    """One open HDF5 file.

    Args:
        path: Its name, for messages.
        file: The open file.
    """

    def __init__(self, path: Path, file: h5py.File) -> None:
        self.path = path
        self._file = file

    def has(self, name: str) -> bool:
        """Tell whether a dataset of that name is there; a dangling link is not."""
        return isinstance(self._get(name), h5py.Dataset)

    def first(self, names: Iterable[str]) -> str | None:
        """Return the first of some names that is a dataset."""
        return next((name for name in names if self.has(name)), None)

    def array(self, name: str, why: str) -> Array:
        """Read a dataset.

        Args:
            name: Its path in the file.
            why: The way out, shown when it is missing.

        Raises:
            DataFileError: It is missing, damaged, or larger than this machine's memory.
        """
        found = self._get(name)
        if not isinstance(found, h5py.Dataset):
            raise DataFileError(f"{self.path}: `{name}` is missing", hint=why)
        self._check_size(name, found)
        try:
            return np.asarray(found[()])
        except (OSError, RuntimeError, ValueError) as error:
            raise damaged(self.path, error, name) from error

    def optional(self, names: Iterable[str]) -> Array | None:
        """Read the first of some datasets that is there."""
        name = self.first(names)
        return None if name is None else self.array(name, "")

    def number(self, names: Iterable[str]) -> float | None:
        """Read one number from the first of some datasets that is there.

        Raises:
            DataFileError: It is not one finite number.
        """
        name = self.first(names)
        if name is None:
            return None
        value = self.array(name, "")
        single = value.size == 1 and value.dtype.kind in "iuf"
        if not single or not np.isfinite(value).all():
            seen = value.ravel()[0] if single else f"of shape {value.shape} and type {value.dtype}"
            raise DataFileError(
                f"{self.path}: `{name}` is {seen}, no finite number", hint="correct or remove it"
            )
        return float(value.reshape(()))

    def attribute(self, name: str, key: str) -> Any:
        """Return an attribute of a dataset or group (`/` for the file), or None."""
        place = self._file if name == "/" else self._get(name)
        return None if place is None else place.attrs.get(key)

    def names(self, group: str) -> list[str]:
        """Return the names in a group, sorted; none if it is no group."""
        found = self._get(group)
        return sorted(found) if isinstance(found, h5py.Group) else []

    def stacks(self) -> list[str]:
        """Return the paths of all datasets with three axes of real numbers, sorted."""
        found: list[str] = []

        def visit(name: str, item: Any) -> None:
            if isinstance(item, h5py.Dataset) and item.ndim == 3 and item.dtype.kind in "iuf":
                found.append(name)

        self._file.visititems(visit)
        return sorted(found)

    def _get(self, name: str) -> Any:
        try:
            return self._file.get(name)
        except (OSError, RuntimeError, ValueError, KeyError) as error:
            raise damaged(self.path, error, name) from error

    def _check_size(self, name: str, dataset: h5py.Dataset) -> None:
        limit = memory_limit_bytes()
        if dataset.nbytes > limit:
            raise DataFileError(
                f"{self.path}: `{name}` has shape {dataset.shape}, {dataset.nbytes / 1e9:.3g} GB",
                hint=f"{limit / 1e9:.3g} GB fit here; crop or split the scan first",
            )


@contextmanager
def opened(path: Path, content: BinaryIO | None = None) -> Iterator[Hdf5Source]:
    """Open an HDF5 file for reading.

    Args:
        path: The file.
        content: What it holds, when it is packed.

    Raises:
        DataFileError: It is damaged or truncated.
    """
    try:
        file = h5py.File(path if content is None else content, "r")
    except (OSError, RuntimeError, ValueError) as error:
        raise damaged(path, error) from error
    with file:
        yield Hdf5Source(path, file)


@contextmanager
def written(target: Path) -> Iterator[h5py.File]:
    """Write an HDF5 file beside its place and move it there when it is whole."""
    handle, temporary = tempfile.mkstemp(dir=target.parent, suffix=f"{target.suffix}.tmp")
    os.close(handle)
    try:
        with h5py.File(temporary, "w") as file:
            yield file
        Path(temporary).chmod(0o644)
        Path(temporary).replace(target)
    finally:
        Path(temporary).unlink(missing_ok=True)


def damaged(path: Path, error: Exception, name: str | None = None) -> DataFileError:
    """Return the error for a file HDF5 cannot read."""
    where = f" in `{name}`" if name else ""
    return DataFileError(
        f"{path}: the HDF5 file is damaged or truncated{where}: {error}",
        hint="copy or export the file again",
    )

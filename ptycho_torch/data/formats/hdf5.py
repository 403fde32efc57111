"""HDF5 files read with care: every failure names file and path, nothing larger than the memory.

What a file may hold that nobody expects: links into other files and virtual or external datasets
(they would read whatever the user can read), links in a circle, declared sizes without content,
types that are no numbers. Each is refused before anything is read.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import h5py
import numpy as np

from ptycho_torch.data.formats.content import check_size, memory_limit_bytes
from ptycho_torch.data.scan import Array
from ptycho_torch.errors import DataFileError

_MOST_HOPS = 16
"""Soft links followed for one name; more are a circle."""
FAILURES = (OSError, RuntimeError, ValueError, KeyError, TypeError, OverflowError, SystemError)
"""What h5py raises, depending on which structure is damaged."""


class Hdf5Source:
    """One open HDF5 file.

    Args:
        path: Its name, for messages.
        file: The open file.
        size: Bytes of the file.
    """

    def __init__(self, path: Path, file: h5py.File, size: int) -> None:
        self.path = path
        self._file = file
        self._size = size

    def has(self, name: str) -> bool:
        """Tell whether a dataset of that name is there; a dangling link is not."""
        return isinstance(self._get(name), h5py.Dataset)

    def first(self, names: Iterable[str]) -> str | None:
        """Return the first of some names that is a dataset."""
        return next((name for name in names if self.has(name)), None)

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the declared shape of a dataset, () without one."""
        with self._guarded(name):
            found = self._get(name)
            known = isinstance(found, h5py.Dataset) and found.shape is not None
            return tuple(found.shape) if known else ()

    def array(self, name: str, why: str) -> Array:
        """Read a dataset.

        Args:
            name: Its path in the file.
            why: The way out, shown when it is missing.

        Raises:
            DataFileError: It is missing, damaged, no array of numbers, larger than this machine's
                memory, or lies in another file.
        """
        found = self._checked(name, why)
        with self._guarded(name):
            return np.asarray(found[()])

    def float32(self, name: str, why: str) -> Array:
        """Read a dataset of real numbers as float32, without a second copy in its own type.

        Args:
            name: Its path in the file.
            why: The way out, shown when it is missing or no array of real numbers.

        Returns:
            float32, C order.

        Raises:
            DataFileError: As for `array`, or it holds no real numbers.
        """
        found = self._checked(name, why)
        with self._guarded(name):
            if found.dtype.kind not in "iuf":
                raise DataFileError(
                    f"{self.path}: `{name}` has shape {found.shape} and type {found.dtype}",
                    hint=why,
                )
            values = np.empty(found.shape, np.float32)
            if values.size:
                _read_by_chunks(found, values)
            return values

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

    def text(self, name: str) -> str | None:
        """Return a dataset that holds one text, or None without one."""
        with self._guarded(name):
            found = self._get(name)
            if not isinstance(found, h5py.Dataset) or found.size != 1:
                return None
            if h5py.check_string_dtype(found.dtype) is None:
                return None
            value = np.asarray(found[()]).ravel()[0]
            return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)

    def attribute(self, name: str, key: str) -> Any:
        """Return an attribute of a dataset or group (`/` for the file) of one value, or None."""
        with self._guarded(f"{name}@{key}"):
            place = self._file if name == "/" else self._get(name)
            if place is None or key not in place.attrs:
                return None
            opened_attribute = place.attrs.get_id(key)
            if opened_attribute.get_space().get_simple_extent_npoints() != 1:
                return None
            value = place.attrs[key]
            return value.item() if isinstance(value, np.ndarray | np.generic) else value

    def attribute_number(self, name: str, key: str) -> float | None:
        """Return an attribute that is a number, or None without one.

        Raises:
            DataFileError: It is there and is no finite number.
        """
        value = self.attribute(name, key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
            raise DataFileError(
                f"{self.path}: attribute `{key}` of `{name}` is {value!r}, no finite number",
                hint="correct or remove it",
            )
        return float(value)

    def names(self, group: str) -> list[str]:
        """Return the names in a group, sorted; none if it is no group."""
        with self._guarded(group):
            found = self._get(group)
            return sorted(found) if isinstance(found, h5py.Group) else []

    def stacks(self) -> list[str]:
        """Return the paths of all datasets with three axes of real numbers, sorted."""
        found: list[str] = []

        def visit(name: str, item: Any) -> None:
            if isinstance(item, h5py.Dataset) and item.ndim == 3 and item.dtype.kind in "iuf":
                found.append(name)

        with self._guarded("/"):
            self._file.visititems(visit)
        return sorted(found)

    def complexes(self) -> list[str]:
        """Return the paths of all datasets of complex numbers with two axes or more, sorted."""
        found: list[str] = []

        def visit(name: str, item: Any) -> None:
            if isinstance(item, h5py.Dataset) and item.ndim > 1 and item.dtype.kind == "c":
                found.append(name)

        with self._guarded("/"):
            self._file.visititems(visit)
        return sorted(found)

    @contextmanager
    def _guarded(self, name: str) -> Iterator[None]:
        try:
            yield
        except FAILURES as error:
            raise damaged(self.path, error, name) from error

    def _get(self, name: str) -> Any:
        """Return what a name leads to within this file, or None."""
        with self._guarded(name):
            return self._follow(name)

    def _follow(self, name: str) -> Any:
        place: Any = self._file
        parts, hops = _parts(name), 0
        while parts:
            step = parts.pop(0).encode()
            if not isinstance(place, h5py.Group) or not place.id.links.exists(step):
                return None
            kind = place.id.links.get_info(step).type
            if kind == h5py.h5l.TYPE_SOFT:
                hops += 1
                path = place.id.links.get_val(step).decode()
                parts = _parts(path) + parts
                place = self._file if path.startswith("/") else place
                if hops > _MOST_HOPS:
                    raise DataFileError(
                        f"{self.path}: `{name}` is a soft link that leads in a circle",
                        hint="export the file again",
                    )
            elif kind == h5py.h5l.TYPE_EXTERNAL:
                raise self._elsewhere(name)
            else:
                place = place[step]
        return place

    def _checked(self, name: str, why: str) -> Any:
        """Return a dataset whose content may be read."""
        found = self._get(name)
        if not isinstance(found, h5py.Dataset):
            raise DataFileError(f"{self.path}: `{name}` is missing", hint=why)
        with self._guarded(name):
            self._check_place(name, found)
            if found.shape is None or found.dtype.hasobject:
                raise DataFileError(
                    f"{self.path}: `{name}` holds {found.dtype}, no array of numbers",
                    hint=why or "store numbers there",
                )
            stored = self._size if found.is_virtual else found.id.get_storage_size()
            stored = min(stored, self._size)
            check_size(self.path, name, found.shape, found.dtype.itemsize, stored)
            self._check_chunk(name, found)
        return found

    def _check_place(self, name: str, found: h5py.Dataset, depth: int = 0) -> None:
        """Refuse content that lies in another file."""
        if found.external or depth > _MOST_HOPS:
            raise self._elsewhere(name)
        if found.is_virtual:
            for mapping in found.virtual_sources():
                part = self._get(mapping.dset_name) if mapping.file_name == "." else None
                if not isinstance(part, h5py.Dataset):
                    raise self._elsewhere(name)
                self._check_place(name, part, depth + 1)

    def _check_chunk(self, name: str, found: h5py.Dataset) -> None:
        """Refuse a chunk, which is unpacked as a whole, that is far larger than its dataset."""
        if found.chunks is None:
            return
        chunk = int(np.prod(found.chunks, dtype=object)) * found.dtype.itemsize
        if chunk > memory_limit_bytes() // 4 and chunk > 2 * found.nbytes:
            raise DataFileError(
                f"{self.path}: `{name}` of shape {found.shape} has chunks of {found.chunks}",
                hint="store it again with chunks of a pattern each",
            )

    def _elsewhere(self, name: str) -> DataFileError:
        return DataFileError(
            f"{self.path}: `{name}` lies in another file",
            hint="links to other files are not followed, since they reach whatever you can read; "
            "copy the data into one file",
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
        size = path.stat().st_size if content is None else content.seek(0, os.SEEK_END)
        file = h5py.File(path if content is None else content, "r")
    except FAILURES as error:
        raise damaged(path, error) from error
    with file:
        yield Hdf5Source(path, file, size)


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
    said = str(error).splitlines()[0] if str(error) else type(error).__name__
    return DataFileError(
        f"{path}: the HDF5 file is damaged or truncated{where}: {said}",
        hint="copy or export the file again",
    )


def _parts(name: str) -> list[str]:
    return [part for part in name.split("/") if part not in ("", ".")]


def _read_by_chunks(found: h5py.Dataset, values: Array) -> None:
    """Fill `values`; a few patterns at a time, since numpy converts types faster than HDF5."""
    per_pattern = max(1, found.dtype.itemsize * int(np.prod(found.shape[1:])))
    step = max(1, (1 << 24) // per_pattern)
    if found.chunks:
        step = max(1, step // found.chunks[0]) * found.chunks[0]
    if found.ndim == 0 or found.dtype == np.float32:
        found.read_direct(values)
        return
    for start in range(0, len(values), step):
        values[start : start + step] = found[start : start + step]

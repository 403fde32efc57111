"""Patterns alone: NPY, TIFF, or the one stack of an HDF5 or NPZ file. And positions as a table."""

from __future__ import annotations

import csv
import logging
import struct
import zlib
from pathlib import Path

import numpy as np

from ptycho_torch.data.formats.content import HDF5, NPY, ZIP, check_size, first_bytes
from ptycho_torch.data.formats.hdf5 import opened
from ptycho_torch.data.formats.npz_archive import FAILURES as NPY_FAILURES
from ptycho_torch.data.formats.npz_archive import npy_header, npz_members
from ptycho_torch.data.scan import Array
from ptycho_torch.errors import DataFileError

_TIFF_FAILURES = (
    *(OSError, ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RuntimeError),
    *(struct.error, zlib.error),
)
"""What tifffile raises, depending on which tag is damaged."""
# It also logs what it met, which the error then says in one line.
logging.getLogger("tifffile").addHandler(logging.NullHandler())

_METRES = {"m": 1.0, "mm": 1e-3, "um": 1e-6, "nm": 1e-9}


def read_stack(path: Path) -> Array:
    """Read a stack of patterns, zero frequency at N // 2.

    Args:
        path: `.npy`, `.tif`, `.tiff`, `.npz` or HDF5; the latter two with one stack.

    Returns:
        (n, row, col), real.

    Raises:
        DataFileError: It cannot be read, or which array is meant cannot be told.
    """
    head = first_bytes(path)
    if head.startswith(NPY):
        stack = _npy(path)
    elif head.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        stack = _tiff(path)
    elif head.startswith(ZIP):
        with npz_members(path) as members:
            stacks = {name: members.get(name) for name in sorted(members.names)}
        stack = _only(path, {name: item for name, item in stacks.items() if _is_stack(item)})
    elif head.startswith(HDF5):
        with opened(path) as source:
            names = source.stacks()
            stack = _only(path, {name: source.array(name, "") for name in names[:2]}, names)
    else:
        raise DataFileError(
            f"`{path}` holds no stack of patterns", hint="NPY, TIFF, NPZ or HDF5 is expected"
        )
    if not _is_stack(stack):
        raise DataFileError(
            f"{path}: shape {stack.shape}, type {stack.dtype}", hint="expected (n, N, N) numbers"
        )
    return stack


def read_positions(path: Path, pixel_size_m: float | None) -> tuple[Array, Array]:
    """Read positions from a table with a header line.

    The header names the axes with their unit: `x_px`, `y_px`, or `x_m`, `x_mm`, `x_um`, `x_nm`.
    Which way an axis runs no table says: `ptycho-torch check` tries.

    Args:
        path: A CSV or whitespace-separated file.
        pixel_size_m: Edge of an object pixel in metres; only needed for lengths.

    Returns:
        (n,) rows and (n,) columns in object pixels, float64.

    Raises:
        DataFileError: No such columns, a unit without `pixel_size_m`, a line that is no number.
    """
    lines = [line.split("#")[0].strip() for line in _text(path).splitlines()]
    table = [(number, line) for number, line in enumerate(lines, 1) if line]
    if len(table) < 2:
        raise DataFileError(f"{path}: {len(table)} lines", hint="a header line and one a pattern")
    separator = next((mark for mark in ",;\t" if mark in table[0][1]), None)
    header = [name.strip() for name in _cells(table[0][1], separator)]
    columns = {axis: _column(path, header, axis, pixel_size_m) for axis in "yx"}
    found: dict[str, list[float]] = {"y": [], "x": []}
    for number, line in table[1:]:
        cells = _cells(line, separator)
        for axis, (index, factor) in columns.items():
            try:
                found[axis].append(float(cells[index]) * factor)
            except (IndexError, ValueError) as error:
                raise DataFileError(
                    f"{path}:{number}: `{line}` has no number for `{header[index]}`",
                    hint="one line a pattern, a number a column",
                ) from error
    return np.array(found["y"]), np.array(found["x"])


def _column(
    path: Path, header: list[str], axis: str, pixel_size_m: float | None
) -> tuple[int, float]:
    """Return which column holds an axis, and what turns it into pixels."""
    for index, name in enumerate(header):
        stem, _, unit = name.lower().partition("_")
        if stem != axis:
            continue
        if unit == "px":
            return index, 1.0
        if unit in _METRES and pixel_size_m:
            return index, _METRES[unit] / pixel_size_m
        if unit in _METRES:
            raise DataFileError(
                f"{path}: `{name}` is a length",
                hint="give `--pixel-size-m`, or energy, distance and detector pixel",
            )
    raise DataFileError(
        f"{path}: no column `{axis}_px` or `{axis}_m`; there is {', '.join(header)}",
        hint="the first line names the columns with their unit: px, m, mm, um or nm",
    )


def _cells(line: str, separator: str | None) -> list[str]:
    return line.split() if separator is None else next(csv.reader([line], delimiter=separator))


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataFileError(f"cannot read `{path}` as text: {error}", "expected a table") from error


def _npy(path: Path) -> Array:
    try:
        with path.open("rb") as stream:
            shape, dtype = npy_header(stream)
            held = path.stat().st_size - stream.tell()
        if not dtype.hasobject:
            check_size(path, "array", shape, dtype.itemsize, held)
        return np.asarray(np.load(path, allow_pickle=False, mmap_mode="r"))
    except NPY_FAILURES as error:
        raise DataFileError(f"{path}: {error}", hint="copy or export the file again") from error


def _tiff(path: Path) -> Array:
    import tifffile

    _refuse_circle(path)
    try:
        with tifffile.TiffFile(path) as file:
            series = file.series[0]
            itemsize = 1 if series.dtype is None else series.dtype.itemsize
            check_size(path, "image", series.shape, itemsize, path.stat().st_size)
            return np.asarray(series.asarray())
    except (*_TIFF_FAILURES, tifffile.TiffFileError) as error:
        raise DataFileError(f"{path}: {error}", hint="copy or export the file again") from error


def _refuse_circle(path: Path) -> None:
    """Raise where the chain of pages leads in a circle, which tifffile would follow for ever.

    A page begins with the number of its tags (2 bytes of 12 each; in BigTIFF 8 of 20) and ends
    with the place of the next page, 0 after the last (TIFF 6.0, section 2).
    """
    with path.open("rb") as stream:
        head = stream.read(16)
        order = "<" if head.startswith(b"II") else ">"
        big = head[2:4] in (b"+\0", b"\0+")
        count, offset, tag_bytes = ("Q", "Q", 20) if big else ("H", "I", 12)
        seen: set[int] = set()
        size = path.stat().st_size
        place = _number(order + offset, head[8:] if big else head[4:])
        while 0 < place < size:
            if place in seen:
                raise DataFileError(
                    f"{path}: its pages lead in a circle", hint="copy or export the file again"
                )
            seen.add(place)
            stream.seek(place)
            tags = _number(order + count, stream.read(8))
            stream.seek(min(size, place + struct.calcsize(order + count) + tags * tag_bytes))
            place = _number(order + offset, stream.read(8))


def _number(form: str, data: bytes) -> int:
    """Unpack one number from the beginning of some bytes; 0 where the file has ended."""
    size = struct.calcsize(form)
    return int(struct.unpack(form, data[:size])[0]) if len(data) >= size else 0


def _is_stack(array: Array) -> bool:
    return array.ndim == 3 and array.dtype.kind in "iuf"


def _only(path: Path, stacks: dict[str, Array], names: list[str] | None = None) -> Array:
    if len(stacks) != 1:
        listed = ", ".join(f"`{name}`" for name in names or stacks) or "none"
        raise DataFileError(
            f"{path}: {len(stacks)} arrays could be the patterns: {listed}",
            hint="keep one array of three axes in the file",
        )
    return next(iter(stacks.values()))

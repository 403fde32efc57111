"""The object in a file, whatever program wrote it, to be looked at and compared.

A reconstruction of this package, a scan with an object, a product of another program; else the one
two-dimensional complex array of an NPY, NPZ or HDF5 file, or the one that is named like an object.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ptycho_torch.data.formats import read_file
from ptycho_torch.data.formats.content import HDF5, NPY, ZIP, first_bytes
from ptycho_torch.data.formats.hdf5 import opened
from ptycho_torch.data.formats.npz_archive import npz_members
from ptycho_torch.data.scan import Array, ScanData
from ptycho_torch.errors import DataFileError

RESULT_KEYS = frozenset({"object", "coverage", "origin", "positions"})
"""Members by which a reconstruction of this package is told."""

_NAMES = ("object", "obj", "objectguess", "object_guess", "reconstruction", "o")


@dataclass(frozen=True)
class FoundObject:
    """An object with what its file says of it.

    Attributes:
        object: (H, W) complex.
        origin: Scan pixel (row, col) of `object[0, 0]`.
        coverage: (H, W) summed illumination, or None.
        positions_px: (n, 2) float64, (row, col), or None.
        pixel_size_m: Edge of a pixel in metres, or None.
        in_scan_frame: Whether origin and positions are those of the scan.
        source: The file, for messages.
    """

    object: Array
    origin: tuple[int, int] = (0, 0)
    coverage: Array | None = None
    positions_px: Array | None = None
    pixel_size_m: float | None = None
    in_scan_frame: bool = False
    source: str = "memory"


def read_object(path: Path) -> FoundObject:
    """Read an object.

    Args:
        path: The file.

    Returns:
        The object; one layer.

    Raises:
        DataFileError: The file cannot be read, or holds no object or several.
    """
    head = first_bytes(path)
    if head.startswith(NPY):
        return FoundObject(_one_layer(path, "the array", _npy(path)), source=str(path))
    if head.startswith(ZIP):
        with npz_members(path) as members:
            if members.names >= RESULT_KEYS:
                row, col = (int(value) for value in members.get("origin").ravel()[:2])
                return FoundObject(
                    object=_one_layer(path, "object", members.get("object")),
                    origin=(row, col),
                    coverage=members.get("coverage"),
                    positions_px=members.get("positions"),
                    pixel_size_m=members.number("pixel_size_m"),
                    in_scan_frame=True,
                    source=str(path),
                )
    try:
        found = read_file(path)
    except DataFileError as error:
        return _searched(path, head, error)
    if found.object is None:
        raise DataFileError(
            f"`{path}` holds no object to compare with", "give a file with `objectGuess`"
        )
    return FoundObject(
        object=found.object,
        positions_px=found.positions_px,
        pixel_size_m=found.pixel_size_m,
        in_scan_frame=isinstance(found, ScanData),
        source=str(path),
    )


def _searched(path: Path, head: bytes, error: DataFileError) -> FoundObject:
    """The one complex image of a file that no reader knows; else what the readers said."""
    if head.startswith(ZIP):
        with npz_members(path) as members:
            names = [n for n in sorted(members.names) if members.get(n).dtype.kind == "c"]
            chosen = _chosen(path, names, error, lambda name: members.get(name).shape)
            found = members.get(chosen)
    elif head.startswith(HDF5):
        with opened(path) as source:
            chosen = _chosen(path, source.complexes(), error, source.shape)
            found = source.array(chosen, "")
    else:
        raise error
    return FoundObject(_one_layer(path, chosen, found), source=str(path))


def _chosen(
    path: Path,
    names: Sequence[str],
    error: DataFileError,
    shape_of: Callable[[str], tuple[int, ...]],
) -> str:
    """The name of the object: as objects are called, else the only image there is."""
    if not names:
        raise error
    called = [name for name in names if name.rsplit("/", 1)[-1].lower() in _NAMES]
    if called:
        return min(called, key=lambda name: _NAMES.index(name.rsplit("/", 1)[-1].lower()))
    images = [name for name in names if sum(edge > 1 for edge in shape_of(name)) == 2]
    if len(images) != 1:
        raise DataFileError(
            f"`{path}` holds {len(names)} complex arrays ({', '.join(names[:6])}), none called "
            "`object`",
            "save the object alone as NPY, or call it `object`",
        )
    return images[0]


def _npy(path: Path) -> Array:
    try:
        return np.asarray(np.load(path, allow_pickle=False, mmap_mode="r"))
    except (OSError, ValueError, EOFError) as error:
        raise DataFileError(
            f"cannot read `{path}`: {error}", "write it with `numpy.save`, without pickles"
        ) from error


def _one_layer(path: Path, name: str, values: Array) -> Array:
    """(H, W) complex of an array that may have axes of length 1 in front or behind."""
    image = values.squeeze()
    if values.dtype.kind != "c" or image.ndim != 2:
        raise DataFileError(
            f"`{path}`: {name} has shape {values.shape} and type {values.dtype}",
            "expected one complex image; of several layers or modes give one",
        )
    return np.asarray(image)

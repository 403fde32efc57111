"""Runs of ptypy (`.ptyr`, told by `content/obj`), which hold no patterns.

Coordinates are metres (row, col) of patch centres; `_origin` is where pixel 0 of the object lies.

Source: ptypy `core/ptycho.py` (`save_run`) and `core/classes.py` (`Storage`).
"""

from __future__ import annotations

import numpy as np

from ptycho_torch.data.formats.hdf5 import Hdf5Source
from ptycho_torch.data.formats.product import Product, layer_of, modes_of, square_pixel_m
from ptycho_torch.errors import DataFileError

MARK = "content/obj"
"""The group by which a run is told."""
_WHY = "save the run with `kind='minimal'`"


def read_ptyr(source: Hdf5Source) -> Product:
    """Read a run of ptypy.

    Args:
        source: The open file.

    Returns:
        The product, without energy and distance.

    Raises:
        DataFileError: Several objects or probes, or something is missing or does not fit.
    """
    name = _only(source, MARK, "object")
    probe = _only(source, "content/probe", "probe")
    below = f"{MARK}/{name}"
    coordinates, psize, origin = (
        source.array(item, _WHY)
        for item in (f"content/positions/{name}", f"{below}/_psize", f"{below}/_origin")
    )
    for part in (coordinates, origin):
        if part.dtype.kind not in "iuf":
            raise DataFileError(
                f"{source.path}: positions or `_origin` hold {part.dtype}", hint=_WHY
            )
    if psize.size != 2 or origin.size != 2:
        raise DataFileError(f"{source.path}: `_psize` is {psize}", hint="expected two lengths")
    pixel = square_pixel_m(source.path, "_psize", psize)
    if coordinates.ndim != 2 or coordinates.shape[1] != 2:
        raise DataFileError(
            f"{source.path}: positions have shape {coordinates.shape}", hint="expected (n, 2)"
        )
    layer = layer_of(source.path, source.array(f"{below}/data", _WHY))
    modes = modes_of(source.path, source.array(f"content/probe/{probe}/data", _WHY))
    return Product(
        probe=modes,
        positions_px=(coordinates.astype(np.float64) - origin.ravel())
        / psize.astype(np.float64).ravel(),
        object=layer,
        indexes=np.arange(len(coordinates)),
        pixel_size_m=pixel,
        source=str(source.path),
    )


def _only(source: Hdf5Source, group: str, what: str) -> str:
    names = source.names(group)
    if len(names) != 1:
        raise DataFileError(
            f"{source.path}: {len(names)} {what}s ({', '.join(names)})",
            hint=f"only runs with one {what} are read",
        )
    return names[0]

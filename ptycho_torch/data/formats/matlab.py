"""Results of PtychoShelves and fold_slice (`.mat` v7.3, told by `outputs/probe_positions`).

MATLAB stores columns first and complex numbers as pairs, so all axes come out reversed. Positions
are pixels (x, y) about the object's centre. The file begins with a text of 512 bytes.

Source: fold_slice `find_reconstruction_ROI_external.m`, `ptychodus.plugins.fold_slice` (1.7).
"""

from __future__ import annotations

import numpy as np

from ptycho_torch.data.formats.geometry import PLANCK_TIMES_LIGHT_EV_M
from ptycho_torch.data.formats.hdf5 import Hdf5Source
from ptycho_torch.data.formats.product import Product, layer_of, modes_of, square_pixel_m
from ptycho_torch.data.scan import Array
from ptycho_torch.errors import DataFileError

MARK = "outputs/probe_positions"
"""The name by which such a file is told."""
_WHY = "save it with `-v7.3`, with `object`, `probe`, `outputs` and `p`"


def read_matlab(source: Hdf5Source) -> Product:
    """Read a result of PtychoShelves.

    Args:
        source: The open file.

    Returns:
        The product, without distance.

    Raises:
        DataFileError: Something is missing or does not fit.
    """
    probe = _columns_first(source.array("probe", _WHY))
    found = _columns_first(source.array("object", _WHY))
    pixels = _columns_first(source.array(MARK, _WHY))
    shapes = probe.ndim >= 2 and found.ndim >= 2 and pixels.ndim == 2
    shapes = shapes and probe.size > 0 and found.size > 0
    if not shapes or pixels.shape[1] != 2 or pixels.dtype.kind not in "iuf":
        raise DataFileError(
            f"{source.path}: object {found.shape}, probe {probe.shape}, positions {pixels.shape}",
            hint="expected (row, column, …) twice and (n, 2)",
        )
    modes = np.moveaxis(probe.reshape(*probe.shape[:2], -1)[..., : _shared(probe)], -1, 0)
    layer = layer_of(source.path, np.moveaxis(found.reshape(*found.shape[:2], -1), -1, 0))
    size = np.array(probe.shape[:2])
    first = np.ceil(np.array(layer.shape) / 2 - size / 2) - 1  # MATLAB counts from 1
    wavelength = source.number(["p/lambda"])
    edges = source.optional(["p/dx_spec"])
    return Product(
        probe=modes_of(source.path, modes),
        positions_px=pixels[:, ::-1].astype(np.float64) + first + size // 2,
        object=layer,
        indexes=np.arange(len(pixels)),
        pixel_size_m=None if edges is None else square_pixel_m(source.path, "p/dx_spec", edges),
        energy_ev=PLANCK_TIMES_LIGHT_EV_M / wavelength if wavelength else None,
        source=str(source.path),
    )


def _shared(probe: Array) -> int:
    """Return how many modes all patterns share: the third axis; the fourth varies by pattern."""
    return int(probe.shape[2]) if probe.ndim > 2 else 1


def _columns_first(array: Array) -> Array:
    """Return a MATLAB array with its axes as MATLAB counts them, complex if it was."""
    if array.dtype.names and {"real", "imag"} <= set(array.dtype.names):
        parts = [array["real"], array["imag"]]
        if all(part.dtype.kind in "iuf" and part.shape == array.shape for part in parts):
            array = parts[0] + 1j * parts[1]
    return np.asarray(array.T)

"""Positions read another way: turned about, rotated, scaled. And whether they are a raster."""

from __future__ import annotations

import math

import numpy as np
from scipy.spatial import cKDTree

from ptycho_torch.data.scan import Array

UNITS_M = {"m": 1.0, "mm": 1e-3, "um": 1e-6, "nm": 1e-9}
"""Lengths that positions may be in, in metres."""
AS_GIVEN = "as given"
STEPS = ("swap", "flip rows", "flip cols")
"""What an orientation is made of, in this order: rows and columns are exchanged first."""
_SMALLEST_RASTER = 16
_ASIDE = 0.2
_JITTER = 0.02


def orientations(positions_px: Array) -> list[tuple[str, Array]]:
    """Return the eight ways to read positions, as given first.

    Args:
        positions_px: (n, 2) float64, (row, col).

    Returns:
        Names (`as given`, `swap`, `flip rows`, `swap, flip cols`, …) with (n, 2) float64
        positions.
    """
    ways = []
    for number in range(2 ** len(STEPS)):
        steps = tuple(step for bit, step in zip((4, 2, 1), STEPS, strict=True) if number & bit)
        ways.append((", ".join(steps) or AS_GIVEN, turned_about(positions_px, steps)))
    return ways


def turned_about(positions_px: Array, steps: tuple[str, ...]) -> Array:
    """Exchange rows and columns of positions, then change signs.

    Args:
        positions_px: (n, 2) float64, (row, col).
        steps: Any of `STEPS`.

    Returns:
        (n, 2) float64.
    """
    read = positions_px[:, ::-1] if "swap" in steps else positions_px
    signs = [-1.0 if f"flip {axis}" in steps else 1.0 for axis in ("rows", "cols")]
    return np.ascontiguousarray(read * signs)


def scaled(positions_px: Array, scale: float, rotation_deg: float = 0.0) -> Array:
    """Scale and rotate positions about their mean.

    Args:
        positions_px: (n, 2) float64, (row, col).
        scale: Factor of all distances.
        rotation_deg: Angle by which the row axis turns towards the column axis.

    Returns:
        (n, 2) float64.
    """
    angle = math.radians(rotation_deg)
    cosine, sine = scale * math.cos(angle), scale * math.sin(angle)
    middle = positions_px.mean(axis=0)
    turn = np.array([[cosine, -sine], [sine, cosine]])
    return np.ascontiguousarray((positions_px - middle) @ turn.T + middle)


def is_raster(positions_px: Array) -> bool:
    """Tell whether positions are those of a lattice, with less jitter than a fiftieth of its step.

    A regular scan leaves periodic errors open (Thibault et al., Ultramicroscopy 109, 2009,
    10.1016/j.ultramic.2008.12.011).

    Args:
        positions_px: (n, 2) float64.
    """
    places = np.unique(positions_px, axis=0)
    if len(places) < _SMALLEST_RASTER:
        return False
    middle = places[np.argmin(np.linalg.norm(places - places.mean(axis=0), axis=1))]
    around = places[cKDTree(places).query(middle, k=9)[1][1:]] - middle
    first = around[0]
    aside = np.abs(around @ (-first[1], first[0])) / (first @ first)
    if not (aside > _ASIDE).any():  # all in one line
        return False
    basis = np.stack([first, around[np.flatnonzero(aside > _ASIDE)[0]]])
    for _ in range(2):  # whole numbers of steps, then the steps that fit them best
        whole = np.rint((places - middle) @ np.linalg.inv(basis))
        if np.linalg.matrix_rank(whole) < 2:
            return False
        basis = np.linalg.lstsq(whole, places - middle, rcond=None)[0]
    off = np.linalg.norm(places - middle - whole @ basis, axis=1)
    lattice = len(np.unique(whole, axis=0)) == len(places)
    return bool(
        lattice and np.sqrt(np.mean(off**2)) < _JITTER * np.linalg.norm(basis, axis=1).min()
    )

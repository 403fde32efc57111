"""Positions read another way: turned about, rotated, scaled."""

from __future__ import annotations

import math

import numpy as np

from ptycho_torch.data.scan import Array

AS_GIVEN = "as given"
STEPS = ("swap", "flip rows", "flip cols")
"""What an orientation is made of, in this order: rows and columns are exchanged first."""


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

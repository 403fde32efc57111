"""The learned step: an object that the engine found goes once through the canvas network."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from ptycho_torch.errors import DivergedError
from ptycho_torch.networks.canvas import CanvasNetwork
from ptycho_torch.reconstruct.stitch import Canvas

VIEWS = 8
"""The eight flips and turns of a square."""


def bettered(canvas: Canvas, nphotons: float, network: CanvasNetwork, views: int = VIEWS) -> Canvas:
    """Send an object through the network, averaged over its flips and turns.

    The engine's gauge is expected: unit-energy probe, |O| about 1 on average. Pixels without
    light stay as they are.

    Args:
        canvas: The engine's object with its coverage.
        nphotons: Mean photons per pattern.
        network: The trained network.
        views: How many of the eight flips and turns to average, 1 to 8.

    Returns:
        The object as the network would have it.

    Raises:
        DivergedError: The network's object is not finite.
    """
    found = torch.from_numpy(np.ascontiguousarray(canvas.object, dtype=np.complex64))
    light = torch.from_numpy(np.ascontiguousarray(canvas.coverage, dtype=np.float32))
    total = torch.zeros_like(found)
    with torch.no_grad():
        for view in range(views):
            seen = turned(found, view)[None], turned(light, view)[None]
            total += turned_back(network(*seen, nphotons)[0], view)
    mean = (total / views).numpy()
    lit = canvas.covered()
    if not bool(np.isfinite(mean[lit]).all()):
        raise DivergedError(
            "the network's object is not finite", hint="check the object it started from"
        )
    return replace(canvas, object=np.where(lit, mean, canvas.object))


def turned(image: Tensor, view: int) -> Tensor:
    """Flip and transpose an image.

    Args:
        image: (..., row, col).
        view: 0 to 7: bit 0 flips the columns, bit 1 the rows, bit 2 transposes first.

    Returns:
        (..., row, col).
    """
    image = image.mT if view & 4 else image
    return image.flip([axis for axis, bit in ((-1, 1), (-2, 2)) if view & bit])


def turned_back(image: Tensor, view: int) -> Tensor:
    """Undo `turned`.

    Args:
        image: (..., row, col).
        view: The same number.

    Returns:
        (..., row, col).
    """
    image = image.flip([axis for axis, bit in ((-1, 1), (-2, 2)) if view & bit])
    return image.mT if view & 4 else image

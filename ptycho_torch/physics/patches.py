"""Cut patches out of an object and put them back: an adjoint pair with one sign.

A position is the centre (row, col) of a patch in object pixels. The patch of position p is
`object[corner : corner + N]` with `corner = round(p) - N/2`: larger positions lie at larger
indices. The rest `p - round(p)`, within half a pixel, shifts the probe (`probe.shift_probe`).

`extract` gathers and `merge` adds, so <extract(x), y> = <x, merge(y)> holds exactly.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Complex, Float, Int, Num
from torch import Tensor


def split_positions(
    positions_px: Float[Tensor, "*batch 2"], size: int
) -> tuple[Int[Tensor, "*batch 2"], Float[Tensor, "*batch 2"]]:
    """Split positions into integer patch corners and sub-pixel rests.

    Args:
        positions_px: (..., 2) float64, (row, col) of patch centres in object pixels.
        size: Patch edge N in pixels, even.

    Returns:
        Corners (..., 2) int64 and rests (..., 2) float32 in [-0.5, 0.5].
    """
    rounded = positions_px.round()
    corners = rounded.to(torch.int64) - size // 2
    return corners, (positions_px - rounded).to(torch.float32)


def extract(
    canvas: Num[Tensor, "batch height width"],
    corners: Int[Tensor, "batch channel 2"],
    size: int,
) -> Num[Tensor, "batch channel size size"]:
    """Cut patches out of each canvas.

    Args:
        canvas: (batch, H, W), complex or real.
        corners: (batch, channel, 2) int64, first (row, col) of each patch.
        size: Patch edge in pixels; every patch must lie inside the canvas.

    Returns:
        (batch, channel, size, size).
    """
    batch, channel = corners.shape[:2]
    index = _flat_index(corners, size, canvas.shape[-2], canvas.shape[-1])
    return canvas.reshape(-1)[index].view(batch, channel, size, size)


def merge(
    patches: Num[Tensor, "batch channel size size"],
    corners: Int[Tensor, "batch channel 2"],
    height: int,
    width: int,
) -> Num[Tensor, "batch {height} {width}"]:
    """Add patches into an empty canvas; the adjoint of `extract`.

    Args:
        patches: (batch, channel, size, size), complex or real.
        corners: (batch, channel, 2) int64, first (row, col) of each patch.
        height: Rows of the canvas.
        width: Columns of the canvas.

    Returns:
        (batch, height, width).
    """
    batch = patches.shape[0]
    index = _flat_index(corners, patches.shape[-1], height, width)
    canvas = patches.new_zeros(batch * height * width)
    canvas = canvas.index_add(0, index, patches.reshape(-1))
    return canvas.view(batch, height, width)


def merge_average(
    patches: Complex[Tensor, "batch channel size size"],
    weights: Float[Tensor, "batch channel size size"],
    corners: Int[Tensor, "batch channel 2"],
    canvas_size: tuple[int, int],
    floor: float = 1e-4,
) -> tuple[Complex[Tensor, "batch height width"], Float[Tensor, "batch height width"]]:
    """Average overlapping patches, `merge(w p) / merge(w)`.

    Args:
        patches: (batch, channel, size, size) complex.
        weights: (batch, channel, size, size) real, not negative; usually |P|^2.
        corners: (batch, channel, 2) int64.
        canvas_size: (height, width) of the canvas.
        floor: Smallest total weight to divide by, as a fraction of the batch's largest weight;
            below it the canvas fades to 0 instead of amplifying what nobody measured.

    Returns:
        The averaged canvas and its total weight, both (batch, height, width).
    """
    total = merge(weights, corners, *canvas_size)
    summed = merge(patches * weights, corners, *canvas_size)
    return summed / total.clamp_min(floor * float(total.detach().max())), total


def group_canvas(
    corners: Int[Tensor, "batch channel 2"], size: int
) -> tuple[Int[Tensor, "batch channel 2"], int]:
    """Place every group on a square canvas that holds all of its patches.

    The canvas has `size + 2 ceil(max |offset|)` pixels, where offsets are counted from the
    rounded mean corner of the group: no patch is ever clipped, whatever the spacing.

    Args:
        corners: (batch, channel, 2) int64 in object pixels.
        size: Patch edge in pixels.

    Returns:
        Corners on the canvas (batch, channel, 2) int64, and the canvas edge in pixels.
    """
    centre = corners.to(torch.float64).mean(dim=1, keepdim=True).round().to(torch.int64)
    offsets = corners - centre
    reach = math.ceil(float(offsets.abs().max()))
    return offsets + reach, size + 2 * reach


def scan_canvas(
    corners: Int[Tensor, "patch 2"], size: int
) -> tuple[Int[Tensor, "2"], tuple[int, int]]:
    """Find the smallest canvas that holds every patch of a scan.

    Args:
        corners: (patch, 2) int64 in object pixels; may be negative.
        size: Patch edge in pixels.

    Returns:
        The object pixel (row, col) of the canvas's first pixel, and its (height, width).
    """
    origin = corners.amin(dim=0)
    height, width = (corners.amax(dim=0) - origin + size).tolist()
    return origin, (int(height), int(width))


class Windows:
    """Where some patches lie on one canvas, worked out once to cut and to add many fields.

    Args:
        corners: (patch, 2) int64, first (row, col) of each patch.
        size: Patch edge in pixels.
        shape: (height, width) of the canvas.

    Raises:
        IndexError: A patch reaches beyond the canvas.
    """

    def __init__(self, corners: Int[Tensor, "patch 2"], size: int, shape: tuple[int, int]) -> None:
        self._corners = corners
        self._size = size
        self._shape = shape
        self._index = _flat_index(corners[None], size, *shape)

    def cut(self, canvas: Num[Tensor, "height width"]) -> Num[Tensor, "patch size size"]:
        """Cut the patches out; `extract` for one canvas that needs no gradient.

        Args:
            canvas: (height, width), complex or real.

        Returns:
            (patch, size, size).
        """
        sliding = canvas.unfold(0, self._size, 1).unfold(1, self._size, 1)
        cut: Tensor = sliding[self._corners[:, 0], self._corners[:, 1]]
        return cut

    def add(self, patches: Num[Tensor, "patch size size"]) -> Num[Tensor, "height width"]:
        """Add patches into an empty canvas, as `merge` does.

        Args:
            patches: (patch, size, size), complex or real.

        Returns:
            (height, width).
        """
        canvas = patches.new_zeros(self._shape[0] * self._shape[1])
        return canvas.index_add_(0, self._index, patches.reshape(-1)).view(self._shape)


def _flat_index(
    corners: Int[Tensor, "batch channel 2"], size: int, height: int, width: int
) -> Int[Tensor, " flat"]:
    """Index of every patch pixel in the flattened batch of canvases.

    Raises:
        IndexError: A patch reaches beyond the canvas; a negative index would wrap silently.
    """
    last = corners.amax(dim=(0, 1)).tolist()
    if int(corners.amin()) < 0 or last[0] + size > height or last[1] + size > width:
        raise IndexError(
            f"patches of {size} px with corners up to {last} leave a canvas of {height} x {width}"
        )
    # One window's pixels counted from its corner; then one addition places all windows.
    steps = torch.arange(size, device=corners.device)
    window = (steps[:, None] * width + steps).reshape(-1)
    batch = torch.arange(corners.shape[0], device=corners.device) * height
    first = (batch[:, None] + corners[..., 0]) * width + corners[..., 1]
    return (first[..., None] + window).reshape(-1)

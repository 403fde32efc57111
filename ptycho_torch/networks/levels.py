"""The way down and up that U-nets of three levels share."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor, nn


def down_and_up(
    x: Tensor,
    encode: Iterable[nn.Module],
    down: Iterable[nn.Module],
    bottom: nn.Module,
    up: Iterable[nn.Module],
    decode: Iterable[nn.Module],
) -> Tensor:
    """Go through the levels of a U-net whose skips are added.

    Args:
        x: (batch, ch, row, col) at the first level; edges are multiples of 4.
        encode: What each level does on the way down, finest first.
        down: What halves the resolution after each.
        bottom: What the coarsest level does.
        up: What sets the channels before each doubling of the resolution, finest first.
        decode: What each level does on the way up, finest first.

    Returns:
        (batch, ch, row, col) of the first level.
    """
    skips = []
    for block, halve in zip(encode, down, strict=True):
        x = block(x)
        skips.append(x)
        x = halve(x)
    x = bottom(x)
    levels = list(zip(up, decode, skips, strict=True))
    for widen, block, skip in reversed(levels):
        x = nn.functional.interpolate(widen(x), scale_factor=2.0, mode="nearest")
        x = block(x + skip)
    return x

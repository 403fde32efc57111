"""A complex image with what is known of its pixels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ptycho_torch.metrics.alignment import align

Array = npt.NDArray[Any]

_WELL_COVERED = 0.1


@dataclass(frozen=True)
class Field:
    """A complex image with what is known of its pixels.

    Attributes:
        image: (H, W) complex.
        origin: Scan pixel (row, col) of `image[0, 0]`.
        coverage: (H, W) summed illumination, or None where that is not known.
        positions_px: (n, 2) float64 scan positions in the same scan pixels, or None.
        name: What messages call it.
    """

    image: Array
    origin: tuple[int, int] = (0, 0)
    coverage: Array | None = None
    positions_px: Array | None = None
    name: str = "reconstruction"

    def known(self) -> Array:
        """Where the image says anything at all: finite and not exactly 0.

        Returns:
            (H, W) bool.
        """
        known: Array = np.isfinite(self.image) & (self.image != 0)
        return known

    def trusted(self) -> Array:
        """Where the image should be judged: between the outermost positions, with enough light.

        Enough is a tenth of the median coverage there, so that the empty corners around a round
        scan are left out.

        Returns:
            (H, W) bool.
        """
        inside = np.ones(self.image.shape, bool)
        if self.positions_px is not None:
            low, high = scan_window(self.positions_px)
            inside[:] = False
            rows, cols = (
                slice(max(0, int(a - o)), max(0, int(b - o)))
                for a, b, o in zip(low, high, self.origin, strict=True)
            )
            inside[rows, cols] = True
        if self.coverage is not None and inside.any():
            inside &= self.coverage >= _WELL_COVERED * np.median(self.coverage[inside])
        return inside

    def rescaled(self, factor: float) -> Field:
        """Give the image pixels of another size.

        Its plane wave is taken out first, which interpolation would take for detail. Pixels that
        become larger are averaged over, by a Gaussian, so that no detail folds back.

        Args:
            factor: Old edge of a pixel divided by the new one.

        Returns:
            The image on the new pixels, coverage and positions with it.
        """
        known = self.known()
        level, _ = levelled(np.where(known, self.image, 0), known)
        if factor < 1:
            spread = 0.5 * (1 / factor - 1)
            level = ndimage.gaussian_filter(level, spread)
        parts = [ndimage.zoom(part, factor, order=3) for part in (level.real, level.imag)]
        nearest = {"order": 0}
        there = ndimage.zoom(known.astype(np.uint8), factor, **nearest) > 0
        coverage, positions = self.coverage, self.positions_px
        return replace(
            self,
            image=np.where(there, parts[0] + 1j * parts[1], 0),
            origin=(round(self.origin[0] * factor), round(self.origin[1] * factor)),
            coverage=None if coverage is None else ndimage.zoom(coverage, factor, **nearest),
            positions_px=None if positions is None else positions * factor,
        )


def scan_window(positions_px: Array) -> tuple[Array, Array]:
    """Return the first pixel (row, col) inside the outermost positions, and the first beyond.

    Args:
        positions_px: (n, 2) float64.

    Returns:
        Two (2,) int64.
    """
    low = np.ceil(positions_px.min(axis=0)).astype(int)
    return low, np.floor(positions_px.max(axis=0)).astype(int) + 1


def levelled(image: Array, inside: Array) -> tuple[Array, tuple[float, float]]:
    """Take the plane wave out of an image that is closest to it.

    Rings of a Fourier transform are only centred, and phases only small, without the ramp that a
    reconstruction leaves open; and only then is the flat object the best of all featureless ones.

    Args:
        image: (H, W) complex.
        inside: (H, W) bool, True where it counts.

    Returns:
        (H, W) complex128, and the slopes (row, col) in radians per pixel it was multiplied with.
    """
    plane = align(np.ones_like(image), np.where(inside, image, 0), 0, inside, reach_px=0)
    row, col = plane.ramp_rad_per_px
    parts = [np.exp(-1j * k * np.arange(n)) for k, n in zip((row, col), image.shape, strict=True)]
    level: Array = image * np.multiply.outer(*parts)
    return level, (-row, -col)

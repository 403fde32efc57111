"""What other programs leave without the patterns: probe, positions and object.

One dataclass for all of them; each format has its own module: `ptychodus_product`, `ptyr`,
`matlab`, `cxi_product`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ptycho_torch.data.scan import Array, ScanData, as_complex64
from ptycho_torch.errors import DataFileError

KNOWN = ("pixel_size_m", "energy_ev", "distance_m")
"""What positions in metres follow from."""
_MOST_PIXELS = 2**31
"""A position farther than this from its object is no index any more."""


@dataclass(frozen=True)
class Product:
    """A result without patterns.

    Attributes:
        probe: (mode, N, N) complex64, modes add incoherently.
        positions_px: (n, 2) float64, (row, col) of patch centres in pixels of `object`.
        object: (H, W) complex64.
        indexes: (n,) int64, the pattern each position belongs to, counted from 0.
        pixel_size_m: Edge of an object pixel in metres, or None.
        energy_ev: Photon energy in electronvolts, or None.
        distance_m: Sample to detector in metres, or None.
        nphotons: Mean photons per pattern, or None.
        source: Where it came from, for messages.

    Raises:
        DataFileError: The parts do not fit together or hold impossible values.
    """

    probe: Array
    positions_px: Array
    object: Array
    indexes: Array
    pixel_size_m: float | None = None
    energy_ev: float | None = None
    distance_m: float | None = None
    nphotons: float | None = None
    source: str = "memory"

    def __post_init__(self) -> None:
        shapes = self.probe.ndim == 3 and self.object.ndim == 2 and self.positions_px.ndim == 2
        count = len(self.positions_px) if self.positions_px.ndim == 2 else 0
        if not shapes or not count or self.positions_px.shape[1] != 2:
            raise self._wrong("their shapes do not belong together")
        if self.indexes.shape != (count,) or int(self.indexes.min()) < 0:
            raise self._wrong(f"indexes {self.indexes.shape} do not number {count} positions")
        if self.probe.size == 0 or self.object.size == 0:
            raise self._wrong("nothing in it")
        for name in ("probe", "object", "positions_px"):
            if not np.isfinite(getattr(self, name)).all():
                raise self._wrong(f"`{name}` holds values that are NaN or infinite")
        if float(np.abs(self.positions_px).max()) > _MOST_PIXELS:
            raise self._wrong("positions lie far from any object; their unit is wrong")

    def __len__(self) -> int:
        """Number of positions."""
        return len(self.positions_px)

    def _wrong(self, what: str) -> DataFileError:
        return DataFileError(
            f"{self.source}: probe {self.probe.shape}, object {self.object.shape}, positions "
            f"{self.positions_px.shape}: {what}",
            hint="expected (mode, N, N), (H, W) and (n, 2) finite numbers",
        )


def product_of(scan: ScanData) -> Product:
    """Return probe, positions and object of a scan.

    Args:
        scan: Needs an object, pixel size, energy and distance.

    Returns:
        The product; its indexes number the patterns from 0.

    Raises:
        DataFileError: One of these is not known.
    """
    require(scan, ("object", *KNOWN))
    assert scan.object is not None
    return Product(
        probe=scan.probe,
        positions_px=scan.positions_px,
        object=scan.object,
        indexes=np.arange(len(scan)),
        pixel_size_m=scan.pixel_size_m,
        energy_ev=scan.energy_ev,
        distance_m=scan.distance_m,
        nphotons=scan.nphotons,
        source=scan.source,
    )


def require(item: ScanData | Product, names: Iterable[str]) -> None:
    """Raise unless what a format needs is known.

    Args:
        item: What is to be written.
        names: Attributes that may not be None.

    Raises:
        DataFileError: One of these is not known.
    """
    unknown = [name for name in names if getattr(item, name) is None]
    if unknown:
        raise missing(item.source, unknown)


def missing(source: str, names: Iterable[str]) -> DataFileError:
    """Return the error for something a format needs and nobody knows."""
    listed = ", ".join(f"`{name}`" for name in names)
    return DataFileError(
        f"{source}: {listed} not known; this format holds them",
        hint="give `--pixel-size-m`, `--energy-ev`, `--distance-m` (or `--scan` with a file that "
        "states them), or write NPZ, which needs none of them",
    )


def positive(value: float | None) -> float | None:
    """Return a number, or None for the 0 that stands for unknown in other programs' files."""
    return None if value is None or value == 0 else value


def modes_of(path: Path, probe: Array) -> Array:
    """Return the incoherent modes of a probe.

    Args:
        path: The file, for the message.
        probe: (N, N), (mode, N, N), or (…, mode, N, N): of several along a scan the first.

    Returns:
        (mode, N, N) complex64.

    Raises:
        DataFileError: It is none of these, or not complex.
    """
    if probe.dtype.kind != "c" or probe.ndim not in (2, 3, 4) or probe.size == 0:
        raise DataFileError(
            f"{path}: the probe has shape {probe.shape} and type {probe.dtype}",
            hint="expected (mode, N, N) complex",
        )
    modes = probe[0] if probe.ndim == 4 else probe
    return as_complex64(modes.reshape(-1, *modes.shape[-2:]))


def layer_of(path: Path, found: Array) -> Array:
    """Return the one layer of an object.

    Args:
        path: The file, for the message.
        found: (H, W) or (1, H, W).

    Returns:
        (H, W) complex64.

    Raises:
        DataFileError: It has several layers, or is not complex.
    """
    flat = found.ndim >= 2 and found.size == int(np.prod(found.shape[-2:])) and found.size > 0
    if found.dtype.kind != "c" or not flat:
        raise DataFileError(
            f"{path}: the object has shape {found.shape} and type {found.dtype}",
            hint="expected one layer, complex; multislice is not supported",
        )
    return as_complex64(found.reshape(found.shape[-2:]))


def square_pixel_m(path: Path, name: str, edges: Array) -> float:
    """Return the edge of a square pixel.

    Args:
        path: The file, for the message.
        name: Where it lies in the file, for the message.
        edges: One length in metres, or two that are equal to a thousandth.

    Returns:
        Metres.

    Raises:
        DataFileError: It is something else.
    """
    sizes = edges.ravel()
    if sizes.dtype.kind not in "iuf" or sizes.size not in (1, 2) or not sizes.min() > 0:
        raise DataFileError(f"{path}: `{name}` is {sizes[:4]}", hint="expected two lengths")
    if not np.isclose(sizes.min(), sizes.max(), rtol=1e-3):
        raise DataFileError(f"{path}: `{name}` is {sizes}", hint="expected square pixels")
    return float(sizes[0])

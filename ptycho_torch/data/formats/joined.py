"""A scan from two files: patterns in one, where they were taken in the other."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ptycho_torch.data.formats import read_file
from ptycho_torch.data.formats.content import first_bytes
from ptycho_torch.data.formats.geometry import object_pixel_m, placed, probe_from_patterns
from ptycho_torch.data.formats.product import Product
from ptycho_torch.data.formats.stack import read_positions, read_stack
from ptycho_torch.data.scan import Array, Measurement, ScanData, as_float32
from ptycho_torch.errors import DataFileError

logger = logging.getLogger(__name__)
_BINARY = (b"\x89HDF", b"PK\x03\x04")


@dataclass(frozen=True)
class Optics:
    """What a person knows of the experiment; None for what is not known.

    Attributes:
        pixel_size_m: Edge of an object pixel in metres; else it follows from the other three.
        energy_ev: Photon energy in electronvolts.
        distance_m: Sample to detector in metres.
        detector_pixel_m: Edge of a detector pixel in metres.
    """

    pixel_size_m: float | None = None
    energy_ev: float | None = None
    distance_m: float | None = None
    detector_pixel_m: float | None = None

    def object_pixel_m(self, n: int) -> float | None:
        """Return an object pixel's edge in metres, for patterns of `n` pixels, if it follows."""
        if self.pixel_size_m is not None:
            return self.pixel_size_m
        if self.energy_ev and self.distance_m and self.detector_pixel_m:
            return object_pixel_m(self.energy_ev, self.distance_m, self.detector_pixel_m, n)
        return None

    def onto(self, item: ScanData | Product) -> ScanData | Product:
        """Return a scan or product with what is known here in place of what its file says.

        Args:
            item: The scan or product.

        Returns:
            The same with other pixel size, energy and distance where they are given.
        """
        energy = self.energy_ev or item.energy_ev
        distance = self.distance_m or item.distance_m
        whole = replace(self, energy_ev=energy, distance_m=distance)
        pixel = whole.object_pixel_m(item.probe.shape[-1]) or item.pixel_size_m
        return replace(item, pixel_size_m=pixel, energy_ev=energy, distance_m=distance)


def join(
    patterns: Path, positions: Path, optics: Optics, measurement: Measurement | None = None
) -> ScanData:
    """Make a scan of patterns and positions that lie in two files.

    Args:
        patterns: See `stack.read_stack`.
        positions: A table (see `stack.read_positions`) or a product (see `product`).
        optics: What is known beside the files.
        measurement: What the values are; None takes integers and whole numbers for counts.

    Returns:
        The scan; with a table, the probe is what the mean pattern focuses to.

    Raises:
        DataFileError: The files cannot be read or do not belong together.
    """
    stack = read_stack(patterns)
    kind = measurement or _measurement(stack)
    logger.info("%s: patterns taken as %s", patterns, kind)
    if first_bytes(positions).startswith(_BINARY):
        return _with_product(patterns, stack, kind, positions)
    pixel = optics.object_pixel_m(stack.shape[-1])
    rows, columns = read_positions(positions, pixel)
    if len(rows) != len(stack):
        raise _unequal(patterns, len(stack), positions, len(rows))
    light = as_float32(stack)
    places = placed(rows, columns, stack.shape[-1])
    return ScanData(
        diffraction=light,
        measurement=kind,
        probe=probe_from_patterns(light if kind == "counts" else light**2, places),
        positions_px=places,
        pixel_size_m=pixel,
        energy_ev=optics.energy_ev,
        distance_m=optics.distance_m,
        source=str(patterns),
    )


def _with_product(patterns: Path, stack: Array, kind: Measurement, path: Path) -> ScanData:
    product = read_file(path)
    if not isinstance(product, Product):
        raise DataFileError(
            f"{path}: holds patterns of its own", hint="it is a scan already; use it as it is"
        )
    index = product.indexes
    if len(index) == 0 or index.min() < 0 or index.max() >= len(stack):
        raise _unequal(patterns, len(stack), path, int(index.max(initial=-1)) + 1)
    if len(index) < len(stack):
        logger.warning("%s: %d of %d patterns have a position", patterns, len(index), len(stack))
    return ScanData(
        diffraction=as_float32(stack[index]),
        measurement=kind,
        probe=product.probe,
        positions_px=product.positions_px,
        object=product.object,
        pixel_size_m=product.pixel_size_m,
        energy_ev=product.energy_ev,
        distance_m=product.distance_m,
        source=str(patterns),
    )


def _measurement(stack: Array) -> Measurement:
    whole = stack.dtype.kind in "iu" or np.array_equal(stack, np.rint(stack))
    return "counts" if whole else "amplitude"


def _unequal(patterns: Path, n_patterns: int, positions: Path, n_positions: int) -> DataFileError:
    return DataFileError(
        f"{patterns} has {n_patterns} patterns, {positions} places {n_positions}",
        hint="one line or index a pattern, in the same order",
    )

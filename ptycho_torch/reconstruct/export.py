"""A reconstruction as other programs take it: probe, positions and object in one gauge."""

from __future__ import annotations

import numpy as np

from ptycho_torch.data.formats.product import Product
from ptycho_torch.data.scan import ScanData, as_complex64
from ptycho_torch.reconstruct.result import Reconstruction


def as_product(result: Reconstruction, source: str, scan: ScanData | None = None) -> Product:
    """Return a reconstruction as a product, whose probe times object gives the measured counts.

    A reconstruction keeps its probe in the unit of the scan's file, which may be any; the product's
    is scaled so that |FFT(P O)|² are the counts.

    Args:
        result: The reconstruction.
        source: Where it came from, for messages and as the product's name.
        scan: The scan it was made from, for pixel size, energy and distance.

    Returns:
        The product; its indexes are the patterns' numbers in the scan.
    """
    return Product(
        probe=as_complex64(result.unit_probe().numpy() / result.scales.amplitude_scale),
        positions_px=result.positions_px - np.array(result.canvas.origin),
        object=as_complex64(result.canvas.object),
        indexes=np.asarray(result.patterns, dtype=np.int64),
        pixel_size_m=result.pixel_size_m if scan is None else scan.pixel_size_m,
        energy_ev=None if scan is None else scan.energy_ev,
        distance_m=None if scan is None else scan.distance_m,
        nphotons=result.scales.nphotons,
        source=source,
    )

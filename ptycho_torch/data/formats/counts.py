"""Patterns written to HDF5 as counts: as small as they are, a few patterns at a time."""

from __future__ import annotations

from collections.abc import Iterator

import h5py
import numpy as np

from ptycho_torch.data.scan import Array, ScanData

_BLOCK_BYTES = 1 << 24
_PACKED = {"compression": "gzip", "compression_opts": 1, "shuffle": True}


def write_counts(group: h5py.Group, name: str, scan: ScanData) -> None:
    """Write a scan's patterns as counts, amplitudes squared.

    Whole numbers become integers of 16 or 32 bits and are packed; a chunk is a pattern.

    Args:
        group: Where to.
        name: Of the dataset.
        scan: The scan.
    """
    kind = _smallest(scan)
    data = group.create_dataset(
        name,
        scan.diffraction.shape,
        kind,
        chunks=(1, *scan.diffraction.shape[1:]),
        **(_PACKED if np.dtype(kind).kind == "u" else {}),
    )
    for block, counts in _blocks(scan):
        data[block] = counts.astype(kind)


def _blocks(scan: ScanData) -> Iterator[tuple[slice, Array]]:
    step = max(1, _BLOCK_BYTES // (4 * scan.n_pixel**2))
    for start in range(0, len(scan), step):
        block = slice(start, start + step)
        values = scan.diffraction[block]
        yield block, values if scan.measurement == "counts" else np.square(values)


def _smallest(scan: ScanData) -> type[np.generic]:
    """Return the type that holds the counts exactly."""
    highest = 0.0
    for _, counts in _blocks(scan):
        if not np.array_equal(counts, np.rint(counts)):
            return np.float32
        highest = max(highest, float(counts.max()))
    if highest >= 2**32:
        return np.float32
    return np.uint16 if highest < 2**16 else np.uint32

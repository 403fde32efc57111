"""Divides one scan into two that share no pattern."""

from __future__ import annotations

from typing import Literal

import numpy as np

from ptycho_torch.data.scan import ScanData
from ptycho_torch.errors import PreconditionError

SplitRule = Literal["side", "alternate"]


def split_scan(scan: ScanData, rule: SplitRule = "side") -> tuple[ScanData, ScanData]:
    """Divide a scan into disjoint halves of its positions.

    Args:
        scan: The scan.
        rule: `side` cuts the scanned area in two across its longer side, so the second half
            shows parts of the object the first never saw; `alternate` takes every second pattern,
            so both halves see all of it with half the overlap.

    Returns:
        The first and the second half, in the scan's order.

    Raises:
        PreconditionError: The scan has fewer than two patterns.
    """
    total = len(scan)
    if total < 2:
        raise PreconditionError(f"`{scan.source}` has {total} pattern: nothing to split")
    if rule == "alternate":
        return scan.select(np.arange(0, total, 2)), scan.select(np.arange(1, total, 2))
    axis = int(np.argmax(np.ptp(scan.positions_px, axis=0)))
    order = np.argsort(scan.positions_px[:, axis], kind="stable")
    first, second = order[: (total + 1) // 2], order[(total + 1) // 2 :]
    return scan.select(np.sort(first)), scan.select(np.sort(second))

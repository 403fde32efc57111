"""Two halves of a scan that share no pattern."""

from __future__ import annotations

import numpy as np
import pytest

from ptycho_torch.data.split import SplitRule, split_scan
from ptycho_torch.errors import PreconditionError
from ptycho_torch.simulation import simulate_scan


@pytest.mark.parametrize("rule", ["side", "alternate"])
def test_halves_are_disjoint_and_complete(rule: SplitRule) -> None:
    scan = simulate_scan(1, n_pixel=16, n_patterns=25)
    halves = split_scan(scan, rule)
    assert [len(half) for half in halves] == [13, 12]
    together = np.concatenate([half.positions_px for half in halves])
    assert sorted(map(tuple, together)) == sorted(map(tuple, scan.positions_px))


def test_sides_do_not_interleave() -> None:
    scan = simulate_scan(1, n_pixel=16, n_patterns=30)
    first, second = split_scan(scan, "side")
    axis = int(np.argmax(np.ptp(scan.positions_px, axis=0)))
    assert first.positions_px[:, axis].max() <= second.positions_px[:, axis].min()


def test_one_pattern_cannot_be_split() -> None:
    scan = simulate_scan(1, n_pixel=16, n_patterns=9).select([0])
    with pytest.raises(PreconditionError, match="nothing to split"):
        split_scan(scan)

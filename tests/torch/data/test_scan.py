from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ptycho_torch.data.scan import ScanData
from ptycho_torch.errors import DataFileError


@pytest.fixture
def scan() -> ScanData:
    return ScanData(
        diffraction=np.full((5, 8, 8), 9.0, np.float32),
        measurement="counts",
        probe=np.ones((1, 8, 8), np.complex64),
        positions_px=np.arange(10.0).reshape(5, 2),
    )


def test_amplitude_is_the_root_of_counts_and_amplitude_itself(scan):
    assert np.all(scan.amplitude() == 3)
    assert np.all(replace(scan, measurement="amplitude").amplitude() == 9)


@pytest.mark.parametrize("index", [[0, 3], np.array([0, 3]), slice(0, 4, 3)])
def test_selection_keeps_patterns_with_their_positions(scan, index):
    part = scan.select(index)
    assert len(part) == 2
    assert part.positions_px.tolist() == [[0, 1], [6, 7]]
    assert part.probe is scan.probe


def test_an_empty_selection_is_refused(scan):
    with pytest.raises(DataFileError, match="n > 0"):
        scan.select(slice(0, 0))


def test_odd_patterns_are_refused(scan):
    with pytest.raises(DataFileError, match="odd size N = 7"):
        replace(scan, diffraction=np.ones((5, 7, 7), np.float32))

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ptycho_torch.data.placement import orientations
from ptycho_torch.reconstruct.orientation import find_orientation
from ptycho_torch.simulation import simulate_scan


@pytest.fixture(scope="module")
def scan():
    return simulate_scan(seed=3, n_patterns=150, nphotons=1e6, kind="cells")


def test_the_eight_orientations_are_all_different(scan):
    ways = orientations(scan.positions_px)
    assert ways[0][0] == "as given"
    assert len({positions.tobytes() for _, positions in ways}) == 8
    assert len({name for name, _ in ways}) == 8


@pytest.mark.parametrize(
    ("spoiled", "remedy"),
    [
        ("as given", "as given"),
        ("flip rows", "flip rows"),
        ("swap", "swap"),
        ("swap, flip cols", "swap, flip rows"),
    ],
)
def test_a_wrong_orientation_is_told_with_its_remedy(scan, spoiled, remedy):
    positions = dict(orientations(scan.positions_px))[spoiled]
    found = find_orientation(replace(scan, positions_px=positions), epochs=3)
    assert found.best == remedy
    assert found.clear
    undone = dict(orientations(positions))[remedy]
    assert np.allclose(undone - undone.mean(axis=0), _centred(scan.positions_px))


def _centred(positions: np.ndarray) -> np.ndarray:
    return positions - positions.mean(axis=0)


def test_a_featureless_object_is_never_clear(scan):
    flat = np.broadcast_to(np.square(np.abs(np.fft.fft2(scan.probe[0]))), scan.diffraction.shape)
    same = np.fft.fftshift(flat, axes=(1, 2)).astype(np.float32)
    found = find_orientation(replace(scan, diffraction=np.ascontiguousarray(same)), epochs=2)
    assert not found.clear


@pytest.mark.parametrize("way", ["as given", "flip rows, flip cols"])
def test_a_probe_that_is_its_own_point_reflection_leaves_the_file_right(way):
    """Patterns of the object and of the turned one are then the same."""
    rows, cols = np.indices((32, 32)) - 16
    bell = np.exp(-(rows**2 + cols**2) / 30)[None].astype(np.complex64)
    made = simulate_scan(seed=3, n_pixel=32, n_patterns=64, nphotons=1e6, probe=bell)
    positions = dict(orientations(made.positions_px))[way]
    found = find_orientation(replace(made, positions_px=positions, object=None))
    assert found.best == "as given"
    assert not found.contradicts
    flipped = dict(orientations(made.positions_px))["flip rows"]
    turned = find_orientation(replace(made, positions_px=flipped, object=None))
    assert turned.contradicts
    assert turned.best in ("flip rows", "flip cols")

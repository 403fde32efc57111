from __future__ import annotations

import numpy as np
import pytest
import torch

from ptycho_torch.physics.forward import diffract
from ptycho_torch.physics.patches import split_positions
from ptycho_torch.physics.probe import shift_probe
from ptycho_torch.reconstruct.positions import PositionCorrector, newton_step
from ptycho_torch.reconstruct.stitch import Canvas, cut_patches
from ptycho_torch.simulation import simulate_scan


@pytest.fixture(scope="module")
def world():
    scan = simulate_scan(seed=4, n_patterns=36, nphotons=1e8, kind="cells")
    canvas = Canvas(scan.object, np.ones(scan.object.shape, np.float32), (0, 0))
    probe = torch.from_numpy(scan.probe / np.linalg.norm(scan.probe))

    def cut(positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        _, rest = split_positions(positions, scan.n_pixel)
        return cut_patches(canvas, positions.numpy(), scan.n_pixel), shift_probe(probe, rest)

    true = torch.from_numpy(scan.positions_px)
    return cut, true, diffract(*cut(true)).sqrt()


def test_a_step_leads_to_the_true_position(world):
    cut, true, amplitude = world
    offset = torch.from_numpy(np.random.default_rng(1).uniform(-0.3, 0.3, true.shape))
    step = newton_step(*cut(true + offset), amplitude)
    left = (offset + step).norm(dim=1)
    assert float((left / offset.norm(dim=1)).median()) < 0.15


def test_a_pattern_without_light_moves_nothing(world):
    cut, true, amplitude = world
    patches, probes = cut(true)
    step = newton_step(patches, probes * 0, torch.zeros_like(amplitude))
    assert torch.equal(step, torch.zeros_like(step))


def test_masked_pixels_do_not_pull(world):
    cut, true, amplitude = world
    mask = torch.ones(64, 64, dtype=torch.bool)
    mask[30:34, 30:34] = False
    spoiled = amplitude.clone()
    spoiled[:, ~mask] = 3.0
    patches, probes = cut(true)
    assert float(newton_step(patches, probes, spoiled, mask).abs().max()) < 1e-3
    assert float(newton_step(patches, probes, spoiled).abs().max()) > 1e-2


def test_stuck_patterns_are_searched_for_and_the_others_stay(world):
    cut, true, amplitude = world
    start = true.clone()
    start[5] += torch.tensor([3.0, -4.0], dtype=torch.float64)
    misfit = torch.zeros(len(true))
    misfit[5] = 1.0
    found = PositionCorrector(cut, amplitude).searched(start, misfit)
    torch.testing.assert_close(found, true)

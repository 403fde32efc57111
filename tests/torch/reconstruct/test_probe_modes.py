from __future__ import annotations

import math

import pytest
import torch

from ptycho_torch.reconstruct.probe_modes import (
    START_POWER,
    mode_factors,
    mode_powers,
    orthogonal_modes,
    with_modes,
)
from ptycho_torch.simulation import make_probe


@pytest.fixture
def probe() -> torch.Tensor:
    return torch.from_numpy(make_probe(64))


def test_added_modes_start_weak_and_different(probe):
    modes = with_modes(probe * 7, 4)
    assert modes.shape == (4, 64, 64)
    assert float(modes.abs().square().sum()) == pytest.approx(1, rel=1e-5)
    powers = mode_powers(modes)
    assert (powers[1:] / powers[0]).tolist() == pytest.approx([START_POWER] * 3, rel=1e-4)
    strength = torch.linalg.svdvals(modes.reshape(4, -1))
    assert strength[-1] > 0.1 * strength[1]


def test_surplus_modes_are_dropped(probe):
    modes = with_modes(torch.cat([probe, 0.3 * probe.roll(3, -1)]), 1)
    torch.testing.assert_close(modes, probe / torch.linalg.norm(probe))


def test_orthogonal_modes_keep_the_incoherent_sum(probe):
    mixed = torch.stack([probe[0], 0.5 * probe[0] + 0.4 * probe[0].roll(5, 0)])
    modes = orthogonal_modes(mixed)
    flat, old = modes.reshape(2, -1), mixed.reshape(2, -1)
    torch.testing.assert_close(flat.T @ flat.conj(), old.T @ old.conj(), rtol=1e-4, atol=1e-6)
    assert abs(complex(torch.vdot(flat[0], flat[1]))) < 1e-6
    assert mode_powers(modes)[0] > mode_powers(modes)[1]
    assert math.isclose(float(torch.vdot(flat[0], old[0]).imag), 0, abs_tol=1e-5)


def test_wrong_powers_are_told_from_the_intensities():
    parts = torch.rand(20, 2, 16, 16, generator=torch.Generator().manual_seed(1))
    measured = 0.8 * parts[:, 0] + 1.6 * parts[:, 1]
    assert mode_factors(parts, measured).tolist() == pytest.approx([0.8, 1.6], rel=0.02)
    alike = torch.stack([parts[:, 0], parts[:, 0]], dim=1)
    assert mode_factors(alike, alike.sum(dim=1)).tolist() == pytest.approx([1.0, 1.0], rel=1e-3)
    dark = torch.stack([parts[:, 0], torch.zeros_like(parts[:, 0])], dim=1)
    assert mode_factors(dark, parts[:, 0]).tolist() == pytest.approx([1.0, 1.0], rel=1e-3)

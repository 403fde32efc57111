from __future__ import annotations

import torch

from ptycho_torch.physics.probe import (
    illumination,
    probe_energy,
    shift_field,
    shift_probe,
    sum_shifted,
)
from ptycho_torch.simulation import make_probe


def centre_of_mass(light: torch.Tensor) -> torch.Tensor:
    steps = torch.arange(light.shape[-1], dtype=light.dtype)
    total = light.sum()
    return torch.stack([(light.sum(1) * steps).sum(), (light.sum(0) * steps).sum()]) / total


def test_whole_pixel_shift_is_a_roll_towards_larger_indices():
    probe = torch.from_numpy(make_probe(32)).to(torch.complex128)
    shifted = shift_probe(probe, torch.tensor([3.0, -2.0], dtype=torch.float64))
    torch.testing.assert_close(shifted, probe.roll((3, -2), dims=(-2, -1)))


def test_sub_pixel_shift_moves_the_centre_of_mass_by_that_much():
    probe = torch.from_numpy(make_probe(64)).to(torch.complex128)
    shifts = torch.tensor([[0.0, 0.0], [0.3, -0.45]], dtype=torch.float64)
    light = illumination(shift_probe(probe, shifts))
    moved = centre_of_mass(light[1]) - centre_of_mass(light[0])
    torch.testing.assert_close(moved, shifts[1], rtol=0, atol=0.02)


def test_shift_keeps_the_energy_and_can_be_undone():
    probe = torch.from_numpy(make_probe(64))
    shift = torch.tensor([[0.37, -0.21]])
    moved = shift_probe(probe, shift)
    assert abs(probe_energy(moved[0]) - 1) < 1e-5
    torch.testing.assert_close(shift_field(moved, -shift)[0], probe)


def test_illumination_adds_the_modes():
    modes = torch.tensor([[[3 + 4j]], [[2j]]])
    torch.testing.assert_close(illumination(modes), torch.tensor([[29.0]]))


def test_shifting_and_adding_is_one_operation():
    generator = torch.Generator().manual_seed(3)
    fields = torch.randn(5, 2, 16, 16, dtype=torch.complex128, generator=generator)
    shifts = torch.rand(5, 2, dtype=torch.float64, generator=generator) - 0.5
    expected = shift_field(fields, shifts).sum(dim=0)
    torch.testing.assert_close(sum_shifted(fields, shifts), expected)

from __future__ import annotations

import pytest
import torch

from ptycho_torch.physics.propagate import backpropagate, detector_gauge, propagate


@pytest.fixture
def field() -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(3, 16, 16, dtype=torch.complex128, generator=generator)


def test_propagation_conserves_energy(field):
    energies = [f.abs().square().sum(dim=(-2, -1)) for f in (field, propagate(field))]
    torch.testing.assert_close(energies[0], energies[1], rtol=1e-12, atol=0)


def test_backpropagation_inverts_propagation(field):
    torch.testing.assert_close(backpropagate(propagate(field)), field)


def test_backpropagation_is_the_adjoint(field):
    other = field.flip(0) * 1j + 0.3
    left = torch.vdot(other.flatten(), propagate(field).flatten())
    right = torch.vdot(backpropagate(other).flatten(), field.flatten())
    torch.testing.assert_close(left, right)


def test_zero_frequency_lies_at_the_middle_index():
    flat = torch.ones(16, 16, dtype=torch.complex128)
    detector = propagate(flat).abs()
    assert detector.argmax() == 8 * 16 + 8
    assert float(detector[8, 8]) == pytest.approx(16.0)


def test_the_gauge_turns_bare_transforms_into_propagation(field):
    size = field.shape[-1]
    gauge = detector_gauge(size).to(field.real.dtype)
    torch.testing.assert_close(torch.fft.fft2(gauge * field), propagate(field))
    back = gauge * size**2 * torch.fft.ifft2(field)
    torch.testing.assert_close(back, backpropagate(field))

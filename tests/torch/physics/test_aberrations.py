from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from ptycho_torch.physics.aberrations import (
    aberrated,
    aberration_basis,
    defocus_phase,
    travelled_m,
)
from ptycho_torch.simulation import make_probe

PROBE = torch.from_numpy(make_probe(32))


def test_a_phase_in_the_pupil_changes_neither_energy_nor_mean_pattern():
    changed = aberrated(PROBE, defocus_phase(32, 20.0))
    assert float((changed - PROBE).abs().max()) > 0.01
    torch.testing.assert_close(torch.fft.fft2(changed).abs(), torch.fft.fft2(PROBE).abs())
    back = aberrated(changed, defocus_phase(32, -20.0))
    torch.testing.assert_close(back, PROBE, atol=1e-6, rtol=0)


def test_defocus_is_free_space_over_the_distance_it_says():
    pixel_m, wavelength_m, distance_m = 50e-9, 1.5e-10, 2e-4
    strength = -math.pi * wavelength_m * distance_m / (4 * pixel_m**2)
    assert travelled_m(strength, pixel_m, wavelength_m) == pytest.approx(distance_m)
    frequency = np.fft.fftfreq(32, pixel_m)
    square = frequency[:, None] ** 2 + frequency[None, :] ** 2
    fresnel = np.fft.ifft2(
        np.fft.fft2(PROBE.numpy()) * np.exp(-1j * np.pi * wavelength_m * distance_m * square)
    )
    found = aberrated(PROBE, defocus_phase(32, strength)).numpy()
    np.testing.assert_allclose(found, fresnel, atol=1e-6)


def test_the_basis_is_orthonormal_over_the_light_and_moves_nothing():
    light = torch.fft.fft2(PROBE).abs().square().sum(dim=0).double()
    basis = aberration_basis(light)
    weight = light / light.sum()
    gram = torch.einsum("arc,brc,rc->ab", basis, basis, weight)
    torch.testing.assert_close(gram, torch.eye(6, dtype=torch.float64), atol=1e-9, rtol=0)
    axis = 2 * torch.fft.fftfreq(32, dtype=torch.float64)
    tilts = [axis[:, None] * torch.ones_like(weight), axis[None, :] * torch.ones_like(weight)]
    for tilt in tilts:
        assert float((basis * tilt * weight).sum(dim=(-2, -1)).abs().max()) < 1e-9


def test_a_pupil_of_a_single_point_has_no_aberrations():
    light = torch.zeros(8, 8)
    light[0, 0] = 1.0
    assert bool(torch.isfinite(aberration_basis(light)).all())

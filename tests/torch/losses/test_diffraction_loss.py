from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from ptycho_torch.config import ModelConfig
from ptycho_torch.data.grouping import make_groups
from ptycho_torch.data.scan import ScanData
from ptycho_torch.losses import DiffractionLoss, choose_mode, photon_noise
from ptycho_torch.networks import PtychoPINN
from ptycho_torch.physics.patches import extract, split_positions
from ptycho_torch.physics.scaling import compute_scales
from ptycho_torch.simulation import simulate_scan

MODES = ("amplitude", "poisson", "mae")


def loss_of(scan: ScanData, patches: torch.Tensor, mode: str, gridsize: int) -> float:
    """Loss of given object patches, through the product's own physics."""
    scales = compute_scales(scan.amplitude(), scan.probe)
    model = PtychoPINN(
        ModelConfig(), torch.from_numpy(scan.probe * np.complex64(scales.probe_factor))
    )
    groups = torch.from_numpy(make_groups(scan.positions_px, gridsize, 8, None, 0).indices)
    corners, rest = split_positions(torch.from_numpy(scan.positions_px), scan.n_pixel)
    measured = torch.from_numpy(scan.amplitude() * np.float32(scales.amplitude_scale))[groups]
    predicted = model.predict_intensity(patches[groups], corners[groups], rest[groups])
    return float(DiffractionLoss(mode, scales.nphotons)(predicted, measured))


def true_patches(scan: ScanData) -> torch.Tensor:
    """The truth in the package's gauge, where the probe has the energy of a mean pattern."""
    corners, _ = split_positions(torch.from_numpy(scan.positions_px), scan.n_pixel)
    energy = np.square(np.abs(scan.probe)).sum()
    mean = np.square(scan.amplitude()).sum(axis=(1, 2)).mean()
    gauge = math.sqrt(energy / mean)
    return extract(torch.from_numpy(scan.object * gauge)[None], corners[None], scan.n_pixel)[0]


@pytest.fixture(scope="module", params=[1e9, 1e4], ids=["1e9", "1e4"])
def scan(request) -> ScanData:
    return simulate_scan(seed=8, n_patterns=64, nphotons=request.param)


@pytest.mark.parametrize("gridsize", [1, 2])
@pytest.mark.parametrize("mode", MODES)
def test_the_truth_has_a_lower_loss_than_the_flat_object(scan, mode, gridsize):
    truth = true_patches(scan)
    flat = loss_of(scan, torch.ones_like(truth), mode, gridsize)
    assert loss_of(scan, truth, mode, gridsize) < 0.95 * flat


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dose", [1e3, 1e6])
def test_the_loss_of_the_truth_is_the_photon_noise(mode, dose):
    scan = simulate_scan(seed=8, n_patterns=64, nphotons=dose)
    mean = torch.from_numpy(scan.amplitude()).square().mean(dim=0) / dose
    noise = photon_noise(mode, dose, mean)
    assert 0.8 * noise < loss_of(scan, true_patches(scan), mode, 1) < 1.25 * noise


@pytest.mark.parametrize("mode", MODES)
def test_reciprocal_rescaling_of_probe_and_object_changes_nothing(mode):
    scan = simulate_scan(seed=8, n_patterns=16, nphotons=1e6)
    patches = true_patches(scan)
    model = PtychoPINN(ModelConfig(), torch.from_numpy(scan.probe))
    corners, rest = split_positions(torch.from_numpy(scan.positions_px), scan.n_pixel)
    measured = torch.from_numpy(scan.amplitude())[None]

    def loss() -> float:
        predicted = model.predict_intensity(patches[None], corners[None], rest[None])
        return float(DiffractionLoss(mode, 1.0)(predicted, measured))

    before = loss()
    model.probe *= 7.5
    patches /= 7.5
    assert loss() == pytest.approx(before, rel=1e-5)


def test_the_files_probe_unit_changes_nothing():
    scan = simulate_scan(seed=8, n_patterns=16, nphotons=1e6)
    patches = true_patches(scan)
    rescaled = ScanData(
        scan.diffraction, scan.measurement, scan.probe / 4, scan.positions_px, scan.object
    )
    losses = [loss_of(s, patches, "amplitude", 1) for s in (scan, rescaled)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


@pytest.mark.parametrize("mode", MODES)
def test_a_perfect_fit_has_no_loss(mode):
    amplitude = torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(0)) + 0.1
    assert float(DiffractionLoss(mode, 100.0)(amplitude.square(), amplitude)) < 1e-6


@pytest.mark.parametrize("mode", MODES)
def test_masked_pixels_do_not_count(mode):
    mask = torch.ones(8, 8, dtype=torch.bool)
    mask[2, 3] = False
    amplitude = torch.full((2, 8, 8), 0.5)
    spoiled = amplitude.clone()
    spoiled[:, 2, 3] = 40.0
    loss = DiffractionLoss(mode, 100.0, mask)
    assert float(loss(amplitude.square(), spoiled)) == float(loss(amplitude.square(), amplitude))


@pytest.mark.parametrize("mode", ["amplitude", "poisson"])
def test_gradients_are_right(mode):
    generator = torch.Generator().manual_seed(3)
    intensity = torch.rand(2, 4, 4, dtype=torch.float64, generator=generator) + 0.1
    amplitude = torch.rand(2, 4, 4, dtype=torch.float64, generator=generator) + 0.1
    loss = DiffractionLoss(mode, 1e3)
    assert torch.autograd.gradcheck(lambda i: loss(i, amplitude), (intensity.requires_grad_(),))


@pytest.mark.parametrize("mode", MODES)
def test_dark_pixels_give_finite_gradients(mode):
    intensity = torch.zeros(1, 4, 4, requires_grad=True)
    DiffractionLoss(mode, 1e9)(intensity, torch.zeros(1, 4, 4)).backward()
    assert bool(torch.isfinite(intensity.grad).all())


def test_auto_takes_the_poisson_likelihood_at_low_dose():
    assert choose_mode("auto", 1e4) == "poisson"
    assert choose_mode("auto", 1e6) == "amplitude"
    assert choose_mode("mae", 1e4) == "mae"

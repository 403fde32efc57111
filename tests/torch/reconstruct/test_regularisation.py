from __future__ import annotations

import numpy as np
import pytest
import torch

from ptycho_torch.metrics import evaluate
from ptycho_torch.physics.scaling import compute_scales
from ptycho_torch.reconstruct.engine import GradientOptions, RpieOptions, run_engine
from ptycho_torch.reconstruct.regularisation import STRENGTH, Smoother, variation
from ptycho_torch.reconstruct.rpie import RpieState
from ptycho_torch.simulation import simulate_scan


def field(seed: int, dtype: torch.dtype = torch.complex128) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(9, 11, dtype=dtype, generator=generator)


def penalty(image: torch.Tensor, weight: torch.Tensor, softness: float) -> torch.Tensor:
    by_row, by_col = torch.zeros_like(image), torch.zeros_like(image)
    by_row[:-1] = image[1:] - image[:-1]
    by_col[:, :-1] = image[:, 1:] - image[:, :-1]
    square = by_row.abs().square() + by_col.abs().square() + softness**2
    return (weight * square.sqrt()).sum()


def test_gradient_of_the_total_variation_is_that_of_automatic_differentiation():
    image, weight = field(1).requires_grad_(), field(2).abs()
    penalty(image, weight, 0.3).backward()
    gradient, _ = variation(image.detach(), weight, 0.3)
    torch.testing.assert_close(gradient, image.grad)


def test_a_step_scaled_by_the_curvature_never_raises_the_penalty():
    image, weight = field(3), field(4).abs()
    before = penalty(image, weight, 0.01)
    for _ in range(20):
        gradient, curvature = variation(image, weight, 0.01)
        image = image - gradient / curvature
        after = penalty(image, weight, 0.01)
        assert after <= before
        before = after


def test_a_hundredfold_dose_weakens_the_penalty_tenfold():
    coverage = field(5, torch.complex64).abs()
    weak, strong = (Smoother.for_dose(coverage, dose, 0.1) for dose in (1e6, 1e4))
    torch.testing.assert_close(strong.weight, 10 * weak.weight)
    assert strong.softness == pytest.approx(10 * weak.softness)


OPTIONS = {
    "rpie": lambda strength: RpieOptions(
        epochs=18,
        alpha=0.3,
        momentum=0.7,
        batch_growth=4,
        likelihood="poisson",
        nphotons=1e3,
        regularisation=strength,
    ),
    "adam": lambda strength: GradientOptions(
        epochs=18, likelihood="poisson", nphotons=1e3, regularisation=strength
    ),
}


@pytest.mark.parametrize("engine", OPTIONS)
def test_few_photons_are_served_better_with_the_regularisation(engine):
    dim = simulate_scan(seed=21, n_pixel=32, n_patterns=144, nphotons=1e3, kind="cells")
    rows = {}
    scales = compute_scales(dim.amplitude(), dim.probe)
    amplitude = torch.from_numpy(dim.amplitude() * np.float32(scales.amplitude_scale))
    probe = torch.from_numpy(dim.probe * np.complex64(scales.probe_factor))
    for strength in (0.0, STRENGTH):
        found = run_engine(amplitude, dim.positions_px, probe, OPTIONS[engine](strength)).canvas
        judged = evaluate(found.object, found.origin, dim.object, dim.positions_px)
        rows[strength] = judged["reconstruction"]
    for name in ("mae_amplitude", "mae_phase_rad"):
        assert rows[STRENGTH][name] < rows[0.0][name]
    assert rows[STRENGTH]["mae_amplitude"] < 0.92 * rows[0.0]["mae_amplitude"]


def test_a_dose_that_the_residual_belies_is_not_believed():
    scan = simulate_scan(seed=3, n_pixel=32, n_patterns=100, nphotons=1e8, kind="lines")
    scales = compute_scales(scan.amplitude(), scan.probe)
    amplitude = torch.from_numpy(scan.amplitude() * np.float32(scales.amplitude_scale))
    probe = torch.from_numpy(scan.probe * np.complex64(scales.probe_factor))
    softness = {}
    for stated in (1e8, 10.0):
        options = RpieOptions(epochs=9, nphotons=stated, regularisation=0.1)
        state = RpieState(amplitude, scan.positions_px, probe, None, options)
        for number in range(1, 10):
            state.epoch(number)
        softness[stated] = state.smoother().softness
    assert softness[10.0] < 0.1 * Smoother.for_dose(state.coverage(), 10.0, 0.1).softness
    assert softness[1e8] < softness[10.0]

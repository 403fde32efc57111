from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from ptycho_torch.metrics import evaluate
from ptycho_torch.physics.scaling import compute_scales
from ptycho_torch.reconstruct.engine import EngineResult, RpieOptions, run_engine
from ptycho_torch.reconstruct.stopping import LEAST_EPOCHS, Settling
from ptycho_torch.simulation import simulate_scan

LIGHT = torch.ones(24, 24)


def noise(seed: int, size: float) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return size * torch.randn(24, 24, dtype=torch.complex64, generator=generator)


def test_an_object_that_jitters_about_a_mean_has_settled():
    settling = Settling(LIGHT, 64)
    seen = [settling.only_jitters(1 + noise(k, 0.05), 0.1) for k in range(4)]
    assert seen == [False] * (LEAST_EPOCHS - 1) + [True] * (5 - LEAST_EPOCHS)


def test_an_object_that_still_goes_somewhere_has_not():
    settling, path = Settling(LIGHT, 64), noise(0, 0.05)
    assert not any(settling.only_jitters(1 + k * path + noise(k + 1, 0.01), 0.1) for k in range(6))


def test_a_falling_r_factor_is_progress():
    settling = Settling(LIGHT, 64)
    assert not any(settling.only_jitters(1 + noise(k, 0.05), 0.1 * 0.98**k) for k in range(6))


def test_new_batches_start_anew():
    settling = Settling(LIGHT, 64)
    for k in range(4):
        settling.only_jitters(1 + noise(k, 0.05), 0.1)
    settling.renew()
    assert not settling.only_jitters(1 + noise(9, 0.05), 0.1)


def test_a_mean_stands_when_it_moves_less_than_the_noise_whatever_its_phase():
    settling, mean = Settling(LIGHT, 64), 1 + noise(1, 0.1)
    assert not settling.mean_stands(mean, 0.1)
    assert settling.mean_stands(mean * torch.exp(torch.tensor(1j)), 0.1)
    assert not settling.mean_stands(mean + noise(2, 0.1), 0.1)


@pytest.mark.parametrize("dose", [1e4, 1e6])
def test_a_settled_run_stops_and_is_as_good(dose):
    scan = simulate_scan(seed=6, n_patterns=196, nphotons=dose, kind="lines")
    few = dose < 1e5
    options = RpieOptions(
        epochs=24,
        alpha=0.3 if few else 0.1,
        momentum=0.7,
        batch_growth=4,
        likelihood="poisson" if few else "amplitude",
        nphotons=dose,
        regularisation=0.07,
    )
    scales = compute_scales(scan.amplitude(), scan.probe)
    amplitude = torch.from_numpy(scan.amplitude() * np.float32(scales.amplitude_scale))
    probe = torch.from_numpy(scan.probe * np.complex64(scales.probe_factor))
    whole, stopped = (
        run_engine(amplitude, scan.positions_px, probe, replace(options, stop_early=stop))
        for stop in (False, True)
    )
    assert not whole.settled
    assert len(whole.epochs) == 24
    assert stopped.settled
    assert len(stopped.epochs) < 24

    def error(result: EngineResult) -> float:
        canvas = result.canvas
        rows = evaluate(canvas.object, canvas.origin, scan.object, scan.positions_px)
        return float(rows["reconstruction"]["relative_error"])

    assert error(stopped) < 1.15 * error(whole)

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from ptycho_torch.data.scan import ScanData
from ptycho_torch.metrics import evaluate
from ptycho_torch.physics.scaling import compute_scales
from ptycho_torch.reconstruct.engine import EngineResult, GradientOptions, run_engine
from ptycho_torch.reconstruct.gradient import GradientState
from ptycho_torch.reconstruct.options import RunOptions
from ptycho_torch.simulation import make_probe, simulate_scan

FAST = GradientOptions(epochs=10, batch_size=8, learning_rate=0.08)


@pytest.fixture(scope="module")
def scan() -> ScanData:
    return simulate_scan(seed=4, n_pixel=32, n_patterns=144, nphotons=1e8, kind="lines")


def unit(scan: ScanData) -> tuple[torch.Tensor, torch.Tensor]:
    scales = compute_scales(scan.amplitude(), scan.probe)
    amplitude = torch.from_numpy(scan.amplitude() * np.float32(scales.amplitude_scale))
    return amplitude, torch.from_numpy(scan.probe * np.complex64(scales.probe_factor))


def run(scan: ScanData, options: GradientOptions, **extra: object) -> EngineResult:
    amplitude, probe = unit(scan)
    return run_engine(amplitude, scan.positions_px, probe, options, **extra)


def error(scan: ScanData, result: EngineResult) -> float:
    canvas = result.canvas
    rows = evaluate(canvas.object, canvas.origin, scan.object, scan.positions_px)
    return float(rows["reconstruction"]["relative_error"])


@pytest.mark.parametrize("likelihood", ["amplitude", "poisson"])
def test_gradients_find_the_object_from_the_flat_start(scan, likelihood):
    result = run(scan, replace(FAST, likelihood=likelihood, nphotons=1e8))
    assert result.r_factors[-1] < 0.2 * result.r_factors[0]
    assert error(scan, result) < (0.03 if likelihood == "amplitude" else 0.1)


def test_gradients_repair_a_wrong_probe(scan):
    wrong = make_probe(32, spot=0.16, coma_rad=0.0) * np.linalg.norm(scan.probe)
    spoiled = replace(scan, probe=wrong.astype(np.complex64))
    stiff = run(spoiled, replace(FAST, epochs=16))
    free = run(spoiled, replace(FAST, epochs=16, update_probe=True, probe_from=1))
    right = scan.probe / np.linalg.norm(scan.probe)

    def likeness(probe: np.ndarray) -> float:
        return float(np.abs(np.vdot(right, probe)) / np.linalg.norm(probe))

    assert likeness(wrong) < 0.98
    assert likeness(free.probe.numpy()) > 0.998
    assert free.r_factors[-1] < 0.5 * stiff.r_factors[-1]


def test_gradients_ignore_masked_pixels(scan):
    mask = np.ones((32, 32), dtype=bool)
    mask[15:18, 14:17] = False
    hot = np.where(mask, scan.diffraction, np.float32(1e7))
    amplitude, probe = unit(scan)
    spoiled = torch.where(torch.from_numpy(mask), amplitude, float(hot.max()) ** 0.5)
    options = replace(FAST, epochs=4)
    clean, seeing = (
        run_engine(a, scan.positions_px, probe, options, mask=torch.from_numpy(mask))
        for a in (amplitude, spoiled)
    )
    assert np.array_equal(clean.canvas.object, seeing.canvas.object)


def test_gradients_move_wrong_positions_back(scan):
    wrong = scan.positions_px + np.random.default_rng(0).normal(0, 0.7, scan.positions_px.shape)
    moved = replace(scan, positions_px=wrong)
    options = replace(FAST, epochs=20)
    blind = run(moved, options)
    seeing = run(moved, replace(options, correct_positions=True))
    assert np.array_equal(blind.positions_px, wrong)

    def off(positions: np.ndarray) -> float:
        away = positions - scan.positions_px
        return float(np.median(np.linalg.norm(away - np.median(away, axis=0), axis=1)))

    assert off(seeing.positions_px) < 0.5 * off(wrong)
    assert seeing.r_factors[-1] < 0.6 * blind.r_factors[-1]


def test_the_first_step_is_the_rate_where_there_is_light(scan):
    amplitude, probe = unit(scan)
    state = GradientState(amplitude, scan.positions_px, probe, None, FAST)
    state.step(torch.arange(len(amplitude)))
    moved = (state.object - 1).abs()
    assert float(moved.max()) == pytest.approx(FAST.learning_rate, rel=0.02)


def test_equal_seeds_give_equal_gradient_runs(scan):
    first, again = (run(scan, replace(FAST, epochs=1)) for _ in range(2))
    assert np.array_equal(first.canvas.object, again.canvas.object)


def test_a_run_has_three_phases_of_whole_epochs():
    for epochs in range(1, 14):
        options = RunOptions(epochs=epochs)
        phases = [options.phase_of(epoch) for epoch in range(epochs)]
        assert phases == sorted(phases)
        for phase in set(phases):
            assert options.first_of(phase) == phases.index(phase)
        assert options.first_of(3) == epochs
    assert math.isinf(RunOptions().nphotons)

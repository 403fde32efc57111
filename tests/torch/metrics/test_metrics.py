from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from ptycho_torch.errors import PreconditionError
from ptycho_torch.metrics import evaluate, poisson_nll, r_factor, ring_correlation
from ptycho_torch.metrics.alignment import fit_ramp, match_gain
from ptycho_torch.simulation import make_object


@pytest.fixture(scope="module")
def truth() -> np.ndarray:
    return make_object((140, 150), "cells", 6)


@pytest.fixture(scope="module")
def positions() -> np.ndarray:
    return np.array([[30.2, 28.9], [109.5, 120.4], [60.0, 70.0]])


def shifted(image: np.ndarray, row: float, col: float) -> np.ndarray:
    rows, cols = np.fft.fftfreq(image.shape[0])[:, None], np.fft.fftfreq(image.shape[1])
    return np.fft.ifft2(np.fft.fft2(image) * np.exp(-2j * np.pi * (rows * row + cols * col)))


def test_the_truth_scores_perfectly(truth, positions):
    row = evaluate(truth, (0, 0), truth, positions)["reconstruction"]
    assert row["mae_amplitude"] < 1e-6
    assert row["mae_phase_rad"] < 1e-6
    assert row["relative_error"] < 1e-6
    assert row["ssim_phase"] == pytest.approx(1)
    assert row["frc50_per_px"] == pytest.approx(0.5, abs=0.01)


def test_gain_phase_and_ramp_do_not_count(truth, positions):
    rows, cols = np.indices(truth.shape)
    other = 3.7 * np.exp(1j * (0.9 + 0.05 * rows - 0.11 * cols)) * truth
    row = evaluate(other, (0, 0), truth, positions)["reconstruction"]
    assert row["mae_amplitude"] < 1e-5
    assert row["mae_phase_rad"] < 1e-4


def test_a_sub_pixel_shift_is_found_and_removed(truth, positions):
    row = evaluate(shifted(truth, 1.3, -0.7), (0, 0), truth, positions)["reconstruction"]
    assert (row["shift_row_px"], row["shift_col_px"]) == pytest.approx((-1.3, 0.7), abs=0.05)
    assert row["mae_amplitude"] < 0.01


def test_the_origin_places_the_reconstruction(truth, positions):
    row = evaluate(truth[12:, 9:], (12, 9), truth, positions)["reconstruction"]
    assert row["relative_error"] < 1e-6
    wrong = evaluate(truth[12:, 9:], (20, 20), truth, positions)["reconstruction"]
    assert wrong["relative_error"] > 0.1


def test_the_flat_row_does_not_depend_on_the_reconstruction(truth, positions):
    first = evaluate(truth, (0, 0), truth, positions)["flat"]
    second = evaluate(truth * 1j + 0.3, (0, 0), truth, positions)["flat"]
    assert first == second


def test_a_flat_reconstruction_scores_as_the_flat_row(truth, positions):
    rows = evaluate(np.full(truth.shape, 0.2 + 0.1j), (0, 0), truth, positions)
    for name, value in rows["flat"].items():
        assert rows["reconstruction"][name] == pytest.approx(value, abs=1e-6), name
    assert rows["flat"]["frc50_per_px"] == 0
    assert rows["flat"]["mae_amplitude"] > 0.03


def test_noise_lowers_every_score_step_by_step(truth, positions):
    rng = np.random.default_rng(0)
    noise = rng.standard_normal(truth.shape) + 1j * rng.standard_normal(truth.shape)
    rows = [
        evaluate(truth + level * noise, (0, 0), truth, positions)["reconstruction"]
        for level in (0.01, 0.05, 0.25)
    ]
    for name in ("mae_amplitude", "mae_phase_rad", "relative_error"):
        assert rows[0][name] < rows[1][name] < rows[2][name]
    for name in ("ssim_amplitude", "psnr_phase_db", "frc50_per_px"):
        assert rows[0][name] >= rows[1][name] > rows[2][name]


def test_a_reconstruction_that_misses_the_window_is_refused(truth, positions):
    with pytest.raises(PreconditionError, match="does not cover the scan window"):
        evaluate(truth[:60], (0, 0), truth, positions)
    with pytest.raises(PreconditionError, match="truth of shape"):
        evaluate(truth, (0, 0), truth[:60], positions)


def test_a_window_too_small_to_judge_is_refused(truth):
    with pytest.raises(PreconditionError, match="scan window is 6 x 6"):
        evaluate(truth, (0, 0), truth, np.array([[40.0, 40.0], [45.0, 45.0]]))


def test_ramp_fit_finds_more_than_a_turn_across_the_image(truth):
    rows, cols = np.indices(truth.shape)
    slope = fit_ramp(truth * np.exp(1j * (0.31 * rows - 0.123 * cols)), truth)
    assert slope == pytest.approx((-0.31, 0.123), abs=1e-5)


def test_gain_is_fitted_on_the_amplitude(truth):
    np.testing.assert_allclose(match_gain(truth * 2j, truth), truth, rtol=1e-5)


def test_a_shift_beyond_the_limit_is_left_to_show(truth, positions):
    moved = np.roll(truth, 9, axis=0)
    row = evaluate(moved, (0, 0), truth, positions)["reconstruction"]
    assert row["mae_amplitude"] > 0.02
    assert row["shift_row_px"] > -8


def test_independent_noise_does_not_correlate():
    rng = np.random.default_rng(1)
    images = rng.standard_normal((2, 96, 96))
    rings = ring_correlation(*images)
    assert np.abs(rings.value[10:]).mean() < 0.1
    assert rings.crossing(0.5) < 0.1


def test_correlation_falls_where_the_images_differ(truth):
    frequency = np.hypot(np.fft.fftfreq(truth.shape[0])[:, None], np.fft.fftfreq(truth.shape[1]))
    noise = np.random.default_rng(2).standard_normal(truth.shape)
    blurred = np.fft.ifft2(np.where(frequency < 0.2, np.fft.fft2(truth), np.fft.fft2(noise)))
    rings = ring_correlation(truth, blurred)
    assert rings.crossing(0.5) == pytest.approx(0.2, abs=0.02)


def test_a_slow_drift_of_the_phase_does_not_end_the_correlation(truth):
    rows = np.indices(truth.shape)[0] / truth.shape[0]
    rings = ring_correlation(truth, truth * np.exp(6j * np.sin(2 * np.pi * rows)))
    assert rings.value[0] < 0.5
    drift = np.where(np.arange(len(rings.value)) < 3, rings.value.clip(max=0.2), 0.9)
    assert replace(rings, value=drift).crossing(0.5) == pytest.approx(rings.frequency[-1])
    late = np.where(rings.frequency < 0.1, 0.2, 0.9)
    assert replace(rings, value=late).crossing(0.5) == 0.0


def test_thresholds_have_their_published_limits():
    rings = ring_correlation(*np.random.default_rng(0).standard_normal((2, 512, 512)))
    assert rings.half_bit[-1] == pytest.approx(0.2071 / 1.2071, abs=0.05)
    assert rings.one_bit[-1] == pytest.approx(1 / 3, abs=0.06)
    assert rings.half_bit[0] > rings.half_bit[10] > rings.half_bit[-1]


def test_r_factor_is_the_relative_distance_of_amplitudes():
    amplitude = torch.tensor([[3.0, 4.0]])
    assert r_factor(amplitude.square(), amplitude) == 0
    assert r_factor(torch.zeros(1, 2), amplitude) == 1
    assert r_factor(torch.tensor([[9.0, 0.0]]), amplitude) == pytest.approx(0.8)
    mask = torch.tensor([[True, False]])
    assert r_factor(torch.tensor([[9.0, 0.0]]), amplitude, mask) == 0


def test_poisson_likelihood_is_best_at_the_counts():
    counts = torch.tensor([[4.0, 9.0]])
    values = [poisson_nll(counts * f, counts, background=0.0) for f in (0.8, 1.0, 1.25)]
    assert values[1] < min(values[0], values[2])
    expected = (4 - 4 * math.log(4) + 9 - 9 * math.log(9)) / 2
    assert values[1] == pytest.approx(expected, rel=1e-6)

"""How to read R: beside what photon noise alone leaves."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from ptycho_torch.losses import photon_noise
from ptycho_torch.methods.reading import noise_r_factor, object_remarks, reading
from ptycho_torch.methods.scene import prepare_scene
from ptycho_torch.metrics import r_factor
from ptycho_torch.reconstruct.assemble import canvas_intensity
from ptycho_torch.reconstruct.stitch import Canvas
from ptycho_torch.simulation import simulate_scan


@pytest.mark.parametrize("dose", [300.0, 1e4, 1e6])
def test_the_true_object_leaves_what_photon_noise_alone_leaves(dose: float) -> None:
    scan = simulate_scan(seed=5, n_pixel=32, n_patterns=64, nphotons=dose)
    scene = prepare_scene(scan)
    assert scan.object is not None
    gauge = np.linalg.norm(scan.probe) * scene.scales.amplitude_scale
    covered = np.ones(scan.object.shape, np.float32)
    truth = scene.placed(Canvas((scan.object * gauge).astype(np.complex64), covered, (0, 0)))
    expected = canvas_intensity(truth.canvas, truth.positions_px, truth.unit_probe())
    left = r_factor(expected, scene.amplitude)
    assert noise_r_factor(truth, scene) == pytest.approx(left, rel=0.02)


def test_the_mean_of_patterns_that_differ_is_no_measure_of_their_noise() -> None:
    patterns = torch.zeros(4, 2, 2)
    for number in range(4):
        patterns.view(4, 4)[number, number] = 1.0
    # One bright pixel a pattern leaves 1/4 of a photon; four of 5 photons would leave one whole.
    assert 20 * photon_noise("amplitude", 20.0, patterns) == pytest.approx(0.25, rel=0.03)
    assert 20 * photon_noise("amplitude", 20.0, patterns.mean(dim=0)) > 0.9


def figures(found: float, control: float, noise: float) -> dict[str, float]:
    return {
        "r_factor": found,
        "projections_r_factor": control,
        "flat_r_factor": 0.5,
        "noise_r_factor": noise,
        "photons_per_object_pixel": math.inf,
    }


def test_a_lower_r_of_projections_is_told_apart_from_a_better_object() -> None:
    assert "fitted noise" in reading(figures(0.34, 0.32, 0.33))
    assert "as low as photon noise allows" in reading(figures(0.034, 0.1, 0.033))
    assert "is 3 times" in reading(figures(0.3, 0.4, 0.1))


def test_an_object_that_explains_less_than_projections_is_named_unless_noise_decides() -> None:
    (alarm, *_) = object_remarks(figures(0.021, 0.019, 0.01), "scan.npz")
    assert alarm.slug == "no-gain"
    assert object_remarks(figures(0.34, 0.32, 0.33), "scan.npz") == ()
    assert object_remarks(replace_control(0.4), "scan.npz") == ()


def replace_control(control: float) -> dict[str, float]:
    return {**figures(0.021, 0.019, 0.01), "projections_r_factor": control}

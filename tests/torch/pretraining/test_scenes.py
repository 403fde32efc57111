"""What the network learns from: scenes, probes, objects."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ptycho_torch.pretraining.fit import FitOptions, fit_network, lit_window, misfit
from ptycho_torch.pretraining.objects import (
    HELD_OUT_PICTURES,
    TRAINING_PICTURES,
    held_out_object,
    random_object,
)
from ptycho_torch.pretraining.probes import radius_px, random_probe
from ptycho_torch.pretraining.run import validate
from ptycho_torch.pretraining.scenes import Scene, draw_scene

SEEDS = (8, 12, 20)


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    torch.set_num_threads(1)
    return [draw_scene(seed) for seed in SEEDS]


def test_equal_seeds_give_equal_scenes(scenes: list[Scene]) -> None:
    again = draw_scene(SEEDS[0])
    assert torch.equal(again.iterate, scenes[0].iterate)
    assert torch.equal(again.target, scenes[0].target)
    assert not torch.equal(scenes[1].probe, scenes[0].probe)


def test_the_engines_object_explains_the_long_exposure_better_than_the_flat_one(
    scenes: list[Scene],
) -> None:
    for scene in scenes:
        index = torch.arange(len(scene.corners))
        flat = torch.ones_like(scene.iterate)
        assert misfit(scene.iterate, scene, index) < misfit(flat, scene, index)


def test_iterate_and_truth_lie_on_the_same_pixels(scenes: list[Scene]) -> None:
    for scene in scenes:
        lit = scene.light > 0.2 * scene.light.max()
        likeness = torch.vdot(scene.iterate[lit], scene.truth[lit]).abs()
        likeness = likeness / scene.iterate[lit].norm() / scene.truth[lit].norm()
        assert float(likeness) > 0.8


def test_unit_energy_and_doses_are_what_the_engine_expects(scenes: list[Scene]) -> None:
    for scene in scenes:
        assert float(scene.probe.abs().square().sum()) == pytest.approx(1, abs=1e-3)
        energy = scene.target.float().square().sum(dim=(-2, -1)).mean()
        assert float(energy) == pytest.approx(1, rel=0.02)
        assert 1e2 <= scene.nphotons <= 10**5.7


@pytest.mark.parametrize("n_pixel", [32, 64])
def test_probes_have_unit_energy_and_fit_their_frame(n_pixel: int) -> None:
    for seed in range(12):
        probe = random_probe(n_pixel, np.random.default_rng(seed))
        assert probe.dtype == np.complex64
        assert np.sum(np.abs(probe) ** 2) == pytest.approx(1, abs=1e-4)
        assert 2 < radius_px(probe[0]) < n_pixel / 3


@pytest.mark.parametrize("draw", [random_object, held_out_object])
def test_objects_are_transmissions(draw) -> None:
    for seed in range(12):
        found = draw((40, 56), np.random.default_rng(seed))
        assert found.shape == (40, 56)
        assert found.dtype == np.complex64
        assert np.abs(found).max() <= 1 + 1e-5
        assert np.abs(found).min() > 0.04


def test_validation_shows_other_pictures_than_training() -> None:
    assert not set(TRAINING_PICTURES) & set(HELD_OUT_PICTURES)


def test_the_lit_window_is_the_smallest() -> None:
    light = torch.zeros(9, 12)
    light[2:5, 3:10] = 1
    assert lit_window(light) == (slice(2, 5), slice(3, 10))


def test_training_lowers_the_loss_and_starts_from_the_engines_object(
    scenes: list[Scene],
) -> None:
    seen: list[float] = []
    options = FitOptions(width_channels=8, steps=80, patterns_per_scene=8, learning_rate=5e-3)
    dim = [scene for scene in scenes if scene.nphotons < 1e5]
    network = fit_network(dim, options, lambda step, loss: seen.append(loss))
    rows = validate(network, dim)
    untouched = validate(type(network)(8), dim)
    assert all(row["amplitude_ratio"] == pytest.approx(1, abs=1e-6) for row in untouched)
    assert sum(r["amplitude_ratio"] * r["scenes"] for r in rows) < 0.97 * len(dim)
    assert len(seen) == 1

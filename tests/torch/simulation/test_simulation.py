from __future__ import annotations

import numpy as np
import pytest
import torch

from ptycho_torch.errors import ConfigError
from ptycho_torch.physics.forward import diffract
from ptycho_torch.physics.patches import extract, split_positions
from ptycho_torch.physics.probe import shift_probe
from ptycho_torch.simulation import OBJECT_KINDS, make_object, make_probe, simulate_scan


def test_one_seed_gives_one_scan_and_another_seed_another_object():
    first, again, other = (simulate_scan(s, 32, 20, 1e6) for s in (4, 4, 5))
    assert np.array_equal(first.diffraction, again.diffraction)
    assert np.array_equal(first.object, again.object)
    assert np.array_equal(first.positions_px, again.positions_px)
    assert first.object.shape != other.object.shape or not np.allclose(first.object, other.object)


def test_seeds_share_the_probe_shape():
    probes = [simulate_scan(s, 32, 20, 1e6).probe for s in (4, 5)]
    shapes = [p / np.linalg.norm(p) for p in probes]
    np.testing.assert_allclose(shapes[0], shapes[1], atol=1e-6)


def test_counts_are_whole_numbers_with_the_stated_mean():
    scan = simulate_scan(4, 32, 20, 1e5)
    assert scan.measurement == "counts"
    assert np.array_equal(scan.diffraction, np.rint(scan.diffraction))
    assert scan.diffraction.sum(axis=(1, 2)).mean() == pytest.approx(1e5, rel=0.01)


def test_stored_probe_and_object_reproduce_the_counts_within_photon_noise():
    scan = simulate_scan(4, 32, 20, 1e6)
    corners, rest = split_positions(torch.from_numpy(scan.positions_px), 32)
    patches = extract(torch.from_numpy(scan.object)[None], corners[None], 32)[0]
    predicted = diffract(patches, shift_probe(torch.from_numpy(scan.probe), rest)).numpy()
    chi = np.square(scan.diffraction - predicted) / np.maximum(predicted, 1)
    assert chi[predicted > 20].mean() == pytest.approx(1, abs=0.1)


def test_without_noise_the_prediction_is_exact():
    scan = simulate_scan(4, 32, 20, nphotons=None)
    corners, rest = split_positions(torch.from_numpy(scan.positions_px), 32)
    patches = extract(torch.from_numpy(scan.object)[None], corners[None], 32)[0]
    predicted = diffract(patches, shift_probe(torch.from_numpy(scan.probe), rest)).sqrt().numpy()
    np.testing.assert_allclose(scan.amplitude(), predicted, atol=1e-5)


def test_positions_jitter_and_lie_off_the_pixel_grid():
    positions = simulate_scan(4, 64, 100, 1e6).positions_px
    assert np.abs(positions - np.rint(positions)).mean() > 0.15
    steps = np.diff(positions[:10, 1])
    assert steps.std() > 0.3


def test_every_patch_lies_inside_the_object():
    scan = simulate_scan(4, 64, 90, 1e6)
    nearest = np.rint(scan.positions_px)
    assert nearest.min() >= 32
    assert np.all(nearest.max(axis=0) + 32 <= scan.object.shape)


@pytest.mark.parametrize("kind", OBJECT_KINDS)
def test_objects_are_transmissions_with_contrast(kind):
    made = make_object((150, 160), kind, 3)
    assert made.shape == (150, 160)
    assert made.dtype == np.complex64
    assert np.abs(made).max() <= 1 + 1e-6
    assert np.abs(made).min() > 0.55
    assert np.abs(made).std() > 0.03
    assert np.angle(made).std() > 0.1


def test_an_unknown_kind_is_refused():
    with pytest.raises(ConfigError, match="'dogs' is unknown"):
        make_object((64, 64), "dogs", 0)


@pytest.mark.parametrize("size", [64, 128])
def test_the_probe_is_focused_and_keeps_off_the_border(size):
    probe = make_probe(size)
    light = np.abs(probe[0]) ** 2
    assert light.sum() == pytest.approx(1, rel=1e-5)
    border = light.copy()
    border[size // 10 : -(size // 10), size // 10 : -(size // 10)] = 0
    assert border.sum() < 2e-3
    assert np.unwrap(np.angle(probe[0, size // 2])).std() > 0.5


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"n_pixel": 60}, "`n_pixel` is 60"),
        ({"n_patterns": 2}, "`n_patterns` is 2"),
        ({"nphotons": 0.0}, "`nphotons` is 0"),
        ({"step_px": 40.0}, "`step_px` is 40"),
    ],
)
def test_settings_that_cannot_work_are_refused(arguments, match):
    with pytest.raises(ConfigError, match=match):
        simulate_scan(1, **arguments)

from __future__ import annotations

import json

import numpy as np
import pytest

from ptycho_torch.errors import BundleError, DataFileError
from ptycho_torch.physics.scaling import Scales, compute_scales, intensity_scale


@pytest.fixture
def scales() -> Scales:
    rng = np.random.default_rng(2)
    amplitude = rng.uniform(0, 3, (5, 16, 16)).astype(np.float32)
    probe = rng.standard_normal((2, 16, 16)) + 1j * rng.standard_normal((2, 16, 16))
    return compute_scales(amplitude, probe, nphotons=3e7)


def test_intensity_scale_has_its_known_value():
    assert intensity_scale(1e9, 1024.0) == pytest.approx(988.2118, abs=5e-5)


def test_patterns_of_mean_1024_at_1e9_photons_give_that_scale():
    amplitude = np.ones((7, 32, 32), dtype=np.float32)
    probe = np.ones((1, 32, 32), dtype=np.complex64)
    assert compute_scales(amplitude, probe, 1e9).intensity_scale == pytest.approx(988.2118, 1e-7)


def test_unit_dose_has_mean_energy_one_and_the_probe_unit_energy():
    amplitude = np.random.default_rng(0).uniform(1, 2, (4, 16, 16)).astype(np.float32)
    probe = np.full((1, 16, 16), 3 - 1j, dtype=np.complex64)
    scales = compute_scales(amplitude, probe)
    dose = np.square(amplitude * scales.amplitude_scale).sum(axis=(1, 2)).mean()
    assert dose == pytest.approx(1, rel=1e-6)
    assert np.square(np.abs(probe * scales.probe_factor)).sum() == pytest.approx(1, rel=1e-6)


def test_without_a_stated_dose_amplitudes_are_roots_of_photons():
    scales = compute_scales(np.full((2, 4, 4), 5.0), np.ones((1, 4, 4), complex))
    assert scales.intensity_scale == 1.0
    assert scales.nphotons == 400.0
    assert "mean counts" in scales.origins["nphotons"]


def test_scales_survive_json_bit_for_bit(scales):
    assert Scales.from_dict(json.loads(json.dumps(scales.to_dict()))) == scales


@pytest.mark.parametrize("name", ["intensity_scale", "input_scale", "probe_factor", "nphotons"])
def test_a_missing_scale_is_an_error(scales, name):
    values = scales.to_dict()
    del values[name]
    with pytest.raises(BundleError, match=name):
        Scales.from_dict(values)


@pytest.mark.parametrize("bad", [0.0, -1.0, float("nan"), float("inf"), "1", True, None])
def test_an_impossible_scale_is_an_error(scales, bad):
    with pytest.raises(BundleError, match="intensity_scale"):
        Scales.from_dict(scales.to_dict() | {"intensity_scale": bad})


def test_an_unknown_scale_is_an_error(scales):
    with pytest.raises(BundleError, match="extra"):
        Scales.from_dict(scales.to_dict() | {"extra": 1.0})


def test_log_lines_name_every_scale_with_its_origin(scales):
    lines = scales.lines()
    assert len(lines) == 6
    assert any(line.startswith("intensity_scale = ") and "photons" in line for line in lines)
    assert not any("unknown" in line for line in lines)


def test_dark_patterns_have_no_scale():
    with pytest.raises(DataFileError, match="diffraction"):
        compute_scales(np.zeros((2, 4, 4)), np.ones((1, 4, 4), complex))

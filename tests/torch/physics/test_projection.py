from __future__ import annotations

import pytest
import torch

from ptycho_torch.physics.forward import diffract
from ptycho_torch.physics.noise import count_photons
from ptycho_torch.physics.patches import extract
from ptycho_torch.physics.probe import shift_probe
from ptycho_torch.physics.projection import project_patterns, replace_modulus
from ptycho_torch.physics.propagate import propagate
from ptycho_torch.simulation import make_object, make_probe


@pytest.fixture
def patterns() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    truth = torch.from_numpy(make_object((80, 80), "cells", 3))
    probe = torch.from_numpy(make_probe(64))
    rest = torch.tensor([[0.2, -0.3], [0.4, 0.1], [0.0, 0.0]])
    corners = torch.tensor([[[0, 0], [9, 4], [16, 16]]])
    patches = extract(truth[None], corners, 64)[0]
    return diffract(patches, shift_probe(probe, rest)).sqrt(), rest, probe


def test_projected_wave_has_the_measured_amplitude(patterns):
    amplitude, rest, probe = patterns
    before = shift_probe(probe, rest)
    after = propagate(replace_modulus(before, amplitude))[:, 0].abs()
    # Where nothing at all is predicted there is no phase to give the amplitude to.
    lit = propagate(before)[:, 0].abs() > 1e-5
    assert float(lit.float().mean()) > 0.1
    torch.testing.assert_close(after[lit], amplitude[lit], rtol=1e-4, atol=1e-6)


def test_masked_pixels_keep_the_prediction(patterns):
    amplitude, rest, probe = patterns
    mask = torch.ones(64, 64, dtype=torch.bool)
    mask[30:34, 30:34] = False
    before = shift_probe(probe, rest)
    after = propagate(replace_modulus(before, amplitude, mask)).abs()
    hidden = propagate(before).abs()[..., ~mask]
    torch.testing.assert_close(after[..., ~mask], hidden, rtol=1e-4, atol=1e-6)


def test_projections_explain_the_pattern_better_than_the_flat_patch(patterns):
    amplitude, rest, probe = patterns
    shifted = shift_probe(probe, rest)

    def distance(patch: torch.Tensor) -> float:
        return float((diffract(patch, shifted).sqrt() - amplitude).square().sum())

    flat = project_patterns(amplitude, rest, probe, iterations=0)
    found = project_patterns(amplitude, rest, probe, iterations=10)
    assert bool((flat == 1).all())
    assert distance(found) < 0.2 * distance(flat)


def test_chunks_do_not_change_the_projections(patterns):
    amplitude, rest, probe = patterns
    whole = project_patterns(amplitude, rest, probe, chunk=64)
    torch.testing.assert_close(project_patterns(amplitude, rest, probe, chunk=1), whole)


def test_photon_counts_are_whole_reproducible_and_of_the_right_mean():
    intensity = torch.full((50, 16, 16), 1 / 256)
    counts = count_photons(intensity, 1e4, torch.Generator().manual_seed(1))
    again = count_photons(intensity, 1e4, torch.Generator().manual_seed(1))
    assert torch.equal(counts, again)
    assert torch.equal(counts, counts.round())
    assert float(counts.sum(dim=(1, 2)).mean()) == pytest.approx(1e4, rel=0.01)
    assert float(counts.var()) == pytest.approx(1e4 / 256, rel=0.05)

from __future__ import annotations

import numpy as np
import pytest
import torch

from ptycho_torch.data.scan import ScanData
from ptycho_torch.errors import DivergedError
from ptycho_torch.metrics import evaluate
from ptycho_torch.physics.scaling import compute_scales
from ptycho_torch.reconstruct.assemble import assemble, canvas_intensity, canvas_r_factor
from ptycho_torch.reconstruct.stitch import Canvas, cut_patches, stitch
from ptycho_torch.reconstruct.sync import sync_phases
from ptycho_torch.simulation import simulate_scan


@pytest.fixture(scope="module")
def scan() -> ScanData:
    return simulate_scan(seed=2, n_patterns=144, nphotons=1e9)


@pytest.fixture(scope="module")
def probe(scan) -> torch.Tensor:
    return torch.from_numpy(scan.probe / np.linalg.norm(scan.probe)).to(torch.complex64)


@pytest.fixture(scope="module")
def amplitude(scan) -> torch.Tensor:
    scales = compute_scales(scan.amplitude(), scan.probe)
    return torch.from_numpy(scan.amplitude() * np.float32(scales.amplitude_scale))


@pytest.fixture(scope="module")
def patches(scan) -> torch.Tensor:
    """True patches, in the gauge of unit dose."""
    scales = compute_scales(scan.amplitude(), scan.probe)
    gauge = np.linalg.norm(scan.probe) * scales.amplitude_scale
    truth = Canvas(scan.object * np.complex64(gauge), np.ones(scan.object.shape), (0, 0))
    return cut_patches(truth, scan.positions_px, 64)


@pytest.fixture(scope="module")
def phases(scan) -> torch.Tensor:
    angle = torch.rand(len(scan), generator=torch.Generator().manual_seed(3)) * 2 * torch.pi
    return torch.polar(torch.ones(len(scan)), angle)


def test_true_patches_stitch_to_the_true_object(scan, probe, patches):
    canvas = stitch(patches, scan.positions_px, probe)
    row = evaluate(canvas.object, canvas.origin, scan.object, scan.positions_px)["reconstruction"]
    assert row["mae_amplitude"] < 1e-5
    assert row["mae_phase_rad"] < 1e-5


def test_positions_of_opposite_sign_do_not(scan, probe, patches):
    span = scan.positions_px.min(axis=0) + scan.positions_px.max(axis=0)
    mirrored = np.array(span - scan.positions_px)
    canvas = stitch(patches, mirrored, probe)
    row = evaluate(canvas.object, canvas.origin, scan.object, scan.positions_px)["reconstruction"]
    assert row["mae_amplitude"] > 0.05


def test_chunks_do_not_change_the_object(scan, probe, patches):
    whole, parts = (stitch(patches, scan.positions_px, probe, chunk=c) for c in (500, 7))
    np.testing.assert_allclose(whole.object, parts.object, atol=1e-5)


def test_unlit_pixels_are_zero_and_uncovered(scan, probe, patches):
    canvas = stitch(patches, scan.positions_px, probe)
    assert np.all(canvas.object[~canvas.covered()] == 0)
    assert 0.3 < canvas.covered().mean() < 1


def test_negative_positions_are_placed_by_the_origin(scan, probe, patches):
    canvas = stitch(patches, scan.positions_px, probe)
    moved = stitch(patches, scan.positions_px - 500, probe)
    assert moved.origin == (canvas.origin[0] - 500, canvas.origin[1] - 500)
    np.testing.assert_allclose(moved.object, canvas.object, atol=1e-5)


def test_a_patch_that_is_not_finite_stops_the_run(scan, probe, patches):
    spoiled = patches.clone()
    spoiled[3, 5, 5] = float("nan")
    with pytest.raises(DivergedError, match="not finite"):
        stitch(spoiled, scan.positions_px, probe)


def test_random_phases_are_undone_exactly(scan, probe, patches, phases):
    found = sync_phases(patches * phases[:, None, None], scan.positions_px, probe)
    assert found.components == 1
    left = found.phases * phases
    assert float((left / left[0] - 1).abs().max()) < 1e-3


def test_two_islands_are_told_apart_and_each_is_solved(scan, probe, patches, phases):
    positions = scan.positions_px.copy()
    positions[72:] += 400
    found = sync_phases(patches * phases[:, None, None], positions, probe)
    assert found.components == 2
    left = found.phases * phases
    for part in (slice(0, 72), slice(72, 144)):
        assert float((left[part] / left[part][0] - 1).abs().max()) < 1e-3


def test_assembly_synchronises_when_that_lowers_r(scan, probe, patches, phases, amplitude):
    turned = patches * phases[:, None, None]
    found = assemble(turned, scan.positions_px, probe, amplitude)
    assert found.synchronised
    assert found.r_factor < 0.01
    alone = assemble(turned, scan.positions_px, probe, amplitude, sync=False)
    assert not alone.synchronised
    assert alone.r_factor > 0.3


def test_assembly_keeps_the_plain_object_when_synchronising_is_worse(
    scan, probe, patches, amplitude, monkeypatch, phases
):
    from ptycho_torch.reconstruct import assemble as module
    from ptycho_torch.reconstruct.sync import SyncResult

    monkeypatch.setattr(module, "sync_phases", lambda *_: SyncResult(phases, 1))
    found = assemble(patches, scan.positions_px, probe, amplitude)
    assert not found.synchronised
    assert found.r_factor < 0.01


def test_the_canvas_predicts_the_measurement(scan, probe, patches, amplitude):
    canvas = stitch(patches, scan.positions_px, probe)
    assert canvas_intensity(canvas, scan.positions_px, probe).shape == amplitude.shape
    assert canvas_r_factor(canvas, scan.positions_px, probe, amplitude) < 0.01
    flat = Canvas(np.ones_like(canvas.object), canvas.coverage, canvas.origin)
    assert canvas_r_factor(flat, scan.positions_px, probe, amplitude) > 0.1


def test_one_patch_alone_has_the_phase_one(probe, patches):
    assert sync_phases(patches[:1], np.array([[40.0, 40.0]]), probe).phases.tolist() == [1]

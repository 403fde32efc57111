from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ptycho_torch.data.scan import ScanData
from ptycho_torch.iterative import IterativeOutcome, IterativeSettings, run_stages
from ptycho_torch.losses.diffraction import photon_noise
from ptycho_torch.methods.scene import Scene, flat_object, prepare_scene
from ptycho_torch.metrics import evaluate
from ptycho_torch.physics.aberrations import aberrated, defocus_phase
from ptycho_torch.reconstruct import checkpoint as module
from ptycho_torch.reconstruct import probe_doubt
from ptycho_torch.reconstruct.checkpoint import Checkpoint
from ptycho_torch.reconstruct.judge import Judge
from ptycho_torch.reconstruct.probe_doubt import PROBE_SEARCH, told_start
from ptycho_torch.reconstruct.probe_search import (
    ladder,
    placed_like,
    pupil_modulus,
    recentred,
    zoomed,
)
from ptycho_torch.simulation import simulate_scan

SIZE = 32


def zone_plate(size: int = SIZE) -> np.ndarray:
    rows, cols = np.indices((size, size)) - size // 2
    radius = np.hypot(rows, cols)
    pupil = ((radius < 0.27 * size) & (radius > 0.1 * size)).astype(complex)
    focus = np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(pupil)))[None]
    probe = aberrated(torch.from_numpy(focus), defocus_phase(size, 12.0)).numpy()
    return (probe / np.linalg.norm(probe)).astype(np.complex64)


def gaussian(width_px: float, size: int = SIZE) -> np.ndarray:
    rows, cols = np.indices((size, size)) - size // 2
    bell = np.exp(-(rows**2 + cols**2) / (2 * width_px**2))
    return bell[None].astype(np.complex64)


@pytest.fixture(scope="module")
def scan() -> ScanData:
    return simulate_scan(
        seed=4, n_pixel=SIZE, n_patterns=81, nphotons=1e6, step_px=2.5, probe=zone_plate()
    )


def run(scan: ScanData, path: Path | None = None, **settings: object) -> IterativeOutcome:
    scene: Scene = prepare_scene(scan)
    asked = IterativeSettings(**settings)
    return run_stages(flat_object(scene), scene.amplitude, scene.mask, asked, path)


def error(found: IterativeOutcome, scan: ScanData) -> float:
    canvas = found.reconstruction.canvas
    rows = evaluate(canvas.object, canvas.origin, scan.object, scan.positions_px)
    return rows["reconstruction"]["relative_error"]


@pytest.fixture(scope="module")
def spoilt(scan) -> ScanData:
    return replace(scan, probe=gaussian(3.0))


@pytest.fixture(scope="module")
def searched(spoilt) -> IterativeOutcome:
    return run(spoilt)


def test_a_gaussian_for_a_zone_plate_is_found_out_and_replaced(scan, spoilt, searched):
    assert error(run(spoilt, search_probe="never"), scan) > 0.5
    assert error(searched, scan) < 0.02
    told = searched.facts[PROBE_SEARCH]
    assert told["start"].startswith("the mean pattern")
    assert told["defocus_rad"] == pytest.approx(12.0, abs=5.0)
    assert told["r_factor_found"] < 0.5 * told["r_factor_given"]
    # The curve shows the passes before the new start, too.
    assert searched.facts["stopped_after"] == len(searched.epochs) > 24


def test_a_sound_probe_costs_no_search_and_changes_nothing(scan, monkeypatch):
    searches = []
    monkeypatch.setattr(probe_doubt, "ProbeSearch", lambda *args: searches.append(args))
    with_search, without = run(scan), run(scan, search_probe="never")
    assert searches == []
    assert PROBE_SEARCH not in with_search.facts
    assert np.array_equal(
        with_search.reconstruction.canvas.object, without.reconstruction.canvas.object
    )


def test_a_probe_that_is_to_stay_is_not_searched_for(spoilt):
    assert PROBE_SEARCH not in run(spoilt, update_probe=False).facts


def test_few_epochs_are_no_reason_to_search(spoilt):
    assert PROBE_SEARCH not in run(spoilt, epochs=6).facts


class Killed(Exception):
    pass


@pytest.mark.parametrize("after", [10, 16])
def test_a_killed_search_is_resumed_to_the_same_bits(
    spoilt, searched, tmp_path, monkeypatch, after
):
    monkeypatch.setattr(module.Checkpoint.__init__, "__defaults__", (0.0, lambda: 0.0))
    kept, written = Checkpoint.keep, []

    def keep(self: Checkpoint, progress: object) -> None:
        kept(self, progress)
        written.append(1)
        if len(written) == after:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "keep", keep)
        with pytest.raises(Killed):
            run(spoilt, tmp_path / "kept.npz")
    resumed = run(spoilt, tmp_path / "kept.npz", resume=True)
    assert resumed.facts == searched.facts
    assert resumed.epochs == searched.epochs or repr(resumed.epochs) == repr(searched.epochs)
    found, wanted = resumed.reconstruction.canvas, searched.reconstruction.canvas
    assert np.array_equal(found.object, wanted.object)


def test_the_mean_pattern_leaves_one_and_noise_leaves_nothing():
    generator = torch.Generator().manual_seed(1)
    amplitude = torch.rand((50, 8, 8), generator=generator) + 0.5
    amplitude = amplitude / amplitude.square().sum(dim=(-2, -1)).mean().sqrt()
    mean = amplitude.mean(dim=0)
    constant = math.sqrt(float((amplitude - mean).square().sum() / amplitude.square().sum()))
    judge = Judge(amplitude, None, 1e9)
    assert judge.left(constant) == pytest.approx(1.0, rel=1e-3)
    noise = photon_noise("amplitude", 1e9, amplitude.square().mean(dim=0))
    assert judge.left(math.sqrt(noise)) == pytest.approx(0.0, abs=1e-6)
    assert Judge(amplitude, None, 1.0).left(constant) < 1.0


def test_one_pattern_says_nothing_of_the_probe():
    assert Judge(torch.rand(1, 8, 8), None, 1e9).left(0.5) == 0.0
    assert Judge(torch.ones(7, 8, 8) / 8, None, 1e3).left(2.0) == 0.0


def test_a_misfit_near_photon_noise_is_not_plain_however_much_the_mean_pattern_explains():
    judge = Judge(torch.ones(7, 8, 8) / 8, None, 1e3)
    noise = math.sqrt(judge.noise)
    assert not judge.plain(1.05 * noise)
    assert judge.plain(1.2 * noise)
    faint = Judge(torch.ones(7, 8, 8) / 8, None, 1e9)
    assert not faint.plain(0.009)
    assert faint.plain(0.02)


def test_steps_of_the_ladder_are_as_fine_as_the_pupil_asks_for():
    rows, cols = np.indices((64, 64)) - 32
    pupils = [(np.hypot(rows, cols) < radius).astype(np.float32) for radius in (6, 18)]
    steps = [
        np.diff(ladder(torch.fft.ifftshift(torch.from_numpy(pupil)))).min() for pupil in pupils
    ]
    assert steps[0] == pytest.approx(9 * steps[1], rel=0.1)
    assert ladder(torch.eye(8) * 0 + torch.eye(8)[:1].T * torch.eye(8)[:1]) == [0.0]


def test_pixels_that_were_not_measured_take_their_neighbours_place():
    amplitude = torch.ones(3, 8, 8)
    amplitude[:, 4, 4] = 100.0
    mask = torch.ones(8, 8, dtype=torch.bool)
    mask[4, 4] = False
    torch.testing.assert_close(pupil_modulus(amplitude, mask), torch.ones(8, 8))
    assert float(pupil_modulus(amplitude, None).max()) == pytest.approx(100.0)


def test_a_probe_is_placed_where_the_given_one_was():
    probe = torch.from_numpy(gaussian(2.0))
    given = torch.roll(probe, (3, -2), dims=(-2, -1))
    away = torch.roll(probe, (-5, 1), dims=(-2, -1))
    torch.testing.assert_close(placed_like(away, given), given)
    corner = torch.fft.fftshift(probe, dim=(-2, -1))
    torch.testing.assert_close(recentred(corner), probe)
    torch.testing.assert_close(placed_like(away, corner), probe)


def test_a_zoomed_probe_is_wider_and_keeps_its_energy():
    probe = torch.from_numpy(gaussian(2.0) / np.linalg.norm(gaussian(2.0)))
    wanted = torch.from_numpy(gaussian(4.0) / np.linalg.norm(gaussian(4.0)))
    torch.testing.assert_close(zoomed(probe, 2.0), wanted, atol=0.02, rtol=0)


def test_what_was_found_is_told_in_millimetres_where_they_are_known():
    values = {
        "start": "the given probe",
        "defocus_rad": 34.0,
        "r_factor_given": 0.41,
        "r_factor_found": 0.09,
    }
    assert "+34 rad at the detector's edge: R 0.410 -> 0.090" in told_start(values)
    assert "+1.3 mm along the beam" in told_start(values, 1.3e-3)


def test_a_search_that_is_asked_for_helps_where_the_misfit_alone_does_not_say():
    rows, cols = np.indices((SIZE, SIZE)) - SIZE // 2
    square = rows**2 + cols**2
    beam = np.exp(-square / (2 * 3.0**2) + 0.1j * square)[None]
    wide = np.exp(-square / (2 * 4.5**2) + 0.05j * square)[None]
    sound = simulate_scan(
        seed=4, n_pixel=32, n_patterns=64, nphotons=1e7, step_px=2.4, kind="siemens", probe=beam
    )
    given = replace(sound, probe=wide.astype(np.complex64))
    by_itself = run(given, go_on=False)
    asked_for = run(given, go_on=False, search_probe="always")
    assert PROBE_SEARCH not in by_itself.facts
    assert error(asked_for, sound) < 0.5 * error(by_itself, sound)

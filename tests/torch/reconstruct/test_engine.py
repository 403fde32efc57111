from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ptycho_torch.data.formats import read_scan
from ptycho_torch.data.scan import ScanData
from ptycho_torch.errors import DivergedError
from ptycho_torch.metrics import evaluate
from ptycho_torch.physics.probe import probe_energy
from ptycho_torch.physics.scaling import compute_scales
from ptycho_torch.reconstruct.assemble import canvas_intensity, canvas_r_factor
from ptycho_torch.reconstruct.engine import EngineResult, RpieOptions, run_engine
from ptycho_torch.reconstruct.probe_modes import mode_powers, with_modes
from ptycho_torch.reconstruct.probe_preparation import prepare_probe, unexplained_fraction
from ptycho_torch.reconstruct.rpie import wave_factor
from ptycho_torch.reconstruct.stitch import Canvas
from ptycho_torch.simulation import make_probe, simulate_scan

STAR = Path(__file__).resolve().parents[3] / ".." / "shared" / "data" / "siemens_star_aps_n64.npz"


@pytest.fixture(scope="module")
def scan() -> ScanData:
    return simulate_scan(seed=2, n_patterns=196, nphotons=1e8, kind="lines")


def refine(scan: ScanData, options: RpieOptions, **extra: object) -> EngineResult:
    scales = compute_scales(scan.amplitude(), scan.probe)
    amplitude = torch.from_numpy(scan.amplitude() * np.float32(scales.amplitude_scale))
    probe = torch.from_numpy(scan.probe * np.complex64(scales.probe_factor))
    return run_engine(amplitude, scan.positions_px, probe, options, **extra)


def score(scan: ScanData, result: EngineResult) -> dict[str, float]:
    canvas = result.canvas
    return evaluate(canvas.object, canvas.origin, scan.object, scan.positions_px)["reconstruction"]


def test_object_is_found_from_the_flat_start(scan):
    result = refine(scan, RpieOptions(epochs=12, alpha=0.1))
    assert result.r_factors[-1] < 0.1 * result.r_factors[0]
    row = score(scan, result)
    assert row["mae_amplitude"] < 0.01
    assert row["mae_phase_rad"] < 0.05


def test_refinement_starts_from_the_given_object(scan):
    first = refine(scan, RpieOptions(epochs=6))
    more = refine(scan, RpieOptions(epochs=1), start=first.canvas)
    fresh = refine(scan, RpieOptions(epochs=1))
    assert more.r_factors[0] < 1.3 * first.r_factors[-1]
    assert more.r_factors[0] < 0.3 * fresh.r_factors[0]


def test_momentum_and_growing_batches_go_further_in_as_many_epochs():
    noisy = simulate_scan(seed=2, n_patterns=196, nphotons=1e6, kind="lines")
    plain = RpieOptions(epochs=15, alpha=0.1)
    kinds = {
        "plain": plain,
        "momentum": replace(plain, momentum=0.7),
        "both": replace(plain, momentum=0.7, batch_growth=4),
    }
    errors = {k: score(noisy, refine(noisy, o))["relative_error"] for k, o in kinds.items()}
    assert errors["both"] < 0.85 * errors["plain"]
    assert errors["both"] < 0.95 * errors["momentum"]


def test_a_batch_grows_after_each_third():
    options = RpieOptions(epochs=6, batch_size=16, batch_growth=4)
    assert [options.batch_of(epoch, 2000) for epoch in range(6)] == [16, 16, 64, 64, 256, 256]
    assert [options.batch_of(epoch, 200) for epoch in range(6)] == [8, 8, 50, 50, 50, 50]
    assert [options.batch_of(epoch, 640) for epoch in range(6)] == [10, 10, 64, 64, 160, 160]
    assert [RpieOptions(epochs=2).batch_of(epoch, 8) for epoch in range(2)] == [16, 16]
    assert RpieOptions(epochs=1, batch_growth=4).batch_of(0, 2000) == 16


def test_one_seed_gives_one_result(scan):
    first, again, other = (refine(scan, RpieOptions(epochs=1, seed=s)) for s in (1, 1, 2))
    assert np.array_equal(first.canvas.object, again.canvas.object)
    assert not np.array_equal(first.canvas.object, other.canvas.object)


def test_the_probe_stays_unless_it_is_to_be_updated(scan):
    result = refine(scan, RpieOptions(epochs=1))
    given = torch.from_numpy(scan.probe / np.linalg.norm(scan.probe))
    torch.testing.assert_close(result.probe, given)


def test_a_wrong_probe_is_repaired(scan):
    wrong = make_probe(64, spot=0.24, coma_rad=0.0) * np.linalg.norm(scan.probe)
    spoiled = replace(scan, probe=wrong.astype(np.complex64))
    prepared = prepare_probe(spoiled, epochs=10)
    right = scan.probe / np.linalg.norm(scan.probe)

    def likeness(probe: np.ndarray) -> float:
        return float(np.abs(np.vdot(right, probe)) / np.linalg.norm(probe))

    assert likeness(prepared) > likeness(wrong) + 0.03
    assert np.square(np.abs(prepared)).sum() == pytest.approx(1e8, rel=0.01)
    before, after = (
        refine(replace(scan, probe=p), RpieOptions(epochs=5)).r_factors[-1]
        for p in (spoiled.probe, prepared)
    )
    assert after < 0.5 * before


def test_masked_pixels_are_ignored(scan):
    mask = np.ones((64, 64), dtype=bool)
    mask[31:34, 30:33] = False
    hot = scan.diffraction.copy()
    hot[:, ~mask] = 1e7
    spoiled = replace(scan, diffraction=hot)
    scales = compute_scales(scan.amplitude(), scan.probe)
    amplitude = torch.from_numpy(spoiled.amplitude() * np.float32(scales.amplitude_scale))
    probe = torch.from_numpy(scan.probe * np.complex64(scales.probe_factor))
    options = RpieOptions(epochs=8)
    blind = run_engine(amplitude, scan.positions_px, probe, options)
    seeing = run_engine(amplitude, scan.positions_px, probe, options, mask=torch.from_numpy(mask))
    assert score(scan, seeing)["relative_error"] < 0.5 * score(scan, blind)["relative_error"]


def test_a_run_that_becomes_non_finite_stops(scan):
    scales = compute_scales(scan.amplitude(), scan.probe)
    amplitude = torch.from_numpy(scan.amplitude() * np.float32(scales.amplitude_scale))
    amplitude[0, 3, 3] = float("inf")
    probe = torch.from_numpy(scan.probe * np.complex64(scales.probe_factor))
    with pytest.raises(DivergedError, match="epoch 1"):
        run_engine(amplitude, scan.positions_px, probe, RpieOptions(epochs=2))


def test_unexplained_fraction_tells_a_right_probe_from_a_wrong_one(scan):
    wrong = replace(scan, probe=make_probe(64, spot=0.08))
    assert unexplained_fraction(scan) < 0.01
    assert unexplained_fraction(wrong) > 0.25
    assert unexplained_fraction(replace(scan, object=None)) is None


def test_the_siemens_star_needs_its_probe_prepared():
    if not STAR.exists():
        pytest.skip("the Siemens star scan is not on this machine")
    scan = read_scan(STAR)
    assert unexplained_fraction(scan) == pytest.approx(0.80, abs=0.02)
    prepared = replace(scan, probe=prepare_probe(scan, epochs=4))
    assert unexplained_fraction(prepared) < 0.4


def test_probe_of_unit_energy_and_object_still_explain_the_patterns(scan):
    scales = compute_scales(scan.amplitude(), scan.probe)
    amplitude = torch.from_numpy(scan.amplitude() * np.float32(scales.amplitude_scale))
    probe = torch.from_numpy(scan.probe * np.complex64(2 * scales.probe_factor))
    options = RpieOptions(epochs=4, update_probe=True)
    result = run_engine(amplitude, scan.positions_px, probe, options)
    assert probe_energy(result.probe) == pytest.approx(1, rel=1e-4)
    found = canvas_r_factor(result.canvas, scan.positions_px, result.probe, amplitude)
    assert found < 1.2 * result.r_factors[-1]


def test_poisson_steps_find_the_phase_of_few_photons_better():
    dim = simulate_scan(seed=11, n_patterns=300, nphotons=1e4, kind="lines")
    options = RpieOptions(epochs=18, alpha=0.3, momentum=0.7, batch_growth=4, nphotons=1e4)
    errors = {
        kind: score(dim, refine(dim, replace(options, likelihood=kind)))["mae_phase_rad"]
        for kind in ("amplitude", "poisson")
    }
    assert errors["poisson"] < 0.9 * errors["amplitude"]


def test_a_poisson_step_in_the_dark_has_a_limit():
    options = RpieOptions(likelihood="poisson", nphotons=1e3)
    predicted, measured = torch.tensor([1e-9, 0.5, 0.5]), torch.tensor([1.0, 0.0, 0.5]).sqrt()
    factor = wave_factor(predicted, predicted.sqrt(), measured, options)
    assert factor[0] == 10.0
    assert -0.5 < factor[1] < -0.49
    assert factor[2] == pytest.approx(0, abs=1e-6)


def test_wrong_positions_are_found_again(scan):
    wrong = scan.positions_px + np.random.default_rng(0).normal(0, 1.5, scan.positions_px.shape)
    moved = replace(scan, positions_px=wrong)
    options = RpieOptions(epochs=20, batch_size=32, alpha=0.1, momentum=0.5)
    blind = refine(moved, options)
    seeing = refine(moved, replace(options, correct_positions=True))
    assert np.array_equal(blind.positions_px, wrong)
    distance = np.linalg.norm(_without_drift(seeing.positions_px - scan.positions_px), axis=1)
    assert np.median(distance) < 0.1
    assert np.quantile(distance, 0.95) < 0.4
    assert seeing.r_factors[-1] < 0.3 * blind.r_factors[-1]
    assert seeing.canvas.object.shape == seeing.canvas.coverage.shape


def test_right_positions_stay(scan):
    options = RpieOptions(epochs=18, batch_size=32, alpha=0.1, correct_positions=True)
    result = refine(scan, options)
    distance = np.linalg.norm(_without_drift(result.positions_px - scan.positions_px), axis=1)
    assert np.median(distance) < 0.12
    assert np.quantile(distance, 0.95) < 0.2
    assert not result.epochs[1].moved
    assert result.epochs[2].moved


def _without_drift(moved: np.ndarray) -> np.ndarray:
    return moved - np.median(moved, axis=0)


def test_two_incoherent_modes_are_told_apart(scan):
    mixed, powers = _with_second_mode(scan, 0.2)
    options = RpieOptions(
        epochs=20, alpha=0.1, momentum=0.7, batch_growth=4, update_probe=True, probe_from=1
    )
    scales = compute_scales(mixed.amplitude(), mixed.probe)
    amplitude = torch.from_numpy(mixed.amplitude() * np.float32(scales.amplitude_scale))
    probe = torch.from_numpy(mixed.probe * np.complex64(scales.probe_factor))
    one, two = (
        run_engine(amplitude, mixed.positions_px, with_modes(probe, count), options)
        for count in (1, 2)
    )
    assert two.r_factors[-1] < 0.5 * one.r_factors[-1]
    assert mode_powers(two.probe).tolist() == pytest.approx(powers, abs=0.03)
    assert score(mixed, two)["relative_error"] < 0.5 * score(mixed, one)["relative_error"]


def _with_second_mode(scan: ScanData, share: float) -> tuple[ScanData, list[float]]:
    """The same scan lit by two orthogonal modes."""
    size = scan.n_pixel
    first = torch.from_numpy(scan.probe[0] / np.linalg.norm(scan.probe))
    axis = (torch.arange(size) - size // 2) / size
    second = first * (axis[None, :] + 0.3 * axis[:, None])
    second = second - first * torch.vdot(first.flatten(), second.flatten())
    second = second / torch.linalg.norm(second)
    modes = torch.stack([first * math.sqrt(1 - share), second * math.sqrt(share)])
    canvas = Canvas(scan.object, np.ones(scan.object.shape, np.float32), (0, 0))
    clean = canvas_intensity(canvas, scan.positions_px, modes).numpy()
    counts = np.random.default_rng(1).poisson(clean * (1e8 / clean.sum(axis=(1, 2)).mean()))
    probe = first.numpy()[None].astype(np.complex64)
    return replace(scan, diffraction=counts.astype(np.float32), probe=probe), [1 - share, share]

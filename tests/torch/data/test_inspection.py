from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ptycho_torch.data.formats.geometry import even_diameter_px
from ptycho_torch.data.inspection import inspect_scan
from ptycho_torch.data.scan import ScanData
from ptycho_torch.simulation import simulate_scan


@pytest.fixture(scope="module")
def scan() -> ScanData:
    return simulate_scan(seed=3, n_patterns=100, nphotons=1e5, kind="cells")


def slugs(scan: ScanData) -> list[str]:
    return [remark.slug for remark in inspect_scan(scan).remarks]


def test_a_sound_scan_is_described_and_nothing_remarked(scan):
    found = inspect_scan(scan)
    assert found.remarks == ()
    assert found.patterns == 100
    assert found.photons_per_pattern == pytest.approx(1e5, rel=0.02)
    assert 0.7 < found.overlap < 0.95
    assert found.components == 1
    assert "100 patterns of 64 px, 1e+05 counts each" in found.lines()[0]


def test_the_diameter_of_an_even_disc_is_its_own():
    rows, cols = np.indices((64, 64)) - 32
    disc = (np.hypot(rows, cols) < 12).astype(np.complex64)[None]
    assert even_diameter_px(disc) == pytest.approx(24, rel=0.02)


@pytest.mark.parametrize("factor", [1e-6, 10, 1e3, 1e9])
def test_positions_in_another_unit_are_remarked(scan, factor):
    assert slugs(replace(scan, positions_px=scan.positions_px * factor)) == ["positions-unit"]


def test_sparse_positions_are_remarked(scan):
    assert "overlap" in slugs(replace(scan, positions_px=scan.positions_px * 5))


def test_one_axis_in_another_unit_is_remarked(scan):
    assert slugs(replace(scan, positions_px=scan.positions_px * (1, 1e6)))[0] == "positions-unit"
    lost = scan.positions_px.copy()
    lost[7] += 1e7
    assert slugs(replace(scan, positions_px=lost))[0] == "positions-unit"


def test_one_pattern_has_no_neighbours(scan):
    found = inspect_scan(scan.select([3]))
    assert (found.step_px, found.overlap, found.remarks) == (None, None, ())
    assert "one position" in found.lines()[1]


def test_a_scan_in_two_parts_is_remarked(scan):
    apart = scan.positions_px.copy()
    apart[50:, 1] += 500
    found = inspect_scan(replace(scan, positions_px=apart))
    assert [remark.slug for remark in found.remarks] == ["disconnected"]
    assert found.components == 2


def test_patterns_at_one_place_are_one_part(scan):
    twice = replace(
        scan,
        diffraction=np.concatenate([scan.diffraction, scan.diffraction]),
        positions_px=np.concatenate([scan.positions_px, scan.positions_px]),
    )
    assert inspect_scan(twice).components == 1


def test_dead_hot_and_saturated_pixels_are_told_apart(scan):
    dead = scan.diffraction.copy()
    dead[:, 33, 34] = 0
    assert slugs(replace(scan, diffraction=dead)) == ["dead-pixels"]
    hot = scan.diffraction.copy()
    hot[:, 50, 11] = np.random.default_rng(0).poisson(900, len(scan))
    assert slugs(replace(scan, diffraction=hot)) == ["hot-pixels"]
    full = np.minimum(scan.diffraction, np.quantile(scan.diffraction, 0.999))
    assert slugs(replace(scan, diffraction=full)) == ["saturated"]


def test_masked_pixels_are_not_remarked(scan):
    mask = np.ones((64, 64), bool)
    mask[33, 34] = False
    dead = scan.diffraction.copy()
    dead[:, 33, 34] = 0
    assert slugs(replace(scan, diffraction=dead, mask=mask)) == []


def test_a_wrong_frame_is_remarked(scan):
    corner = np.fft.fftshift(scan.diffraction, axes=(1, 2))
    assert "zero-frequency" in slugs(replace(scan, diffraction=corner))
    moved = np.roll(scan.diffraction, 12, axis=2)
    assert "off-centre" in slugs(replace(scan, diffraction=moved))


def test_patterns_without_light_are_counted(scan):
    shut = scan.diffraction.copy()
    shut[[7, 9]] = 0
    found = inspect_scan(replace(scan, diffraction=shut))
    assert [remark.slug for remark in found.remarks] == ["empty-patterns"]
    assert "2 patterns" in found.remarks[0].message
    assert "number 7" in found.remarks[0].message


def test_a_position_that_occurs_twice_is_remarked(scan):
    places = scan.positions_px.copy()
    places[8] = places[7]
    found = inspect_scan(replace(scan, positions_px=places))
    assert [remark.slug for remark in found.remarks] == ["duplicate-positions"]
    assert "first numbers 7 and 8" in found.remarks[0].message


def test_several_exposures_of_every_position_are_fine_if_they_agree(scan):
    again = np.random.default_rng(1).poisson(scan.diffraction).astype(np.float32)
    first = np.random.default_rng(2).poisson(scan.diffraction).astype(np.float32)
    twice = replace(
        scan,
        diffraction=np.concatenate([first, again]),
        positions_px=np.concatenate([scan.positions_px, scan.positions_px]),
    )
    assert slugs(twice) == []
    assert slugs(replace(twice, diffraction=np.concatenate([first, again[::-1]]))) == [
        "duplicate-positions"
    ]


def test_a_frame_that_was_written_twice_is_remarked(scan):
    counts = scan.diffraction.copy()
    counts[41] = counts[40]
    assert slugs(replace(scan, diffraction=counts)) == ["duplicate-patterns"]


@pytest.mark.parametrize("left", [0.0, 0.01])
def test_a_beam_stop_is_told_from_dead_pixels(scan, left):
    rows, cols = np.indices((64, 64)) - 32
    inside = np.hypot(rows, cols) < 4
    stopped = np.where(inside, np.floor(scan.diffraction * left), scan.diffraction)
    assert slugs(replace(scan, diffraction=stopped.astype(np.float32))) == ["beam-stop"]


def test_the_dark_middle_of_a_ring_shaped_pupil_is_no_beam_stop():
    rows, cols = np.indices((64, 64)) - 32
    ring = (np.hypot(rows, cols) > 5) & (np.hypot(rows, cols) < 14)
    curved = ring * np.exp(0.15j * (rows**2 + cols**2))
    probe = np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(curved)))[None].astype(np.complex64)
    assert slugs(simulate_scan(seed=5, n_patterns=64, nphotons=1e4, probe=probe)) == []


def test_a_ring_shaped_pupil_handed_with_another_probe_has_no_beam_stop():
    rows, cols = np.indices((64, 64)) - 32
    ring = (np.hypot(rows, cols) > 5) & (np.hypot(rows, cols) < 14)
    probes = [
        np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(wave)))[None].astype(np.complex64)
        for wave in (ring * np.exp(0.15j * (rows**2 + cols**2)), np.exp(-(rows**2 + cols**2) / 30))
    ]
    made = simulate_scan(seed=5, n_patterns=64, nphotons=1e6, probe=probes[0])
    assert "beam-stop" not in slugs(replace(made, probe=probes[1]))


def test_a_pinhole_has_zeros_that_are_no_dead_pixels():
    rows, cols = np.indices((64, 64)) - 32
    disc = (np.hypot(rows, cols) < 12).astype(np.complex64)[None]
    made = simulate_scan(seed=2, n_patterns=100, nphotons=1e7, kind="texture", probe=disc)
    assert "dead-pixels" not in slugs(made)
    line = made.diffraction.copy()
    line[:, 20] = 0
    assert "dead-pixels" in slugs(replace(made, diffraction=line))


def test_standing_positions_are_in_another_unit(scan):
    assert slugs(replace(scan, positions_px=scan.positions_px * 0.02)) == ["positions-unit"]


def test_a_regular_raster_is_told_and_a_jittered_one_or_a_spiral_is_not(scan):
    rows, cols = np.divmod(np.arange(100), 10)
    steps = np.stack([rows, cols], axis=1) * 4.3
    turned = steps @ np.array([[0.8, 0.6], [-0.6, 0.8]]) + 60
    jittered = turned + np.random.default_rng(0).uniform(-0.4, 0.4, turned.shape)
    sheared = steps @ np.array([[1.0, 0.5], [0.0, 0.9]]) + 60
    angle, radius = np.arange(100) * 2.39996, 3 * np.sqrt(np.arange(100))
    spiral = np.stack([radius * np.sin(angle), radius * np.cos(angle)], axis=1) + 60
    found = {
        name: "raster-grid" in slugs(replace(scan, positions_px=positions))
        for name, positions in {
            "turned": turned,
            "sheared": sheared,
            "jittered": jittered,
            "spiral": spiral,
        }.items()
    }
    assert found == {"turned": True, "sheared": True, "jittered": False, "spiral": False}
    advice = inspect_scan(replace(scan, positions_px=turned)).remarks
    assert [remark.advice for remark in advice if remark.slug == "raster-grid"] == [True]

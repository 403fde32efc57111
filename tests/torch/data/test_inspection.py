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
    assert "100 patterns of 64 px stored as counts" in found.lines()[0]


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

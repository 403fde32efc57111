from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ptycho_torch.data.scan import ScanData
from ptycho_torch.reconstruct.examination import examine
from ptycho_torch.simulation import simulate_scan


@pytest.fixture(scope="module")
def scan() -> ScanData:
    return simulate_scan(seed=3, n_pixel=32, n_patterns=64, nphotons=1e6, kind="cells")


def slugs(scan: ScanData) -> list[str]:
    return [remark.slug for remark in examine(scan).remarks]


def test_nothing_is_said_of_a_sound_scan(scan):
    found = examine(scan)
    assert found.remarks == ()
    assert found.probe.given < 0.2
    assert found.as_dict()["orientation"]["best"] == "as given"


def test_swapped_axes_are_named_with_the_way_back(scan):
    found = examine(replace(scan, positions_px=scan.positions_px[:, ::-1].copy()))
    assert "orientation" in [remark.slug for remark in found.remarks]
    assert found.orientation.best.startswith("swap")


def test_a_wrong_probe_is_remarked(scan):
    f = np.fft.fftfreq(32) * 2
    chirp = np.exp(60j * (f[:, None] ** 2 + f**2))
    wrong = np.fft.ifft2(np.fft.fft2(scan.probe) * chirp).astype(np.complex64)
    assert {"probe-wrong", "unexplained"} & {*slugs(replace(scan, probe=wrong))}


def test_positions_in_another_unit_are_not_tried(scan):
    found = examine(replace(scan, positions_px=scan.positions_px * 1e-6))
    assert (found.orientation, found.probe) == (None, None)
    assert [remark.slug for remark in found.remarks] == ["positions-unit"]


def test_a_probe_of_the_right_power_without_its_curvature_is_named(scan):
    """The light is where it was and as much of it; only the wave front is another."""
    f = np.fft.fftfreq(32) * 2
    chirp = np.exp(12j * (f[:, None] ** 2 + f**2))
    flat = np.fft.fft2(np.abs(np.fft.ifft2(np.fft.fft2(scan.probe) * chirp)))
    wrong = np.fft.ifft2(flat).astype(np.complex64)
    assert {"probe-wrong", "unexplained"} & {*slugs(replace(scan, probe=wrong))}

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ptycho_torch.data.scan import ScanData
from ptycho_torch.errors import PtychoTorchError
from ptycho_torch.physics.scaling import compute_scales
from ptycho_torch.reconstruct.export import as_product
from ptycho_torch.reconstruct.result import (
    Reconstruction,
    read_reconstruction,
    write_reconstruction,
)
from ptycho_torch.reconstruct.stitch import Canvas
from ptycho_torch.simulation import simulate_scan


@pytest.fixture
def scan() -> ScanData:
    made = simulate_scan(seed=4, n_pixel=32, n_patterns=9, nphotons=1e7)
    return replace(made, pixel_size_m=2e-8, energy_ev=9000.0, distance_m=1.5)


def reconstruction(scan: ScanData, factor: float) -> Reconstruction:
    """Return the truth as a reconstruction whose probe has an arbitrary power."""
    wanted = scan.amplitude()
    probe = scan.probe * np.complex64(factor)
    scales = compute_scales(wanted, probe)
    unit = scan.probe * np.complex64(compute_scales(wanted, scan.probe).probe_factor)
    start = np.rint(scan.positions_px).astype(int) - 16
    seen = [
        np.abs(np.fft.fft2(unit[0] * scan.object[r : r + 32, c : c + 32], norm="ortho")) ** 2
        for r, c in start
    ]
    gain = np.sqrt(1 / np.mean([item.sum() for item in seen]))
    canvas = Canvas(scan.object * np.float32(gain), np.ones(scan.object.shape, np.float32), (0, 0))
    return Reconstruction(canvas, probe, scan.positions_px, np.arange(9), scales)


@pytest.mark.parametrize("factor", [1.0, 37.0])
def test_probe_times_object_of_a_product_gives_the_counts(scan, factor):
    product = as_product(reconstruction(scan, factor), "r.npz", scan)
    start = np.rint(product.positions_px).astype(int) - 16
    total = [
        np.sum(np.abs(product.probe[0] * product.object[r : r + 32, c : c + 32]) ** 2)
        for r, c in start
    ]
    assert np.mean(total) == pytest.approx(scan.diffraction.sum() / 9, rel=1e-3)


def test_positions_of_a_product_are_in_its_own_object(scan):
    result = reconstruction(scan, 1.0)
    whole = result.canvas
    cut = Canvas(whole.object[3:, 5:], whole.coverage[3:, 5:], (3, 5))
    product = as_product(replace(result, canvas=cut), "r.npz", scan)
    np.testing.assert_array_equal(product.positions_px, scan.positions_px - np.array([3, 5]))


def test_lengths_come_from_the_scan_or_stay_unknown(scan):
    result = reconstruction(scan, 1.0)
    assert as_product(result, "r.npz", scan).pixel_size_m == 2e-8
    assert as_product(result, "r.npz").pixel_size_m is None


def test_a_written_reconstruction_keeps_its_pixel_size_and_old_files_are_read(scan, tmp_path):
    made = replace(reconstruction(scan, 1.0), pixel_size_m=2e-8)
    (path,) = write_reconstruction(tmp_path, made, pictures=False)
    assert read_reconstruction(path).pixel_size_m == 2e-8
    assert as_product(read_reconstruction(path), "r.npz").pixel_size_m == 2e-8
    with np.load(path) as archive:
        old = {name: archive[name] for name in archive.files if name != "pixel_size_m"}
    np.savez(tmp_path / "old.npz", **old)
    assert read_reconstruction(tmp_path / "old.npz").pixel_size_m is None


@pytest.mark.parametrize(
    ("scales", "match"), [('{"x":', "no JSON"), ("[1]", "no mapping"), ("{}", "is missing")]
)
def test_damaged_scales_are_refused(scan, tmp_path, scales, match):
    (path,) = write_reconstruction(tmp_path, reconstruction(scan, 1.0), pictures=False)
    with np.load(path) as archive:
        np.savez(tmp_path / "bad.npz", **{**archive, "scales": np.array(scales)})
    with pytest.raises(PtychoTorchError, match=match):
        read_reconstruction(tmp_path / "bad.npz")

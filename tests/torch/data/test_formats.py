from __future__ import annotations

import bz2
import gzip
import io
import zipfile
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from ptycho_torch.data.formats import read_scan, write_npz, write_scan
from ptycho_torch.data.formats.geometry import object_pixel_m
from ptycho_torch.data.formats.product import product_of
from ptycho_torch.data.scan import ScanData
from ptycho_torch.errors import DataFileError
from ptycho_torch.simulation import simulate_scan

SHARED = Path(__file__).resolve().parents[3] / ".." / "shared" / "data"


def shared(name: str) -> Path:
    if not (SHARED / name).exists():
        pytest.skip(f"{name} is not on this machine")
    return SHARED / name


@pytest.fixture
def scan() -> ScanData:
    made = simulate_scan(seed=4, n_pixel=32, n_patterns=9, nphotons=1e5)
    return replace(made, pixel_size_m=2e-8, energy_ev=9000.0, distance_m=1.5)


def entries(scan: ScanData) -> dict[str, object]:
    """Return a scan as the entries of a CXI file, written by hand."""
    pixel = object_pixel_m(9000.0, 1.5, 2e-8, scan.n_pixel)
    xyz = np.zeros((len(scan), 3))
    xyz[:, 0], xyz[:, 1] = scan.positions_px[:, 1] * 2e-8, scan.positions_px[:, 0] * 2e-8
    return {
        "cxi_version": 160,
        "entry_1/data_1/data": scan.diffraction.astype(np.int32),
        "entry_1/instrument_1/detector_1/distance": -1.5,
        "entry_1/instrument_1/detector_1/x_pixel_size": pixel,
        "entry_1/instrument_1/detector_1/y_pixel_size": pixel,
        "entry_1/instrument_1/source_1/energy": 9000.0 * 1.602176634e-19,
        "entry_1/sample_1/geometry_1/translation": xyz,
        "entry_1/image_1/data": scan.probe,
    }


def hdf5(path: Path, content: dict[str, object], **changes: object) -> Path:
    with h5py.File(path, "w") as file:
        for name, value in (content | changes).items():
            if value is not None:
                file[name] = value
    return path


def relative(scan: ScanData) -> np.ndarray:
    return np.asarray(scan.positions_px - scan.positions_px.min(axis=0))


def test_a_tike_file_comes_out_equal_to_the_scan_made_from_it():
    tike = read_scan(shared("siemens-star-small.npz.bz2"))
    ours = read_scan(shared("siemens_star_aps_n128.npz"))
    assert tike.measurement == "counts"
    assert np.array_equal(tike.amplitude(), ours.amplitude())
    assert np.array_equal(tike.positions_px, ours.positions_px)
    ratio = ours.probe / tike.probe
    np.testing.assert_allclose(ratio, ratio.flat[0], rtol=1e-4)


def tike_arrays(scan: ScanData) -> dict[str, np.ndarray]:
    return {
        "data": np.fft.ifftshift(scan.diffraction, axes=(1, 2))[None],
        "scan": (scan.positions_px - scan.positions_px.mean(axis=0))[None],
        "probe": scan.probe[None, None, None],
    }


def test_tike_positions_and_frequencies_start_at_the_corner(tmp_path, scan):
    np.savez(tmp_path / "t.npz", **tike_arrays(scan))
    found = read_scan(tmp_path / "t.npz")
    assert np.array_equal(found.diffraction, scan.diffraction)
    np.testing.assert_allclose(relative(found), relative(scan), atol=1e-9)
    assert found.positions_px.min() == 16 + 6


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"data": np.ones((2, 9, 32, 32))}, "`data` has shape"),
        ({"scan": np.ones((8, 2))}, "`scan` \\(8, 2\\)"),
        ({"scan": np.ones((0, 2)), "data": np.ones((0, 32, 32))}, "n > 0"),
        ({"probe": np.ones((1, 1, 2, 1, 32, 32), complex)}, "`probe` has shape"),
        ({"probe": np.ones((32, 32))}, "`probe` has shape"),
    ],
)
def test_a_tike_file_that_does_not_fit_is_refused(tmp_path, scan, change, match):
    np.savez(tmp_path / "t.npz", **(tike_arrays(scan) | change))
    with pytest.raises(DataFileError, match=match) as caught:
        read_scan(tmp_path / "t.npz")
    assert caught.value.hint


@pytest.mark.parametrize("pack", [bz2.compress, gzip.compress])
def test_packed_files_are_read_and_named_as_they_are(tmp_path, scan, pack):
    write_npz(tmp_path / "plain.npz", scan)
    packed = tmp_path / "scan.any"
    packed.write_bytes(pack((tmp_path / "plain.npz").read_bytes()))
    found = read_scan(packed)
    assert np.array_equal(found.diffraction, scan.diffraction)
    assert found.source == str(packed)


@pytest.mark.parametrize("pack", [bz2.compress, gzip.compress])
def test_a_truncated_packed_file_is_refused(tmp_path, pack):
    packed = tmp_path / "scan.any"
    packed.write_bytes(pack(bytes(100_000))[:40])
    with pytest.raises(DataFileError, match="damaged or truncated"):
        read_scan(packed)


def test_a_cxi_file_of_a_beamline_is_read():
    scan = read_scan(shared("petra3_p25_nearfield_n100.cxi"))
    assert scan.diffraction.shape == (200, 100, 100)
    assert scan.energy_ev == pytest.approx(12658, rel=1e-3)
    assert scan.pixel_size_m == pytest.approx(1.9946e-8, rel=1e-3)
    assert not scan.mask.all()
    with h5py.File(shared("petra3_p25_nearfield_n100.cxi")) as file:
        xyz = file["entry_1/sample_1/geometry_1/translation"][()]
    found = relative(scan) * scan.pixel_size_m
    np.testing.assert_allclose(found, (xyz - xyz.min(axis=0))[:, [1, 0]], atol=1e-11)


def test_the_object_of_the_cxi_file_moves_against_the_positions():
    """In the near field the sample is seen: it must move as the positions say."""
    scan = read_scan(shared("petra3_p25_nearfield_n100.cxi"))
    mean = scan.diffraction.mean(axis=0)
    bright = mean > 50
    images = np.where(bright, scan.diffraction / np.maximum(mean, 1) - 1, 0)
    spectra = np.fft.fft2(images)
    magnified = 5.63e6 * scan.pixel_size_m  # detector pixels an object pixel, by eye
    alike = {sign: 0.0 for sign in (-1, 1)}
    for first in range(0, 199):
        second = first + 1
        step = (scan.positions_px[second] - scan.positions_px[first]) * magnified
        if np.abs(step).max() < 45:
            cross = np.fft.ifft2(spectra[second] * spectra[first].conj()).real
            for sign in alike:
                row, column = np.rint(sign * step).astype(int)
                alike[sign] += float(cross[row, column])
    assert alike[-1] > 5 * abs(alike[1])


def test_cxi_metres_become_pixels(tmp_path, scan):
    found = read_scan(hdf5(tmp_path / "s.cxi", entries(scan)))
    np.testing.assert_allclose(relative(found), relative(scan), atol=1e-6)
    assert np.array_equal(found.diffraction, scan.diffraction)
    assert np.array_equal(found.probe, scan.probe)
    assert (found.measurement, found.mask) == ("counts", None)
    assert found.pixel_size_m == pytest.approx(2e-8)
    assert found.distance_m == 1.5


@pytest.mark.parametrize(
    ("units", "value"), [(None, 1.4419589706e-15), ("J", 1.4419589706e-15), ("eV", 9e3), ("keV", 9)]
)
def test_energy_is_in_joules_unless_units_say_otherwise(tmp_path, scan, units, value):
    path = hdf5(
        tmp_path / "s.cxi", entries(scan), **{"entry_1/instrument_1/source_1/energy": value}
    )
    if units:
        with h5py.File(path, "a") as file:
            file["entry_1/instrument_1/source_1/energy"].attrs["units"] = units
    assert read_scan(path).energy_ev == pytest.approx(9000)


def test_wavelength_stands_in_for_energy(tmp_path, scan):
    changes = {
        "entry_1/instrument_1/source_1/energy": None,
        "entry_1/instrument_1/source_1/wavelength": 1.239841984e-6 / 9000,
    }
    assert read_scan(hdf5(tmp_path / "s.cxi", entries(scan), **changes)).energy_ev == pytest.approx(
        9000
    )


def test_bad_pixels_of_a_cxi_file_hold_no_counts(tmp_path, scan):
    bits = np.zeros((32, 32), np.uint32)
    bits[3, 4], bits[5, 6] = 1, 0x1000
    counts = scan.diffraction.astype(np.int32)
    counts[:, 3, 4] = -1
    changes = {"entry_1/instrument_1/detector_1/mask": bits, "entry_1/data_1/data": counts}
    found = read_scan(hdf5(tmp_path / "s.cxi", entries(scan), **changes))
    assert np.argwhere(~found.mask).tolist() == [[3, 4]]
    assert not found.diffraction[:, 3, 4].any()


def test_without_a_probe_the_mean_pattern_is_the_start(tmp_path, scan, caplog):
    found = read_scan(hdf5(tmp_path / "s.cxi", entries(scan), **{"entry_1/image_1/data": None}))
    assert "no probe in the file" in caplog.text
    seen = np.abs(np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(found.probe[0]), norm="ortho")))
    np.testing.assert_allclose(seen**2, scan.diffraction.mean(axis=0), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("name", "value", "match"),
    [
        ("entry_1/sample_1/geometry_1/translation", None, "translation` is missing"),
        ("entry_1/sample_1/geometry_1/translation", np.zeros((5, 3)), "for 9 patterns"),
        ("entry_1/instrument_1/detector_1/distance", None, "distance or detector pixel size"),
        ("entry_1/instrument_1/detector_1/x_pixel_size", 1e-5, "detector pixels of"),
        ("entry_1/instrument_1/detector_1/distance", np.nan, "is nan, no finite"),
        ("entry_1/instrument_1/detector_1/mask", np.zeros((3, 3), np.uint32), "mask has shape"),
        ("entry_1/data_1/data", np.ones((9, 4, 32, 32)), "has shape"),
        ("entry_1/image_1/data", np.ones((32, 32)), "probe has shape"),
    ],
)
def test_a_cxi_file_that_cannot_be_right_is_refused(tmp_path, scan, name, value, match):
    path = hdf5(tmp_path / "s.cxi", entries(scan), **{name: value})
    with pytest.raises(DataFileError, match=match) as caught:
        read_scan(path)
    assert str(path) in caught.value.message
    assert caught.value.hint


def test_energy_in_an_unknown_unit_is_refused(tmp_path, scan):
    path = hdf5(tmp_path / "s.cxi", entries(scan))
    with h5py.File(path, "a") as file:
        file["entry_1/instrument_1/source_1/energy"].attrs["units"] = "erg"
    with pytest.raises(DataFileError, match="`erg`"):
        read_scan(path)


def test_cxi_is_written_and_read_back(tmp_path, scan):
    mask = np.ones((32, 32), bool)
    mask[1, 2] = False
    light = np.where(mask, scan.diffraction, 0)
    whole = replace(scan, diffraction=light, mask=mask)
    write_scan(tmp_path / "s.cxi", whole)
    found = read_scan(tmp_path / "s.cxi")
    np.testing.assert_allclose(relative(found), relative(scan), atol=1e-6)
    for name in ("diffraction", "probe", "mask"):
        assert np.array_equal(getattr(found, name), getattr(whole, name))
    assert found.energy_ev == pytest.approx(9000)
    assert [item.name for item in tmp_path.iterdir()] == ["s.cxi"]


def test_cxi_needs_to_know_how_large_a_pixel_is(tmp_path, scan):
    with pytest.raises(DataFileError, match="`energy_ev` not known"):
        write_scan(tmp_path / "s.cxi", replace(scan, energy_ev=None))
    assert not list(tmp_path.iterdir())


def training_file(scan: ScanData) -> dict[str, object]:
    return {
        "patterns": scan.diffraction.astype(np.uint32),
        "bad_pixels": np.zeros((32, 32), bool),
        "probe": scan.probe,
        "object": scan.object,
        "probe_position_x_px": scan.positions_px[:, 1] - 0.5,
        "probe_position_y_px": scan.positions_px[:, 0] - 0.5,
        "object_pixel_width_m": 2e-8,
        "object_pixel_height_m": 2e-8,
        "photon_energy_eV": 9000.0,
        "detector_object_distance_m": 1.5,
    }


def test_a_training_file_of_ptychodus_is_read(tmp_path, scan):
    found = read_scan(hdf5(tmp_path / "t.h5", training_file(scan)))
    for name in ("diffraction", "probe", "positions_px", "object"):
        assert np.array_equal(getattr(found, name), getattr(scan, name)), name
    assert (found.energy_ev, found.distance_m, found.pixel_size_m) == (9000.0, 1.5, 2e-8)


def test_bad_pixels_of_ptychodus_are_masked(tmp_path, scan):
    bad = np.zeros((32, 32), bool)
    bad[2, 3] = True
    found = read_scan(hdf5(tmp_path / "t.h5", training_file(scan), bad_pixels=bad))
    assert np.array_equal(found.mask, ~bad)
    write_npz(tmp_path / "t.npz", scan)
    with np.load(tmp_path / "t.npz") as stored:
        np.savez(tmp_path / "u.npz", bad_pixels=bad, **stored)
    assert np.array_equal(read_scan(tmp_path / "u.npz").mask, ~bad)


@pytest.mark.parametrize("to", ["ptychodus", "ptychodus-npz", "cxi"])
def test_a_product_is_told_from_a_scan(tmp_path, scan, to):
    write_scan(tmp_path / "product", product_of(scan), to)
    with pytest.raises(DataFileError, match="no patterns") as caught:
        read_scan(tmp_path / "product")
    assert "ptycho-torch join" in caught.value.hint


def test_an_unknown_hdf5_file_names_what_is_read(tmp_path):
    with pytest.raises(DataFileError, match="no patterns") as caught:
        read_scan(hdf5(tmp_path / "x.h5", {"a": 1}))
    assert "CXI" in caught.value.hint


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9])
def test_a_truncated_hdf5_file_is_refused(tmp_path, scan, kept):
    path = hdf5(tmp_path / "s.cxi", entries(scan))
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * kept)])
    with pytest.raises(DataFileError, match="damaged or truncated"):
        read_scan(path)


def test_an_hdf5_file_larger_than_the_memory_is_refused_before_it_is_read(tmp_path, scan):
    path = hdf5(tmp_path / "s.cxi", entries(scan), **{"entry_1/data_1/data": None})
    with h5py.File(path, "a") as file:
        file.create_dataset("entry_1/data_1/data", (10**6, 10**4, 10**4), np.int32, chunks=True)
    with pytest.raises(DataFileError, match="4e\\+05 GB"):
        read_scan(path)


def test_an_npz_header_that_promises_more_than_there_is_is_refused(tmp_path):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f4", "fortran_order": False, "shape": (10**7, 10**3, 10**3)}
    )
    with zipfile.ZipFile(tmp_path / "s.npz", "w") as archive:
        archive.writestr("diff3d.npy", header.getvalue() + bytes(64))
    with pytest.raises(DataFileError, match="promises 40,000,000,000,000 bytes"):
        read_scan(tmp_path / "s.npz")


def test_counts_cannot_be_called_amplitude_where_the_format_says_counts(tmp_path, scan):
    path = hdf5(tmp_path / "s.cxi", entries(scan))
    with pytest.raises(DataFileError, match="holds counts"):
        read_scan(path, measurement="amplitude")


def test_an_object_whose_border_jittered_positions_reach_over_is_kept(tmp_path, scan):
    for out, expected in ((2.0, True), (9.0, False)):
        far = scan.positions_px.copy()
        far[0] = scan.n_pixel // 2 - out
        write_scan(tmp_path / "far.cxi", replace(scan, positions_px=far))
        found = read_scan(tmp_path / "far.cxi")
        assert (found.object is not None) is expected
        steps = np.diff(found.positions_px, axis=0)
        np.testing.assert_allclose(steps, np.diff(far, axis=0), atol=1e-3)

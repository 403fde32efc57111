"""Every format that is written gives back what was written, alone and after another one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from ptycho_torch.data.formats import FORMATS, read_file, read_scan, write_scan
from ptycho_torch.data.formats.joined import Optics
from ptycho_torch.data.formats.product import Product, product_of
from ptycho_torch.data.scan import ScanData
from ptycho_torch.errors import ConfigError, DataFileError
from ptycho_torch.simulation import simulate_scan

SCANS = ("npz", "cxi", "nxcxi", "ptychodus-training")
PRODUCTS = ("ptychodus", "ptychodus-npz", "cxi")
NUMBERS = ("pixel_size_m", "energy_ev", "distance_m")


@pytest.fixture
def scan() -> ScanData:
    """Two modes, a mask, an object that is not square, positions off the grid."""
    made = simulate_scan(seed=4, n_pixel=32, n_patterns=9, nphotons=1e5)
    mask = np.ones((32, 32), bool)
    mask[1, 2] = mask[30, 7] = False
    modes = np.concatenate([made.probe, 0.4j * np.roll(made.probe, 3, axis=1)])
    return replace(
        made,
        probe=modes.astype(np.complex64),
        object=np.pad(made.object, ((0, 0), (3, 8)), constant_values=1),
        positions_px=made.positions_px + np.array([0.3, 3]),
        diffraction=np.where(mask, made.diffraction, 0),
        mask=mask,
        pixel_size_m=2e-8,
        energy_ev=9000.0,
        distance_m=1.5,
        nphotons=99000.0,
    )


def assert_same_scan(found: ScanData, scan: ScanData, photons: bool = True) -> None:
    for name in ("diffraction", "probe", "object", "mask"):
        np.testing.assert_array_equal(getattr(found, name), getattr(scan, name), err_msg=name)
    np.testing.assert_allclose(found.positions_px, scan.positions_px, atol=1e-8)
    assert found.measurement == scan.measurement
    for name in (*NUMBERS, *(["nphotons"] if photons else [])):
        assert getattr(found, name) == pytest.approx(getattr(scan, name), rel=1e-12), name


def assert_same_product(found: Product, wanted: Product) -> None:
    for name in ("probe", "object", "indexes"):
        np.testing.assert_array_equal(getattr(found, name), getattr(wanted, name), err_msg=name)
    np.testing.assert_allclose(found.positions_px, wanted.positions_px, atol=1e-8)
    for name in (*NUMBERS, "nphotons"):
        assert getattr(found, name) == pytest.approx(getattr(wanted, name), rel=1e-12), name


@pytest.mark.parametrize("second", SCANS)
@pytest.mark.parametrize("first", SCANS)
def test_a_scan_survives_any_two_formats(tmp_path, scan, first, second):
    write_scan(tmp_path / "a", scan, first)
    write_scan(tmp_path / "b", read_scan(tmp_path / "a"), second)
    photons = "ptychodus-training" not in (first, second)  # it has no place for them
    assert_same_scan(read_scan(tmp_path / "b"), scan, photons)


@pytest.mark.parametrize("second", PRODUCTS)
@pytest.mark.parametrize("first", PRODUCTS)
def test_a_product_survives_any_two_formats(tmp_path, scan, first, second):
    wanted = replace(product_of(scan), indexes=np.array([0, 1, 2, 4, 5, 6, 9, 11, 12]))
    write_scan(tmp_path / "a", wanted, first)
    write_scan(tmp_path / "b", read_file(tmp_path / "a"), second)
    assert_same_product(read_file(tmp_path / "b"), wanted)


@pytest.mark.parametrize("to", ["npz", "cxi"])
def test_amplitudes_stay_amplitudes(tmp_path, scan, to):
    amplitude = np.sqrt(scan.diffraction * np.float32(0.37))
    wanted = replace(scan, diffraction=amplitude, measurement="amplitude")
    write_scan(tmp_path / "a", wanted, to)
    assert_same_scan(read_scan(tmp_path / "a"), wanted)


@pytest.mark.parametrize("to", ["npz", "cxi"])
def test_a_scan_without_an_object_keeps_its_positions(tmp_path, scan, to):
    wanted = replace(scan, object=None, nphotons=None)
    write_scan(tmp_path / "a", wanted, to)
    assert_same_scan(read_scan(tmp_path / "a"), wanted, photons=False)


def test_counts_are_written_as_small_integers_and_fractions_as_they_are(tmp_path, scan):
    path = tmp_path / "a.cxi"
    kinds = {}
    for name, factor in (("uint16", 1), ("uint32", 2**17), ("float32", 0.25)):
        write_scan(path, replace(scan, diffraction=scan.diffraction * np.float32(factor)))
        with h5py.File(path) as file:
            kinds[name] = str(file["entry_1/data_1/data"].dtype)
        np.testing.assert_array_equal(
            read_scan(path).diffraction, scan.diffraction * np.float32(factor)
        )
    assert list(kinds) == list(kinds.values())


def test_cxi_has_the_classes_of_nexus_and_the_names_of_cxi(tmp_path, scan):
    write_scan(tmp_path / "a.nxs", scan)
    with h5py.File(tmp_path / "a.nxs") as file:
        assert file["cxi_version"][()] == 160
        entry = file["entry_1"]
        assert entry["definition"].asstr()[()] == "NXcxi_ptycho"
        classes = {name: entry[name].attrs["NX_class"] for name in ("instrument_1", "data")}
        assert classes == {"instrument_1": "NXinstrument", "data": "NXdata"}
        assert entry["data_1/data"] == entry["instrument_1/detector_1/data"]
        beam = entry["instrument_1/beam_1/incident_beam_energy"]
        assert beam.attrs["units"] == "J"
        assert beam[()] == pytest.approx(9000 * 1.602176634e-19)
        x = entry["data/x"][()]
        np.testing.assert_array_equal(x, entry["sample_1/geometry_1/translation"][:, 0])


def test_a_reader_that_knows_nothing_of_us_finds_the_positions(tmp_path, scan):
    """Without this package's and Ptychodus's own groups, they differ by a common shift only."""
    write_scan(tmp_path / "a.cxi", scan)
    with h5py.File(tmp_path / "a.cxi", "a") as file:
        del file["entry_1/ptychodus"], file["entry_1/ptycho_torch"]
    found = read_scan(tmp_path / "a.cxi")
    moved = found.positions_px - scan.positions_px
    np.testing.assert_allclose(moved - moved[0], 0, atol=1e-8)
    assert found.object is None


@pytest.mark.parametrize("to", ["cxi", "nxcxi", "ptychodus", "ptychodus-npz", "ptychodus-training"])
@pytest.mark.parametrize("name", NUMBERS)
def test_a_format_with_lengths_needs_to_know_them(tmp_path, scan, to, name):
    with pytest.raises(DataFileError, match=f"`{name}` not known") as caught:
        write_scan(tmp_path / "a", replace(scan, **{name: None}), to)
    assert "--pixel-size-m" in caught.value.hint
    assert not list(tmp_path.iterdir())


def test_lengths_that_are_given_count_more_than_the_file(scan):
    bare = replace(scan, pixel_size_m=None, energy_ev=None, distance_m=None)
    given = Optics(energy_ev=9000.0, distance_m=1.5, detector_pixel_m=3.22876558e-4)
    found = given.onto(bare)
    assert found.pixel_size_m == pytest.approx(2e-8, rel=1e-6)
    assert (found.energy_ev, found.distance_m) == (9000.0, 1.5)
    assert Optics(energy_ev=8000.0).onto(scan).energy_ev == 8000.0
    assert Optics().onto(scan).pixel_size_m == 2e-8


@pytest.mark.parametrize("to", ["npz", "ptychodus-training"])
def test_a_product_alone_cannot_become_a_scan(tmp_path, scan, to):
    with pytest.raises(DataFileError, match="holds no patterns") as caught:
        write_scan(tmp_path / "a", product_of(scan), to)
    assert "join" in caught.value.hint


def test_the_ending_or_a_name_says_the_format(tmp_path, scan):
    for form in FORMATS:
        for suffix in form.suffixes:
            write_scan(tmp_path / f"a{suffix}", scan)
            read_file(tmp_path / f"a{suffix}")
    with pytest.raises(ConfigError, match="another ending"):
        write_scan(tmp_path / "a.dat", scan)
    with pytest.raises(ConfigError, match="`tike` is not written"):
        write_scan(tmp_path / "a.npz", scan, "tike")


def test_the_energy_of_the_machine_is_not_the_photons(tmp_path, scan):
    """NXcxi_ptycho keeps the ring's energy at the source and the photons' in the beam."""
    write_scan(tmp_path / "a.nxs", scan)
    with h5py.File(tmp_path / "a.nxs", "a") as file:
        del file["entry_1/instrument_1/source_1/energy"]
        file["entry_1/instrument_1/source_1/energy"] = 3.0
        file["entry_1/instrument_1/source_1/energy"].attrs["units"] = "GeV"
    assert read_scan(tmp_path / "a.nxs").energy_ev == pytest.approx(9000)


def test_a_raster_and_its_motors_are_read(tmp_path, scan):
    """NXcxi_ptycho: patterns (rows, columns, N, N) and one array a motor, in their own units."""
    write_scan(tmp_path / "a.nxs", scan)
    with h5py.File(tmp_path / "a.nxs", "a") as file:
        entry = file["entry_1"]
        metres = entry["sample_1/geometry_1/translation"][()]
        counts = entry["data_1/data"][()]
        for name in (
            *("data_1/data", "data/data", "instrument_1/detector_1/data"),
            *("sample_1/geometry_1/translation", "data_1/translation", "data/x", "data/y"),
            "instrument_1/detector_1/translation",
        ):
            del entry[name]
        entry["data/data"] = counts.reshape(3, 3, 32, 32)
        for axis, column in (("x", 0), ("y", 1)):
            entry[f"data/{axis}"] = metres[:, column].reshape(3, 3) * 1e6
            entry[f"data/{axis}"].attrs["units"] = "um"
    found = read_scan(tmp_path / "a.nxs")
    assert_same_scan(found, scan)


def test_the_picture_of_a_sample_is_no_probe(tmp_path, scan, caplog):
    """In plain CXI `image_1` is what was reconstructed, of any size."""
    write_scan(tmp_path / "a.cxi", scan)
    with h5py.File(tmp_path / "a.cxi", "a") as file:
        del file["entry_1/instrument_1/source_1/illumination"], file["entry_1/image_1/data"]
        file["entry_1/image_1/data"] = np.ones((100, 120), complex)
    assert read_scan(tmp_path / "a.cxi").probe.shape == (1, 32, 32)
    assert "is no probe" in caplog.text


def test_photons_of_an_impossible_energy_are_refused(tmp_path, scan):
    """9.1 without units means joules, though keV was meant."""
    write_scan(tmp_path / "a.cxi", scan)
    with h5py.File(tmp_path / "a.cxi", "a") as file:
        del file["entry_1/instrument_1/beam_1"]
        file["entry_1/instrument_1/source_1/energy"][()] = 9.1
        file["entry_1/instrument_1/source_1/energy"].attrs.clear()
    with pytest.raises(DataFileError, match=r"photons of 5.68e\+19 eV") as caught:
        read_scan(tmp_path / "a.cxi")
    assert "keV" in caught.value.hint


def test_a_file_of_matlab_begins_with_a_text(tmp_path, scan):
    """Version 7.3 is HDF5 behind 512 bytes."""
    write_scan(tmp_path / "plain.h5", scan)
    with (
        h5py.File(tmp_path / "plain.h5") as plain,
        h5py.File(tmp_path / "r.mat", "w", userblock_size=512) as file,
    ):
        for name in plain:
            plain.copy(name, file)
        file.attrs.update(plain.attrs)
    text = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(116) + bytes(8) + b"\0\2IM"
    with Path(tmp_path / "r.mat").open("r+b") as stream:
        stream.write(text)
    assert_same_product(read_file(tmp_path / "r.mat"), product_of(scan))

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile

from ptycho_torch.data.formats import read_file as read_product
from ptycho_torch.data.formats import read_scan, write_scan
from ptycho_torch.data.formats.geometry import object_pixel_m
from ptycho_torch.data.formats.joined import Optics, join
from ptycho_torch.data.scan import ScanData
from ptycho_torch.errors import DataFileError
from ptycho_torch.simulation import simulate_scan

NONE = Optics()


@pytest.fixture
def scan() -> ScanData:
    made = simulate_scan(seed=4, n_pixel=32, n_patterns=9, nphotons=1e5)
    return replace(made, pixel_size_m=2e-8, energy_ev=9000.0, distance_m=1.5)


@pytest.fixture
def stack(tmp_path, scan) -> Path:
    np.save(tmp_path / "patterns.npy", scan.diffraction.astype(np.uint32))
    return tmp_path / "patterns.npy"


def relative(positions: np.ndarray) -> np.ndarray:
    return np.asarray(positions - positions.min(axis=0))


def table(path: Path, scan: ScanData, header: str, factor: float, separator: str = ",") -> Path:
    rows = [
        separator.join(f"{value * factor:.9g}" for value in (x, y)) for y, x in scan.positions_px
    ]
    path.write_text("\n".join(["# from the motors", header.replace(",", separator), *rows, ""]))
    return path


@pytest.mark.parametrize(
    ("header", "factor", "separator"),
    [
        ("x_px,y_px", 1, ","),
        ("X_um,Y_um", 0.02, ";"),
        ("x_nm,y_nm", 20, "\t"),
        ("x_m,y_m", 2e-8, " "),
    ],
)
def test_a_table_places_the_patterns_of_another_file(
    tmp_path, scan, stack, header, factor, separator
):
    positions = table(tmp_path / "p.csv", scan, header, factor, separator)
    found = join(stack, positions, Optics(pixel_size_m=2e-8))
    assert np.array_equal(found.diffraction, scan.diffraction)
    np.testing.assert_allclose(relative(found.positions_px), relative(scan.positions_px), atol=1e-4)
    assert found.measurement == "counts"
    assert found.pixel_size_m == 2e-8


def test_the_object_pixel_follows_from_the_experiment(tmp_path, scan, stack):
    detector = object_pixel_m(9000.0, 1.5, 2e-8, 32)
    optics = Optics(energy_ev=9000.0, distance_m=1.5, detector_pixel_m=detector)
    found = join(stack, table(tmp_path / "p.csv", scan, "x_m,y_m", 2e-8), optics)
    assert found.pixel_size_m == pytest.approx(2e-8)
    np.testing.assert_allclose(relative(found.positions_px), relative(scan.positions_px), atol=1e-4)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("x_m,y_m\n1,2\n", "`y_m` is a length"),
        ("a,b\n1,2\n", "no column `y_px` or `y_m`; there is a, b"),
        ("x_px,y_px\n1,2\n3,q\n", "p.csv:3: `3,q` has no number for `y_px`"),
        ("x_px,y_px\n1,2\n3\n", "p.csv:3"),
        ("x_px,y_px\n", "1 lines"),
        ("x_px,y_px\n1,2\n", "has 9 patterns, .* places 1"),
    ],
)
def test_a_table_that_cannot_be_right_is_refused(tmp_path, stack, text, match):
    (tmp_path / "p.csv").write_text(text)
    with pytest.raises(DataFileError, match=match) as caught:
        join(stack, tmp_path / "p.csv", NONE)
    assert caught.value.hint


def write_stack(folder: Path, kind: str, values: np.ndarray) -> Path:
    path = folder / f"s.{kind}"
    if kind == "tif":
        tifffile.imwrite(path, values)
    elif kind == "npz":
        np.savez(path, dp=values, scan=np.zeros((9, 2)))
    elif kind == "h5":
        with h5py.File(path, "w") as file:
            file["a/b/dp"] = values
            file["a/position"] = np.zeros((9, 2))
    return path


@pytest.mark.parametrize("kind", ["tif", "npz", "h5"])
def test_a_stack_comes_in_many_kinds_of_files(tmp_path, scan, kind):
    stack = write_stack(tmp_path, kind, scan.diffraction.astype(np.uint16))
    found = join(stack, table(tmp_path / "p.csv", scan, "x_px,y_px", 1), NONE)
    assert np.array_equal(found.diffraction, scan.diffraction)


def test_amplitudes_are_told_from_counts(tmp_path, scan):
    np.save(tmp_path / "a.npy", np.sqrt(scan.diffraction))
    found = join(tmp_path / "a.npy", table(tmp_path / "p.csv", scan, "x_px,y_px", 1), NONE)
    assert found.measurement == "amplitude"
    seen = np.abs(np.fft.fft2(found.probe[0], norm="ortho")) ** 2
    assert seen.sum() == pytest.approx(scan.diffraction.sum() / 9, rel=1e-4)


def test_which_of_two_stacks_is_meant_is_not_guessed(tmp_path, scan):
    path = write_stack(tmp_path, "h5", scan.diffraction)
    with h5py.File(path, "a") as file:
        file["dark"] = scan.diffraction
    with pytest.raises(DataFileError, match="`a/b/dp`, `dark`"):
        join(path, table(tmp_path / "p.csv", scan, "x_px,y_px", 1), NONE)


@pytest.mark.parametrize(
    "content", [b"", b"\x93NUMPY", b"II*\0", b"PK\x03\x04", b"\x89HDF\r\n\x1a\n"]
)
def test_a_damaged_stack_is_refused(tmp_path, scan, content):
    (tmp_path / "s.any").write_bytes(content)
    with pytest.raises(DataFileError):
        join(tmp_path / "s.any", table(tmp_path / "p.csv", scan, "x_px,y_px", 1), NONE)


def assert_joined(found: ScanData, scan: ScanData) -> None:
    assert np.array_equal(found.diffraction, scan.diffraction)
    np.testing.assert_allclose(found.positions_px, scan.positions_px, atol=1e-6)
    np.testing.assert_array_equal(found.probe, scan.probe)
    np.testing.assert_array_equal(found.object, scan.object)
    assert found.pixel_size_m == pytest.approx(2e-8)


def test_a_product_of_ptychodus_is_written_and_joined_with_its_patterns(tmp_path, scan, stack):
    write_scan(tmp_path / "product.h5", scan)
    found = join(stack, tmp_path / "product.h5", NONE)
    assert_joined(found, scan)
    assert (found.energy_ev, found.distance_m) == (9000.0, 1.5)


def test_metres_of_a_product_are_about_the_centre_of_its_object(tmp_path, scan):
    """Pixel (W - 1) / 2 is the centre; a patch begins (N - 1) / 2 before its position."""
    write_scan(tmp_path / "product.h5", scan)
    with h5py.File(tmp_path / "product.h5") as file:
        x_m = file["probe_position_x_m"][()]
        assert file["object"].attrs["center_x_m"] == 0
    index = x_m / 2e-8 + (scan.object.shape[1] - 1) / 2
    np.testing.assert_allclose(index - (32 - 1) / 2, scan.positions_px[:, 1] - 16, atol=1e-6)


def test_a_shifted_centre_of_a_product_is_taken_out(tmp_path, scan, stack):
    write_scan(tmp_path / "product.h5", scan)
    with h5py.File(tmp_path / "product.h5", "a") as file:
        file["object"].attrs["center_x_m"] = 3e-6
        file["probe_position_x_m"][...] += 3e-6
    assert_joined(join(stack, tmp_path / "product.h5", NONE), scan)


def test_a_product_in_npz_is_read(tmp_path, scan, stack):
    write_scan(tmp_path / "product.h5", scan)
    with h5py.File(tmp_path / "product.h5") as file:
        arrays = {name: item[()] for name, item in file.items()}
    np.savez(
        tmp_path / "product.npz",
        **arrays,
        object_pixel_width_m=2e-8,
        object_pixel_height_m=2e-8,
        object_center_x_m=0.0,
        object_center_y_m=0.0,
        photon_energy_eV=9000.0,
        detector_object_distance_m=1.5,
        name=np.array("p"),
    )
    assert_joined(join(stack, tmp_path / "product.npz", NONE), scan)


def test_indexes_of_a_product_choose_the_patterns(tmp_path, scan, stack, caplog):
    write_scan(tmp_path / "product.h5", scan.select([2, 5, 7]))
    with h5py.File(tmp_path / "product.h5", "a") as file:
        file["probe_position_indexes"][...] = [2, 5, 7]
    assert_joined(join(stack, tmp_path / "product.h5", NONE), scan.select([2, 5, 7]))
    assert "3 of 9 patterns have a position" in caplog.text


def test_an_index_without_a_pattern_is_refused(tmp_path, scan, stack):
    write_scan(tmp_path / "product.h5", scan)
    with h5py.File(tmp_path / "product.h5", "a") as file:
        file["probe_position_indexes"][-1] = 9
    with pytest.raises(DataFileError, match=r"has 9 patterns, .* places 10"):
        join(stack, tmp_path / "product.h5", NONE)


def test_a_run_of_ptypy_is_joined(tmp_path, scan, stack):
    with h5py.File(tmp_path / "run.ptyr", "w") as file:
        file["content/obj/SscanG00/data"] = scan.object[None]
        file["content/obj/SscanG00/_psize"] = [2e-8, 2e-8]
        file["content/obj/SscanG00/_origin"] = [-1e-6, -3e-6]
        file["content/probe/SscanG00/data"] = scan.probe
        file["content/positions/SscanG00"] = scan.positions_px * 2e-8 + [-1e-6, -3e-6]
    assert_joined(join(stack, tmp_path / "run.ptyr", NONE), scan)


def matlab(path: Path, scan: ScanData) -> Path:
    """Write what PtychoShelves saves, as MATLAB lays it out: columns first, complex as pairs."""
    pair = np.dtype([("real", "<f8"), ("imag", "<f8")])

    def stored(array: np.ndarray) -> np.ndarray:
        out = np.empty(array.T.shape, pair)
        out["real"], out["imag"] = array.T.real, array.T.imag
        return out

    start = scan.positions_px - 16  # the first pixel of each patch, counted from 0
    size = np.array(scan.object.shape)
    offset = np.ceil(size / 2 - 32 / 2) - 1
    with h5py.File(path, "w") as file:
        file["object"] = stored(scan.object)
        file["probe"] = stored(np.moveaxis(scan.probe, 0, -1)[..., None])
        file["outputs/probe_positions"] = (start - offset)[:, ::-1].T
        file["p/dx_spec"] = np.array([[2e-8], [2e-8]])
        file["p/lambda"] = np.array([[1.239841984e-6 / 9000]])
    return path


def test_a_result_of_ptychoshelves_is_joined(tmp_path, scan, stack):
    found = join(stack, matlab(tmp_path / "r.mat", scan), NONE)
    assert_joined(found, scan)
    assert found.energy_ev == pytest.approx(9000)


def test_several_modes_of_matlab_keep_their_axes(tmp_path, scan):
    modes = np.concatenate([scan.probe, 1j * scan.probe[:, ::-1] / 2])
    two = replace(scan, probe=modes.astype(np.complex64))
    found = read_product(matlab(tmp_path / "r.mat", two))
    np.testing.assert_array_equal(found.probe, two.probe)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"object": np.ones((2, 60, 60), complex)}, "the object has shape"),
        ({"object": np.ones((60, 60))}, "the object has shape"),
        ({"probe": np.ones((32, 32))}, "the probe has shape"),
        ({"probe_position_x_m": None}, "no patterns, and no product"),
        ({"probe_position_y_m": None}, "`probe_position_y_m` is missing"),
    ],
)
def test_a_product_that_cannot_be_right_is_refused(tmp_path, scan, change, match):
    write_scan(tmp_path / "product.h5", scan)
    with h5py.File(tmp_path / "product.h5", "a") as file:
        for name, value in change.items():
            kept = dict(file[name].attrs)
            del file[name]
            if value is not None:
                file[name] = value
                file[name].attrs.update(kept)
    with pytest.raises(DataFileError, match=match) as caught:
        read_product(tmp_path / "product.h5")
    assert caught.value.hint


def test_a_product_needs_an_object_and_a_pixel_size(tmp_path, scan):
    with pytest.raises(DataFileError, match="`object`, `pixel_size_m` not known"):
        write_scan(tmp_path / "p.h5", replace(scan, object=None, pixel_size_m=None))
    assert not list(tmp_path.iterdir())


def test_the_joined_scan_is_written_and_read(tmp_path, scan, stack):
    found = join(stack, table(tmp_path / "p.csv", scan, "x_px,y_px", 1), NONE)
    write_scan(tmp_path / "scan.npz", found)
    assert np.array_equal(read_scan(tmp_path / "scan.npz").positions_px, found.positions_px)

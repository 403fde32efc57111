from __future__ import annotations

import logging
import pickle
from pathlib import Path

import numpy as np
import pytest

from ptycho_torch.data.formats import read_scan, write_npz
from ptycho_torch.errors import DataFileError
from ptycho_torch.simulation import simulate_scan

SHARED = Path(__file__).resolve().parents[3] / ".." / "shared" / "data"


def arrays(n: int = 6, size: int = 16) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    return {
        "diff3d": rng.uniform(0.1, 3, (n, size, size)).astype(np.float32),
        "probeGuess": np.ones((size, size), np.complex64),
        "xcoords": np.linspace(20, 30, n),
        "ycoords": np.linspace(15, 18, n),
        "objectGuess": np.ones((40, 60), np.complex64),
    }


def save(path: Path, **changes: np.ndarray | None) -> Path:
    content = {k: v for k, v in (arrays() | changes).items() if v is not None}
    np.savez(path, **content)
    return path


@pytest.fixture
def file(tmp_path) -> Path:
    return tmp_path / "scan.npz"


def test_positions_are_row_and_column_while_x_is_the_column(file):
    scan = read_scan(save(file))
    assert scan.positions_px[0].tolist() == [15, 20]
    assert scan.positions_px.dtype == np.float64


def test_both_pattern_keys_are_read(file):
    expected = arrays()["diff3d"]
    assert np.array_equal(read_scan(save(file)).diffraction, expected)
    renamed = save(file, diff3d=None, diffraction=expected)
    assert np.array_equal(read_scan(renamed).diffraction, expected)


def test_two_different_stacks_are_refused(file):
    save(file, diffraction=arrays()["diff3d"] + 1)
    with pytest.raises(DataFileError, match="both there and differ"):
        read_scan(file)


@pytest.mark.parametrize(
    ("shape", "modes"), [((16, 16), 1), ((3, 16, 16), 3), ((16, 16, 1), 1), ((1, 16, 16), 1)]
)
def test_every_probe_shape_is_read(file, shape, modes):
    probe = (1 + np.arange(np.prod(shape)).reshape(shape)).astype(np.complex64)
    found = read_scan(save(file, probeGuess=probe)).probe
    assert found.shape == (modes, 16, 16)
    assert np.array_equal(found.ravel(), probe.ravel())


def test_old_axis_order_is_recognised(file):
    stack = arrays()["diff3d"]
    found = read_scan(save(file, diff3d=np.moveaxis(stack, 0, -1))).diffraction
    assert np.array_equal(found, stack)


@pytest.mark.parametrize("legacy", [False, True])
def test_as_many_patterns_as_pixels_are_told_apart_by_the_light(file, legacy):
    scan = simulate_scan(seed=1, n_pixel=32, n_patterns=32, nphotons=1e6)
    stack = np.moveaxis(scan.diffraction, 0, -1) if legacy else scan.diffraction
    write_npz(file, scan)
    with np.load(file) as stored:
        content = dict(stored)
    np.savez(file, **(content | {"diff3d": stack}))
    assert np.array_equal(read_scan(file).diffraction, scan.diffraction)


@pytest.mark.parametrize(
    ("stack", "expected"),
    [
        (np.arange(6 * 256).reshape(6, 16, 16).astype(np.int32), "counts"),
        (np.arange(6 * 256).reshape(6, 16, 16).astype(np.float32), "counts"),
        (np.sqrt(np.arange(6 * 256)).reshape(6, 16, 16).astype(np.float32), "amplitude"),
    ],
)
def test_counts_and_amplitude_are_told_apart(file, caplog, stack, expected):
    with caplog.at_level(logging.INFO):
        scan = read_scan(save(file, diff3d=stack))
    assert scan.measurement == expected
    assert f"taken as {expected}, because" in caplog.text
    power = 2 if expected == "amplitude" else 1
    np.testing.assert_allclose(scan.amplitude() ** 2, stack**power, rtol=1e-6)


def test_the_caller_overrides_the_file(file):
    save(file, measurement=np.array("amplitude"))
    assert read_scan(file).measurement == "amplitude"
    assert read_scan(file, measurement="counts").measurement == "counts"


def test_an_unknown_measurement_is_refused(file):
    with pytest.raises(DataFileError, match="'photons'"):
        read_scan(save(file, measurement=np.array("photons")))


def test_a_pickled_member_is_refused_without_running_it(file, tmp_path):
    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    np.savez(file, **arrays(), _metadata=np.array(Trap(), dtype=object))
    assert pickle.PROTO in file.read_bytes()
    with pytest.raises(DataFileError, match="`_metadata` is a pickled object") as caught:
        read_scan(file)
    assert "plain array" in caught.value.hint
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"diff3d": None}, "neither `diff3d` nor `diffraction`"),
        ({"probeGuess": None}, "`probeGuess` is missing"),
        ({"xcoords": None}, "`xcoords` is missing"),
        ({"xcoords": np.zeros(5)}, "5 `xcoords` but 6 `ycoords`"),
        ({"diff3d": np.full((6, 16, 16), np.nan)}, "NaN or infinite"),
        ({"diff3d": np.full((6, 16, 16), -1.5)}, "negative values, the lowest is -1.5"),
        ({"diff3d": np.zeros((6, 16, 16))}, "zero everywhere"),
        ({"diff3d": np.ones((6, 16, 12))}, "do not fit 6 positions"),
        ({"diff3d": np.ones((6, 16))}, "three axes"),
        ({"diff3d": np.ones((6, 16, 16), complex)}, "real numbers"),
        ({"diff3d": np.ones((5, 16, 16))}, "do not fit 6 positions"),
        ({"probeGuess": np.ones((8, 8), complex)}, "`probe` has shape"),
        ({"probeGuess": np.zeros((16, 16), complex)}, "`probe` is zero"),
        ({"probeGuess": np.ones(16, complex)}, "`probeGuess` has shape"),
        ({"ycoords": np.full(6, np.inf)}, "`positions` holds 6"),
        ({"nphotons": np.array(-3.0)}, "`nphotons` is -3"),
        ({"nphotons": np.ones(3)}, "`nphotons` has shape"),
        ({"mask": np.ones((3, 3), bool)}, "`mask` has shape"),
    ],
)
def test_a_file_that_cannot_be_right_is_refused_with_the_reason(file, change, match):
    with pytest.raises(DataFileError, match=match) as caught:
        read_scan(save(file, **change))
    assert str(file) in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("kept", [0.2, 0.6, 0.99])
def test_a_truncated_file_is_refused(file, kept):
    whole = save(file).read_bytes()
    file.write_bytes(whole[: int(len(whole) * kept)])
    with pytest.raises(DataFileError, match="damaged or truncated"):
        read_scan(file)


def test_a_flipped_byte_is_noticed(file):
    content = bytearray(save(file).read_bytes())
    content[1000] ^= 0xFF
    file.write_bytes(content)
    with pytest.raises(DataFileError, match="damaged or truncated"):
        read_scan(file)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "of a kind no reader is for"),
        (b"hello world", "of a kind no reader is for"),
        (b"\x93NUMPY", "a single NPY array"),
        (b"\x89HDF\r\n\x1a\n", "HDF5 file is damaged"),
        (b"BZh91", "archive is damaged"),
    ],
)
def test_another_kind_of_file_is_refused(file, content, match):
    file.write_bytes(content)
    with pytest.raises(DataFileError, match=match):
        read_scan(file)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(DataFileError, match="cannot read"):
        read_scan(tmp_path / "none.npz")


def test_an_object_that_does_not_cover_the_scan_is_left_out_with_a_warning(file, caplog):
    scan = read_scan(save(file, objectGuess=np.ones((20, 20), np.complex64)))
    assert scan.object is None
    assert "does not cover the scan" in caplog.text


def test_what_is_written_is_read_back_equal(file):
    scan = simulate_scan(seed=3, n_pixel=32, n_patterns=9, nphotons=1e5)
    write_npz(file, scan)
    again = read_scan(file)
    for name in ("diffraction", "probe", "positions_px", "object"):
        assert np.array_equal(getattr(scan, name), getattr(again, name))
    assert (again.measurement, again.nphotons, again.mask) == ("counts", 1e5, None)


def test_equal_scans_give_equal_bytes_and_leave_no_temporary_file(tmp_path, monkeypatch):
    scan = simulate_scan(seed=3, n_pixel=32, n_patterns=9, nphotons=1e5)
    write_npz(tmp_path / "a.npz", scan)
    monkeypatch.setattr("time.time", lambda: 1e9)
    write_npz(tmp_path / "b.npz", scan)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.npz", "b.npz"]


@pytest.mark.parametrize(
    ("name", "count", "light"),
    [
        ("siemens_star_aps_n64.npz", 516, 4.4e5),
        ("run1084_lcls_semireal_n64_1e+06.npz", 1087, 1e6),
    ],
)
def test_measured_scans_are_read_as_amplitude(name, count, light):
    if not (SHARED / name).exists():
        pytest.skip(f"{name} is not on this machine")
    scan = read_scan(SHARED / name)
    assert (len(scan), scan.n_pixel, scan.measurement) == (count, 64, "amplitude")
    assert np.square(scan.amplitude()).sum(axis=(1, 2)).mean() == pytest.approx(light, rel=0.01)

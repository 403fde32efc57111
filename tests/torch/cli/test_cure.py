"""What `check` says is wrong, the command that it prints mends: pasted, checked, reconstructed."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from typer.testing import CliRunner

from ptycho_torch.cli.app import app
from ptycho_torch.data.formats import read_scan, write_npz, write_scan
from ptycho_torch.data.placement import scaled
from ptycho_torch.data.scan import ScanData
from ptycho_torch.simulation import simulate_scan


def run(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def moved(scan: ScanData, positions: np.ndarray) -> ScanData:
    return replace(scan, positions_px=np.ascontiguousarray(positions), object=None)


def with_counts(scan: ScanData, counts: np.ndarray) -> ScanData:
    return replace(scan, diffraction=counts.astype(np.float32))


def two_dead_columns(scan: ScanData) -> ScanData:
    counts = scan.diffraction.copy()
    counts[:, :, [12, 19]] = 0
    return with_counts(scan, counts)


def a_background(scan: ScanData) -> ScanData:
    light = np.random.default_rng(0).poisson(200, scan.diffraction.shape)
    return with_counts(scan, scan.diffraction + light)


def no_light_twice(scan: ScanData) -> ScanData:
    counts = scan.diffraction.copy()
    counts[[3, 8]] = 0
    return with_counts(scan, counts)


SPOILT: dict[str, tuple[Callable[[ScanData], ScanData], str, str]] = {
    "turned about": (
        lambda s: moved(s, s.positions_px[:, ::-1] * (1, -1)),
        "orientation",
        "--orientation swap,flip-rows",
    ),
    "too wide": (lambda s: moved(s, s.positions_px * 1.15), "position-scale", "--position_scale"),
    "too narrow": (lambda s: moved(s, s.positions_px * 0.8), "position-scale", "--position_scale"),
    "turned by six degrees": (
        lambda s: moved(s, scaled(s.positions_px, 1, 6)),
        "position-rotation",
        "--position_rotation_deg -",
    ),
    "background": (a_background, "background", "--subtract_background"),
    "dead columns": (two_dead_columns, "dead-pixels", "--mask_defects"),
    "corner frame": (
        lambda s: with_counts(s, np.fft.fftshift(s.diffraction, axes=(1, 2))),
        "zero-frequency",
        "--recentre",
    ),
    "shutter": (no_light_twice, "empty-patterns", "--drop_empty"),
}


@pytest.fixture(scope="module")
def sound() -> ScanData:
    return simulate_scan(seed=3, n_pixel=32, n_patterns=100, nphotons=1e6, kind="cells")


def metrics(path: Path, folder: Path) -> dict[str, Any]:
    quick = ("--method", "pie", "--epochs", 6, "--no_pictures", "--quiet", "--json")
    result = run("reconstruct", path, "--out", folder / "out", *quick)
    assert result.exit_code == 0, result.stderr
    return dict(json.loads(result.stdout)["metrics"])


QUICK = ("turned about", "too wide", "dead columns")


@pytest.mark.parametrize(
    ("spoil", "slug", "flag"),
    [
        pytest.param(*case, id=name, marks=() if name in QUICK else pytest.mark.slow)
        for name, case in SPOILT.items()
    ],
)
def test_the_printed_command_mends_the_scan(
    spoil: Callable[[ScanData], ScanData], slug: str, flag: str, sound: ScanData, tmp_path: Path
) -> None:
    path = tmp_path / "my scan.npz"
    write_npz(path, spoil(sound))
    said = run("check", path, "--json")
    assert said.exit_code == 1, said.stderr
    found = json.loads(said.stdout)
    assert [remark["slug"] for remark in found["remarks"]] == [slug]
    assert flag in found["cure"]

    pasted = shlex.split(found["cure"])
    assert pasted[0] == "ptycho-torch"
    assert run(*pasted[1:]).exit_code == 0
    mended = tmp_path / "my scan-cured.npz"
    again = run("check", mended)
    assert again.exit_code == 0, again.stdout
    assert "looks wrong: nothing" in again.stdout

    if slug in ("orientation", "position-scale", "dead-pixels"):
        assert metrics(mended, tmp_path)["r_factor"] < 0.8 * metrics(path, tmp_path)["r_factor"]
    if slug == "background":
        errors = [metrics(file, tmp_path)["reconstruction"] for file in (path, mended)]
        assert errors[1]["relative_error"] < 0.7 * errors[0]["relative_error"]


def test_positions_in_micrometres_are_mended_by_their_unit(sound: ScanData, tmp_path: Path) -> None:
    known = replace(sound, positions_px=sound.positions_px * 0.02, object=None)
    write_npz(tmp_path / "um.npz", known)
    command = ("convert", tmp_path / "um.npz", tmp_path / "px.npz", "--position_unit", "um")
    refused = run(*command)
    assert refused.exit_code == 4
    assert "not known" in refused.stderr
    assert run(*command, "--pixel_size_m", 2e-8).exit_code == 0
    steps = np.diff(read_scan(tmp_path / "px.npz").positions_px, axis=0)
    np.testing.assert_allclose(steps, np.diff(sound.positions_px, axis=0), atol=1e-9)


@pytest.mark.parametrize(
    ("flags", "match"),
    [
        (("--orientation", "upside-down"), "`orientation` is `upside-down`"),
        (("--position_scale", "0"), "`position_scale` is 0"),
        (("--subtract_background", "-1"), "`subtract_background` is -1"),
    ],
)
def test_amendments_that_cannot_be_made_are_refused(
    flags: tuple[str, str], match: str, sound: ScanData, tmp_path: Path
) -> None:
    write_npz(tmp_path / "s.npz", sound)
    result = run("convert", tmp_path / "s.npz", tmp_path / "t.npz", *flags)
    assert result.exit_code == 2
    assert match in result.stderr
    assert not (tmp_path / "t.npz").exists()


def test_micrometres_where_a_cxi_file_has_metres_are_mended(
    sound: ScanData, tmp_path: Path
) -> None:
    known = replace(sound, pixel_size_m=2e-8, energy_ev=9000.0, distance_m=1.5)
    write_scan(tmp_path / "um.cxi", known)
    with h5py.File(tmp_path / "um.cxi", "r+") as file:
        file["entry_1/sample_1/geometry_1/translation"][...] *= 1e6
    said = run("check", tmp_path / "um.cxi", "--json")
    assert said.exit_code == 1
    found = json.loads(said.stdout)
    assert [remark["slug"] for remark in found["remarks"]] == ["positions-unit"]
    assert found["cure"].endswith("--position_scale 1e-6")
    assert run(*shlex.split(found["cure"])[1:]).exit_code == 0
    steps = np.diff(read_scan(tmp_path / "um-cured.npz").positions_px, axis=0)
    np.testing.assert_allclose(steps, np.diff(sound.positions_px, axis=0), atol=1e-3)

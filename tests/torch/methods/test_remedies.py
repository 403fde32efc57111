"""What would lower R is tried and named with its numbers; a sound scan is left in peace."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from ptycho_torch.cli.app import app
from ptycho_torch.data.formats import write_npz
from ptycho_torch.data.scan import ScanData
from ptycho_torch.methods.remedies import helps
from ptycho_torch.simulation import make_probe, simulate_scan


def two_modes(second: float) -> np.ndarray[Any, Any]:
    """A probe and itself times a line, with a share of the light in the second."""
    first = make_probe(32)[0]
    tilted = first * np.linspace(-1, 1, 32)
    tilted *= np.sqrt(second / (1 - second)) * np.linalg.norm(first) / np.linalg.norm(tilted)
    return np.stack([first, tilted]).astype(np.complex64)


def measured(**changes: Any) -> ScanData:
    return simulate_scan(seed=9, n_pixel=32, n_patterns=100, step_px=3, nphotons=1e6, **changes)


def reconstructed(scan: ScanData, tmp_path: Path, *flags: str) -> dict[str, Any]:
    file = tmp_path / "my scan.npz"
    write_npz(file, scan)
    arguments = ["reconstruct", str(file), "--out", str(tmp_path / "out"), "--no-pictures"]
    result = CliRunner().invoke(app, [*arguments, "--json", *flags])
    assert result.exit_code == 0, result.stderr
    return dict(json.loads(result.stdout)["metrics"])


def warned(metrics: dict[str, Any]) -> dict[str, dict[str, str]]:
    return {remark["slug"]: remark for remark in metrics["warnings"]}


def test_light_of_two_modes_asks_for_two_modes_and_that_ends_it(tmp_path: Path) -> None:
    scan = measured(probe=two_modes(0.25))
    one = reconstructed(replace(scan, probe=scan.probe[:1]), tmp_path)
    remark = warned(one)["try-modes"]
    assert "--modes 2" in remark["hint"]
    assert one["trials"]["r_factors"]["2 probe modes"] < one["trials"]["r_factors"]["as it is"]
    two = reconstructed(replace(scan, probe=scan.probe[:1]), tmp_path, "--modes", "2")
    assert not warned(two)
    assert two["r_factor"] < 0.8 * one["r_factor"]
    assert any("light in the probe's modes: " in line for line in two["told"])


def test_positions_that_are_off_ask_for_their_correction(tmp_path: Path) -> None:
    scan = measured()
    off = np.random.default_rng(2).normal(scale=1.0, size=scan.positions_px.shape)
    said = reconstructed(replace(scan, positions_px=scan.positions_px + off), tmp_path)
    assert {slug for slug in warned(said) if slug.startswith("try-")} == {"try-positions"}
    assert "--correct_positions" in warned(said)["try-positions"]["hint"]
    assert f"ptycho-torch check '{tmp_path / 'my scan.npz'}'" in warned(said)["misfit"]["hint"]


def test_a_probe_that_was_held_fixed_is_named(tmp_path: Path) -> None:
    scan = measured()
    axis = np.arange(32) - 16
    lens = np.exp(0.02j * (axis[:, None] ** 2 + axis[None, :] ** 2))
    blurred = replace(scan, probe=(scan.probe * lens).astype(np.complex64))
    said = reconstructed(blurred, tmp_path, "--no_update_probe")
    assert "--no_update_probe" in warned(said)["try-probe"]["hint"]


@pytest.mark.parametrize("dose", [1e4, 1e8])
def test_a_sound_scan_is_recommended_nothing(dose: float, tmp_path: Path) -> None:
    scan = simulate_scan(seed=9, n_pixel=32, n_patterns=64, step_px=3, nphotons=dose)
    said = reconstructed(scan, tmp_path)
    assert not warned(said)
    assert said["trials"] is None, "it pays for no trial"


def test_a_gain_must_beat_chance_and_take_a_share_of_the_excess() -> None:
    assert helps(gain=0.5, excess=1.0, noise=1.0, patterns=100)
    assert not helps(gain=0.2, excess=1.0, noise=1.0, patterns=100), "most of it stays"
    assert not helps(gain=0.08, excess=0.1, noise=1.0, patterns=100), "as much as chance gives"
    assert not helps(gain=0.3, excess=0.5, noise=1.0, patterns=10), "few patterns, much freedom"

"""What the comparison with other packages hands over, and how it judges what comes back."""

from __future__ import annotations

import importlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from ptycho_torch.data.scan import ScanData
from ptycho_torch.simulation import simulate_scan

BENCH = Path(__file__).resolve().parents[2] / "bench"


@pytest.fixture
def tracing(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module that runs and judges, as the benchmark imports it."""
    monkeypatch.syspath_prepend(str(BENCH / "peers"))
    return importlib.import_module("tracing")


@pytest.fixture(scope="module")
def scan() -> ScanData:
    return simulate_scan(3, n_pixel=32, n_patterns=36, nphotons=1e6)


def _truth(tracing: ModuleType, scan: ScanData, **changes: Any) -> Any:
    trace = tracing.Trace(
        "truth", [1], [0.0], [scan.object], (0, 0), tracing.scaled_probe(scan), scan.positions_px
    )
    return replace(trace, **changes)


def test_the_true_object_explains_the_counts(tracing: ModuleType, scan: ScanData) -> None:
    assert tracing.r_factor(_truth(tracing, scan), scan) < 0.03


def test_a_total_gain_does_not_count(tracing: ModuleType, scan: ScanData) -> None:
    stronger = _truth(tracing, scan, probe=7 * tracing.scaled_probe(scan))
    assert tracing.r_factor(stronger, scan) == pytest.approx(
        tracing.r_factor(_truth(tracing, scan), scan), rel=1e-3
    )


@pytest.mark.parametrize("origin", [(1, 0), (0, -1)])
def test_an_object_one_pixel_off_explains_less(
    tracing: ModuleType, scan: ScanData, origin: tuple[int, int]
) -> None:
    image = np.pad(scan.object, 1, constant_values=1)
    there = _truth(tracing, scan, objects=[image], origin=(-1, -1))
    off = _truth(tracing, scan, objects=[image], origin=(origin[0] - 1, origin[1] - 1))
    inside = scan.select(slice(8, 28))
    at = replace(there, positions_px=inside.positions_px)
    moved = replace(off, positions_px=inside.positions_px)
    right = tracing.r_factor(at, inside)
    assert tracing.r_factor(moved, inside) > 2 * right


def test_a_problem_survives_its_file(tracing: ModuleType, scan: ScanData, tmp_path: Path) -> None:
    exchange = importlib.import_module("exchange")
    probe = tracing.scaled_probe(scan)
    problem = exchange.Problem(
        tracing.counts_of(scan), probe, scan.positions_px, {"epochs": 3, "record_at": [1]}
    )
    problem.save(tmp_path / "problem.npz")
    back = exchange.Problem.load(str(tmp_path / "problem.npz"))
    np.testing.assert_array_equal(back.counts, scan.diffraction)
    assert back.settings == {"epochs": 3, "record_at": [1]}
    energy = np.square(np.abs(back.probe)).sum()
    assert energy == pytest.approx(scan.diffraction.sum(axis=(1, 2)).mean(), rel=1e-5)
    low, (height, width) = back.canvas()
    corners = np.round(scan.positions_px).astype(int) - 16 - low
    assert corners.min() >= 0
    assert np.all(corners.max(axis=0) + 32 <= (height, width))


def test_a_recorder_keeps_what_was_asked_for(tracing: ModuleType, tmp_path: Path) -> None:
    exchange = importlib.import_module("exchange")
    recorder = exchange.Recorder({1, 3}, (2, 5), np.zeros((4, 2)))
    recorder.start()
    for number in (1, 2, 3):
        recorder.epoch(number, lambda n=number: np.full((2, 2), n), lambda: np.ones((1, 2, 2)))
    recorder.save(str(tmp_path / "result.npz"))
    with np.load(tmp_path / "result.npz") as left:
        assert left["epochs"].tolist() == [1, 3]
        assert left["objects"][:, 0, 0].real.tolist() == [1, 3]
        assert left["cpu_s"][1] >= left["cpu_s"][0] >= 0


def test_absent_environments_are_told_with_the_way_to_get_them(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "ignore", BENCH / "bench_peers.py", "--peers", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, cwd=BENCH.parent)
    assert done.returncode == 4
    assert "no environment of ptychi, ptylab, cdtools, py4dstem" in done.stderr
    assert f"hint: python bench/peers/install.py {tmp_path}" in done.stderr

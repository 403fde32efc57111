from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from ptycho_torch.cli.app import app
from ptycho_torch.data.formats import write_scan
from ptycho_torch.reconstruct.checkpoint import CHECKPOINT_FILE
from ptycho_torch.simulation import simulate_scan

PATIENCE_S = 120


@pytest.fixture(scope="module")
def scan_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scan") / "scan.npz"
    scan = simulate_scan(seed=5, n_pixel=32, n_patterns=100, nphotons=1e5, kind="lines")
    write_scan(path, scan)
    return path


def command(scan: Path, out: Path, *more: str) -> list[str]:
    call = [sys.executable, "-m", "ptycho_torch.cli.app", "reconstruct", str(scan)]
    fixed = ["--method", "pie", "--stop", "never", "--epochs", "240", "--no_pictures"]
    return [*call, *fixed, "--out", str(out), *more]


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1"}


@pytest.mark.slow
def test_a_run_killed_by_the_system_goes_on_to_the_same_object(scan_file, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    subprocess.run(command(scan_file, whole), check=True, env=environment(), capture_output=True)
    process = subprocess.Popen(
        command(scan_file, killed), env=environment(), stderr=subprocess.DEVNULL
    )
    checkpoint, began = killed / CHECKPOINT_FILE, time.monotonic()
    while not checkpoint.exists() and process.poll() is None:
        assert time.monotonic() - began < PATIENCE_S
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert checkpoint.exists()
    assert not (killed / "reconstruction.npz").exists()
    done = subprocess.run(
        command(scan_file, killed, "--resume"),
        check=True,
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert "going on after" in done.stderr
    assert not checkpoint.exists()
    files = (folder / "reconstruction.npz" for folder in (whole, killed))
    assert len({path.read_bytes() for path in files}) == 1


def run_json(*arguments: object) -> dict[str, object]:
    result = CliRunner().invoke(app, [*map(str, arguments), "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)["metrics"]


class TestFlagsOfTheEngine:
    def test_engine_and_strength_are_told(self, scan_file, tmp_path):
        fixed = ("reconstruct", scan_file, "--method", "pie", "--no_pictures", "--epochs", 6)
        rpie = run_json(*fixed, "--out", tmp_path / "a", "--stop", "never")
        adam = run_json(*fixed, "--out", tmp_path / "b", "--engine", "adam", "--stop", "never")
        bare = run_json(*fixed, "--out", tmp_path / "c", "--regularisation", 0, "--stop", "never")
        assert (rpie["engine"], adam["engine"]) == ("rpie", "adam")
        assert rpie["stopped_after"] == 6
        assert rpie["stop_reason"] == "epochs"
        assert bare["regularisation"] == 0 < rpie["regularisation"]
        objects = []
        for name in "abc":
            with np.load(tmp_path / name / "reconstruction.npz") as found:
                objects.append(found["object"])
        assert not np.array_equal(objects[0], objects[1])
        assert not np.array_equal(objects[0], objects[2])

    def test_a_settled_run_says_so(self, scan_file, tmp_path):
        told = run_json(
            *("reconstruct", scan_file, "--method", "pie", "--no_pictures", "--epochs", 60),
            *("--out", tmp_path),
        )
        assert told["stop_reason"] == "settled"
        assert told["stopped_after"] < 60

    @pytest.mark.parametrize("value", ["much", "-1", "11", "nan"])
    def test_a_strength_that_is_none_is_refused(self, scan_file, tmp_path, value):
        for call in (
            ("reconstruct", str(scan_file)),
            ("refine", "x.npz", "--scan", str(scan_file)),
        ):
            given = [*call, f"--regularisation={value}", "--out", str(tmp_path)]
            result = CliRunner().invoke(app, given)
            assert result.exit_code == 2
            assert "auto, or a number" in result.stderr

    def test_refine_with_gradients_lowers_the_r_factor(self, scan_file, tmp_path):
        fixed = ("--no_pictures", "--epochs", 3, "--out", tmp_path / "a")
        run_json("reconstruct", scan_file, "--method", "pie", *fixed)
        start = tmp_path / "a" / "reconstruction.npz"
        more = run_json(
            *("refine", start, "--scan", scan_file, "--engine", "adam"),
            *("--epochs", 8, "--out", tmp_path / "b"),
        )
        assert more["r_factor"] < 0.9 * more["start_r_factor"]

    def test_flags_of_the_other_engine_are_refused(self, scan_file):
        given = ["refine", "x.npz", "--scan", str(scan_file), "--engine", "adam", "--alpha", "0.5"]
        result = CliRunner().invoke(app, given)
        assert result.exit_code == 2
        assert "rPIE's" in result.stderr


def test_an_interrupted_run_says_how_it_goes_on_and_leaves_no_half_result(
    scan_file, tmp_path, monkeypatch
):
    def stop(*_: object) -> None:
        (tmp_path / CHECKPOINT_FILE).write_bytes(b"what the engine keeps")
        raise KeyboardInterrupt

    monkeypatch.setattr("ptycho_torch.methods.run.run_stages", stop)
    result = CliRunner().invoke(
        app, ["reconstruct", str(scan_file), "--out", str(tmp_path), "--method", "pie"]
    )
    assert result.exit_code == 130
    assert "error: interrupted\nhint: the same command with --resume" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == [CHECKPOINT_FILE]

"""`ptycho-torch reconstruct` by network, iterations and both: what it decides, says and leaves."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from typer.testing import CliRunner

from ptycho_torch.cli.app import app
from ptycho_torch.data.formats import write_npz
from ptycho_torch.data.scan import ScanData
from ptycho_torch.networks.canvas import CanvasNetwork
from ptycho_torch.physics.propagate import propagate
from ptycho_torch.pretrained import save_pretrained
from ptycho_torch.simulation import make_probe, simulate_scan


def run(*arguments: object) -> Any:
    return CliRunner().invoke(app, ["reconstruct", *(str(argument) for argument in arguments)])


def metrics_of(*arguments: object) -> dict[str, Any]:
    result = run(*arguments, "--no-pictures", "--json")
    assert result.exit_code == 0, result.stderr
    return dict(json.loads(result.stdout)["metrics"])


def slugs(metrics: dict[str, Any]) -> set[str]:
    return {remark["slug"] for remark in metrics["warnings"]}


@pytest.fixture(scope="module")
def tiny_scan() -> ScanData:
    return simulate_scan(seed=8, n_pixel=32, n_patterns=25, step_px=4.5)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def write(scan: ScanData, **changes: Any) -> Path:
        path = tmp_path / "scan.npz"
        write_npz(path, replace(scan, **changes))
        return path

    return write


def test_the_table_has_the_flat_object_and_no_network_beside_the_result(
    tiny: Any, tmp_path: Path
) -> None:
    result = run(tiny.test, "--out", tmp_path, "--epochs", 6, "--no-pictures")
    assert result.exit_code == 0, result.stderr
    rows = {
        line[:30].strip(): line[30:].split()
        for line in result.stdout.splitlines()
        if re.match(r"(reconstruction|projections|flat|photon noise)", line)
    }
    (least,) = rows.pop("photon noise alone")
    assert set(rows) == {"reconstruction", "projections + sync, no network", "flat object"}
    assert float(least) < float(rows["reconstruction"][0])
    r_factors = [float(row[0]) for row in rows.values()]
    assert r_factors == sorted(r_factors)
    assert {len(row) for row in rows.values()} == {8}, "with a truth: R, NLL and six against it"
    assert "method: pie (only 25 patterns: iterations alone)" in (result.stdout)
    assert "INFO method pie: only 25 patterns" in result.stderr


def test_a_run_leaves_object_probe_curve_metrics_and_what_was_decided(
    tiny: Any, tmp_path: Path
) -> None:
    result = run(tiny.test, "--out", tmp_path, "--epochs", 3, "--json")
    said = json.loads(result.stdout)["metrics"]
    names = {path.name for path in tmp_path.iterdir()}
    pictures = {"reconstruction_amplitude.png", "reconstruction_phase.png", "probe.png"}
    assert {"reconstruction.npz", "metrics.json", "config.yaml", "r_factor.png"} | pictures <= names
    assert json.loads((tmp_path / "metrics.json").read_text()) == said
    decided = yaml.safe_load((tmp_path / "config.yaml").read_text())
    assert (decided["method"], decided["iterative"]["epochs"]) == ("pie", 3)
    assert said["method_reason"] == decided["reason"]


def test_probe_times_object_are_the_data_whatever_the_power_of_the_files_probe(
    tiny_scan: ScanData, write: Callable[..., Path], tmp_path: Path
) -> None:
    file = write(tiny_scan, probe=tiny_scan.probe * np.complex64(0.01))
    said = metrics_of(file, "--out", tmp_path / "out", "--epochs", 9)
    with np.load(tmp_path / "out" / "reconstruction.npz") as found:
        start = np.round(found["positions"][7]).astype(int) - 16 - found["origin"]
        patch = found["object"][start[0] : start[0] + 32, start[1] : start[1] + 32]
        wave = propagate(torch.from_numpy(found["probe"] * patch)[None])
    predicted = wave.abs().square().sum(dim=(0, 1)).sqrt().numpy()
    measured = tiny_scan.amplitude()[7]
    assert np.linalg.norm(predicted - measured) < 0.15 * np.linalg.norm(measured)
    assert said["r_factor"] < 0.1


def test_a_network_trained_on_the_spot_beats_the_flat_object(tiny: Any, tmp_path: Path) -> None:
    said = metrics_of(tiny.test, "--out", tmp_path, "--method", "net", "--train-steps", 40)
    assert (said["method"], said["network"]) == ("net", "trained here")
    assert said["r_factor"] < 0.6 * said["flat_r_factor"]
    assert said["training"]["gridsize"] == 1
    assert slugs(said) <= {"misfit", "no-gain"}
    assert (tmp_path / "training" / "wts.h5.zip").exists()
    assert not list(tmp_path.glob("*.png"))


class TestBundle:
    """A network that was trained before."""

    def test_net_and_hybrid_use_it_and_iterations_end_nearer(
        self, trained: Any, tiny: Any, tmp_path: Path
    ) -> None:
        fixed = (tiny.test, "--bundle", trained.folder)
        net = metrics_of(*fixed, "--out", tmp_path / "net", "--method", "net")
        hybrid = metrics_of(*fixed, "--out", tmp_path / "hybrid", "--method", "hybrid")
        assert net["network"] == hybrid["network"] == "bundle"
        assert hybrid["r_factor"] < 0.5 * net["r_factor"] < net["flat_r_factor"]

    def test_auto_takes_it_for_few_patterns_and_says_why(
        self, trained: Any, tiny: Any, tmp_path: Path
    ) -> None:
        said = metrics_of(tiny.test, "--bundle", trained.folder, "--out", tmp_path, "--epochs", 2)
        assert (said["method"], said["method_asked"]) == ("hybrid", "auto")
        assert said["method_reason"].startswith("only 25 patterns, and the bundle fits")

    def test_another_dose_needs_no_other_bundle(
        self, trained: Any, tiny_scan: ScanData, write: Callable[..., Path], tmp_path: Path
    ) -> None:
        weak = simulate_scan(seed=8, n_pixel=32, n_patterns=25, step_px=4.5, nphotons=1e6)
        fixed = ("--bundle", trained.folder, "--method", "net", "--out")
        strong = metrics_of(write(tiny_scan), *fixed, tmp_path / "strong")
        said = metrics_of(write(weak), *fixed, tmp_path / "weak")
        assert said["r_factor"] < 1.1 * strong["r_factor"]

    def test_a_foreign_probe_is_named_and_auto_leaves_the_bundle_alone(
        self, trained: Any, tiny_scan: ScanData, write: Callable[..., Path], tmp_path: Path
    ) -> None:
        file = write(tiny_scan, probe=make_probe(32, spot=0.05, coma_rad=3.0) * 1e4)
        fixed = (file, "--bundle", trained.folder, "--epochs", 1, "--out", tmp_path)
        said = metrics_of(*fixed)
        assert said["method"] == "pie"
        assert "another probe" in said["method_reason"]
        used = run(*fixed, "--method", "net", "--json", "--no-pictures")
        assert "bundle-probe" in slugs(json.loads(used.stdout)["metrics"])
        assert used.stderr.count("[bundle-probe]") == 1

    def test_a_bundle_for_another_size_is_refused_or_left_alone(
        self, trained: Any, tmp_path: Path
    ) -> None:
        file = tmp_path / "scan.npz"
        write_npz(file, simulate_scan(seed=8, n_pixel=40, n_patterns=9, step_px=4.5))
        fixed = (file, "--bundle", trained.folder, "--epochs", 1, "--out", tmp_path)
        assert "for patterns of 32 px" in metrics_of(*fixed)["method_reason"]
        refused = run(*fixed, "--method", "net")
        assert refused.exit_code == 4
        assert "the model needs 32 px" in refused.stderr


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"weights", "no ZIP archive"), ("scan", "it holds `"), ("folder", "cannot read bundle")],
)
def test_what_is_no_bundle_is_refused_with_the_way_out(
    content: bytes | str, message: str, tiny: Any, tmp_path: Path
) -> None:
    given = tmp_path / "given"
    if content == "scan":
        given = tiny.test
    elif isinstance(content, bytes):
        given.write_bytes(content)
    else:
        given.mkdir()
    refused = run(tiny.test, "--method", "hybrid", "--bundle", given, "--out", tmp_path / "out")
    assert refused.exit_code == 4
    assert message in refused.stderr
    assert "hint: " in refused.stderr
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def prior(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network as `pretrain` leaves it, that knows nothing yet: it darkens every object."""
    torch.manual_seed(0)
    network = CanvasNetwork(8)
    with torch.no_grad():
        network.leave[0].bias += 0.2  # type: ignore[operator]
    path = tmp_path_factory.mktemp("prior") / "pretrained.zip"
    save_pretrained(path, network, {"seed": 0})
    return path


def test_a_pretrained_network_betters_what_the_engine_found(
    prior: Path, write: Callable[..., Path], tmp_path: Path
) -> None:
    weak = simulate_scan(seed=8, n_pixel=32, n_patterns=25, step_px=4.5, nphotons=3e3)
    fixed = (write(weak), "--bundle", prior, "--epochs", 6)
    net = metrics_of(*fixed, "--method", "net", "--out", tmp_path / "net")
    assert net["network"] == "pretrained"
    assert net["r_factor"] > 1.02 * net["before_network_r_factor"], "this one does not better it"
    assert "few-photons" not in slugs(net)
    hybrid = metrics_of(*fixed, "--method", "hybrid", "--out", tmp_path / "hybrid")
    pie = metrics_of(write(weak), "--epochs", 6, "--method", "pie", "--out", tmp_path / "pie")
    assert hybrid["before_network_r_factor"] == pie["r_factor"], "the engine's whole run is first"
    assert hybrid["before_network_r_factor"] != net["before_network_r_factor"], "it smooths, too"


@pytest.mark.parametrize(
    ("flags", "code", "message"),
    [
        (("--method", "pie", "--bundle", "b"), 2, "`--method pie` uses no network"),
        (("--train-steps", 5), 2, "`--train_steps` has no effect"),
        (("--method", "net", "--bundle", "b", "--train-steps", 5), 2, "has no effect"),
        (("--method", "net", "--train-steps", 0), 2, "`train_steps` is 0"),
        (("--method", "pie", "--pretrained"), 2, "`--method pie` uses no network"),
        (("--bundle", "b", "--pretrained"), 2, "name two networks"),
        (("--nphotons", -1), 2, "`nphotons` is -1"),
        (("--bundle", "nix.zip"), 4, "nix.zip"),
    ],
)
def test_flags_without_effect_or_sense_are_refused(
    flags: tuple[object, ...], code: int, message: str, tiny: Any, tmp_path: Path
) -> None:
    refused = run(tiny.test, "--out", tmp_path / "out", *flags)
    assert refused.exit_code == code
    assert message in refused.stderr
    assert not (tmp_path / "out").exists()


def test_quiet_says_nothing_of_a_sound_run(tiny: Any, tmp_path: Path) -> None:
    result = run(tiny.test, "--out", tmp_path, "--epochs", 24, "--quiet", "--no-pictures")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")


class TestOddScans:
    """Whatever can be read is reconstructed, or refused with the reason."""

    @pytest.mark.parametrize(
        ("patterns", "method"),
        [(1, "hybrid"), (2, "pie"), (2, "hybrid"), (3, "pie"), (5, "hybrid")],
    )
    def test_few_patterns(
        self,
        patterns: int,
        method: str,
        tiny_scan: ScanData,
        write: Callable[..., Path],
        tmp_path: Path,
    ) -> None:
        file = write(tiny_scan.select(slice(patterns)))
        more = () if method == "pie" else ("--train-steps", 3)
        said = metrics_of(file, "--out", tmp_path / "o", "--method", method, "--epochs", 2, *more)
        assert said["r_factor"] < said["flat_r_factor"]

    def test_repeated_positions(
        self, tiny_scan: ScanData, write: Callable[..., Path], tmp_path: Path
    ) -> None:
        twice = tiny_scan.select([*range(25), *range(25), 3, 3, 3])
        weak = simulate_scan(seed=8, n_pixel=32, n_patterns=25, step_px=4.5, nphotons=1e4)
        for name, scan in (("pie", twice), ("hybrid", weak.select([*range(25), *[0] * 20]))):
            more = () if name == "pie" else ("--train-steps", 6)
            fixed = (write(scan), "--out", tmp_path / name, "--method", name, "--epochs", 3)
            said = metrics_of(*fixed, *more)
            assert said["r_factor"] < said["flat_r_factor"]

    def test_masked_pixels_do_not_count(
        self, tiny_scan: ScanData, write: Callable[..., Path], tmp_path: Path
    ) -> None:
        mask = np.ones((32, 32), bool)
        mask[14:18, 20:23] = False
        spoiled = np.where(mask, tiny_scan.diffraction, tiny_scan.diffraction.max() * 2)
        file = write(tiny_scan, diffraction=spoiled.astype(np.float32), mask=mask)
        for method, more in (("pie", ()), ("net", ("--train-steps", 25))):
            said = metrics_of(file, "--out", tmp_path / method, "--method", method, *more)
            assert said["r_factor"] < 0.6 * said["flat_r_factor"]

    @pytest.mark.parametrize("n_pixel", [34, 44])
    def test_sizes_that_no_network_halves_three_times(
        self, n_pixel: int, tiny_scan: ScanData, write: Callable[..., Path], tmp_path: Path
    ) -> None:
        scan = simulate_scan(seed=8, n_pixel=48, n_patterns=16, step_px=4.5)
        rim = (48 - n_pixel) // 2
        inner = slice(rim, rim + n_pixel)
        cut = replace(
            scan,
            diffraction=np.ascontiguousarray(scan.diffraction[:, inner, inner]),
            probe=make_probe(n_pixel) * 1e4,
            positions_px=scan.positions_px * n_pixel / 48,
            object=None,
        )
        said = metrics_of(
            *(write(cut), "--out", tmp_path / "o", "--method", "hybrid", "--train-steps", 8),
            *("--epochs", 2),
        )
        assert said["r_factor"] < said["flat_r_factor"]

    def test_amplitudes_in_no_known_unit_are_not_taken_for_few_photons(
        self, write: Callable[..., Path], tmp_path: Path
    ) -> None:
        scan = simulate_scan(seed=8, n_pixel=32, n_patterns=25, step_px=4.5, nphotons=None)
        said = metrics_of(write(scan), "--out", tmp_path / "a", "--epochs", 24)
        assert slugs(said) == {"dose-unknown"}
        assert said["r_factor"] < 0.1
        given = metrics_of(write(scan), "--out", tmp_path / "b", "--epochs", 24, "--nphotons", 1e7)
        assert slugs(given) == set()

    def test_the_photons_of_an_object_pixel_are_counted_and_few_are_named(
        self, write: Callable[..., Path], tmp_path: Path
    ) -> None:
        scan = simulate_scan(seed=8, n_pixel=32, n_patterns=25, step_px=4.5, nphotons=200.0)
        said = metrics_of(write(scan), "--out", tmp_path / "a", "--epochs", 3)
        # 25 patterns of 200 photons on a window of about 20 x 20 px, and some beyond its rim.
        assert 6 < said["photons_per_object_pixel"] < 14
        assert "few-photons" in slugs(said)

    @pytest.mark.parametrize("method", ["pie", "net"])
    def test_patterns_without_light_are_left_out(
        self, method: str, tiny_scan: ScanData, write: Callable[..., Path], tmp_path: Path
    ) -> None:
        dark = tiny_scan.diffraction.copy()
        dark[[3, 11]] = 0
        more = () if method == "pie" else ("--train-steps", 25)
        file = write(tiny_scan, diffraction=dark)
        said = metrics_of(file, "--out", tmp_path / "o", "--method", method, *more)
        assert "empty-patterns" in slugs(said)
        assert said["patterns"] == 23
        assert said["r_factor"] < (0.02 if method == "pie" else 0.6 * said["flat_r_factor"])
        with np.load(tmp_path / "o" / "reconstruction.npz") as found:
            assert not {3, 11} & set(found["patterns"].tolist())
            kept = tiny_scan.positions_px[found["patterns"]]
            assert np.array_equal(found["positions"], kept)

    def test_several_modes_are_used_by_the_network_too(
        self, write: Callable[..., Path], tmp_path: Path
    ) -> None:
        first = make_probe(32)[0]
        tilt = np.exp(2j * np.pi * np.arange(32) / 32 * 2)[None, :]
        modes = np.stack([first * np.sqrt(0.7), first * tilt * np.sqrt(0.3)]).astype(np.complex64)
        scan = simulate_scan(seed=8, n_pixel=32, n_patterns=36, step_px=4, probe=modes)
        fixed = ("--method", "net", "--train-steps", 50, "--no_update_probe", "--out")
        both = metrics_of(write(scan), *fixed, tmp_path / "two")
        one = metrics_of(write(scan, probe=scan.probe[:1]), *fixed, tmp_path / "one")
        assert len(both["probe_mode_powers"]) == 2
        assert both["r_factor"] < 0.7 * one["r_factor"]

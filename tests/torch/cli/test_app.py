"""`ptycho-torch`: scans and results as files, each command with JSON and help."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from ptycho_torch.cli.app import app
from ptycho_torch.data.formats import read_scan, write_npz
from ptycho_torch.simulation import simulate_scan

COMMANDS = (
    *(
        "simulate",
        "split",
        "reconstruct",
        "pretrain",
        "train",
        "infer",
        "refine",
        "evaluate",
        "parity",
        "check",
        "join",
        "convert",
        "info",
    ),
)
STAR = Path(__file__).resolve().parents[3] / ".." / "shared/data/siemens_star_aps_n64.npz"


def run(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def run_json(*arguments: object) -> dict[str, Any]:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.stderr
    return dict(json.loads(result.stdout))


@pytest.fixture(scope="module")
def reconstruction(
    trained: Any, tiny: Any, cli: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("reconstruction")
    fixed = ("--model_path", trained.folder, "--test_data", tiny.test, "--output_dir", folder)
    assert cli("infer", *fixed).code == 0
    return folder / "reconstruction.npz"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_and_json(command: str) -> None:
    result = run(command, "--help")
    assert result.exit_code == 0
    assert "--json" in result.stdout
    assert re.search(r"Usage: \S+ " + command, result.stdout)


def test_the_list_of_commands_is_the_documented_one() -> None:
    listed = re.findall(r"^  ([a-z]+) ", run("--help").stdout.split("Commands:")[1], re.MULTILINE)
    assert tuple(listed) == COMMANDS


def test_version() -> None:
    from ptycho_torch import __version__

    assert run("--version").stdout.strip() == __version__


class TestSimulate:
    """Two scans of different objects under one probe."""

    SMALL = ("--n-pixel", 32, "--n-patterns", 16, "--n-test-patterns", 9)

    def test_equal_seeds_give_equal_bytes(self, tmp_path: Path) -> None:
        for name in ("a", "b"):
            run_json("simulate", "--out-dir", tmp_path / name, "--seed", 7, *self.SMALL)
        for name in ("train.npz", "test.npz"):
            assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()

    def test_train_and_test_differ_in_the_object_not_in_the_probe(self, tmp_path: Path) -> None:
        report = run_json("simulate", "--out-dir", tmp_path, *self.SMALL)
        assert (report["train"]["patterns"], report["test"]["patterns"]) == (16, 9)
        train, test = (read_scan(tmp_path / f"{name}.npz") for name in ("train", "test"))
        assert np.array_equal(train.probe.round(0), test.probe.round(0)) or np.allclose(
            train.probe / np.linalg.norm(train.probe), test.probe / np.linalg.norm(test.probe)
        )
        assert train.object is not None
        assert test.object is not None
        overlap = tuple(
            slice(0, min(n)) for n in zip(train.object.shape, test.object.shape, strict=True)
        )
        assert not np.allclose(train.object[overlap], test.object[overlap], atol=0.05)

    def test_dose_and_family_are_honoured(self, tmp_path: Path) -> None:
        weak = run("simulate", "--out-dir", tmp_path, *self.SMALL, "--nphotons", 1e4)
        assert weak.exit_code == 0
        counts = read_scan(tmp_path / "train.npz").diffraction.sum(axis=(1, 2)).mean()
        assert counts == pytest.approx(1e4, rel=0.05)
        unknown = run("simulate", "--out-dir", tmp_path, "--kind", "unicorns")
        assert unknown.exit_code == 2
        assert "unicorns" in unknown.stderr


def test_split_writes_disjoint_halves(tiny: Any, tmp_path: Path) -> None:
    report = run_json("split", tiny.train, "--out-dir", tmp_path, "--rule", "alternate")
    halves = [read_scan(report[name]["file"]).positions_px for name in ("train", "test")]
    assert not {tuple(p) for p in halves[0]} & {tuple(p) for p in halves[1]}
    assert len(halves[0]) + len(halves[1]) == 25


@pytest.mark.skipif(not STAR.exists(), reason="the shared data sets are not here")
def test_split_keeps_what_the_reader_decided(tmp_path: Path) -> None:
    run_json("split", STAR, "--out-dir", tmp_path)
    assert read_scan(tmp_path / "train.npz").measurement == "amplitude"


def test_evaluate_shows_the_flat_row_beside(reconstruction: Path, tiny: Any) -> None:
    report = run_json("evaluate", reconstruction, "--truth", tiny.test, "--scan", tiny.test)
    assert set(report["reconstruction"]) == set(report["flat"])
    assert report["reconstruction"]["mae_phase_rad"] < report["flat"]["mae_phase_rad"]
    assert report["data"]["r_factor"] < report["data"]["flat_r_factor"]
    text = run("evaluate", reconstruction, "--truth", tiny.test).stdout
    assert text.split()[:2] == ["reconstruction", "flat"]
    assert "mae_amplitude" in text
    assert "looks like" in text


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ((), 2, "nothing to compare with"),
        (("--truth", "{other}", "--against", "{other}"), 2, "exclude each other"),
        (("--truth", "{other}", "--halves"), 2, "`halves` needs the scan"),
        (("--scan", "{other}", "--max_error", "0.1"), 2, "something to differ from"),
        (("--scan", "{other}"), 4, "the reconstruction"),
        (("--truth", "nix.npz"), 4, "nix.npz"),
    ],
)
def test_evaluate_explains_what_it_lacks(
    arguments: tuple[str, ...], code: int, message: str, reconstruction: Path, tiny: Any
) -> None:
    given = [argument.format(other=tiny.train) for argument in arguments]
    result = run("evaluate", reconstruction, *given)
    assert result.exit_code == code
    assert message in result.stderr


def test_evaluate_takes_any_object_and_draws_it(tiny: Any, tmp_path: Path) -> None:
    scan = read_scan(tiny.test)
    assert scan.object is not None
    rows, cols = np.indices(scan.object.shape)
    ramped = 2j * scan.object * np.exp(0.1j * rows - 0.05j * cols)
    np.save(tmp_path / "mine.npy", ramped)
    np.savez(tmp_path / "theirs.npz", probe=np.ones((1, 8, 8), complex), obj=ramped[None, 3:, 5:])
    for flag, other in (("--truth", tiny.test), ("--against", tmp_path / "theirs.npz")):
        report = run_json("evaluate", tmp_path / "mine.npy", flag, other)
        assert report["reconstruction"]["relative_error"] < 1e-3
        assert report["looks_like"] == "the same object"
        assert Path(report["picture"]).read_bytes().startswith(b"\x89PNG")
    lengths = {len(values) for values in report["frc"].values()}
    assert len(lengths) == 1


def test_evaluate_answers_no_when_the_error_is_too_large(reconstruction: Path, tiny: Any) -> None:
    fixed = ("evaluate", reconstruction, "--truth", tiny.test, "--no-picture", "--json")
    codes = [run(*fixed, "--max-error", limit) for limit in (1.0, 1e-9)]
    assert [result.exit_code for result in codes] == [0, 1]
    assert [json.loads(result.stdout)["passed"] for result in codes] == [True, False]


def test_evaluate_correlates_halves(reconstruction: Path, tiny: Any, tmp_path: Path) -> None:
    fixed = ("evaluate", reconstruction, "--scan", tiny.test, "--halves", "--epochs", 4)
    for split, patterns in (("patterns", [13, 12]), ("counts", [25, 25])):
        report = run_json(*fixed, "--split", split, "--picture", tmp_path / "halves.png")
        assert report["halves"]["patterns"] == patterns
        assert report["halves"]["frc_half_bit_per_px"] > 0.1
        assert (tmp_path / "halves.png").exists()


def test_evaluate_refuses_what_holds_no_object(tiny: Any, tmp_path: Path) -> None:
    np.save(tmp_path / "real.npy", np.ones((20, 20)))
    result = run("evaluate", tmp_path / "real.npy", "--truth", tiny.test)
    assert result.exit_code == 4
    assert "expected one complex image" in result.stderr


def test_refine_lowers_the_r_factor(reconstruction: Path, tiny: Any, tmp_path: Path) -> None:
    fixed = (reconstruction, "--scan", tiny.test, "--output_dir", tmp_path)
    report = run_json("refine", *fixed, "--epochs", 4)
    values = report["metrics"]
    assert values["r_factor"] < 0.8 * values["start_r_factor"]
    again = run_json("refine", tmp_path / "reconstruction.npz", *fixed[1:], "--epochs", 2)
    assert again["metrics"]["start_r_factor"] == pytest.approx(values["r_factor"])
    assert run("refine", *fixed, "--epochs", 0).exit_code == 2


def test_refine_can_move_the_probe(reconstruction: Path, tiny: Any, tmp_path: Path) -> None:
    probes = []
    for name, more in (("fixed", ()), ("moved", ("--update-probe",))):
        run_json(
            *("refine", reconstruction, "--scan", tiny.test, "--output_dir", tmp_path / name),
            *("--epochs", 2, *more),
        )
        with np.load(tmp_path / name / "reconstruction.npz") as found:
            probes.append(found["probe"])
    assert not np.allclose(probes[0], probes[1], rtol=1e-3)


class TestParity:
    """The same groups along the training path and along the inference path."""

    def test_a_sound_bundle_passes(self, trained: Any) -> None:
        report = run_json("parity", "--model_path", trained.folder, "--n_images", 6)
        assert report["groups"] == 6
        assert report["equal"] is True

    def test_a_bundle_with_another_scale_fails_with_1(self, trained: Any, tmp_path: Path) -> None:
        import shutil

        from ptycho_torch.archive import encode_json, read_archive, write_archive

        folder = tmp_path / "copy"
        shutil.copytree(trained.folder, folder)
        _, members = read_archive(folder / "wts.h5.zip")
        scales = json.loads(members["scales.json"])
        scales["amplitude_scale"] *= 3
        members["scales.json"] = encode_json(scales)
        write_archive(folder / "wts.h5.zip", members, "0.1.0")
        result = run("parity", "--model_path", folder, "--n_images", 6, "--json")
        assert result.exit_code == 1
        assert json.loads(result.stdout)["equal"] is False

    def test_a_folder_without_a_run_is_refused(self, tmp_path: Path) -> None:
        result = run("parity", "--model_path", tmp_path)
        assert result.exit_code == 4
        assert "holds no `config.yaml`" in result.stderr


def test_convert_brings_old_layouts_into_the_present_one(tmp_path: Path, tiny: Any) -> None:
    scan = read_scan(tiny.train)
    old = tmp_path / "old.npz"
    np.savez(
        old,
        diffraction=np.moveaxis(scan.amplitude(), 0, -1),
        probeGuess=np.moveaxis(scan.probe, 0, -1),
        xcoords=scan.positions_px[:, 1],
        ycoords=scan.positions_px[:, 0],
    )
    report = run_json("convert", old, tmp_path / "new/scan.npz", "--measurement", "amplitude")
    assert (report["patterns"], report["measurement"]) == (25, "amplitude")
    found = read_scan(tmp_path / "new/scan.npz")
    assert np.allclose(found.amplitude(), scan.amplitude())
    assert np.array_equal(found.positions_px, scan.positions_px)
    assert run("convert", old, tmp_path / "new.mat").exit_code == 2


class TestInfo:
    """What a file is, after checking it."""

    def test_of_a_bundle(self, trained: Any) -> None:
        report = run_json("info", trained.folder / "wts.h5.zip")
        assert report["kind"] == "bundle"
        assert report["data"]["gridsize"] == 2
        assert report["scales"]["intensity_scale"] > 0
        assert report["probe_shape"] == [1, 32, 32]
        assert report["parameters"] > 100_000
        assert report == run_json("info", trained.folder)

    def test_of_a_scan_it_says_what_was_decided(self, tiny: Any) -> None:
        assert "patterns taken as counts" in run("info", tiny.train).stderr
        told = run("info", tiny.train, "--measurement", "amplitude")
        assert "patterns taken as amplitude, as the caller says" in told.stderr
        assert re.search(r"^measurement +amplitude$", told.stdout, re.MULTILINE)

    def test_of_a_scan(self, tiny: Any) -> None:
        report = run_json("info", tiny.train)
        assert (report["kind"], report["patterns"], report["n_pixel"]) == ("scan", 25, 32)

    def test_of_a_damaged_bundle(self, trained: Any, tmp_path: Path) -> None:
        content = bytearray((trained.folder / "wts.h5.zip").read_bytes())
        content[len(content) // 2] ^= 1
        (tmp_path / "wts.h5.zip").write_bytes(content)
        result = run("info", tmp_path / "wts.h5.zip")
        assert result.exit_code == 4
        assert result.stderr.startswith("error: ")


def test_join_makes_a_scan_of_two_files(tmp_path):
    scan = simulate_scan(seed=4, n_pixel=32, n_patterns=9, nphotons=1e5)
    np.save(tmp_path / "patterns.npy", scan.diffraction)
    lines = [f"{column:.6f},{row:.6f}" for row, column in scan.positions_px * 0.02]
    (tmp_path / "p.csv").write_text("\n".join(["x_um,y_um", *lines]))
    words = ("join", tmp_path / "patterns.npy", tmp_path / "new/scan.npz")
    refused = run(*words, "--positions", tmp_path / "p.csv")
    assert refused.exit_code == 4
    assert "--pixel-size-m" in refused.output
    report = run_json(*words, "--positions", tmp_path / "p.csv", "--pixel-size-m", "2e-8")
    assert (report["patterns"], report["measurement"], report["pixel_size_m"]) == (
        9,
        "counts",
        2e-8,
    )
    assert len(read_scan(tmp_path / "new/scan.npz")) == 9


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scan") / "scan.npz"
    write_npz(path, simulate_scan(seed=5, n_patterns=100, nphotons=1e7, kind="cells"))
    return path


class TestReconstruct:
    """From a scan to an object without any network."""

    def test_object_probe_and_metrics_are_left(self, scan: Path, tmp_path: Path) -> None:
        said = run_json("reconstruct", scan, "--output_dir", tmp_path, "--epochs", 9)["metrics"]
        assert said["r_factor"] < 0.1 * said["flat_r_factor"]
        assert said["r_factor"] < 0.5 * said["projections_r_factor"] < said["flat_r_factor"]
        assert said["reconstruction"]["relative_error"] < 0.2 * said["flat"]["relative_error"]
        assert said["probe_mode_powers"] == [1.0]
        assert said["position_correction_px"] is None
        assert said["inspection"]["remarks"] == []
        names = {path.name for path in tmp_path.iterdir()}
        assert {"reconstruction.npz", "reconstruction_phase.png", "metrics.json"} <= names
        judged = run_json("evaluate", tmp_path / "reconstruction.npz", "--scan", scan)["data"]
        assert judged["r_factor"] == said["r_factor"]

    def test_equal_runs_leave_equal_bytes(self, scan: Path, tmp_path: Path) -> None:
        for name in ("a", "b"):
            fixed = ("--output_dir", tmp_path / name, "--epochs", 2, "--modes", 2)
            run_json("reconstruct", scan, *fixed, "--correct_positions")
        first, second = ((tmp_path / n / "reconstruction.npz").read_bytes() for n in ("a", "b"))
        assert first == second

    def test_corrected_positions_are_kept_beside_the_given_ones(
        self, scan: Path, tmp_path: Path
    ) -> None:
        whole = read_scan(scan)
        wrong = whole.positions_px + np.random.default_rng(0).normal(0, 1, (len(whole), 2))
        write_npz(tmp_path / "wrong.npz", replace(whole, positions_px=wrong))
        out = tmp_path / "out"
        said = run_json(
            *("reconstruct", tmp_path / "wrong.npz", "--output_dir", out, "--epochs", 9),
            "--correct_positions",
        )["metrics"]
        assert 0.5 < said["position_correction_px"]["rms"] < 2
        assert said["r_factor"] < 0.3 * said["flat_r_factor"]
        with np.load(out / "reconstruction.npz") as found:
            assert np.array_equal(found["given_positions"], wrong)
            assert not np.array_equal(found["positions"], wrong)
        fixed = ("--scan", tmp_path / "wrong.npz", "--output_dir", tmp_path / "more")
        more = run_json("refine", out / "reconstruction.npz", *fixed, "--epochs", 1)["metrics"]
        assert more["r_factor"] < 1.2 * said["r_factor"]

    def test_likelihood_and_fixed_probe_are_obeyed(self, scan: Path, tmp_path: Path) -> None:
        kinds = {
            "auto": (),
            "poisson": ("--likelihood", "poisson"),
            "fixed": ("--no_update_probe",),
        }
        found = {}
        for name, flags in kinds.items():
            fixed = ("--output_dir", tmp_path / name, "--epochs", 2)
            run_json("reconstruct", scan, *fixed, *flags)
            with np.load(tmp_path / name / "reconstruction.npz") as archive:
                found[name] = (archive["object"], archive["probe"])
        assert not np.array_equal(found["auto"][0], found["poisson"][0])
        # The probe is handed out with the energy of a mean pattern, whatever the file's.
        shapes = {name: probe / np.linalg.norm(probe) for name, (_, probe) in found.items()}
        given = read_scan(scan).probe
        np.testing.assert_allclose(shapes["fixed"], given / np.linalg.norm(given), atol=1e-6)
        assert np.abs(shapes["auto"] - shapes["fixed"]).max() > 1e-4

    def test_positions_in_another_unit_are_refused(self, scan: Path, tmp_path: Path) -> None:
        whole = read_scan(scan)
        far = replace(whole, positions_px=whole.positions_px * 1000, object=None)
        write_npz(tmp_path / "far.npz", far)
        judged = run("check", tmp_path / "far.npz", "--json")
        assert judged.exit_code == 1
        assert json.loads(judged.stdout)["orientation"] is None
        out = tmp_path / "out"
        refused = run("reconstruct", tmp_path / "far.npz", "--output_dir", out)
        assert refused.exit_code == 4
        assert "another unit" in refused.stderr
        assert not list(out.glob("*.npz"))

    def test_one_pattern_is_reconstructed(self, scan: Path, tmp_path: Path) -> None:
        write_npz(tmp_path / "one.npz", read_scan(scan).select([4]))
        said = run_json("reconstruct", tmp_path / "one.npz", "--output_dir", tmp_path / "out")
        assert said["metrics"]["inspection"]["step_px"] is None

    def test_bad_seeds_and_positions_are_no_bugs(self, scan: Path, tmp_path: Path) -> None:
        refused = run("simulate", "--out_dir", tmp_path / "sim", "--seed", -1)
        assert refused.exit_code == 2
        assert "`seed` is -1" in refused.stderr
        with np.load(scan) as archive:
            members = dict(archive)
        np.savez(tmp_path / "text.npz", **(members | {"xcoords": np.array(["a"] * 100)}))
        refused = run("check", tmp_path / "text.npz")
        assert refused.exit_code == 4
        assert "`xcoords` holds <U1, not numbers" in refused.stderr

    def test_a_sound_scan_passes_the_check(self, scan: Path) -> None:
        said = run_json("check", scan, "--epochs", 3)
        assert said["orientation"]["best"] == "as given"
        assert said["orientation"]["clear"] is True
        assert said["remarks"] == []

    def test_swapped_axes_and_dead_pixels_fail_the_check(self, scan: Path, tmp_path: Path) -> None:
        whole = read_scan(scan)
        dead = whole.diffraction.copy()
        dead[:, 33, 34] = 0
        swapped = np.ascontiguousarray(whole.positions_px[:, ::-1])
        bad = replace(whole, positions_px=swapped, diffraction=dead, object=None)
        write_npz(tmp_path / "bad.npz", bad)
        result = run("check", tmp_path / "bad.npz", "--epochs", 3)
        assert result.exit_code == 1
        assert "`swap` explains the patterns best, clearly" in result.stdout
        assert "dead-pixels: 1 pixels never counted" in result.stdout.replace("; ", ": ", 1)

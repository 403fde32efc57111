"""The training command line: every flag does something, and every failure says what it is."""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import json
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from ptycho_torch.cli.train_command import train

Run = Callable[..., Any]

ONE_EPOCH = (
    "--n_images",
    8,
    "--gridsize",
    1,
    "--batch_size",
    4,
    "--max_epochs",
    1,
    "--no_deterministic",
)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def curve(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "loss_curve.json").read_text()))


class TestPatchStatsCLI:
    """`--log-patch-stats` describes the patches that the network predicts."""

    def test_patch_stats_dump(self, tiny: Any, python: Run, tmp_path: Path) -> None:
        """The real command lines of training and inference leave real statistics and pictures."""
        model, result = tmp_path / "train", tmp_path / "infer"
        logged = ("--log-patch-stats", "--patch-stats-limit", 2)
        trained = python(
            *("-m", "ptycho_torch.train", "--train_data_file", tiny.train),
            *("--test_data_file", tiny.test, "--output_dir", model, "--n_images", 12),
            *("--gridsize", 2, "--batch_size", 4, "--max_epochs", 4, *logged),
        )
        assert trained.returncode == 0, trained.stderr
        inferred = python(
            *("-m", "ptycho_torch.inference", "--model_path", model, "--test_data", tiny.test),
            *("--output_dir", result, "--n_images", 12, "--batch-size", 4, *logged),
        )
        assert inferred.returncode == 0, inferred.stderr
        for folder, run, phase in ((model, trained, "train"), (result, inferred, "inference")):
            entries = json.loads((folder / "analysis/torch_patch_stats.json").read_text())
            assert [(e["phase"], e["batch_idx"], e["batch_size"]) for e in entries] == [
                (phase, 0, 4),
                (phase, 1, 4),
            ]
            assert run.stderr.count("PATCH_STATS") == 2
            for entry in entries:
                self.check_entry(entry)
            grid = folder / "analysis/torch_patch_grid.png"
            assert grid.read_bytes().startswith(b"\x89PNG")
            assert grid.stat().st_size > 10_000, "a placeholder would be smaller"

    def check_entry(self, entry: dict[str, Any]) -> None:
        assert set(entry) == {
            *("phase", "batch_idx", "batch_size"),
            *("global_mean", "global_std", "var_zero_mean", "per_patch"),
        }
        patches = entry["per_patch"]
        assert [patch["index"] for patch in patches] == list(range(16)), "4 groups of 4 patches"
        assert np.isclose(entry["global_mean"], np.mean([patch["mean"] for patch in patches]))
        assert np.isclose(entry["var_zero_mean"], np.mean([p["std"] ** 2 for p in patches]))
        assert all(patch["min"] < patch["mean"] < patch["max"] for patch in patches)
        assert entry["var_zero_mean"] > 1e-6, "predicted patches have structure"

    def test_statistics_are_of_the_predicted_patches(self, tiny: Any, trained: Any) -> None:
        """Labels or measured amplitudes would differ by orders of magnitude from |O| near 1."""
        entries = json.loads((trained.folder / "analysis/torch_patch_stats.json").read_text())
        assert 0.5 < entries[0]["global_mean"] < 1.5

    def test_nothing_is_written_when_off(self, tiny: Any, cli: Run, tmp_path: Path) -> None:
        cli("train", "--train_data_file", tiny.train, "--output_dir", tmp_path, *ONE_EPOCH)
        assert not (tmp_path / "analysis").exists()


def stats(folder: Path) -> list[dict[str, Any]]:
    return list(json.loads((folder / "analysis/torch_patch_stats.json").read_text()))


def weights(folder: Path) -> str:
    return digest(folder / "wts.h5.zip")


def saved(folder: Path) -> dict[str, Any]:
    return dict(yaml.safe_load((folder / "config.yaml").read_text()))


Observation = Callable[[Path, Any], Any]

# flag → (arguments, arguments of the other run, what must differ between the two)
EFFECTS: dict[str, tuple[tuple[object, ...], tuple[object, ...], Observation]] = {
    "n_images": (("--n_images", 12), (), lambda d, o: "12 groups" in o.err),
    "gridsize": (("--gridsize", 2), (), lambda d, o: "groups of 4 patterns" in o.err),
    "neighbor_count": (
        ("--gridsize", 2, "--neighbor_count", 4),
        ("--gridsize", 2),
        lambda d, o: curve(d)["flat_loss"],
    ),
    "nphotons": (("--nphotons", 1e6), (), lambda d, o: "intensity_scale=0.0316" in o.err),
    "measurement": (
        ("--measurement", "amplitude"),
        ("--measurement", "counts"),
        lambda d, o: "patterns taken as amplitude, as the caller says" in o.err,
    ),
    "batch_size": (
        ("--batch-size", 2, "--log-patch-stats"),
        ("--log-patch-stats",),
        lambda d, o: stats(d)[0]["batch_size"],
    ),
    "max_epochs": (("--max-epochs", 2), (), lambda d, o: len(curve(d)["epochs"])),
    "learning_rate": (
        ("--learning-rate", 1e-4),
        (),
        lambda d, o: curve(d)["epochs"][0]["learning_rate"],
    ),
    "scheduler": (
        ("--scheduler", "constant", "--max_epochs", 3),
        ("--scheduler", "WarmupCosine", "--max_epochs", 3),
        lambda d, o: curve(d)["epochs"][-1]["learning_rate"],
    ),
    "loss_mode": (
        ("--torch-loss-mode", "poisson"),
        ("--torch-loss-mode", "mae"),
        lambda d, o: (curve(d)["loss_mode"], curve(d)["flat_loss"]),
    ),
    "early_stop_patience": (
        ("--max_epochs", 9, "--learning-rate", 1e-12, "--early-stop-patience", 1),
        ("--max_epochs", 9, "--learning-rate", 1e-12),
        lambda d, o: len(curve(d)["epochs"]),
    ),
    "prepare_probe": (
        ("--prepare-probe", "on"),
        ("--prepare-probe", "off"),
        lambda d, o: "probe prepared" in o.err,
    ),
    "seed": (("--seed", 1), (), lambda d, o: weights(d)),
    "object_big": (
        ("--gridsize", 2, "--no-object-big"),
        ("--gridsize", 2),
        lambda d, o: curve(d)["epochs"][-1]["train_loss"],
    ),
    "probe_big": (
        ("--no-probe-big", "--log-patch-stats"),
        ("--log-patch-stats",),
        lambda d, o: stats(d)[0]["per_patch"][0],
    ),
    "deterministic": (
        ("--deterministic",),
        (),
        lambda d, o: torch.are_deterministic_algorithms_enabled(),
    ),
    "cpu_threads": (("--cpu-threads", 2), (), lambda d, o: torch.get_num_threads()),
    "logger": (("--logger", "none"), (), lambda d, o: (d / "metrics.csv").exists()),
    "enable_checkpointing": (
        ("--disable-checkpointing",),
        (),
        lambda d, o: (d / "checkpoints/last.ckpt").exists(),
    ),
    "log_patch_stats": (("--log-patch-stats",), (), lambda d, o: (d / "analysis").exists()),
    "patch_stats_limit": (
        ("--log-patch-stats", "--patch-stats-limit", 1),
        ("--log-patch-stats",),
        lambda d, o: len(stats(d)),
    ),
    "quiet": (("--quiet",), (), lambda d, o: (o.err == "", o.out == "")),
    "as_json": (("--json",), (), lambda d, o: o.out.startswith("{")),
}
TESTED_ELSEWHERE = {
    "train_data_file": "test_a_missing_file_is_named",
    "test_data_file": "test_the_second_scan_is_validated_on",
    "output_dir": "all of them",
    "architecture": "test_the_negative_control_collapses_and_says_so",
    "accelerator": "test_a_device_that_is_not_there_is_refused",
    "num_workers": "test_workers_prepare_the_same_batches",
    "config_file": "test_a_config_file_is_read_and_flags_win",
    "resume": "test_a_killed_run_resumes_to_the_same_bits",
    "reconstruct": "test_training_reconstructs_the_test_scan_on_request",
}


def test_every_flag_has_a_test_of_its_effect() -> None:
    assert set(inspect.signature(train).parameters) == set(EFFECTS) | set(TESTED_ELSEWHERE)


@pytest.mark.parametrize("flag", EFFECTS)
def test_flag_has_an_effect(flag: str, tiny: Any, cli: Run, tmp_path: Path) -> None:
    with_flag, without, observe = EFFECTS[flag]
    seen = []
    for name, extra in (("with", with_flag), ("without", without)):
        common = ("--train_data_file", tiny.train, "--output_dir", tmp_path / name, *ONE_EPOCH)
        outcome = cli("train", *common, *extra)
        assert outcome.code == 0, outcome.err
        seen.append(observe(tmp_path / name, outcome))
        torch.use_deterministic_algorithms(False)
    assert seen[0] != seen[1]


def test_both_spellings_are_one_flag(tiny: Any, cli: Run, tmp_path: Path) -> None:
    for name in ("--max_epochs", "--max-epochs"):
        outcome = cli("train", "--train-data-file", tiny.train, name, "x")
        assert outcome.code == 2
        assert "'--max_epochs' / '--max-epochs'" in outcome.err


def test_the_second_scan_is_validated_on(trained: Any) -> None:
    rows = curve(trained.folder)["epochs"]
    assert all(row["val_loss"] != row["train_loss"] for row in rows)


def test_the_log_names_every_scale_with_its_origin_and_the_bundle(trained: Any) -> None:
    err = trained.outcome.err
    for name in ("intensity_scale", "amplitude_scale", "input_scale", "probe_factor"):
        assert any(
            line.startswith(f"INFO {name}=") and line.endswith(")") for line in err.splitlines()
        )
    assert f"Model bundle saved: {trained.folder}/wts.h5.zip" in err


def test_same_seed_gives_the_same_bytes(tiny: Any, cli: Run, tmp_path: Path, trained: Any) -> None:
    again = tmp_path / "again"
    outcome = cli(
        "train",
        *("--train_data_file", tiny.train, "--test_data_file", tiny.test),
        *("--output_dir", again, "--gridsize", 2, "--batch_size", 4, "--max_epochs", 2),
        *("--log-patch-stats", "--patch-stats-limit", 2, "--deterministic"),
    )
    assert outcome.code == 0, outcome.err
    names = ("analysis/torch_patch_stats.json", "analysis/torch_patch_grid.png")
    for name in (*names, "loss_curve.json", "metrics.csv", "wts.h5.zip"):
        assert digest(again / name) == digest(trained.folder / name), name


def test_workers_prepare_the_same_batches(tiny: Any, cli: Run, tmp_path: Path) -> None:
    for name, workers in (("none", 0), ("one", 1)):
        common = ("--train_data_file", tiny.train, "--output_dir", tmp_path / name, *ONE_EPOCH)
        outcome = cli("train", *common, "--num-workers", workers)
        assert outcome.code == 0, outcome.err
    assert weights(tmp_path / "none") == weights(tmp_path / "one")


def test_a_config_file_is_read_and_flags_win(tiny: Any, cli: Run, tmp_path: Path) -> None:
    config = tmp_path / "run.yaml"
    config.write_text("training: {max_epochs: 2, learning_rate: 0.001}\ndata: {n_images: 8}\n")
    outcome = cli(
        "train",
        *("--train_data_file", tiny.train, "--output_dir", tmp_path / "run"),
        *("--config", config, "--max_epochs", 1),
    )
    assert outcome.code == 0, outcome.err
    written = saved(tmp_path / "run")
    assert written["training"]["learning_rate"] == 0.001
    assert written["training"]["max_epochs"] == 1
    assert written["data"]["n_images"] == 8
    assert len(curve(tmp_path / "run")["epochs"]) == 1


def test_training_reconstructs_the_test_scan_on_request(
    tiny: Any, cli: Run, tmp_path: Path
) -> None:
    common = ("--train_data_file", tiny.train, "--output_dir", tmp_path, *ONE_EPOCH)
    outcome = cli("train", *common, "--reconstruct")
    assert outcome.code == 2
    assert "`reconstruct` is on, but there is no `test_data_file`" in outcome.err
    outcome = cli("train", *common, "--reconstruct", "--test_data_file", tiny.test)
    assert outcome.code == 0, outcome.err
    assert (tmp_path / "reconstruction.npz").exists()
    assert (tmp_path / "reconstruction_phase.png").exists()


class TestFailures:
    """Every failure ends with its exit code, a message, and nothing half-written."""

    def test_the_negative_control_collapses_and_says_so(
        self, tiny: Any, cli: Run, tmp_path: Path
    ) -> None:
        outcome = cli(
            "train",
            *("--train_data_file", tiny.train, "--output_dir", tmp_path, "--gridsize", 2),
            *("--n_images", 24, "--max_epochs", 30, "--architecture", "plain"),
            "--log-patch-stats",
        )
        assert outcome.code == 5
        assert "error: the prediction is constant in epoch" in outcome.err
        assert "hint: use --architecture residual" in outcome.err
        assert not (tmp_path / "wts.h5.zip").exists()
        assert stats(tmp_path)[-1]["var_zero_mean"] < 1e-6, "the statistics show why"

    def test_a_run_that_explodes_ends_with_5(self, tiny: Any, cli: Run, tmp_path: Path) -> None:
        common = ("--train_data_file", tiny.train, "--output_dir", tmp_path, *ONE_EPOCH)
        outcome = cli("train", *common, "--learning-rate", 1000, "--max_epochs", 4)
        assert outcome.code == 5
        assert "error: the loss became" in outcome.err
        assert not (tmp_path / "wts.h5.zip").exists()

    def test_a_poor_fit_is_warned_of(self, tiny: Any, cli: Run, tmp_path: Path) -> None:
        common = ("--train_data_file", tiny.train, "--output_dir", tmp_path, *ONE_EPOCH)
        outcome = cli("train", *common, "--learning-rate", 1e-9)
        assert outcome.code == 0
        assert re.search(r"WARNING the trained loss is [01]\.\d\d of the flat", outcome.err)

    def test_a_missing_file_is_named(self, cli: Run, tmp_path: Path) -> None:
        outcome = cli("train", "--train_data_file", tmp_path / "nix.npz")
        assert (outcome.code, outcome.out) == (4, "")
        assert f"error: `{tmp_path}/nix.npz` does not exist\nhint: " in outcome.err

    def test_no_file_at_all_is_a_usage_error(self, cli: Run) -> None:
        outcome = cli("train")
        assert outcome.code == 2
        assert "`train_data_file` is missing" in outcome.err

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (("--learning-rate", -1), "`training.learning_rate`: input should be greater than 0"),
            (("--gridsize", 9), "`data.gridsize`"),
            (("--scheduler", "magic"), "`training.scheduler`"),
            (("--accelerator", "abacus"), "`execution.accelerator`"),
            (("--gridsize", 3, "--neighbor_count", 4), "needs 8 neighbours"),
            (("--n_images", 1000), "`n_images` is 1000, but"),
            (("--resume", "--disable-checkpointing"), "`resume` needs checkpoints"),
            (("--logger", "smoke-signals"), "--logger"),
        ],
    )
    def test_a_bad_setting_ends_with_2_and_writes_nothing(
        self, arguments: tuple[object, ...], message: str, tiny: Any, cli: Run, tmp_path: Path
    ) -> None:
        folder = tmp_path / "run"
        outcome = cli("train", "--train_data_file", tiny.train, "--output_dir", folder, *arguments)
        assert outcome.code == 2
        assert message in outcome.err
        assert not folder.exists()

    @pytest.mark.parametrize(
        ("text", "code", "message"),
        [
            ("training: {lr: 1}", 2, "`training.lr`"),
            ("- a list", 4, "must hold sections"),
            ("a: [", 4, "is not YAML"),
        ],
    )
    def test_a_bad_config_file_is_explained(
        self, text: str, code: int, message: str, tiny: Any, cli: Run, tmp_path: Path
    ) -> None:
        config = tmp_path / "run.yaml"
        config.write_text(text)
        outcome = cli("train", "--train_data_file", tiny.train, "--config", config)
        assert outcome.code == code
        assert message in outcome.err

    @pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
    def test_a_device_that_is_not_there_is_refused(
        self, tiny: Any, cli: Run, tmp_path: Path
    ) -> None:
        common = ("--train_data_file", tiny.train, "--output_dir", tmp_path, *ONE_EPOCH)
        outcome = cli("train", *common, "--accelerator", "gpu")
        assert outcome.code == 4
        assert "`accelerator` is `cuda`, but torch finds no such device" in outcome.err

    @pytest.mark.skipif(
        any(map(importlib.util.find_spec, ("tensorboard", "tensorboardX"))),
        reason="tensorboard is installed",
    )
    def test_a_logger_that_is_not_there_is_refused_before_anything_is_touched(
        self, tiny: Any, cli: Run, tmp_path: Path
    ) -> None:
        common = ("--train_data_file", tiny.train, "--output_dir", tmp_path / "run", *ONE_EPOCH)
        outcome = cli("train", *common, "--logger", "tensorboard")
        assert outcome.code == 4
        assert "the package `tensorboard` is not installed" in outcome.err
        assert not (tmp_path / "run").exists()

    def test_an_output_folder_that_is_a_file_is_refused(
        self, tiny: Any, cli: Run, tmp_path: Path
    ) -> None:
        (tmp_path / "file").write_text("mine")
        outcome = cli("train", "--train_data_file", tiny.train, "--output_dir", tmp_path / "file")
        assert outcome.code == 4
        assert (tmp_path / "file").read_text() == "mine"

    def test_a_bug_leaves_its_traceback(
        self, tiny: Any, cli: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object) -> None:
            raise ZeroDivisionError("boom")

        monkeypatch.setattr("ptycho_torch.workflows.choose_probe", fail)
        outcome = cli("train", "--train_data_file", tiny.train, "--output_dir", tmp_path)
        assert outcome.code == 3
        assert "error: internal error: boom" in outcome.err
        log = Path(outcome.err.split("the traceback is in ")[1].strip())
        assert "ZeroDivisionError: boom" in log.read_text()
        log.unlink()

    def test_an_interrupt_ends_with_130_and_leaves_no_bundle(
        self, tiny: Any, cli: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from ptycho_torch.training.callbacks import CollapseWatch

        def interrupt(*_: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(CollapseWatch, "on_train_batch_end", interrupt)
        before = signal.getsignal(signal.SIGINT)
        try:
            outcome = cli("train", "--train_data_file", tiny.train, "--output_dir", tmp_path)
        finally:
            signal.signal(signal.SIGINT, before)
        assert (outcome.code, outcome.err.splitlines()[-1]) == (130, "error: interrupted")
        assert not (tmp_path / "wts.h5.zip").exists()

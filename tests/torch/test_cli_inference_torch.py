"""The inference command line: what it leaves, and what each flag changes."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ptycho_torch.cli.infer_command import infer
from ptycho_torch.data.formats import read_scan, write_npz
from ptycho_torch.reconstruct.result import read_reconstruction

Run = Callable[..., Any]
Observation = Callable[[Path, Any], Any]


def metrics(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "metrics.json").read_text()))


def stats(folder: Path) -> list[dict[str, Any]]:
    return list(json.loads((folder / "analysis/torch_patch_stats.json").read_text()))


@pytest.fixture(scope="module")
def inferred(
    trained: Any, tiny: Any, cli: Run, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Any]:
    folder = tmp_path_factory.mktemp("inferred")
    outcome = cli(
        "infer",
        *("--model_path", trained.folder, "--test_data", tiny.test, "--output_dir", folder),
        *("--debug-dump", folder / "debug", "--log-patch-stats", "--json"),
    )
    assert outcome.code == 0, outcome.err
    return folder, outcome


EFFECTS: dict[str, tuple[tuple[object, ...], tuple[object, ...], Observation]] = {
    "n_images": (("--n_images", 3), (), lambda d, o: metrics(d)["patterns"]),
    "batch_size": (
        ("--batch-size", 5, "--log-patch-stats"),
        ("--log-patch-stats",),
        lambda d, o: stats(d)[0]["batch_size"],
    ),
    "sync": (("--no-sync",), (), lambda d, o: "with synchronised phases" in o.err),
    "refine_epochs": (("--refine-epochs", 2), (), lambda d, o: "rPIE epoch 2/2" in o.err),
    "measurement": (
        ("--measurement", "amplitude"),
        ("--measurement", "counts"),
        lambda d, o: metrics(d)["r_factor"],
    ),
    "cpu_threads": (("--cpu-threads", 2), (), lambda d, o: torch.get_num_threads()),
    "debug_dump_dir": (("--debug-dump", "{out}/d"), (), lambda d, o: (d / "d").exists()),
    "log_patch_stats": (("--log_patch_stats",), (), lambda d, o: (d / "analysis").exists()),
    "patch_stats_limit": (
        ("--log-patch-stats", "--patch-stats-limit", 1, "--batch_size", 4),
        ("--log-patch-stats", "--batch_size", 4),
        lambda d, o: len(stats(d)),
    ),
    "quiet": (("--quiet",), (), lambda d, o: (o.err == "", o.out == "")),
    "as_json": (("--json",), (), lambda d, o: o.out.startswith("{")),
}
TESTED_ELSEWHERE = {
    "model_path": "test_a_folder_or_a_file_names_the_model",
    "test_data_file": "test_failures_are_explained",
    "output_dir": "all of them",
    "accelerator": "test_failures_are_explained",
    "config_file": "test_a_config_file_is_read_and_flags_win",
}


def test_every_flag_has_a_test_of_its_effect() -> None:
    assert set(inspect.signature(infer).parameters) == set(EFFECTS) | set(TESTED_ELSEWHERE)


@pytest.mark.parametrize("flag", EFFECTS)
def test_flag_has_an_effect(flag: str, trained: Any, tiny: Any, cli: Run, tmp_path: Path) -> None:
    with_flag, without, observe = EFFECTS[flag]
    seen = []
    for name, extra in (("with", with_flag), ("without", without)):
        out = tmp_path / name
        arguments = [str(value).format(out=out) for value in extra]
        fixed = ("--model_path", trained.folder, "--test_data", tiny.test, "--output_dir", out)
        outcome = cli("infer", *fixed, *arguments)
        assert outcome.code == 0, outcome.err
        seen.append(observe(out, outcome))
    assert seen[0] != seen[1]


def test_a_run_leaves_object_pictures_metrics_and_settings(inferred: Any) -> None:
    folder, outcome = inferred
    found = read_reconstruction(folder / "reconstruction.npz")
    assert found.canvas.object.shape == found.canvas.coverage.shape
    assert np.isfinite(found.canvas.object).all()
    assert len(found.positions_px) == 25
    for name in ("reconstruction_amplitude.png", "reconstruction_phase.png", "config.yaml"):
        assert (folder / name).stat().st_size > 100
    report = json.loads(outcome.out)
    assert report["metrics"] == metrics(folder)
    assert all(Path(name).exists() for name in report["files"])


def test_metrics_stand_beside_those_of_the_flat_object(inferred: Any) -> None:
    values = metrics(inferred[0])
    assert set(values["reconstruction"]) == set(values["flat"])
    assert values["r_factor"] < values["flat_r_factor"]
    assert values["poisson_nll_per_pixel"] < values["flat_poisson_nll_per_pixel"]


def test_equal_runs_leave_equal_bytes(inferred: Any, trained: Any, tiny: Any, cli: Run) -> None:
    folder, _ = inferred
    names = ("reconstruction.npz", "metrics.json", "analysis/torch_patch_stats.json")
    pictures = ("reconstruction_phase.png", "analysis/torch_patch_grid.png")
    before = {name: (folder / name).read_bytes() for name in (*names, *pictures)}
    fixed = ("--model_path", trained.folder, "--test_data", tiny.test, "--output_dir", folder)
    assert cli("infer", *fixed, "--log-patch-stats").code == 0
    assert {name: (folder / name).read_bytes() for name in before} == before


def test_gridsize_2_predicts_four_different_patterns_a_group(inferred: Any) -> None:
    """The predecessor repeated one pattern over the four channels."""
    patches = stats(inferred[0])[0]["per_patch"]
    for start in range(0, len(patches), 4):
        assert len({patch["std"] for patch in patches[start : start + 4]}) == 4


def test_inference_logs_the_scale_that_training_logged(inferred: Any, trained: Any) -> None:
    pattern = re.compile(r"^INFO intensity_scale=(\S+) \(", re.MULTILINE)
    logged = [pattern.findall(outcome.err) for outcome in (trained.outcome, inferred[1])]
    assert logged[0] == logged[1]
    assert len(logged[0]) == 1


class TestDebugDump:
    """`--debug-dump` shows what lies between the network and the object."""

    def test_geometry_is_that_of_the_scan(self, inferred: Any, tiny: Any) -> None:
        folder, _ = inferred
        canvas = json.loads((folder / "debug/canvas.json").read_text())
        offsets = json.loads((folder / "debug/offsets.json").read_text())
        positions = read_scan(tiny.test).positions_px
        reach = np.abs(positions - positions.mean(axis=0)).max(axis=0)
        assert canvas["patch_size"] == 32
        assert canvas["num_patch_slots"] == 25 * 4
        assert (canvas["max_abs_dy"], canvas["max_abs_dx"]) == pytest.approx(tuple(reach))
        assert canvas["canvas_size"] == 32 + 2 * np.ceil(reach.max())
        assert offsets["count"] == 25
        first = offsets["first_offsets_px"][0]
        expected = positions[0] - positions.mean(axis=0)
        assert (first["dy"], first["dx"]) == pytest.approx(tuple(expected))
        assert offsets["mean_dx"] == pytest.approx(0, abs=1e-9)
        assert offsets["std_dy"] == pytest.approx(positions[:, 0].std())

    def test_statistics_and_pictures_are_of_real_patches(self, inferred: Any) -> None:
        folder, _ = inferred
        values = json.loads((folder / "debug/stats.json").read_text())
        for name in ("patch_amplitude", "canvas_amplitude"):
            assert set(values[name]) == {"mean", "std", "min", "max", "var_zero_mean"}
            assert values[name]["min"] < values[name]["mean"] < values[name]["max"]
        pictures = [
            (folder / f"debug/pred_patches_amp_grid{end}.png").read_bytes()
            for end in ("", "_normalized")
        ]
        assert pictures[0] != pictures[1]
        assert all(len(picture) > 10_000 for picture in pictures)


def test_a_folder_or_a_file_names_the_model(
    trained: Any, tiny: Any, cli: Run, tmp_path: Path
) -> None:
    for model in (trained.folder, trained.folder / "wts.h5.zip"):
        fixed = ("--model_path", model, "--test_data", tiny.test, "--output_dir", tmp_path)
        assert cli("infer", *fixed).code == 0


def test_a_config_file_is_read_and_flags_win(
    trained: Any, tiny: Any, cli: Run, tmp_path: Path
) -> None:
    config = tmp_path / "run.yaml"
    config.write_text(f"model_path: {trained.folder}\ninference: {{n_images: 3, batch_size: 1}}\n")
    fixed = ("--config", config, "--test_data", tiny.test, "--output_dir", tmp_path)
    outcome = cli("infer", *fixed, "--batch_size", 2, "--log-patch-stats")
    assert outcome.code == 0, outcome.err
    assert "3 groups of 4" in outcome.err
    assert stats(tmp_path)[0]["batch_size"] == 2


def test_a_scan_without_an_object_is_judged_by_its_patterns(
    trained: Any, tiny: Any, cli: Run, tmp_path: Path
) -> None:
    scan = tmp_path / "measured.npz"
    write_npz(scan, replace(read_scan(tiny.test), object=None))
    fixed = ("--model_path", trained.folder, "--test_data", scan, "--output_dir", tmp_path)
    assert cli("infer", *fixed).code == 0
    values = metrics(tmp_path)
    assert "r_factor" in values
    assert "reconstruction" not in values


def test_another_probe_is_warned_of(trained: Any, tiny: Any, cli: Run, tmp_path: Path) -> None:
    scan = read_scan(tiny.test)
    write_npz(tmp_path / "other.npz", replace(scan, probe=np.roll(scan.probe, 9, axis=-1)))
    fixed = ("--model_path", trained.folder, "--output_dir", tmp_path)
    outcome = cli("infer", *fixed, "--test_data", tmp_path / "other.npz")
    assert outcome.code == 0
    assert "WARNING the model was trained with another probe" in outcome.err
    outcome = cli("infer", *fixed, "--test_data", tiny.test)
    assert "WARNING" not in outcome.err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--test_data", "{tmp}/nix.npz"), 4, "nix.npz` does not exist"),
        (("--model_path", "{tmp}"), 4, "cannot read bundle"),
        (("--n_images", 26), 2, "`n_images` is 26, but"),
        (("--batch_size", 0), 2, "`inference.batch_size`"),
        (("--accelerator", "abacus"), 2, "`execution.accelerator`"),
        (("--refine-epochs", -1), 2, "`inference.refine_epochs`"),
    ],
)
def test_failures_are_explained(
    arguments: tuple[object, ...],
    code: int,
    message: str,
    trained: Any,
    tiny: Any,
    cli: Run,
    tmp_path: Path,
) -> None:
    out = tmp_path / "out"
    given = [str(value).format(tmp=tmp_path) for value in arguments]
    fixed = ("--model_path", trained.folder, "--test_data", tiny.test, "--output_dir", out)
    outcome = cli("infer", *fixed, *given)
    assert (outcome.code, outcome.out) == (code, "")
    assert message in outcome.err
    assert not out.exists()


def test_patterns_of_another_size_are_refused(trained: Any, cli: Run, tmp_path: Path) -> None:
    from ptycho_torch.simulation import simulate_scan

    write_npz(tmp_path / "big.npz", simulate_scan(1, n_pixel=40, n_patterns=9))
    fixed = ("--model_path", trained.folder, "--output_dir", tmp_path)
    outcome = cli("infer", *fixed, "--test_data", tmp_path / "big.npz")
    assert outcome.code == 4
    assert "has patterns of 40 px, the model needs 32 px" in outcome.err

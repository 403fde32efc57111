"""The way of a run from file to object, and the predecessor's mistakes, each with its guard."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ptycho_torch.bundle import load_inference_bundle_torch
from ptycho_torch.config import InferenceConfig, TrainingPayload
from ptycho_torch.config_factory import create_inference_payload, create_training_payload
from ptycho_torch.data.formats import read_scan, write_npz
from ptycho_torch.data.loading import TrainingScans, load_training_scans
from ptycho_torch.errors import DataFileError
from ptycho_torch.model import learning_rate_factor
from ptycho_torch.reconstruct.predict import Prediction
from ptycho_torch.reconstruct.stitch import Canvas, cut_patches
from ptycho_torch.reconstruction import reconstruct_scan
from ptycho_torch.simulation import simulate_scan
from ptycho_torch.workflows import prepare_training, run_cdi_example_torch


class TestProgrammaticUse:
    """A caller without command line gets the same run."""

    def test_settings_or_payload_give_the_same_model(
        self, payload: TrainingPayload, tiny: Any, tmp_path: Path
    ) -> None:
        first = run_cdi_example_torch(payload)
        second = run_cdi_example_torch(
            train_data_file=tiny.train,
            test_data_file=tiny.test,
            output_dir=tmp_path / "again",
            n_images=8,
            max_epochs=1,
        )
        assert first.bundle.read_bytes() == second.bundle.read_bytes()
        assert second.fit.epochs == first.fit.epochs

    def test_scans_in_memory_need_no_second_reading(
        self, payload: TrainingPayload, tiny: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        scans = load_training_scans(payload)
        monkeypatch.setattr("ptycho_torch.workflows.load_training_scans", None)
        assert run_cdi_example_torch(payload, scans).bundle.exists()

    def test_scans_of_different_sizes_are_refused(self, tiny: Any, tmp_path: Path) -> None:
        write_npz(tmp_path / "big.npz", simulate_scan(1, n_pixel=40, n_patterns=9))
        payload = create_training_payload(
            train_data_file=tiny.train, test_data_file=tmp_path / "big.npz"
        )
        with pytest.raises(DataFileError, match=r"has patterns of 32 px, .* of 40 px"):
            load_training_scans(payload)


class TestPredecessorsMistakes:
    """What went wrong in the TensorFlow-era torch port; numbers as in the contract."""

    @pytest.mark.parametrize(
        ("module", "unwanted"),
        [
            ("ptycho_torch.workflows", ("tensorflow", "mlflow", "cv2", "dill")),
            ("ptycho_torch.reconstruction", ("lightning", "matplotlib")),
        ],
    )
    def test_1_imports_stay_small(
        self, module: str, unwanted: tuple[str, ...], python: Any
    ) -> None:
        code = f"import sys, {module}; print([m for m in {unwanted!r} if m in sys.modules])"
        assert python("-c", code).stdout.strip() == "[]"

    def test_2_the_unit_of_the_probe_does_not_matter(
        self, payload: TrainingPayload, tmp_path: Path
    ) -> None:
        """A power of two scales without rounding, so the loss must not move by one bit."""
        scans = load_training_scans(payload)
        stronger = replace(scans.train, probe=scans.train.probe * np.complex64(8))
        losses = [
            run_cdi_example_torch(payload, TrainingScans(scan, scans.test)).fit.epochs[-1]
            for scan in (scans.train, stronger)
        ]
        assert losses[1] == losses[0]

    def test_3_true_patches_come_out_as_the_true_object(
        self, trained: Any, tiny: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The predecessor's wrong sign gave 0.0888 here."""
        scan = read_scan(tiny.test)
        assert scan.object is not None
        truth = Canvas(scan.object, np.ones(scan.object.shape, np.float32), (0, 0))
        bundle = load_inference_bundle_torch(trained.folder)
        scales = bundle.info.scales
        gauge = scales.amplitude_scale / scales.probe_factor
        patches = cut_patches(truth, scan.positions_px, 32) * gauge

        def oracle(network: Any, patterns: Any, groups: Any, *_: Any) -> Prediction:
            members = torch.from_numpy(groups.indices)
            return Prediction(torch.arange(len(patches)), patches, members)

        monkeypatch.setattr("ptycho_torch.reconstruction.predict_patches", oracle)
        payload = create_inference_payload(
            model_path=trained.folder, test_data_file=tiny.test, output_dir=tmp_path
        )
        result = reconstruct_scan(bundle, scan, payload.inference, payload.execution)
        assert result.metrics["reconstruction"]["mae_amplitude"] <= 2e-3
        assert result.metrics["r_factor"] < 0.02

    def test_7_the_monitored_metric_is_logged_and_the_best_epoch_kept(self, trained: Any) -> None:
        names = {path.name for path in (trained.folder / "checkpoints").iterdir()}
        assert names == {"best.ckpt", "last.ckpt", "run.json"}
        state = torch.load(trained.folder / "checkpoints/last.ckpt", weights_only=True)
        [monitor] = [v["monitor"] for k, v in state["callbacks"].items() if "Checkpoint" in k]
        assert monitor == "val_loss"
        header = (trained.folder / "metrics.csv").read_text().splitlines()[0]
        assert {"train_loss", "val_loss"} <= set(header.split(","))

    def test_7_the_schedule_is_followed_step_by_step(self, trained: Any) -> None:
        rows = json.loads((trained.folder / "loss_curve.json").read_text())["epochs"]
        steps = 25 // 4
        config = TrainingPayload().training
        expected = [
            config.learning_rate * learning_rate_factor(config, steps * epoch, 2 * steps)
            for epoch in (1, 2)
        ]
        assert [row["learning_rate"] for row in rows] == pytest.approx(expected)

    def test_7_the_seed_decides_grouping_and_weights(self, payload: TrainingPayload) -> None:
        """It is set before anything random: what was drawn earlier in the process is no matter."""
        scans = load_training_scans(payload)
        seen = []
        for draws in (0, 5):
            torch.rand(draws)
            setup = prepare_training(payload, scans)
            weight = next(setup.network.parameters()).detach().clone()
            seen.append((setup.groups.indices.tolist(), weight))
        assert seen[0][0] == seen[1][0]
        assert torch.equal(seen[0][1], seen[1][1])


def test_workers_and_batch_size_reach_the_loader(tiny: Any) -> None:
    payload = create_training_payload(train_data_file=tiny.train, num_workers=1, batch_size=7)
    loader = prepare_training(payload, load_training_scans(payload)).data.train_dataloader()
    assert (loader.num_workers, loader.batch_size) == (1, 7)


def test_a_slurm_job_of_several_tasks_is_no_obstacle(
    payload: TrainingPayload, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("NTASKS", "4"), ("JOB_NAME", "night"), ("JOB_ID", "7"), ("PROCID", "1")):
        monkeypatch.setenv(f"SLURM_{name}", value)
    assert run_cdi_example_torch(payload).bundle.exists()


class TestReconstruction:
    """From patches to files."""

    def test_refinement_explains_the_patterns_better(
        self, trained: Any, tiny: Any, tmp_path: Path
    ) -> None:
        bundle = load_inference_bundle_torch(trained.folder)
        scan = read_scan(tiny.test)
        execution = create_training_payload(
            train_data_file=tiny.train, output_dir=tmp_path
        ).execution
        factors = [
            reconstruct_scan(bundle, scan, InferenceConfig(refine_epochs=n), execution).metrics[
                "r_factor"
            ]
            for n in (0, 5)
        ]
        assert factors[1] < 0.8 * factors[0]

    def test_masked_pixels_are_no_evidence(
        self, payload: TrainingPayload, trained: Any, tiny: Any, tmp_path: Path
    ) -> None:
        """Rubbish under the mask changes neither training nor reconstruction."""
        scans = load_training_scans(payload)
        mask = np.ones((32, 32), bool)
        mask[3:6, 20:23] = False
        dirty = scans.train.diffraction.copy()
        dirty[:, ~mask] = 0.9 * dirty.max()
        losses = []
        for values in (scans.train.diffraction, dirty):
            scan = replace(scans.train, diffraction=values * mask + 0 * values, mask=mask)
            losses.append(run_cdi_example_torch(payload, TrainingScans(scan, None)).fit.epochs)
        assert losses[0] == losses[1]


def test_a_summary_is_json(payload: TrainingPayload) -> None:
    summary = run_cdi_example_torch(payload).summary()
    assert json.loads(json.dumps(summary))["epochs"] == 1

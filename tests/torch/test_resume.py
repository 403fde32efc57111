"""A killed run goes on as if nothing had happened."""

from __future__ import annotations

import hashlib
import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

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


KILLED = """
import os, signal, sys
from ptycho_torch.training.callbacks import CollapseWatch
from ptycho_torch.train import main
original = CollapseWatch.on_train_batch_end
def strike(self, trainer, *args):
    original(self, trainer, *args)
    if trainer.current_epoch == 3 and args[-1] == 1:
        os.kill(os.getpid(), signal.SIGKILL)
CollapseWatch.on_train_batch_end = strike
main()
"""


class TestResume:
    """From the last checkpoint to the same bits."""

    @staticmethod
    def arguments(tiny: Any, folder: Path, *more: object) -> list[str]:
        fixed = ("--train_data_file", tiny.train, "--test_data_file", tiny.test)
        size = ("--n_images", 16, "--gridsize", 2, "--batch_size", 4, "--max_epochs", 10)
        logged = ("--log-patch-stats", "--deterministic")
        return [str(a) for a in (*fixed, "--output_dir", folder, *size, *logged, *more)]

    @pytest.mark.parametrize(
        "more",
        [
            ("--scheduler", "cosine"),
            # So slow that no epoch counts as better: the rate falls when patience runs out, after
            # the kill, and only if the count of bad epochs was restored.
            ("--scheduler", "plateau", "--learning-rate", 1e-9),
        ],
        ids=["cosine", "plateau"],
    )
    def test_a_killed_run_resumes_to_the_same_bits(
        self, more: tuple[object, ...], tiny: Any, cli: Run, python: Run, tmp_path: Path
    ) -> None:
        whole, broken = tmp_path / "whole", tmp_path / "broken"
        assert cli("train", *self.arguments(tiny, whole, *more)).code == 0
        killed = python("-c", KILLED, *self.arguments(tiny, broken, *more))
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        assert len(curve(broken)["epochs"]) == 3, "killed in the middle of epoch 4"
        assert not (broken / "wts.h5.zip").exists()
        resumed = cli("train", *self.arguments(tiny, broken, *more, "--resume"))
        assert resumed.code == 0, resumed.err
        assert "resuming from" in resumed.err
        assert "epoch 3/10" not in resumed.err, "finished epochs are not repeated"
        for name in ("wts.h5.zip", "loss_curve.json", "analysis/torch_patch_stats.json"):
            assert digest(broken / name) == digest(whole / name), name

    def test_resuming_a_finished_run_changes_nothing(
        self, tiny: Any, cli: Run, tmp_path: Path
    ) -> None:
        common = ("--train_data_file", tiny.train, "--output_dir", tmp_path, *ONE_EPOCH)
        assert cli("train", *common, "--log-patch-stats").code == 0
        names = ("wts.h5.zip", "loss_curve.json", "analysis/torch_patch_stats.json")
        before = {name: digest(tmp_path / name) for name in names}
        resumed = cli("train", *common, "--log-patch-stats", "--resume")
        assert resumed.code == 0, resumed.err
        assert {name: digest(tmp_path / name) for name in names} == before

    def test_resuming_another_run_is_refused(self, tiny: Any, cli: Run, tmp_path: Path) -> None:
        common = ("--train_data_file", tiny.train, "--output_dir", tmp_path, *ONE_EPOCH)
        assert cli("train", *common).code == 0
        outcome = cli("train", *common, "--resume", "--seed", 5)
        assert outcome.code == 4
        assert "had other data or settings than this one" in outcome.err

    def test_resuming_nothing_starts_from_the_beginning(
        self, tiny: Any, cli: Run, tmp_path: Path
    ) -> None:
        common = ("--train_data_file", tiny.train, "--output_dir", tmp_path, *ONE_EPOCH)
        outcome = cli("train", *common, "--resume")
        assert outcome.code == 0
        assert "starting from the beginning" in outcome.err

    def test_a_new_run_removes_what_an_old_one_left(
        self, tiny: Any, cli: Run, tmp_path: Path
    ) -> None:
        common = ("--train_data_file", tiny.train, "--output_dir", tmp_path, *ONE_EPOCH)
        assert cli("train", *common).code == 0
        outcome = cli("train", *common, "--max_epochs", 4, "--learning-rate", 1000)
        assert outcome.code == 5
        assert not (tmp_path / "wts.h5.zip").exists(), "an old bundle must not pass for the new"

"""Schedules and watches of the training loop."""

from __future__ import annotations

import contextlib
import io
import logging
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from rich.console import Console

from ptycho_torch.cli.edge import talk
from ptycho_torch.config import TrainingConfig
from ptycho_torch.errors import CollapsedError, DivergedError
from ptycho_torch.model import learning_rate_factor
from ptycho_torch.progress import Bar
from ptycho_torch.training.callbacks import CollapseWatch, TerminalProgress, relative_variance

STEPS = 100


def factors(**settings: Any) -> list[float]:
    config = TrainingConfig.model_validate(settings)
    return [learning_rate_factor(config, step, STEPS) for step in range(STEPS)]


class TestLearningRate:
    """The course of the learning rate."""

    @pytest.mark.parametrize("name", ["cosine", "constant", "exponential", "multistep"])
    def test_the_warm_up_is_linear_to_the_peak(self, name: str) -> None:
        course = factors(scheduler=name)
        assert course[:10] == pytest.approx([(step + 1) / 10 for step in range(10)])
        assert course[10] == pytest.approx(1, abs=0.01)

    @pytest.mark.parametrize("name", ["cosine", "exponential", "multistep"])
    def test_decaying_schedules_end_at_the_smallest_rate(self, name: str) -> None:
        course = factors(scheduler=name)
        assert course[-1] == pytest.approx(0.01, rel=0.06)
        assert all(later <= earlier for earlier, later in pairwise(course[10:]))

    def test_constant_stays(self) -> None:
        assert set(factors(scheduler="constant")[10:]) == {1.0}

    def test_cosine_is_half_way_in_the_middle(self) -> None:
        assert factors(scheduler="cosine")[55] == pytest.approx((1 + 0.01) / 2, abs=1e-3)

    def test_multistep_has_three_steps(self) -> None:
        assert len(set(factors(scheduler="multistep")[10:])) == 4

    def test_a_rate_may_fall_to_zero(self) -> None:
        assert min(factors(scheduler="exponential", min_lr_fraction=0)) >= 0


def watch(losses: list[float], patches: torch.Tensor, step: int = 50) -> None:
    """Feed one epoch to a watch."""
    trainer: Any = SimpleNamespace(current_epoch=4, global_step=step)
    module: Any = None
    callback = CollapseWatch(grace_steps=10)
    callback.on_train_epoch_start(trainer, module)
    for index, loss in enumerate(losses):
        outputs = {"loss": torch.tensor(loss), "patches": patches}
        callback.on_train_batch_end(trainer, module, outputs, None, index)
    callback.on_train_epoch_end(trainer, module)


STRUCTURED = torch.complex(torch.rand(2, 1, 8, 8), torch.rand(2, 1, 8, 8))
CONSTANT = torch.full((2, 1, 8, 8), 0.5 + 0.5j, dtype=torch.complex64)


class TestCollapseWatch:
    """A run that says nothing about the object is stopped."""

    def test_structure_passes(self) -> None:
        watch([1.0, 1.0], STRUCTURED)

    def test_a_constant_prediction_is_a_collapse(self) -> None:
        with pytest.raises(CollapsedError, match="the prediction is constant in epoch 5"):
            watch([1.0, 1.0], CONSTANT)

    def test_one_patch_with_structure_is_enough(self) -> None:
        watch([1.0, 1.0], torch.cat([CONSTANT, STRUCTURED]))

    def test_the_start_is_flat_and_no_collapse(self) -> None:
        watch([1.0, 1.0], CONSTANT, step=5)

    def test_a_pure_phase_object_has_structure(self) -> None:
        watch([1.0, 1.0], torch.polar(torch.ones(2, 1, 8, 8), torch.rand(2, 1, 8, 8)))

    @pytest.mark.parametrize("loss", [float("nan"), float("inf")])
    def test_a_loss_that_is_no_number_is_divergence(self, loss: float) -> None:
        with pytest.raises(DivergedError, match="in epoch 5, batch 1"):
            watch([1.0, loss], STRUCTURED)

    def test_patches_that_are_no_numbers_are_divergence(self) -> None:
        with pytest.raises(DivergedError, match="predicted object became non-finite"):
            watch([1.0, 1.0], STRUCTURED * float("nan"))


def test_relative_variance_ignores_scale_and_phase() -> None:
    plain = relative_variance(STRUCTURED)
    assert torch.allclose(relative_variance(STRUCTURED * (3 - 4j)), plain, rtol=1e-5)
    assert float(relative_variance(CONSTANT).max()) == pytest.approx(0, abs=1e-12)


def test_log_lines_go_above_the_progress_bar(capsys: pytest.CaptureFixture[str]) -> None:
    """A line written through the stderr of the start would end up inside the bar."""
    package = logging.getLogger("ptycho_torch")
    talk(quiet=False)
    stream = io.StringIO()
    with contextlib.redirect_stderr(stream):
        package.info("epoch 1")
    assert stream.getvalue() == "INFO epoch 1\n"
    assert capsys.readouterr().err == ""


def test_progress_counts_the_steps() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=80)
    progress = TerminalProgress(Bar("training", console))
    trainer: Any = SimpleNamespace(estimated_stepping_batches=8, global_step=0)
    module: Any = None
    progress.on_train_start(trainer, module)
    trainer.global_step = 4
    progress.on_train_batch_end(trainer, module, {"loss": torch.tensor(0.25)}, None, 3)
    progress.on_train_end(trainer, module)
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "4/8" in shown
    assert "loss=0.25" in shown

"""What watches a training run: loss curve, progress, patch statistics, divergence and collapse."""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import Any, Protocol

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from ptycho_torch.artifacts import write_json
from ptycho_torch.errors import CollapsedError, DivergedError
from ptycho_torch.progress import Bar

LOSS_CURVE_FILE = "loss_curve.json"
CONSTANT_VARIANCE = 1e-6
"""Relative variance of a predicted patch below which it counts as constant (0.1 % deviation)."""

logger = logging.getLogger(__name__)


class PatchRecorder(Protocol):
    """What `PatchStatistics` needs of a recorder."""

    def restart(self) -> None:
        """Forget what was recorded."""

    def record(self, patches: Tensor, batch_idx: int) -> None:
        """Take one batch."""

    def write(self) -> list[Path]:
        """Write the files."""


class PatchStatistics(Callback):
    """Records the first batches of every epoch; what is written belongs to the last epoch.

    The last epoch is written before its checkpoint: whoever resumes from there has nothing left
    to record.

    Args:
        recorder: Takes the predicted patches.
    """

    def __init__(self, recorder: PatchRecorder) -> None:
        self._recorder = recorder
        self._written = False

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin the epoch's record."""
        self._recorder.restart()

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Record the batch's predicted patches."""
        self._recorder.record(outputs["patches"], batch_idx)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write what the last epoch left."""
        if trainer.current_epoch + 1 == trainer.max_epochs:
            self._write()

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write it when the run ended before the last epoch."""
        self._write()

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Write it also when the run fails: then it is needed most."""
        self._write()

    def _write(self) -> None:
        if not self._written:
            self._recorder.write()
        self._written = True


class LossCurve(Callback):
    """Keeps one row an epoch, writes it to `loss_curve.json` and says it on the log.

    Args:
        path: File to write.
        flat_loss: Loss of the flat object on the training groups, for comparison.
        loss_mode: Name of the loss.
    """

    def __init__(self, path: Path, flat_loss: float, loss_mode: str) -> None:
        self._path = path
        self._head = {"loss_mode": loss_mode, "flat_loss": flat_loss}
        self.epochs: list[dict[str, float]] = []

    def state_dict(self) -> dict[str, Any]:
        """Give the rows to the checkpoint."""
        return {"epochs": self.epochs}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the rows back from a checkpoint."""
        self.epochs = list(state_dict["epochs"])

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Add the epoch's row."""
        metrics = trainer.callback_metrics
        row = {"epoch": trainer.current_epoch, "learning_rate": _learning_rate(trainer)}
        row |= {
            name: float(metrics[name]) for name in ("train_loss", "val_loss") if name in metrics
        }
        self.epochs.append(row)
        write_json(self._path, {**self._head, "epochs": self.epochs})
        losses = " ".join(f"{key}={row[key]:.6g}" for key in row if key.endswith("loss"))
        logger.info(
            "epoch %d/%s %s learning_rate=%.3g",
            trainer.current_epoch + 1,
            trainer.max_epochs,
            losses,
            row["learning_rate"],
        )


class CollapseWatch(Callback):
    """Stops a run that became non-finite or predicts a constant.

    Args:
        grace_steps: Optimiser steps before constant predictions count: the network starts from
            the flat object and needs the warm-up to leave it.
    """

    def __init__(self, grace_steps: int) -> None:
        self._grace_steps = grace_steps
        self._variances: list[Tensor] = []

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin the epoch's record."""
        self._variances = []

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Refuse to go on from a loss that is not a number."""
        loss = float(outputs["loss"])
        if not math.isfinite(loss):
            raise DivergedError(
                f"the loss became {loss} in epoch {trainer.current_epoch + 1}, batch {batch_idx}",
                "lower --learning-rate, or look for damaged patterns in the data",
            )
        self._variances.append(relative_variance(outputs["patches"]).max())

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Refuse to go on when no patch of the epoch's second half has any structure."""
        late = self._variances[len(self._variances) // 2 :]
        if trainer.global_step < self._grace_steps or not late:
            return
        largest = float(torch.stack(late).max())
        if not math.isfinite(largest):
            raise DivergedError(
                f"the predicted object became non-finite in epoch {trainer.current_epoch + 1}",
                "lower --learning-rate",
            )
        if largest < CONSTANT_VARIANCE:
            raise CollapsedError(
                f"the prediction is constant in epoch {trainer.current_epoch + 1}: the largest "
                f"relative variance of a patch is {largest:.3g}",
                "use --architecture residual, lower --learning-rate, and check that the probe "
                "belongs to this scan (--prepare-probe on)",
            )


class PlateauSchedule(Callback):
    """Halves the learning rate when the monitored loss has not fallen for some epochs.

    Args:
        monitor: Metric to watch.
        min_lr: Smallest rate.
        patience: Epochs to wait.
    """

    def __init__(self, monitor: str, min_lr: float, patience: int = 3) -> None:
        self._monitor = monitor
        self._min_lr = min_lr
        self._patience = patience
        self._schedule: torch.optim.lr_scheduler.ReduceLROnPlateau | None = None
        self._restored: dict[str, Any] | None = None

    def state_dict(self) -> dict[str, Any]:
        """Give the count of bad epochs to the checkpoint."""
        return {} if self._schedule is None else self._schedule.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep a checkpoint's state until there is an optimiser."""
        self._restored = state_dict

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Attach the schedule to the optimiser."""
        self._schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(
            trainer.optimizers[0], factor=0.5, patience=self._patience, min_lr=self._min_lr, eps=0
        )
        if self._restored:
            self._schedule.load_state_dict(self._restored)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Judge the epoch."""
        if self._schedule is not None:
            self._schedule.step(trainer.callback_metrics[self._monitor])


class TerminalProgress(Callback):
    """Shows the steps and the live loss, for a terminal only.

    Args:
        bar: Where they are shown.
    """

    def __init__(self, bar: Bar) -> None:
        self._bar = bar

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show the bar."""
        self._bar.start(int(trainer.estimated_stepping_batches), trainer.global_step)

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Move the bar."""
        self._bar.show(trainer.global_step, f"loss={float(outputs['loss']):.4g}")

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Remove the bar."""
        self._bar.stop()

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Remove the bar."""
        self._bar.stop()


def relative_variance(patches: Tensor) -> Tensor:
    """Mean squared deviation of each patch from its own mean, over its mean square.

    Args:
        patches: (batch, group, row, col) complex.

    Returns:
        (batch, group) float, 0 for a constant patch.
    """
    mean = patches.mean(dim=(-2, -1), keepdim=True)
    deviation = (patches - mean).abs().square().mean(dim=(-2, -1))
    return deviation / patches.abs().square().mean(dim=(-2, -1)).clamp_min(1e-30)


def _learning_rate(trainer: Trainer) -> float:
    return float(trainer.optimizers[0].param_groups[0]["lr"])

"""Runs Lightning's Trainer with this package's callbacks, and reports what came of it."""

from __future__ import annotations

import importlib.util
import logging
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger
from torch.utils.data import DataLoader

from ptycho_torch.config import ExecutionConfig, TrainingPayload
from ptycho_torch.data.datamodule import PtychoDataModule
from ptycho_torch.data.dataset import GroupBatch, GroupDataset, keep_batch
from ptycho_torch.errors import PreconditionError
from ptycho_torch.losses import DiffractionLoss
from ptycho_torch.networks import PtychoPINN
from ptycho_torch.progress import Bar, is_watched
from ptycho_torch.training.callbacks import (
    LOSS_CURVE_FILE,
    CollapseWatch,
    LossCurve,
    PatchRecorder,
    PatchStatistics,
    PlateauSchedule,
    TerminalProgress,
)

CHECKPOINT_DIR = "checkpoints"

_ADVICE = (
    ".*does not have many workers.*",
    ".*exists and is not empty.*",
    ".*`srun` command is available.*",
    ".*isinstance.treespec, LeafSpec.* is deprecated.*",
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FitResult:
    """What a training run came to.

    Attributes:
        epochs: Rows of the loss curve.
        flat_loss: Loss of the flat object on the training groups.
        ratio: Last training loss over the flat object's.
        stopped_early: Whether patience ran out before the last epoch.
    """

    epochs: list[dict[str, float]]
    flat_loss: float
    ratio: float
    stopped_early: bool


@dataclass(frozen=True)
class FitPlan:
    """Everything a training run needs besides the module and its data.

    Attributes:
        payload: The run's settings.
        loss_mode: Name of the loss in use.
        flat_loss: Loss of the flat object on the training groups.
        monitor: Metric that checkpoints, early stopping and `plateau` follow.
        total_steps: Optimiser steps of the whole run.
        recorder: Takes the predicted patches, or None.
        device: Where to compute.
    """

    payload: TrainingPayload
    loss_mode: str
    flat_loss: float
    monitor: str
    total_steps: int
    recorder: PatchRecorder | None
    device: torch.device


def fit(module: Any, data: PtychoDataModule, plan: FitPlan) -> FitResult:
    """Train a module.

    Args:
        module: The Lightning module; it holds the trained weights afterwards.
        data: Its batches.
        plan: Settings and watches.

    Returns:
        Loss curve and verdict.

    Raises:
        DivergedError: The run became non-finite.
        CollapsedError: The run predicts a constant.
        KeyboardInterrupt: The run was interrupted.
    """
    execution = plan.payload.execution
    curve = LossCurve(execution.output_dir / LOSS_CURVE_FILE, plan.flat_loss, plan.loss_mode)
    with _calm_lightning():
        trainer = _make_trainer(plan, [curve, *_callbacks(plan)])
        try:
            checkpoint = _resume_from(execution)
            trainer.fit(module, datamodule=data, ckpt_path=checkpoint, weights_only=True)
        except SystemExit:
            raise KeyboardInterrupt from None  # Lightning turns an interrupt into exit code 1.
    return _result(curve.epochs, plan)


def require_logger(name: str) -> None:
    """Make sure that a logger's package is installed.

    Args:
        name: `none`, `csv` or `tensorboard`.

    Raises:
        PreconditionError: It is not.
    """
    if name == "tensorboard" and not any(
        importlib.util.find_spec(package) for package in ("tensorboard", "tensorboardX")
    ):
        raise PreconditionError(
            "`logger` is `tensorboard`, but the package `tensorboard` is not installed",
            "pip install tensorboard, or use --logger csv",
        )


def mean_flat_loss(
    network: PtychoPINN, loss: DiffractionLoss, groups: GroupDataset, batch_size: int
) -> float:
    """Loss of the object that is 1 everywhere: what a network has to beat.

    Args:
        network: Its physics is used, not its weights.
        loss: The loss.
        groups: Training groups.
        batch_size: Groups at a time.

    Returns:
        Mean over the groups.
    """
    loader: DataLoader[GroupBatch] = DataLoader(
        groups, batch_size=batch_size, collate_fn=keep_batch
    )
    total = 0.0
    with torch.no_grad():
        for batch in loader:
            flat = torch.ones_like(batch.amplitude, dtype=torch.complex64)
            intensity = network.predict_intensity(flat, batch.corners, batch.rests_px)
            total += float(loss.per_pattern(intensity, batch.amplitude).mean(dim=1).sum())
    return total / len(groups)


def _make_trainer(plan: FitPlan, callbacks: list[Callback]) -> Trainer:
    execution, training = plan.payload.execution, plan.payload.training
    return Trainer(
        accelerator=plan.device.type,
        devices=1,
        max_epochs=training.max_epochs,
        gradient_clip_val=training.gradient_clip_norm,
        deterministic=execution.deterministic,
        logger=_loggers(execution),
        callbacks=callbacks,
        # One process, also inside a Slurm job, whose tasks are not ours to coordinate.
        plugins=[LightningEnvironment()],
        enable_checkpointing=execution.enable_checkpointing,
        limit_val_batches=None if plan.monitor == "val_loss" else 0,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        log_every_n_steps=1,
        default_root_dir=execution.output_dir,
    )


def _callbacks(plan: FitPlan) -> Iterator[Callback]:
    execution, training = plan.payload.execution, plan.payload.training
    yield CollapseWatch(grace_steps=math.ceil(training.warmup_fraction * plan.total_steps) + 1)
    if plan.recorder is not None:
        yield PatchStatistics(plan.recorder)
    if training.scheduler == "plateau":
        yield PlateauSchedule(plan.monitor, training.learning_rate * training.min_lr_fraction)
    if training.early_stop_patience is not None:
        yield EarlyStopping(
            plan.monitor, patience=training.early_stop_patience, check_on_train_epoch_end=True
        )
    if execution.enable_checkpointing:
        yield ModelCheckpoint(
            execution.output_dir / CHECKPOINT_DIR,
            filename="best",
            monitor=plan.monitor,
            save_last=True,
            save_on_train_epoch_end=True,
            enable_version_counter=False,
        )
    if is_watched(logger):
        yield TerminalProgress(Bar("training"))


def _resume_from(execution: ExecutionConfig) -> Path | None:
    if not execution.resume:
        return None
    last = execution.output_dir / CHECKPOINT_DIR / "last.ckpt"
    if last.exists():
        logger.info("resuming from %s", last)
        return last
    logger.warning("no checkpoint in %s: starting from the beginning", last.parent)
    return None


def _loggers(execution: ExecutionConfig) -> list[Logger]:
    if execution.logger == "csv":
        return [CSVLogger(execution.output_dir, name="", version="")]
    if execution.logger == "tensorboard":
        return [TensorBoardLogger(execution.output_dir, name="tensorboard", version="")]
    return []


def _result(epochs: list[dict[str, float]], plan: FitPlan) -> FitResult:
    ratio = epochs[-1]["train_loss"] / plan.flat_loss
    logger.info("trained loss / flat loss = %.4f", ratio)
    stopped_early = len(epochs) < plan.payload.training.max_epochs
    return FitResult(epochs, plan.flat_loss, ratio, stopped_early)


@contextmanager
def _calm_lightning() -> Iterator[None]:
    """Keep Lightning's advice out of the log: what it suggests was decided on purpose."""
    chatter = logging.getLogger("lightning.pytorch")
    level = chatter.level
    chatter.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            for message in _ADVICE:
                warnings.filterwarnings("ignore", message)
            yield
    finally:
        chatter.setLevel(level)

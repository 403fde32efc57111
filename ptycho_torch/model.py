"""The Lightning module: one network, one loss, one optimiser."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypedDict

import torch
from lightning.pytorch import LightningModule
from torch import Tensor

from ptycho_torch.config import TrainingConfig
from ptycho_torch.data.dataset import GroupBatch
from ptycho_torch.networks.pinn import PtychoPINN

LossFunction = Callable[[Tensor, Tensor], Tensor]


class StepOutput(TypedDict):
    """What a step hands to the callbacks.

    `loss` is the scalar that was minimised, `patches` the predicted object patches
    (batch, group, row, col) complex64, detached.
    """

    loss: Tensor
    patches: Tensor


class PtychoPINN_Lightning(LightningModule):
    """Trains a network whose forward pass ends in a predicted diffraction.

    Args:
        network: Object patches from a batch's inputs, intensity from object patches.
        config: Optimiser and schedule.
        loss: Intensity and measured amplitude, both (batch, group, row, col), to a scalar.
        total_steps: Optimiser steps of the whole run; the schedule is laid out over them.

    Attributes:
        loss_name: Metric of the training loss.
        val_loss_name: Metric of the validation loss.
    """

    loss_name = "train_loss"
    val_loss_name = "val_loss"

    def __init__(
        self, network: PtychoPINN, config: TrainingConfig, loss: LossFunction, total_steps: int
    ) -> None:
        super().__init__()
        self.network = network
        self._config = config
        self._loss = loss
        self._total_steps = total_steps

    def training_step(self, batch: GroupBatch, batch_idx: int) -> StepOutput:
        """Predict the diffraction of a batch and compare it with the measured one.

        Args:
            batch: Groups of patterns.
            batch_idx: Number of the batch.

        Returns:
            Loss and predicted patches.
        """
        return self._step(batch, self.loss_name)

    def validation_step(self, batch: GroupBatch, batch_idx: int) -> StepOutput:
        """Do the same for scans the network is not trained on.

        Args:
            batch: Groups of patterns.
            batch_idx: Number of the batch.

        Returns:
            Loss and predicted patches.
        """
        return self._step(batch, self.val_loss_name)

    def configure_optimizers(self) -> Any:
        """Make AdamW and, for every schedule that follows from the step alone, its course.

        Returns:
            What Lightning expects; `plateau` is driven by a callback and returns no schedule.
        """
        config = self._config
        optimizer = torch.optim.AdamW(
            self.parameters(),
            lr=config.learning_rate,
            betas=(config.beta1, config.beta2),
            weight_decay=config.weight_decay,
        )
        if config.scheduler == "plateau":
            return optimizer
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: learning_rate_factor(config, step, self._total_steps)
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def _step(self, batch: GroupBatch, name: str) -> StepOutput:
        patches = self.network(batch.inputs)
        intensity = self.network.predict_intensity(patches, batch.corners, batch.rests_px)
        loss = self._loss(intensity, batch.amplitude)
        self.log(name, loss, on_step=False, on_epoch=True, batch_size=len(batch.amplitude))
        return {"loss": loss, "patches": patches.detach()}


def learning_rate_factor(config: TrainingConfig, step: int, total_steps: int) -> float:
    """Give the learning rate at a step as a fraction of its peak.

    All schedules rise linearly over the warm-up. Then `cosine` falls to `min_lr_fraction` along
    half a cosine (Loshchilov and Hutter, arXiv 1608.03983), `exponential` reaches it along a
    geometric series, `multistep` divides by the cube root of the whole fall at 1/2, 3/4 and 7/8
    of the rest, and `constant` stays.

    Args:
        config: Schedule and its numbers.
        step: Optimiser step, from 0.
        total_steps: Steps of the whole run.

    Returns:
        A number from above 0 to 1.
    """
    warmup = math.ceil(config.warmup_fraction * total_steps)
    if step < warmup:
        return (step + 1) / warmup
    progress = min(1.0, (step - warmup) / max(1, total_steps - warmup))
    low = config.min_lr_fraction
    if config.scheduler == "cosine":
        return low + (1 - low) * (1 + math.cos(math.pi * progress)) / 2
    if config.scheduler == "exponential":
        return low**progress if low > 0 else 1 - progress
    if config.scheduler == "multistep":
        return float(low ** (sum(progress >= mark for mark in (0.5, 0.75, 0.875)) / 3))
    return 1.0

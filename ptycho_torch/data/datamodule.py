"""Batches for Lightning, in an order that depends on seed and epoch alone."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader, Sampler

from ptycho_torch.data.dataset import GroupBatch, GroupDataset, keep_batch


class EpochSampler(Sampler[int]):
    """Shuffles anew every epoch, without any state: epoch 4 is the same after a restart.

    Args:
        length: Number of groups.
        seed: Origin of the order.
    """

    def __init__(self, length: int, seed: int) -> None:
        self._length = length
        self._seed = seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch; Lightning calls this before each one.

        Args:
            epoch: Number of the epoch, from 0.
        """
        self._epoch = epoch

    def __len__(self) -> int:
        """Number of groups."""
        return self._length

    def __iter__(self) -> Iterator[int]:
        """Yield the group numbers in this epoch's order."""
        generator = torch.Generator().manual_seed((self._seed << 20) + self._epoch)
        yield from torch.randperm(self._length, generator=generator).tolist()


class PtychoDataModule(LightningDataModule):
    """The training groups and, where there is a second scan, the validation groups.

    Args:
        train: Groups to train on.
        validation: Groups to validate on, or None.
        batch_size: Groups in a batch.
        num_workers: Processes that prepare batches.
        seed: Origin of the order.
    """

    def __init__(
        self,
        train: GroupDataset,
        validation: GroupDataset | None,
        batch_size: int,
        num_workers: int,
        seed: int,
    ) -> None:
        super().__init__()
        self._train = train
        self._validation = validation
        self._batch_size = batch_size
        self._num_workers = num_workers
        self._seed = seed

    @property
    def has_validation(self) -> bool:
        """Whether there are validation groups."""
        return self._validation is not None

    @property
    def steps_per_epoch(self) -> int:
        """Optimiser steps in an epoch: the full batches, at least one."""
        return max(1, len(self._train) // self._batch_size)

    def train_dataloader(self) -> DataLoader[GroupBatch]:
        """Make the loader of the training groups.

        Returns:
            Shuffled batches; a last one that is not full is dropped unless it is the only one.
        """
        sampler = EpochSampler(len(self._train), self._seed)
        drop_last = len(self._train) >= self._batch_size
        return self._loader(self._train, sampler, drop_last)

    def val_dataloader(self) -> list[DataLoader[GroupBatch]]:
        """Make the loader of the validation groups.

        Returns:
            One loader, in the data's order, or none.
        """
        if self._validation is None:
            return []
        return [self._loader(self._validation, None, drop_last=False)]

    def _loader(
        self, dataset: GroupDataset, sampler: Sampler[int] | None, drop_last: bool
    ) -> DataLoader[GroupBatch]:
        return DataLoader(
            dataset,
            batch_size=self._batch_size,
            sampler=sampler,
            drop_last=drop_last,
            collate_fn=keep_batch,
            num_workers=self._num_workers,
            persistent_workers=self._num_workers > 0,
        )

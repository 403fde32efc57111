"""Batches: whole, in an order that seed and epoch alone decide."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ptycho_torch.config import ModelConfig
from ptycho_torch.data.datamodule import EpochSampler, PtychoDataModule
from ptycho_torch.data.dataset import GroupDataset, PatternSet, prepare_patterns
from ptycho_torch.data.grouping import Groups
from ptycho_torch.physics.scaling import compute_scales
from ptycho_torch.simulation import simulate_scan


@pytest.fixture
def groups() -> GroupDataset:
    count = 10
    patterns = PatternSet(
        inputs=torch.arange(count * 3.0).reshape(count, 3, 1, 1),
        amplitude=torch.arange(float(count)).reshape(count, 1, 1),
        corners=torch.arange(2 * count).reshape(count, 2),
        rests_px=torch.zeros(count, 2),
    )
    members = np.stack([np.arange(count), (np.arange(count) + 1) % count], axis=1)
    return GroupDataset(patterns, Groups(members))


def module(groups: GroupDataset, batch_size: int = 4, workers: int = 0) -> PtychoDataModule:
    return PtychoDataModule(groups, groups, batch_size, workers, seed=3)


def test_a_batch_holds_each_groups_own_patterns(groups: GroupDataset) -> None:
    batch = groups.__getitems__([7, 2])
    assert batch.patterns.tolist() == [[7, 8], [2, 3]]
    assert batch.amplitude[..., 0, 0].tolist() == [[7, 8], [2, 3]]
    assert batch.corners[0, 1].tolist() == [16, 17]
    assert batch.inputs.shape == (2, 2, 3, 1, 1)


def test_training_order_changes_by_epoch_and_seed_only() -> None:
    def order(seed: int, epoch: int) -> list[int]:
        sampler = EpochSampler(20, seed)
        sampler.set_epoch(epoch)
        return list(sampler)

    assert order(1, 4) == order(1, 4)
    assert order(1, 4) != order(1, 5)
    assert order(1, 4) != order(2, 4)
    assert sorted(order(1, 4)) == list(range(20))


def test_training_batches_are_full_and_validation_misses_nothing(groups: GroupDataset) -> None:
    data = module(groups)
    train = [len(batch.patterns) for batch in data.train_dataloader()]
    assert train == [4, 4]
    assert data.steps_per_epoch == 2
    [validation] = data.val_dataloader()
    seeds = torch.cat([batch.patterns[:, 0] for batch in validation])
    assert seeds.tolist() == list(range(10))


def test_fewer_groups_than_a_batch_still_make_one(groups: GroupDataset) -> None:
    data = module(groups, batch_size=64)
    assert [len(batch.patterns) for batch in data.train_dataloader()] == [10]
    assert data.steps_per_epoch == 1


def test_workers_are_used(groups: GroupDataset) -> None:
    assert module(groups, workers=1).train_dataloader().num_workers == 1


def test_amplitudes_come_in_unit_dose_with_the_position_split() -> None:
    scan = simulate_scan(3, n_pixel=16, n_patterns=9, nphotons=1e6)
    scales = compute_scales(scan.amplitude(), scan.probe)
    probe = torch.from_numpy(scan.probe * np.complex64(scales.probe_factor))
    patterns = prepare_patterns(scan, scales, probe, ModelConfig())
    energy = patterns.amplitude.square().sum(dim=(-2, -1))
    assert float(energy.mean()) == pytest.approx(1, abs=1e-5)
    assert patterns.inputs.shape == (9, 3, 16, 16)
    back = patterns.corners + 8 + patterns.rests_px
    assert torch.allclose(back, torch.from_numpy(scan.positions_px).float(), atol=1e-5)

"""Training on the scan itself: the presets, and the alarms that name a bad training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ptycho_torch.config import (
    DataConfig,
    ExecutionConfig,
    ModelConfig,
    TrainingConfig,
    TrainingPayload,
)
from ptycho_torch.data.inspection import inspect_scan
from ptycho_torch.data.loading import TrainingScans
from ptycho_torch.methods.training import choose_preset
from ptycho_torch.simulation import simulate_scan
from ptycho_torch.workflows import TrainedModel, run_cdi_example_torch

INSPECTION = inspect_scan(simulate_scan(seed=1, n_pixel=32, n_patterns=36, nphotons=1e6))


@pytest.mark.parametrize(
    ("photons", "patterns", "overlap", "gridsize", "batch"),
    [
        (1e6, 1000, 0.7, 1, 16),
        (1e4, 1000, 0.7, 2, 4),
        (1e4, 1000, 0.1, 1, 16),
        (1e4, 3, 0.7, 1, 3),
        (1e4, 1, None, 1, 1),
        (1e6, 10, 0.7, 1, 10),
    ],
)
def test_dose_and_connectivity_choose_the_groups(
    photons: float, patterns: int, overlap: float | None, gridsize: int, batch: int
) -> None:
    seen = replace(INSPECTION, photons_per_pattern=photons, patterns=patterns, overlap=overlap)
    preset = choose_preset(seen, steps=100)
    assert (preset.gridsize, preset.batch_size) == (gridsize, batch)
    steps = preset.max_epochs * max(1, patterns // batch)
    assert 100 <= steps < 100 + patterns / batch


def trained(
    folder: Path, nphotons: float, gridsize: int, epochs: int, architecture: str = "residual"
) -> TrainedModel:
    scan = simulate_scan(seed=7, n_pixel=32, n_patterns=36, step_px=3, nphotons=nphotons)
    payload = TrainingPayload(
        data=DataConfig(gridsize=gridsize, neighbor_count=8),
        model=ModelConfig(architecture=architecture),  # type: ignore[arg-type]
        training=TrainingConfig(
            max_epochs=epochs, batch_size=4 if gridsize == 2 else 9, prepare_probe="off"
        ),
        execution=ExecutionConfig(output_dir=folder, enable_checkpointing=False, logger="none"),
    )
    return run_cdi_example_torch(payload, TrainingScans(scan, None))


def slugs(model: TrainedModel) -> set[str]:
    return {alarm.slug for alarm in model.alarms}


def test_the_negative_control_is_named_and_the_good_network_is_not(tmp_path: Path) -> None:
    assert slugs(trained(tmp_path / "plain", 1e6, 2, 2, "plain")) == {"collapse"}
    assert slugs(trained(tmp_path / "good", 1e6, 2, 2)) == set()


@pytest.mark.slow
def test_single_patterns_of_few_photons_are_learnt_with_their_noise_and_groups_are_not(
    tmp_path: Path,
) -> None:
    assert slugs(trained(tmp_path / "single", 300.0, 1, 40)) == {"overfit"}
    assert slugs(trained(tmp_path / "groups", 300.0, 2, 18)) == set()

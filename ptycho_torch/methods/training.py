"""Training on the very scan that is to be reconstructed: what suits it, and doing it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from ptycho_torch.config import ExecutionConfig
from ptycho_torch.config_factory import create_training_payload
from ptycho_torch.data.inspection import Inspection
from ptycho_torch.data.loading import TrainingScans
from ptycho_torch.data.scan import ScanData
from ptycho_torch.methods.choice import LOW_DOSE_PHOTONS
from ptycho_torch.workflows import TrainedModel, run_cdi_example_torch

TRAINING_FOLDER = "training"
PATTERNS_A_STEP = 16
GROUP_OVERLAP = 0.3
"""Below this overlap of neighbours a group's patches hardly meet, and say little together."""
_LONG_RUN_STEPS = 800
_NEIGHBOURS = 12


@dataclass(frozen=True)
class Preset:
    """How a network is trained on one scan.

    Attributes:
        gridsize: A group has gridsize^2 patterns.
        batch_size: Groups in a step.
        max_epochs: Passes over the groups.
        learning_rate: Peak rate.
        reason: Why this gridsize.
    """

    gridsize: int
    batch_size: int
    max_epochs: int
    learning_rate: float
    reason: str


def choose_preset(inspection: Inspection, steps: int) -> Preset:
    """Choose how to train on a scan.

    Groups of four average the photon noise of neighbours, so they are for low dose; they need
    neighbours that overlap. With many photons single patterns fit one object better.

    Args:
        inspection: What was found in the scan.
        steps: Optimiser steps to spend, about.

    Returns:
        The preset; a step sees 16 patterns, or all of a smaller scan.
    """
    gridsize, reason = _gridsize(inspection)
    batch = max(1, min(PATTERNS_A_STEP // gridsize**2, inspection.patterns))
    steps_an_epoch = max(1, inspection.patterns // batch)
    return Preset(
        gridsize=gridsize,
        batch_size=batch,
        max_epochs=math.ceil(steps / steps_an_epoch),
        learning_rate=3e-3 if steps >= _LONG_RUN_STEPS else 2e-3,
        reason=reason,
    )


def _gridsize(inspection: Inspection) -> tuple[int, str]:
    photons = inspection.photons_per_pattern
    if photons >= LOW_DOSE_PHOTONS:
        return 1, f"{photons:.3g} photons a pattern are enough for single patterns"
    if inspection.patterns < 4:
        return 1, f"{inspection.patterns} patterns are too few for groups of four"
    if inspection.overlap is None or inspection.overlap < GROUP_OVERLAP:
        return 1, "neighbours overlap too little for groups of four"
    return 2, f"{photons:.3g} photons a pattern: groups of four average the noise"


def train_here(
    scan: ScanData,
    preset: Preset,
    *,
    update_probe: bool,
    seed: int,
    execution: ExecutionConfig,
) -> TrainedModel:
    """Train a network on a scan, into the folder `training` of the run.

    Args:
        scan: The scan that is to be reconstructed.
        preset: How.
        update_probe: Whether the probe may be refined first.
        seed: Origin of every random number.
        execution: The run's folder, device and threads.

    Returns:
        The trained network; its bundle can be used for more scans of the same probe.

    Raises:
        DivergedError: The run became non-finite.
        CollapsedError: The run predicts a constant.
    """
    neighbours = max(preset.gridsize**2 - 1, min(_NEIGHBOURS, len(scan) - 1))
    run = execution.model_dump() | {
        "output_dir": execution.output_dir / TRAINING_FOLDER,
        "enable_checkpointing": False,
        "logger": "none",
    }
    payload = create_training_payload(
        in_memory=True,
        train_data_file=Path(scan.source),
        gridsize=preset.gridsize,
        neighbor_count=max(1, neighbours),
        max_epochs=preset.max_epochs,
        batch_size=preset.batch_size,
        learning_rate=preset.learning_rate,
        prepare_probe="auto" if update_probe else "off",
        seed=seed,
        **run,
    )
    return run_cdi_example_torch(payload, TrainingScans(scan, None))

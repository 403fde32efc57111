"""Iterative runs: from settings to an outcome, and going on from a result.

Below `reconstruction`, which refines what a network found with the same engine, and below
`methods`, which chooses between the two.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ptycho_torch.artifacts import make_folder, write_json
from ptycho_torch.config import ExecutionConfig
from ptycho_torch.data.scan import ScanData
from ptycho_torch.errors import PreconditionError
from ptycho_torch.reconstruct.checkpoint import CHECKPOINT_FILE
from ptycho_torch.reconstruct.options import GradientOptions, RpieOptions
from ptycho_torch.reconstruct.probe_doubt import DOUBT_ABOVE
from ptycho_torch.reconstruct.result import (
    Reconstruction,
    compare,
    measure,
    write_reconstruction,
)
from ptycho_torch.reconstruct.schedule import (
    IterativeSettings,
    chosen_likelihood,
    chosen_strength,
)
from ptycho_torch.reconstruct.stages import IterativeOutcome, improved, run_options
from ptycho_torch.runtime import prepare_torch

__all__ = [
    "METRICS_FILE",
    "InferenceResult",
    "IterativeOutcome",
    "IterativeSettings",
    "chosen_likelihood",
    "chosen_strength",
    "improved",
    "judged",
    "measured_mask",
    "position_change",
    "refine_reconstruction",
    "run_options",
    "run_stages",
]

METRICS_FILE = "metrics.json"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class InferenceResult:
    """What an inference run leaves.

    Attributes:
        reconstruction: The object with probe, positions and scales.
        metrics: Content of `metrics.json`.
        files: Files written, the reconstruction first.
    """

    reconstruction: Reconstruction
    metrics: dict[str, Any]
    files: list[Path]

    def summary(self) -> dict[str, Any]:
        """Sum the run up.

        Returns:
            Plain values for JSON.
        """
        return {"files": [path.as_posix() for path in self.files], "metrics": self.metrics}


def run_stages(
    start: Reconstruction,
    amplitude: torch.Tensor,
    mask: torch.Tensor | None,
    settings: IterativeSettings,
    checkpoint: Path | None = None,
) -> IterativeOutcome:
    """Run every stage of an iterative run.

    Args:
        start: What to start from.
        amplitude: (n, N, N) unit-dose amplitude of its patterns.
        mask: (row, col) bool, True where a pixel was measured, or None.
        settings: What was decided.
        checkpoint: File to keep the run in while it goes on, and to resume from; None for none.

    Returns:
        The reconstruction after the last stage, and the epochs of all stages.

    Raises:
        DataFileError: The checkpoint to resume from is damaged.
        DivergedError: The object became non-finite.
        PreconditionError: The checkpoint to resume from is another run's.
    """
    stages = settings.stages(start.scales.nphotons)
    outcome = run_options(
        start,
        amplitude,
        mask,
        stages,
        checkpoint,
        resume=settings.resume,
        doubt_above=DOUBT_ABOVE[settings.search_probe] if settings.update_probe else None,
        go_on=settings.go_on,
    )
    return replace(outcome, facts={"engine": settings.engine, **outcome.facts})


def refine_reconstruction(
    start: Reconstruction,
    scan: ScanData,
    options: RpieOptions | GradientOptions,
    execution: ExecutionConfig,
    *,
    resume: bool = False,
) -> InferenceResult:
    """Go on from a reconstruction by iterations and write the outcome beside its metrics.

    Args:
        start: What to start from.
        scan: The scan it was made from.
        options: Epochs, step sizes and whether the probe moves.
        execution: Output folder and threads.
        resume: Whether to go on from what a killed run left in the folder.

    Returns:
        The refined reconstruction, metrics and files.

    Raises:
        DataFileError: The scan has other patterns than the reconstruction, or the checkpoint is
            damaged.
        DivergedError: The object became non-finite.
        PreconditionError: The checkpoint is another run's.
    """
    prepare_torch(execution, options.seed)
    before = measure(start, scan)
    used = scan.select(start.patterns)
    amplitude = torch.from_numpy(used.amplitude() * np.float32(start.scales.amplitude_scale))
    make_folder(execution.output_dir)
    kept = execution.output_dir / CHECKPOINT_FILE
    outcome = run_options(start, amplitude, measured_mask(scan), [options], kept, resume=resume)
    result = outcome.reconstruction
    files = write_reconstruction(execution.output_dir, result)
    metrics = {"start_r_factor": before["r_factor"], **judged(result, scan), **outcome.facts}
    write_json(execution.output_dir / METRICS_FILE, metrics)
    return InferenceResult(result, metrics, [*files, execution.output_dir / METRICS_FILE])


def judged(result: Reconstruction, scan: ScanData) -> dict[str, Any]:
    """Measure against the patterns, and against the scan's own object where there is one.

    Args:
        result: The reconstruction.
        scan: The scan it was made from.

    Returns:
        Rows of `measure` and, if the scan has an object, of `compare`.
    """
    metrics = measure(result, scan)
    logger.info("R=%.4f, the flat object's is %.4f", metrics["r_factor"], metrics["flat_r_factor"])
    if scan.object is None:
        return metrics
    try:
        return metrics | compare(result, scan.object)
    except PreconditionError as error:
        logger.warning("not compared with the file's object: %s", error)
        return metrics


def measured_mask(scan: ScanData) -> torch.Tensor | None:
    """Return a scan's mask as a tensor, (row, col) bool, or None."""
    return None if scan.mask is None else torch.from_numpy(scan.mask)


def position_change(result: Reconstruction) -> dict[str, float] | None:
    """Tell how far the positions moved.

    Args:
        result: A reconstruction.

    Returns:
        `median`, `rms` and `largest` in pixels; None when they were left alone.
    """
    if result.given_positions_px is None:
        return None
    moved = np.linalg.norm(result.positions_px - result.given_positions_px, axis=1)
    return {
        "median": float(np.median(moved)),
        "rms": float(np.sqrt(np.square(moved).mean())),
        "largest": float(moved.max()),
    }

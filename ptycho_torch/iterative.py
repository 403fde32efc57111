"""Iterative runs: what a person decides about them, their stages, and going on from a result.

Below `reconstruction`, which refines what a network found with the same engine, and below
`methods`, which chooses between the two.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ptycho_torch.artifacts import make_folder, write_json
from ptycho_torch.config import ExecutionConfig
from ptycho_torch.data.scan import ScanData
from ptycho_torch.errors import PreconditionError
from ptycho_torch.losses.diffraction import choose_mode
from ptycho_torch.progress import telling
from ptycho_torch.reconstruct.engine import Epoch, Likelihood, RpieOptions, run_rpie
from ptycho_torch.reconstruct.result import (
    Reconstruction,
    compare,
    measure,
    write_reconstruction,
)
from ptycho_torch.runtime import prepare_torch

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


@dataclass(frozen=True)
class IterativeSettings:
    """What a person decides about an iterative run; the rest follows from the dose.

    Attributes:
        epochs: Passes over all patterns, after positions were corrected.
        modes: Incoherent probe modes; None takes as many as the file has.
        update_probe: Whether the probe is refined.
        correct_positions: Whether positions are refined first, in passes of their own.
        likelihood: `auto` follows Poisson below 10^5 photons a pattern.
        seed: Of the order of the patterns.
    """

    epochs: int = 24
    modes: int | None = None
    update_probe: bool = True
    correct_positions: bool = False
    likelihood: str = "auto"
    seed: int = 0

    def stages(self, nphotons: float) -> tuple[RpieOptions, ...]:
        """Choose the engine's settings.

        Args:
            nphotons: Mean photons per pattern.

        Returns:
            One stage, or two when positions are corrected: large even batches first, since
            positions are read off an object that no single pattern has just pulled at, and the
            probe still at first, since it would learn the blur of wrong positions.
        """
        known: Likelihood = "poisson"
        if self.likelihood == "auto":
            known = "poisson" if choose_mode("auto", nphotons) == "poisson" else "amplitude"
        elif self.likelihood == "amplitude":
            known = "amplitude"
        last = RpieOptions(
            epochs=self.epochs,
            alpha=0.1 if known == "amplitude" else 0.3,
            momentum=0.7,
            batch_growth=4,
            update_probe=self.update_probe,
            probe_from=1,
            likelihood=known,
            nphotons=nphotons,
            seed=self.seed,
        )
        if not self.correct_positions:
            return (last,)
        first = replace(
            last,
            epochs=POSITION_EPOCHS,
            batch_size=64,
            batch_growth=1,
            momentum=0.5,
            probe_from=POSITION_EPOCHS // 2,
            correct_positions=True,
        )
        return first, last


@dataclass(frozen=True)
class IterativeOutcome:
    """What iterative epochs leave.

    Attributes:
        reconstruction: Object, probe and positions after the last epoch.
        epochs: What every epoch saw, in order.
        facts: What the run decided on its own, as plain values for `metrics.json`.
    """

    reconstruction: Reconstruction
    epochs: list[Epoch] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)


POSITION_EPOCHS = 24
"""Passes over all patterns in which positions are corrected."""


def run_stages(
    start: Reconstruction,
    amplitude: torch.Tensor,
    mask: torch.Tensor | None,
    settings: IterativeSettings,
) -> IterativeOutcome:
    """Run every stage of an iterative run.

    Args:
        start: What to start from.
        amplitude: (n, N, N) unit-dose amplitude of its patterns.
        mask: (row, col) bool, True where a pixel was measured, or None.
        settings: What was decided.

    Returns:
        The reconstruction after the last stage, and the epochs of all stages.

    Raises:
        DivergedError: The object became non-finite.
    """
    outcome = IterativeOutcome(start)
    for stage in settings.stages(start.scales.nphotons):
        after = improved(outcome.reconstruction, amplitude, mask, stage)
        outcome = replace(after, epochs=outcome.epochs + after.epochs)
    return outcome


def improved(
    start: Reconstruction,
    amplitude: torch.Tensor,
    mask: torch.Tensor | None,
    options: RpieOptions,
) -> IterativeOutcome:
    """Go on from a reconstruction with the iterative engine.

    Args:
        start: What to start from.
        amplitude: (n, N, N) unit-dose amplitude of its patterns.
        mask: (row, col) bool, True where a pixel was measured, or None.
        options: Epochs, step sizes, what moves.

    Returns:
        The reconstruction with a new object, and a new probe and positions where they move.

    Raises:
        DivergedError: The object became non-finite.
    """

    with telling(logger, "rPIE epoch", options.epochs) as tell:

        def watch(epoch: Epoch) -> None:
            moved = f" positions moved {epoch.position_step_px:.3f} px" if epoch.moved else ""
            tell(epoch.number, f"R={epoch.r_factor:.4f}{moved}")

        found = run_rpie(
            amplitude, start.positions_px, start.unit_probe(), options, start.canvas, mask, watch
        )
    probe = found.probe.numpy() / np.complex64(start.scales.probe_factor)
    result = replace(start, canvas=found.canvas, probe=probe)
    if options.correct_positions:
        given = start.given_positions_px
        result = replace(
            result,
            positions_px=found.positions_px,
            given_positions_px=start.positions_px if given is None else given,
        )
    return IterativeOutcome(result, found.epochs)


def refine_reconstruction(
    start: Reconstruction, scan: ScanData, options: RpieOptions, execution: ExecutionConfig
) -> InferenceResult:
    """Go on from a reconstruction with rPIE and write the outcome beside its metrics.

    Args:
        start: What to start from.
        scan: The scan it was made from.
        options: Epochs, step sizes and whether the probe moves.
        execution: Output folder and threads.

    Returns:
        The refined reconstruction, metrics and files.

    Raises:
        DataFileError: The scan has other patterns than the reconstruction.
        DivergedError: rPIE became non-finite.
    """
    prepare_torch(execution, options.seed)
    before = measure(start, scan)
    used = scan.select(start.patterns)
    amplitude = torch.from_numpy(used.amplitude() * np.float32(start.scales.amplitude_scale))
    result = improved(start, amplitude, measured_mask(scan), options).reconstruction
    make_folder(execution.output_dir)
    files = write_reconstruction(execution.output_dir, result)
    metrics = {"start_r_factor": before["r_factor"], **judged(result, scan)}
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

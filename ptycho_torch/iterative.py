"""Iterative runs: what a person decides about them, their stages, and going on from a result.

Below `reconstruction`, which refines what a network found with the same engine, and below
`methods`, which chooses between the two.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from ptycho_torch.artifacts import make_folder, write_json
from ptycho_torch.config import ExecutionConfig
from ptycho_torch.config_factory import require_number_or_auto
from ptycho_torch.data.scan import Array, ScanData
from ptycho_torch.errors import PreconditionError
from ptycho_torch.losses.diffraction import choose_mode
from ptycho_torch.progress import telling
from ptycho_torch.reconstruct.checkpoint import (
    CHECKPOINT_FILE,
    Checkpoint,
    Progress,
    StageJournal,
    fingerprint,
)
from ptycho_torch.reconstruct.engine import (
    Epoch,
    GradientOptions,
    Journal,
    Likelihood,
    RpieOptions,
    RunOptions,
    run_engine,
)
from ptycho_torch.reconstruct.options import PHASES
from ptycho_torch.reconstruct.regularisation import STRENGTH, STRONGEST
from ptycho_torch.reconstruct.result import (
    Reconstruction,
    compare,
    measure,
    write_reconstruction,
)
from ptycho_torch.reconstruct.stitch import Canvas
from ptycho_torch.runtime import prepare_torch

METRICS_FILE = "metrics.json"

Engine = Literal["rpie", "adam"]

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
        correct_positions: Whether positions are refined; rPIE does so in passes of their own.
        likelihood: `auto` follows Poisson below 10^5 photons a pattern.
        seed: Of the order of the patterns.
        engine: `rpie`, or `adam` for gradients after a third of the epochs by rPIE.
        regularisation: Strength of the total variation in units of the object's photon noise:
            `auto`, or a number, 0 for none.
        stop: `auto` stops once further epochs change less than the noise, `never` runs all.
        resume: Whether to go on from what a killed run left.
    """

    epochs: int = 24
    modes: int | None = None
    update_probe: bool = True
    correct_positions: bool = False
    likelihood: str = "auto"
    seed: int = 0
    engine: Engine = "rpie"
    regularisation: str = "auto"
    stop: str = "auto"
    resume: bool = False

    def stages(self, nphotons: float) -> tuple[RpieOptions | GradientOptions, ...]:
        """Choose the engine's settings.

        Args:
            nphotons: Mean photons per pattern.

        Returns:
            One stage, or two when rPIE corrects positions: large even batches first, since
            positions are read off an object that no single pattern has just pulled at, and the
            probe still at first, since it would learn the blur of wrong positions.

        Raises:
            ConfigError: The regularisation is no strength.
        """
        common = RunOptions(
            epochs=self.epochs,
            update_probe=self.update_probe,
            probe_from=1,
            seed=self.seed,
            likelihood=chosen_likelihood(self.likelihood, nphotons),
            nphotons=nphotons,
            regularisation=chosen_strength(self.regularisation),
            stop_early=self.stop == "auto",
        )
        alpha = 0.1 if common.likelihood == "amplitude" else 0.3
        last = RpieOptions(**vars(common) | {"batch_growth": 4}, alpha=alpha, momentum=0.7)
        if self.engine == "adam":
            return self._warmed_up(last, common)
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
            regularisation=0.0,
        )
        return first, last

    def _warmed_up(
        self, rpie: RpieOptions, common: RunOptions
    ) -> tuple[RpieOptions | GradientOptions, ...]:
        """Begin with a third of the epochs by rPIE, which is caught in wrong places less easily."""
        first = self.epochs // PHASES
        options = vars(common) | {
            "epochs": self.epochs - first,
            "correct_positions": self.correct_positions,
            "probe_from": 0 if first else common.probe_from,
        }
        gradient = GradientOptions(**options, learning_rate=WARM_RATE)
        if first == 0:
            return (gradient,)
        warm = replace(rpie, epochs=first, regularisation=0.0, stop_early=False)
        return warm, gradient


WARM_RATE = 0.05
"""Adam's first step from an object that rPIE has found."""


def chosen_likelihood(asked: str, nphotons: float) -> Likelihood:
    """Turn `auto` into a likelihood.

    Args:
        asked: `auto`, `amplitude` or `poisson`.
        nphotons: Mean photons per pattern.

    Returns:
        What the steps follow.
    """
    known = choose_mode("auto", nphotons) if asked == "auto" else asked
    return "poisson" if known == "poisson" else "amplitude"


def chosen_strength(asked: str) -> float:
    """Turn what was asked for into a strength of the regularisation.

    Args:
        asked: `auto` or a number as text.

    Returns:
        The pure number of `regularisation.Smoother`.

    Raises:
        ConfigError: It is neither, or out of range.
    """
    value = require_number_or_auto("regularisation", asked, 0, STRONGEST)
    return STRENGTH if value is None else value


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
    outcome = run_options(start, amplitude, mask, stages, checkpoint, resume=settings.resume)
    return replace(outcome, facts={"engine": settings.engine, **outcome.facts})


def run_options(
    start: Reconstruction,
    amplitude: torch.Tensor,
    mask: torch.Tensor | None,
    stages: Sequence[RpieOptions | GradientOptions],
    path: Path | None = None,
    *,
    resume: bool = False,
) -> IterativeOutcome:
    """Run stages of given options; see `run_stages`.

    Args:
        start: What to start from.
        amplitude: (n, N, N) unit-dose amplitude of its patterns.
        mask: (row, col) bool, True where a pixel was measured, or None.
        stages: One after the other, each from what the one before left.
        path: File to keep the run in, or None.
        resume: Whether to go on from that file.

    Returns:
        The reconstruction after the last stage, and the epochs of all stages.

    Raises:
        DataFileError: The checkpoint to resume from is damaged.
        DivergedError: The object became non-finite.
        PreconditionError: The checkpoint to resume from is another run's.
    """
    outcome, checkpoint, left = IterativeOutcome(start), None, None
    if path is not None:
        checkpoint = _checkpoint(path, start, amplitude, mask, stages)
        left = _left(checkpoint, resume=resume)
    if left is not None:
        outcome = IterativeOutcome(_began(start, left), left.before)
    for number in range(0 if left is None else left.stage, len(stages)):
        journal = None
        if checkpoint is not None:
            begin = _beginning(outcome.reconstruction)
            journal = StageJournal(checkpoint, number, outcome.epochs, begin, left)
        after = improved(outcome.reconstruction, amplitude, mask, stages[number], journal)
        outcome, left = replace(after, epochs=outcome.epochs + after.epochs), None
    if checkpoint is not None:
        checkpoint.clear()
    return replace(outcome, facts={**outcome.facts, "stopped_after": len(outcome.epochs)})


def improved(
    start: Reconstruction,
    amplitude: torch.Tensor,
    mask: torch.Tensor | None,
    options: RpieOptions | GradientOptions,
    journal: Journal | None = None,
) -> IterativeOutcome:
    """Go on from a reconstruction with the iterative engine.

    Args:
        start: What to start from.
        amplitude: (n, N, N) unit-dose amplitude of its patterns.
        mask: (row, col) bool, True where a pixel was measured, or None.
        options: Epochs, step sizes, what moves.
        journal: Keeps the run while it goes on, or None.

    Returns:
        The reconstruction with a new object, and a new probe and positions where they move.

    Raises:
        DivergedError: The object became non-finite.
    """
    name = "rPIE" if isinstance(options, RpieOptions) else "gradient"
    with telling(logger, f"{name} epoch", options.epochs) as tell:

        def watch(epoch: Epoch) -> None:
            moved = f" positions moved {epoch.position_step_px:.3f} px" if epoch.moved else ""
            tell(epoch.number, f"R={epoch.r_factor:.4f}{moved}")

        given, probe = start.positions_px, start.unit_probe()
        found = run_engine(amplitude, given, probe, options, start.canvas, mask, watch, journal)
    result = replace(
        start,
        canvas=found.canvas,
        probe=found.probe.numpy() / np.complex64(start.scales.probe_factor),
    )
    if options.correct_positions:
        former = start.given_positions_px
        result = replace(
            result,
            positions_px=found.positions_px,
            given_positions_px=given if former is None else former,
        )
    facts = {
        "regularisation": options.regularisation,
        "stopped_after": len(found.epochs),
        "stop_reason": "settled" if found.settled else "epochs",
    }
    if found.settled:
        logger.info("settled after %d of %d epochs", len(found.epochs), options.epochs)
    return IterativeOutcome(result, found.epochs, facts)


def _checkpoint(
    path: Path,
    start: Reconstruction,
    amplitude: torch.Tensor,
    mask: torch.Tensor | None,
    stages: Sequence[RpieOptions | GradientOptions],
) -> Checkpoint:
    """The checkpoint of a run, which knows the run by its data and settings."""
    measured = None if mask is None else mask.numpy()
    arrays = [amplitude.numpy(), measured, *_beginning(start).values()]
    return Checkpoint(path, fingerprint(arrays, repr(stages)))


def _left(checkpoint: Checkpoint, *, resume: bool) -> Progress | None:
    """What a killed run left, if that is wanted; else nothing is left of it."""
    if not resume:
        checkpoint.clear()
        return None
    left = checkpoint.load()
    if left is None:
        logger.warning("no checkpoint `%s`: starting from the beginning", checkpoint.path)
    else:
        done = len(left.before) + len(left.epochs)
        logger.info("going on after %d epochs from %s", done, checkpoint.path)
    return left


def _beginning(start: Reconstruction) -> dict[str, Array]:
    """What a stage depends on, and what it hands on without a change."""
    begin = {
        "object": start.canvas.object,
        "coverage": start.canvas.coverage,
        "origin": np.array(start.canvas.origin),
        "probe": start.probe,
        "positions": start.positions_px,
    }
    given = start.given_positions_px
    return begin if given is None else {**begin, "given": given}


def _began(start: Reconstruction, left: Progress) -> Reconstruction:
    """The reconstruction that the interrupted stage began with."""
    begin = left.begin
    row, col = (int(value) for value in begin["origin"])
    return replace(
        start,
        canvas=Canvas(begin["object"], begin["coverage"], (row, col)),
        probe=begin["probe"],
        positions_px=begin["positions"],
        given_positions_px=begin.get("given"),
    )


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

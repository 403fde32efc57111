"""Stages of an iterative run one after the other, kept while they go on and resumed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ptycho_torch.data.scan import Array
from ptycho_torch.progress import telling
from ptycho_torch.reconstruct.checkpoint import (
    Checkpoint,
    Progress,
    StageJournal,
    fingerprint,
)
from ptycho_torch.reconstruct.engine import Journal, run_engine
from ptycho_torch.reconstruct.judge import Judge
from ptycho_torch.reconstruct.options import Epoch, GradientOptions, RpieOptions
from ptycho_torch.reconstruct.probe_doubt import (
    PROBE_SEARCH,
    ProbeDoubt,
    searched_as_array,
    searched_before,
)
from ptycho_torch.reconstruct.result import Reconstruction
from ptycho_torch.reconstruct.state import RunState
from ptycho_torch.reconstruct.stitch import Canvas

MOST_ROUNDS = 3
"""How often the last stage runs at most while it has not settled."""

logger = logging.getLogger(__name__)


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


def run_options(
    start: Reconstruction,
    amplitude: torch.Tensor,
    mask: torch.Tensor | None,
    stages: Sequence[RpieOptions | GradientOptions],
    path: Path | None = None,
    *,
    resume: bool = False,
    doubt_above: float | None = None,
    go_on: bool = False,
) -> IterativeOutcome:
    """Run stages of given options.

    Args:
        start: What to start from.
        amplitude: (n, N, N) unit-dose amplitude of its patterns.
        mask: (row, col) bool, True where a pixel was measured, or None.
        stages: One after the other, each from what the one before left.
        path: File to keep the run in, or None.
        resume: Whether to go on from that file.
        doubt_above: What the first stage must leave half-way, as `Judge.left` measures it, so that
            another start probe is looked for; None never looks. With one all stages start anew,
            from the flat object.
        go_on: Whether a last stage of rPIE is run again, up to `MOST_ROUNDS` times in all, while
            it has plainly not settled.

    Returns:
        The reconstruction after the last stage, and the epochs of all stages.

    Raises:
        DataFileError: The checkpoint to resume from is damaged.
        DivergedError: The object became non-finite.
        PreconditionError: The checkpoint to resume from is another run's.
    """
    outcome, checkpoint, left = IterativeOutcome(start), None, None
    if path is not None:
        settings = f"{list(stages)!r} {doubt_above} {go_on}"
        checkpoint = _checkpoint(path, start, amplitude, mask, settings)
        left = _left(checkpoint, resume=resume)
    if left is not None:
        outcome = IterativeOutcome(_began(start, left), left.before, searched_before(left.begin))
    number = 0 if left is None else left.stage
    most = len(stages) - 1 + (MOST_ROUNDS if go_on and isinstance(stages[-1], RpieOptions) else 1)
    judge = Judge(amplitude, mask, stages[-1].nphotons)
    while number < most:
        journal, known = None, outcome.facts
        if checkpoint is not None:
            begin = _beginning(outcome.reconstruction) | searched_as_array(known)
            journal = StageJournal(checkpoint, number, outcome.epochs, begin, left)
        doubt = None
        if doubt_above is not None and number == 0 and PROBE_SEARCH not in known:
            doubt = ProbeDoubt(outcome.reconstruction.unit_probe(), judge, doubt_above)
        options = stages[min(number, len(stages) - 1)]
        after = improved(outcome.reconstruction, amplitude, mask, options, journal, doubt)
        epochs, left = outcome.epochs + after.epochs, None
        if doubt is not None and doubt.found is not None:
            outcome = IterativeOutcome(_anew(start, doubt.found.probe), epochs, doubt.facts())
            continue
        falls = judge.falling(after.epochs)
        outcome = replace(after, epochs=epochs, facts={**known, **after.facts, "falling": falls})
        number += 1
        if number >= len(stages) and falls is None:
            break
        if len(stages) <= number < most:
            logger.info("not settled, R=%.4f still falls: going on", epochs[-1].r_factor)
    if checkpoint is not None:
        checkpoint.clear()
    return replace(outcome, facts={**outcome.facts, "stopped_after": len(outcome.epochs)})


def improved(
    start: Reconstruction,
    amplitude: torch.Tensor,
    mask: torch.Tensor | None,
    options: RpieOptions | GradientOptions,
    journal: Journal | None = None,
    doubt: Callable[[RunState], bool] | None = None,
) -> IterativeOutcome:
    """Go on from a reconstruction with the iterative engine.

    Args:
        start: What to start from.
        amplitude: (n, N, N) unit-dose amplitude of its patterns.
        mask: (row, col) bool, True where a pixel was measured, or None.
        options: Epochs, step sizes, what moves.
        journal: Keeps the run while it goes on, or None.
        doubt: Asked half-way whether the run is to be given up, or None.

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
        found = run_engine(
            amplitude, given, probe, options, start.canvas, mask, watch, journal, doubt
        )
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
    if found.settled and not found.given_up:
        logger.info("settled after %d of %d epochs", len(found.epochs), options.epochs)
    return IterativeOutcome(result, found.epochs, facts)


def _checkpoint(
    path: Path,
    start: Reconstruction,
    amplitude: torch.Tensor,
    mask: torch.Tensor | None,
    settings: str,
) -> Checkpoint:
    """The checkpoint of a run, which knows the run by its data and settings."""
    measured = None if mask is None else mask.numpy()
    arrays = [amplitude.numpy(), measured, *_beginning(start).values()]
    return Checkpoint(path, fingerprint(arrays, settings))


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


def _anew(start: Reconstruction, probe: torch.Tensor) -> Reconstruction:
    """The flat object with another probe of unit energy."""
    canvas = replace(start.canvas, object=np.ones_like(start.canvas.object))
    scaled = probe.numpy() / np.complex64(start.scales.probe_factor)
    return replace(start, canvas=canvas, probe=scaled)


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

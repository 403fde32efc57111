"""The iterative engines behind one door: rPIE (`rpie`) and gradients (`gradient`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from torch import Tensor

from ptycho_torch.data.scan import Array
from ptycho_torch.reconstruct.gradient import GradientState
from ptycho_torch.reconstruct.options import (
    EngineResult,
    Epoch,
    GradientOptions,
    Likelihood,
    RpieOptions,
    RunOptions,
)
from ptycho_torch.reconstruct.rpie import RpieState
from ptycho_torch.reconstruct.state import RunState
from ptycho_torch.reconstruct.stitch import Canvas

__all__ = [
    "EngineResult",
    "Epoch",
    "GradientOptions",
    "Likelihood",
    "RpieOptions",
    "RunOptions",
    "run_engine",
]


DOUBT_FROM = 8
"""Before this many epochs nothing can be said of a run."""


class Journal(Protocol):
    """Where a run is kept while it goes on, so that a killed one can be resumed."""

    def found(self) -> tuple[list[Epoch], dict[str, Tensor]] | None:
        """What an earlier run left: its epochs and `RunState.snapshot`; None to start anew."""

    def keep(self, epochs: list[Epoch], state: Callable[[], dict[str, Tensor]]) -> None:
        """Take down how far the run is; `state` is called when that is written."""


def run_engine(
    amplitude: Tensor,
    positions_px: Array,
    probe: Tensor,
    options: RpieOptions | GradientOptions,
    start: Canvas | None = None,
    mask: Tensor | None = None,
    watch: Callable[[Epoch], None] | None = None,
    journal: Journal | None = None,
    doubt: Callable[[RunState], bool] | None = None,
) -> EngineResult:
    """Reconstruct, or refine a reconstruction.

    Args:
        amplitude: (n, N, N) unit-dose amplitude, zero frequency at `N // 2`.
        positions_px: (n, 2) float64, (row, col) of the patch centres.
        probe: (mode, N, N) complex64 of unit energy.
        options: Which engine, epochs, step sizes, order.
        start: Object to start from; None starts from the flat one. Pixels it does not cover
            start flat.
        mask: (row, col) bool, True where a pixel was measured, or None.
        watch: Called after every epoch.
        journal: Keeps the run, and knows what an earlier one left; None keeps nothing.
        doubt: Asked once, after half of the epochs and no fewer than `DOUBT_FROM`, whether the run
            is to be given up; None lets it go on.

    Returns:
        Object, probe, positions and what each epoch saw.

    Raises:
        DivergedError: The object became non-finite.
    """
    state: RunState
    if isinstance(options, GradientOptions):
        state = GradientState(amplitude, positions_px, probe, mask, options)
    else:
        state = RpieState(amplitude, positions_px, probe, mask, options)
    if start is not None:
        state.place(start)
    epochs: list[Epoch] = []
    if journal is not None and (left := journal.found()) is not None:
        epochs, kept = left
        state.restore(kept)
    half = max(DOUBT_FROM, options.epochs // 2)
    while not state.finished:
        before = state.clock
        epochs.append(state.epoch(len(epochs) + 1))
        if doubt is not None and before < half <= state.clock and doubt(state):
            return replace(state.result(epochs), given_up=True)
        if journal is not None:
            journal.keep(epochs, state.snapshot)
        if watch is not None:
            watch(epochs[-1])
    return state.result(epochs)

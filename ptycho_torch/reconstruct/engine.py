"""The iterative engine: mini-batch rPIE with momentum, probe modes and position correction.

Each step takes some patterns at once, moves their exit waves towards the measurement, and moves
the object along the summed, regularised changes (Maiden, Johnson and Li, Optica 4, 2017,
10.1364/OPTICA.4.000736):

    O += merge(conj(P) dpsi) / ((1 - alpha) merge(|P|^2) + alpha max merge(|P|^2))

and, when asked to, the probe likewise with the patches in the probe's place. The exit wave's
change is the projection onto the measured modulus, or for few photons a step along the gradient
of the Poisson likelihood, which trusts a pixel without counts as much as it deserves (Thibault
and Guizar-Sicairos, New J. Phys. 14, 2012, 10.1088/1367-2630/14/6/063004).

With momentum the object goes on along a decaying sum of its moves, as in mPIE (the first paper,
section 4), here after every step; growing batches then average out what the noise of single
patterns left.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from ptycho_torch.data.scan import Array
from ptycho_torch.reconstruct.rpie import Epoch, Likelihood, RpieOptions, RpieResult
from ptycho_torch.reconstruct.state import EngineState
from ptycho_torch.reconstruct.stitch import Canvas

__all__ = ["Epoch", "Likelihood", "RpieOptions", "RpieResult", "run_rpie"]


def run_rpie(
    amplitude: Tensor,
    positions_px: Array,
    probe: Tensor,
    options: RpieOptions,
    start: Canvas | None = None,
    mask: Tensor | None = None,
    watch: Callable[[Epoch], None] | None = None,
) -> RpieResult:
    """Reconstruct, or refine a reconstruction.

    Args:
        amplitude: (n, N, N) unit-dose amplitude, zero frequency at `N // 2`.
        positions_px: (n, 2) float64, (row, col) of the patch centres.
        probe: (mode, N, N) complex64 of unit energy.
        options: Epochs, step sizes, order.
        start: Object to start from; None starts from the flat one. Pixels it does not cover
            start flat.
        mask: (row, col) bool, True where a pixel was measured, or None.
        watch: Called after every epoch.

    Returns:
        Object, probe, positions and what each epoch saw.

    Raises:
        DivergedError: The object became non-finite.
    """
    state = EngineState(amplitude, positions_px, probe, mask, options)
    if start is not None:
        state.place(start)
    epochs = []
    for number in range(1, options.epochs + 1):
        epochs.append(state.epoch(number))
        if watch is not None:
            watch(epochs[-1])
    return state.result(epochs)

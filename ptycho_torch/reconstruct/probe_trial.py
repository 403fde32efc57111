"""Can the given probe explain the patterns? Tried against one that may change."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ptycho_torch.data.scan import Array
from ptycho_torch.reconstruct.trials import Trial, Trials

EPOCHS = 12
UNEXPLAINED = 0.2
"""More than this share left by the given probe is too much: in simulated scans right ones leave up
to 0.02, other ones 0.8 and more."""
_BETTER = 0.75
"""Where a refined probe leaves less than this share of it, the probe is to blame."""
_VISIBLE = 0.02
"""A misfit, as a part of the amplitude, that may be mere slowness of a weak object."""
_NOISY = 0.8
"""Where noise alone is so much of the mean pattern's misfit, a good probe cannot be told."""
_LEAST_ROOM = 0.1
"""Of the noise: a weak object leaves the mean pattern little more than that."""


@dataclass(frozen=True)
class ProbeTest:
    """How much is left of the misfit that the mean pattern has, photon noise taken out of both.

    All of patterns that the object was not made from.

    Attributes:
        given: With the given probe, which stays as it is.
        refined: With a probe that is refined along with the object.
        misfit: What the given probe leaves, as a part of the measured amplitude.
        telling: Whether photon noise leaves room to judge.
    """

    given: float
    refined: float
    misfit: float
    telling: bool

    @property
    def wrong(self) -> bool:
        """Whether the given probe, at the given positions, cannot explain the patterns."""
        return self.given > UNEXPLAINED and self.misfit > _VISIBLE

    @property
    def refined_helps(self) -> bool:
        """Whether a refined probe leaves clearly less."""
        return self.refined < _BETTER * self.given


def try_probe(trials: Trials, positions_px: Array) -> tuple[ProbeTest, Trial]:
    """Reconstruct with the given probe and with one that may change.

    Args:
        trials: The part of the scan.
        positions_px: (n, 2) float64, its positions.

    Returns:
        The comparison, and the trial with the refined probe.

    Raises:
        DivergedError: A trial became non-finite.
    """
    given, refined = (
        trials.run(positions_px, epochs=EPOCHS, update_probe=update) for update in (False, True)
    )
    nothing = trials.constant()
    room = max(nothing - trials.noise, _LEAST_ROOM * trials.noise, 1e-12)
    shares = [max(0.0, trial.misfit - trials.noise) / room for trial in (given, refined)]
    misfit = math.sqrt(max(0.0, given.misfit - trials.noise) / trials.light)
    telling = trials.noise < _NOISY * nothing
    return ProbeTest(shares[0], shares[1], misfit, telling), refined

"""What a person decides about an iterative run, and the stages that follow from it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from ptycho_torch.config_factory import require_number_or_auto
from ptycho_torch.losses.diffraction import choose_mode
from ptycho_torch.reconstruct.options import (
    PHASES,
    GradientOptions,
    Likelihood,
    RpieOptions,
    RunOptions,
)
from ptycho_torch.reconstruct.regularisation import STRENGTH, STRONGEST

Engine = Literal["rpie", "adam"]
SearchProbe = Literal["auto", "always", "never"]

POSITION_EPOCHS = 24
"""Passes over all patterns in which positions are corrected."""

WARM_RATE = 0.05
"""Adam's first step from an object that rPIE has found."""


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
        search_probe: When another start probe is looked for, half-way through a run that refines
            the probe: `auto` when it goes badly, `always` unless it goes very well, or `never`.
        go_on: Whether the last epochs are run again, up to three times, while the run has plainly
            not settled.
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
    search_probe: SearchProbe = "auto"
    go_on: bool = True

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

"""What would lower an R factor that photon noise does not explain: tried, not guessed.

A residual above photon noise has many causes that look alike: light of several modes, positions
that are off, a probe that was held fixed. So each remedy gets a few passes on some neighbouring
patterns, from the object that was found, beside the same passes without it. What takes a good
share of the excess away is worth a run.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from ptycho_torch.data.remark import Remark
from ptycho_torch.errors import DivergedError
from ptycho_torch.iterative import IterativeSettings, chosen_likelihood
from ptycho_torch.methods.scene import Scene
from ptycho_torch.reconstruct.assemble import canvas_r_factor
from ptycho_torch.reconstruct.engine import RpieOptions, run_engine
from ptycho_torch.reconstruct.probe_modes import with_modes
from ptycho_torch.reconstruct.result import Reconstruction
from ptycho_torch.reconstruct.trials import central_part

PATTERNS = 100
FEWEST = 80
SHARE = 1 / 3
"""A trial takes this part of a scan's patterns, neighbours around the middle, within limits."""
PASSES = 6
MOST_MODES = 8
"""More are not tried: so many take up whatever is wrong."""
_ABOVE_NOISE = 1.1
_EXCESS_R = 0.01
"""Trials begin where R is so many times what photon noise leaves, and this far beside it: sound
scans of few photons end nearer to the one, of very many photons nearer to the other."""
_SHARE = 0.3
"""Of the excess over photon noise; a sound scan's remedies take less than a tenth."""
_LEAST_GAIN = 0.05
"""Of the noise, beyond what the freedom of one more probe takes from it anyway."""
_AS_IS = "as it is"


@dataclass(frozen=True)
class Remedy:
    """Something to try.

    Attributes:
        slug: Of the remark that recommends it.
        label: What is done, in words.
        hint: How to ask for it.
        modes: Probe modes.
        positions: Whether positions are corrected.
        probe: Whether the probe is refined.
    """

    slug: str
    label: str
    hint: str
    modes: int
    positions: bool = False
    probe: bool = True


@dataclass(frozen=True)
class Tried:
    """What the trials gave.

    Attributes:
        r_factors: By label; `as it is` is the run without a remedy.
        remarks: The remedy that helps, if one does.
        patterns: How many patterns were used; 0 where nothing needed a trial.
    """

    r_factors: Mapping[str, float]
    remarks: tuple[Remark, ...] = ()
    patterns: int = 0

    def as_dict(self) -> dict[str, Any] | None:
        """Return plain values for JSON, or None where nothing was tried."""
        if self.patterns == 0:
            return None
        finite = {name: r if math.isfinite(r) else None for name, r in self.r_factors.items()}
        return {"patterns": self.patterns, "passes": PASSES, "r_factors": finite}


def try_remedies(
    found: Reconstruction,
    scene: Scene,
    settings: IterativeSettings,
    r_factor: float,
    noise_r_factor: float,
) -> Tried:
    """Try what may explain the rest, where more is left than photon noise leaves.

    Args:
        found: What the iterations found.
        scene: The scan.
        settings: How they ran.
        r_factor: Of what was found.
        noise_r_factor: What photon noise alone leaves.

    Returns:
        R factors of the trials, and the remedy that takes most of the excess away.
    """
    excess = r_factor**2 - noise_r_factor**2
    if r_factor < _ABOVE_NOISE * noise_r_factor or excess < _EXCESS_R**2:
        return Tried({})
    trial = _Trial(found, scene, settings)
    plain = Remedy("", _AS_IS, "", len(found.probe), settings.correct_positions)
    before = trial.run(replace(plain, probe=settings.update_probe))
    remedies = _remedies(len(found.probe), settings)
    r_factors = {remedy.label: trial.run(remedy) for remedy in remedies}
    best = min(remedies, key=lambda remedy: r_factors[remedy.label], default=None)
    remarks: tuple[Remark, ...] = ()
    if best is not None and helps(
        before**2 - r_factors[best.label] ** 2, excess, noise_r_factor**2, trial.patterns
    ):
        remarks = (_remark(best, before, r_factors[best.label], noise_r_factor, trial.patterns),)
    return Tried({_AS_IS: before, **r_factors}, remarks, trial.patterns)


def helps(gain: float, excess: float, noise: float, patterns: int) -> bool:
    """Tell whether a remedy takes more away than its own freedom and chance do.

    Every free number of a fit takes its share of the noise. One more probe of N^2 complex pixels
    has 2 N^2 of them beside n N^2 measured ones, so it takes 2 / n; twice that is not counted.

    Args:
        gain: By how much a remedy lowers the square of R in a trial.
        excess: Square of the run's R above that of photon noise.
        noise: Square of the R factor that photon noise alone leaves.
        patterns: How many patterns were used.

    Returns:
        Whether it is worth a run.
    """
    return gain > _SHARE * excess and gain > (_LEAST_GAIN + 4 / patterns) * noise


def _remedies(modes: int, settings: IterativeSettings) -> list[Remedy]:
    if not settings.update_probe:
        fixed = Remedy("try-probe", "probe refined", "drop --no_update_probe", modes)
        return [fixed, *_moved(modes, settings, probe=False)]
    remedies = list(_moved(modes, settings, probe=True))
    if modes < MOST_MODES:
        hint = f"the light may be partly coherent: run again with --modes {modes + 1}"
        added = Remedy("try-modes", f"{modes + 1} probe modes", hint, modes + 1)
        remedies.append(replace(added, positions=settings.correct_positions))
    return remedies


def _moved(modes: int, settings: IterativeSettings, *, probe: bool) -> list[Remedy]:
    if settings.correct_positions:
        return []
    hint = "positions are probably off: run again with --correct_positions"
    return [
        Remedy("try-positions", "positions corrected", hint, modes, positions=True, probe=probe)
    ]


class _Trial:
    """Neighbouring patterns and the object that was found for them."""

    def __init__(self, found: Reconstruction, scene: Scene, settings: IterativeSettings) -> None:
        wanted = min(PATTERNS, max(FEWEST, round(SHARE * len(found.positions_px))))
        part = central_part(replace(scene.scan, positions_px=found.positions_px), wanted)
        scale = np.float32(found.scales.amplitude_scale)
        self.patterns = len(part)
        self.amplitude = torch.from_numpy(part.amplitude() * scale)
        self.positions_px = part.positions_px
        self.found, self.mask = found, scene.mask
        likelihood = chosen_likelihood(settings.likelihood, found.scales.nphotons)
        self.options = RpieOptions(
            epochs=PASSES,
            batch_size=32,
            seed=settings.seed,
            likelihood=likelihood,
            nphotons=found.scales.nphotons,
            alpha=0.1 if likelihood == "amplitude" else 0.3,
            momentum=0.5,
        )

    def run(self, remedy: Remedy) -> float:
        """R factor after a few passes with a remedy; infinite where it diverges."""
        options = replace(
            self.options, update_probe=remedy.probe, correct_positions=remedy.positions
        )
        probe = with_modes(self.found.unit_probe(), remedy.modes)
        try:
            after = run_engine(
                self.amplitude, self.positions_px, probe, options, self.found.canvas, self.mask
            )
        except DivergedError:
            return math.inf
        return canvas_r_factor(
            after.canvas, after.positions_px, after.probe, self.amplitude, self.mask
        )


def _remark(remedy: Remedy, before: float, after: float, noise: float, patterns: int) -> Remark:
    return Remark(
        remedy.slug,
        f"with {remedy.label} R falls from {before:.3g} to {after:.3g} in a trial on {patterns} "
        f"patterns (photon noise alone: {noise:.3g})",
        remedy.hint,
    )

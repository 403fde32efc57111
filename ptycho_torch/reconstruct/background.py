"""Light on the detector that did not come through the sample: how many counts a pixel.

Three looks at the darkest pixels, each of which may take something else for a background, and the
smallest of their answers:

- Light that was scattered coherently fluctuates from pattern to pattern by as much as its mean
  (speckle); a background only by the root of its counts.
- What an object predicts of patterns it has not seen varies with the measured light; a background
  is what is left where nothing is predicted.
- A background is everywhere, so no neighbourhood is darker than it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ptycho_torch.data.scan import Array
from ptycho_torch.reconstruct.trials import Trial, Trials

NOTICED = 0.03
"""Share of all counts below which a background does little."""
_DARKEST = 0.3
_DARKER_THAN_MOST = 0.02
_NEIGHBOURHOOD_PX = 5
_SIGNIFICANT = 5.0
"""Standard errors of the darkest pixels' counts."""
_QUIETER_THAN_PHOTONS = 0.5
"""Below this variance, in means, the values are no counts."""


@dataclass(frozen=True)
class Background:
    """An even background.

    Attributes:
        counts_per_pixel: Mean counts that it adds to every pixel of a pattern, in the unit of the
            file's intensity.
        share: Of all counts.
    """

    counts_per_pixel: float
    share: float

    @property
    def noticed(self) -> bool:
        """Whether there is enough of it to spoil a reconstruction."""
        return self.share > NOTICED


def find_background(trials: Trials, trial: Trial) -> Background:
    """Estimate an even background.

    Args:
        trials: The part of the scan.
        trial: One with the right positions and a refined probe.

    Returns:
        The background; 0 where nothing speaks for one.
    """
    photons = trials.scales.nphotons
    counts = trials.amplitude.square().numpy().astype(np.float64) * photons
    usable = np.ones(counts.shape[1:], bool) if trials.scan.mask is None else trials.scan.mask
    mean = counts.mean(axis=0)
    around = _neighbourhood(mean, usable)
    dark = usable & (around <= np.quantile(around[usable], _DARKEST))
    seen = float(mean[dark].mean())
    variance = float(counts.var(axis=0, ddof=1)[dark].mean())
    error = math.sqrt(seen / (len(counts) * int(dark.sum())))
    if variance < _QUIETER_THAN_PHOTONS * seen or seen < _SIGNIFICANT * error:
        return Background(0.0, 0.0)
    steady = seen - math.sqrt(max(0.0, variance - seen))
    predicted = trial.predicted.numpy().astype(np.float64)[:, dark] * photons
    unpredicted = _intercept(predicted, counts[trials.apart][:, dark])
    darkest = float(np.quantile(around[usable], _DARKER_THAN_MOST))
    found = max(0.0, min(steady, unpredicted, darkest))
    share = found * int(usable.sum()) / float(mean[usable].sum())
    return Background(found * trials.count_unit, share)


def _neighbourhood(mean: Array, usable: Array) -> Array:
    """Mean over the usable pixels of every neighbourhood."""
    size = _NEIGHBOURHOOD_PX
    weight = ndimage.uniform_filter(usable.astype(np.float64), size, mode="nearest")
    total = ndimage.uniform_filter(np.where(usable, mean, 0.0), size, mode="nearest")
    return np.asarray(total / np.maximum(weight, 1e-9))


def _intercept(predicted: Array, measured: Array) -> float:
    """What is measured where nothing is predicted, by a straight line."""
    spread = float(predicted.var())
    slope = 0.0
    if spread > 0:
        moved = (predicted - predicted.mean()) * (measured - measured.mean())
        slope = max(0.0, float(moved.mean()) / spread)
    return float(measured.mean()) - slope * float(predicted.mean())

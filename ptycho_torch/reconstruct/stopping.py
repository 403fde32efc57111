"""When further epochs change nothing that matters.

Mini-batches leave the object jittering about a mean, however long a run goes on, so its change
over one epoch never falls to zero. But jitter forgets and progress adds up: over two epochs an
object that only jitters has changed little more than over one, an object that still goes somewhere
twice as much. A size of batches has done its work once the first is so and R hardly falls. With the
last size the object is averaged, and the run ends once an epoch moves the mean by less than half
of the noise.

The noise is read off the patterns: residuals of R^2 in unit dose, spread over N^2 detector pixels,
leave an object pixel under the light W with a variance of 4 R^2 / (N^2 W) (half of a wave's
components are measured). It holds photon noise and whatever else the model does not explain.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

LEAST_EPOCHS = 3
"""Epochs of each size of batches before anything is concluded."""

_ONLY_JITTER = 1.25
_SAME_R = 0.99
_NOISE_SHARE = 0.5
_LIT = 0.1


class Settling:
    """Follows how an object changes from epoch to epoch.

    Args:
        coverage: (height, width) float32, sum over patterns of |P|^2.
        size: Edge N of a pattern in pixels.
    """

    def __init__(self, coverage: Tensor, size: int) -> None:
        self.coverage = coverage
        self._lit = coverage > _LIT * coverage.max()
        self._weight = coverage[self._lit]
        self._unit = 4 / (size**2 * float(self._weight.mean()))
        self._seen: list[Tensor] = []
        self._r_factors: list[float] = []
        self._mean: Tensor | None = None

    def renew(self) -> None:
        """Forget the epochs so far: the batches have changed."""
        self._seen, self._r_factors = [], []

    def only_jitters(self, image: Tensor, r_factor: float) -> bool:
        """Look at the object after an epoch.

        Args:
            image: (height, width) complex64.
            r_factor: Of the epoch.

        Returns:
            Whether the last two epochs changed it little more than the last one alone, and
            lowered R by less than a hundredth.
        """
        self._seen = [*self._seen, image[self._lit].clone()][-LEAST_EPOCHS:]
        self._r_factors = [*self._r_factors, r_factor][-LEAST_EPOCHS:]
        if len(self._seen) < LEAST_EPOCHS:
            return False
        two, one = (self._distance(before, self._seen[2]) for before in self._seen[:2])
        return two < _ONLY_JITTER * one and r_factor > _SAME_R * self._r_factors[0]

    def mean_stands(self, mean: Tensor, r_factor: float) -> bool:
        """Compare the mean object's change over the epoch with the noise.

        Args:
            mean: (height, width) complex64, the mean so far.
            r_factor: Of the epoch.

        Returns:
            Whether the root mean square change is less than half of the noise.
        """
        before, self._mean = self._mean, mean[self._lit].clone()
        if before is None:
            return False
        change = self._distance(before, self._mean)
        return change < _NOISE_SHARE * r_factor * math.sqrt(self._unit)

    def snapshot(self) -> dict[str, Tensor]:
        """What changes while the run goes on, tensors by name."""
        rows = torch.tensor(self._r_factors, dtype=torch.float64)
        kept = {"coverage": self.coverage, "r_factors": rows}
        if self._mean is not None:
            kept["mean"] = self._mean
        return kept | {f"seen_{number}": image for number, image in enumerate(self._seen)}

    def restore(self, kept: dict[str, Tensor]) -> None:
        """Go back to what `snapshot` returned.

        Args:
            kept: Tensors by name.
        """
        names = sorted(name for name in kept if name.startswith("seen_"))
        self._seen = [kept[name] for name in names]
        self._r_factors = kept["r_factors"].tolist()
        self._mean = kept.get("mean")

    def _distance(self, first: Tensor, second: Tensor) -> float:
        """Weighted root mean square difference; the common phase means nothing."""
        overlap = (first.conj() * second * self._weight).sum()
        turned = first * torch.polar(torch.ones(()), overlap.angle())
        square = (second - turned).abs().square() * self._weight
        return math.sqrt(float(square.sum() / self._weight.sum()))

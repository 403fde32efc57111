"""Total variation of the object, as strong as photon noise makes it useful.

Around the object that fits best the likelihood is about half of sum W |O - O_fit|^2 with W the
light on a pixel, and photon noise leaves O_fit an error of variance s^2 = 1 / (nphotons W). What
removes noise of that size from an image is total variation (Rudin, Osher and Fatemi, Physica D 60,
1992, 10.1016/0167-2789(92)90242-F) with a weight in proportion to s, so the penalty is

    k sum_r W s |grad O|_r = k sum_r sqrt(W_r / nphotons) |grad O|_r

with one pure number k: more photons, or more patterns over a pixel, need no other setting. |grad O|
is complex, so edges of amplitude and phase support each other. It is smoothed below a fraction of
s, where it cannot be told from noise.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

STRENGTH = 0.07
"""The pure number k; chosen on simulated scenes, where 0.05 to 0.1 win as well."""

STRONGEST = 10.0
"""Beyond this nothing of an object would be left."""

_SOFTNESS = 0.2
_SMALLEST_SOFTNESS = 1e-6


class Smoother:
    """Pulls an object towards smaller total variation.

    Args:
        weight: (height, width) float32, factor of every pixel's gradient.
        softness: Length of a gradient below which the penalty is about quadratic.
    """

    def __init__(self, weight: Tensor, softness: float) -> None:
        self.weight = weight
        self.softness = softness

    @classmethod
    def for_dose(cls, coverage: Tensor, nphotons: float, strength: float) -> Smoother:
        """Choose the penalty from the light.

        Args:
            coverage: (height, width) float32, sum over patterns of |P|^2, probe of unit energy.
            nphotons: Photons per pattern.
            strength: The pure number k.

        Returns:
            The smoother of this scan.
        """
        typical = float(coverage.square().sum() / coverage.sum())
        noise = 1 / math.sqrt(nphotons * typical)
        softness = max(_SOFTNESS * noise, _SMALLEST_SOFTNESS)
        return cls(strength * (coverage / nphotons).sqrt(), softness)

    def gradient(self, image: Tensor) -> Tensor:
        """Differentiate the penalty, in the unit of `pull`.

        Args:
            image: (height, width) complex64, the object.

        Returns:
            (height, width) complex64.
        """
        return variation(image, self.weight, self.softness)[0]

    def pull(self, image: Tensor, move: Tensor, scale: Tensor, share: float) -> None:
        """Add a step's share to the numerator and the denominator of the object's move.

        Args:
            image: (height, width) complex64, the object.
            move: (height, width) complex64, changed in place.
            scale: (height, width) float32, changed in place.
            share: Of the patterns that the step takes.
        """
        gradient, curvature = variation(image, self.weight, self.softness)
        move.sub_(gradient, alpha=share)
        scale.add_(curvature, alpha=share)


def variation(image: Tensor, weight: Tensor, softness: float) -> tuple[Tensor, Tensor]:
    """Differentiate the total variation, sum w sqrt(|grad O|^2 + softness^2).

    Args:
        image: (height, width) complex.
        weight: (height, width) real.
        softness: In the image's unit.

    Returns:
        The gradient by conj(O), times two, (height, width) complex; and the diagonal of a
        quadratic that bounds the penalty, times two, (height, width) real.
    """
    by_row, by_col = torch.zeros_like(image), torch.zeros_like(image)
    torch.sub(image[1:], image[:-1], out=by_row[:-1])
    torch.sub(image[:, 1:], image[:, :-1], out=by_col[:, :-1])
    square = torch.addcmul(by_row.real.square(), by_row.imag, by_row.imag)
    square.addcmul_(by_col.real, by_col.real).addcmul_(by_col.imag, by_col.imag)
    stiffness = square.add_(softness**2).rsqrt_().mul_(weight)
    by_row *= stiffness
    by_col *= stiffness
    gradient = -(by_row + by_col)
    gradient[1:] += by_row[:-1]
    gradient[:, 1:] += by_col[:, :-1]
    curvature = 2 * stiffness
    curvature[1:] += stiffness[:-1]
    curvature[:, 1:] += stiffness[:, :-1]
    return gradient, 2 * curvature

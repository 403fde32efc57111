"""Position correction: where each pattern really was, seen from an object that stands still.

After every epoch each pattern takes one Gauss-Newton step of its own position on its amplitude
residual. The object must not move meanwhile: inside the epoch the last few patterns have just
pulled it towards themselves, so that wrong positions look right and the steps come out about
twenty times too small. Patterns that explain themselves far worse than the others are stuck in
another minimum and are searched for on a grid.

Steps along exact derivatives by the Fourier shift theorem; the idea of correcting positions by
their gradient is of Guizar-Sicairos and Fienup (Opt. Express 16, 2008, 10.1364/OE.16.007264), the
search on a grid that of Maiden et al. (Ultramicroscopy 120, 2012, 10.1016/j.ultramic.2012.06.001).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from ptycho_torch.physics.probe import illumination
from ptycho_torch.physics.propagate import propagate

MAX_STEP_PX = 1.0
"""Longest step of a coordinate in one epoch, in pixels."""

MAX_DRIFT_PX = 16
"""How far a position may end from where it began, in pixels."""

FAST_GAIN = 2.0
"""Steps are taken this many times as long while the object is still blurred by wrong positions."""

SLOW_FROM = 1 / 3
"""Share of the epochs after which steps are taken as they are."""

SEARCH_AT = (0.4, 0.55)
"""Shares of the epochs at which stuck patterns are searched for."""

SEARCH_RADIUS_PX = 4
STUCK_SHARE = 0.05
_CHUNK = 64

_TINY = 1e-12


class PositionCorrector:
    """Moves positions while the object stands still.

    Args:
        cut: Positions (k, 2) → the object's patches (k, N, N) and the probes (k, mode, N, N) there.
        amplitude: (n, N, N) measured unit-dose amplitude.
        mask: (row, col) bool, True where a pixel was measured, or None.
    """

    def __init__(
        self,
        cut: Callable[[Tensor], tuple[Tensor, Tensor]],
        amplitude: Tensor,
        mask: Tensor | None = None,
    ) -> None:
        self._cut = cut
        self._amplitude = amplitude
        self._mask = mask

    def stepped(self, positions: Tensor, gain: float) -> Tensor:
        """Let every pattern take one Gauss-Newton step.

        Args:
            positions: (n, 2) float64, pixels.
            gain: Factor of the steps, which are never longer than `MAX_STEP_PX`.

        Returns:
            (n, 2) float64.
        """
        moved = positions.clone()
        for index in torch.split(torch.arange(len(positions)), _CHUNK):
            patches, probes = self._cut(positions[index])
            step = newton_step(patches, probes, self._amplitude[index], self._mask)
            moved[index] += (gain * step).clamp(-MAX_STEP_PX, MAX_STEP_PX).double()
        return moved

    def searched(self, positions: Tensor, misfit: Tensor) -> Tensor:
        """Look for the patterns that explain themselves worst on a grid around them.

        Args:
            positions: (n, 2) float64, pixels.
            misfit: (n,) float, larger is worse.

        Returns:
            (n, 2) float64; patterns that are best where they are stay.
        """
        worst = torch.topk(misfit, max(1, int(STUCK_SHARE * len(misfit)))).indices
        reach = torch.arange(-SEARCH_RADIUS_PX, SEARCH_RADIUS_PX + 1, dtype=torch.float64)
        moved = positions.clone()
        for index in torch.split(worst, _CHUNK):
            lowest = torch.full((len(index),), torch.inf)
            for offset in torch.cartesian_prod(reach, reach):
                tried = positions[index] + offset
                patches, probes = self._cut(tried)
                found = distances(patches, probes, self._amplitude[index], self._mask)
                better = found < lowest
                lowest[better] = found[better]
                moved[index[better]] = tried[better]
        return moved


def newton_step(
    patches: Complex[Tensor, "pattern row col"],
    probes: Complex[Tensor, "pattern mode row col"],
    amplitude: Float[Tensor, "pattern row col"],
    mask: Tensor | None = None,
) -> Float[Tensor, "pattern 2"]:
    """Find the Gauss-Newton step of each position on the amplitude residual.

    Args:
        patches: (pattern, row, col) complex, the object under each pattern.
        probes: (pattern, mode, row, col) complex, the probe where it is thought to be.
        amplitude: (pattern, row, col) measured unit-dose amplitude.
        mask: (row, col) bool, True where a pixel was measured, or None.

    Returns:
        (pattern, 2) float, (row, col) in pixels to add; 0 where the pattern says nothing, such
        as in vacuum.
    """
    wave = propagate(patches[:, None] * probes)
    predicted = illumination(wave).sqrt()
    direction = wave / predicted.clamp_min(_TINY)[:, None]
    slopes = torch.stack(
        [
            (direction.conj() * propagate(patches[:, None] * moved)).real.sum(dim=1)
            for moved in _derivatives(probes)
        ],
        dim=1,
    )
    residual = amplitude - predicted
    if mask is not None:
        slopes, residual = slopes * mask, residual * mask
    normal = torch.einsum("pirc,pjrc->pij", slopes, slopes)
    right = torch.einsum("pirc,prc->pi", slopes, residual)
    # A prior of one pixel against the noise seen: what the pattern does not say moves nothing.
    variance = residual.square().mean(dim=(-2, -1)) + _TINY
    ridge = (variance / MAX_STEP_PX**2)[:, None, None] * torch.eye(2, device=normal.device)
    step: Tensor = torch.linalg.solve(normal + ridge, right[..., None])[..., 0]
    return step


def distances(
    patches: Complex[Tensor, "pattern row col"],
    probes: Complex[Tensor, "pattern mode row col"],
    amplitude: Float[Tensor, "pattern row col"],
    mask: Tensor | None = None,
) -> Float[Tensor, " pattern"]:
    """Squared distance of each pattern's predicted from its measured amplitude.

    Args:
        patches: (pattern, row, col) complex.
        probes: (pattern, mode, row, col) complex.
        amplitude: (pattern, row, col) measured unit-dose amplitude.
        mask: (row, col) bool, True where a pixel was measured, or None.

    Returns:
        (pattern,) float.
    """
    predicted = illumination(propagate(patches[:, None] * probes)).sqrt()
    pixels = (predicted - amplitude).square()
    return (pixels if mask is None else pixels * mask).sum(dim=(-2, -1))


def _derivatives(probes: Tensor) -> tuple[Tensor, Tensor]:
    """Derivative of the shifted probe by its row and its column position."""
    rows, cols = probes.shape[-2:]
    spectrum = torch.fft.fft2(probes)
    device = probes.device
    row_factor = -2j * torch.pi * torch.fft.fftfreq(rows, device=device)[:, None]
    col_factor = -2j * torch.pi * torch.fft.fftfreq(cols, device=device)[None, :]
    by_row: Tensor = torch.fft.ifft2(spectrum * row_factor.to(probes.dtype))
    by_col: Tensor = torch.fft.ifft2(spectrum * col_factor.to(probes.dtype))
    return by_row, by_col

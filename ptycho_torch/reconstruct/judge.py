"""What the misfit of a run means: how much is left that photon noise does not explain."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, ones_like

from ptycho_torch.losses.diffraction import photon_noise
from ptycho_torch.reconstruct.options import Epoch

_LEAST_ROOM = 0.05
_SAME_PATTERNS = 1e-6
_SETTLED_BELOW = 0.002
_ABOVE_NOISE = 1.1
_EXCESS_R = 0.01
_STILL_FALLS = 0.9
_EPOCHS_BACK = 3


class Judge:
    """What a misfit means for given patterns.

    A probe that knows nothing of the object predicts the same pattern everywhere. What the mean
    pattern leaves is therefore 1, what photon noise leaves is 0.

    Args:
        amplitude: (n, N, N) unit-dose amplitude.
        mask: (row, col) bool, True where a pixel was measured, or None.
        nphotons: Photons per pattern.
    """

    def __init__(self, amplitude: Tensor, mask: Tensor | None, nphotons: float) -> None:
        light = amplitude.square().mean(dim=0)
        usable = ones_like(light) if mask is None else mask.to(light.dtype)
        whole = float((light * usable).sum())
        constant = float(((light - amplitude.mean(dim=0).square()) * usable).sum()) / whole
        self.noise = photon_noise("amplitude", nphotons, light, mask) / whole
        self.room = max(constant - self.noise, _LEAST_ROOM * constant)

    def left(self, r_factor: float) -> float:
        """Share of what can be explained that is not.

        Args:
            r_factor: Of an epoch.

        Returns:
            0 for photon noise alone, about 1 for what the mean pattern leaves, more for worse; 0
            where all patterns are the same, which says nothing of an object.
        """
        if self.room < _SAME_PATTERNS:
            return 0.0
        return max(0.0, r_factor**2 - self.noise) / self.room

    def plain(self, r_factor: float) -> bool:
        """Say whether a misfit is plainly more than photon noise.

        An object of little contrast leaves hardly more than the mean pattern does, and `left` of a
        sound run is large then.

        Args:
            r_factor: Of an epoch.

        Returns:
            Whether it is above 1.1 times noise, and 0.01 of the amplitudes beside it.
        """
        excess = r_factor**2 - self.noise
        return r_factor**2 > _ABOVE_NOISE**2 * self.noise and excess > _EXCESS_R**2

    def falling(self, epochs: Sequence[Epoch]) -> float | None:
        """Say how fast a run still goes on at its end.

        Args:
            epochs: Of its last stage.

        Returns:
            By which share what is left fell in the last three epochs; None where that is less
            than a tenth, or hardly more than photon noise is left: the run has settled.
        """
        if len(epochs) <= _EPOCHS_BACK or not self.plain(epochs[-1].r_factor):
            return None
        now, before = (self.left(epochs[-back].r_factor) for back in (1, 1 + _EPOCHS_BACK))
        if now < _SETTLED_BELOW or now > _STILL_FALLS * before:
            return None
        return 1 - now / before

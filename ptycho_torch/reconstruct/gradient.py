"""The gradient engine: Adam on object, probe and positions, through the network's own physics.

Forward model (`physics.forward`), likelihood (`losses.diffraction`) and sub-pixel shifts are the
ones that train the network; the derivatives are automatic. Adam (Kingma and Ba, arXiv 1412.6980)
scales every pixel's step by its own gradients, so dim pixels move as fast as bright ones.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ptycho_torch.data.scan import Array
from ptycho_torch.losses.diffraction import DiffractionLoss
from ptycho_torch.physics.forward import diffract
from ptycho_torch.physics.patches import extract
from ptycho_torch.physics.probe import shift_probe
from ptycho_torch.reconstruct.options import EngineResult, Epoch, GradientOptions
from ptycho_torch.reconstruct.probe_modes import orthogonal_modes
from ptycho_torch.reconstruct.state import RunState

POSITIONS_FROM = 1 / 6
"""Share of the epochs after which positions move: before, the object is too coarse to tell."""

_LAST_RATE = 0.02
_BETAS = (0.9, 0.99)


class GradientState(RunState):
    """A run of the gradient engine.

    Args:
        amplitude: (n, N, N) unit-dose amplitude, zero frequency at `N // 2`.
        positions_px: (n, 2) float64, (row, col) of the patch centres.
        probe: (mode, N, N) complex64 of unit energy.
        mask: (row, col) bool, True where a pixel was measured, or None.
        options: Epochs, rates, order.
    """

    options: GradientOptions

    def __init__(
        self,
        amplitude: Tensor,
        positions_px: Array,
        probe: Tensor,
        mask: Tensor | None,
        options: GradientOptions,
    ) -> None:
        super().__init__(amplitude, positions_px, probe, mask, options)
        self.loss = DiffractionLoss(options.likelihood, options.nphotons, mask)
        self.moments: dict[str, tuple[Tensor, Tensor]] = {}
        self.steps: dict[str, int] = {}
        light = probe.abs().square().sum(dim=0)
        self.brightness = math.sqrt(float(light.square().sum() / light.sum()))

    def step(self, index: Tensor) -> Tensor:
        """Take one step of Adam; see `RunState.step`."""
        moving = self._moving()
        for field in moving.values():
            field.requires_grad_()
        rest = (self.positions[index] - self.positions[index].detach().round()).float()
        if "positions" not in moving:
            rest = self.rest[index]
        patches = extract(self.object[None], self.corners[index][None], self.size)[0]
        intensity = diffract(patches, shift_probe(self.probe, rest))
        measured = self.amplitude[index]
        gradients = torch.autograd.grad(
            self.loss.per_pattern(intensity, measured).sum(), list(moving.values())
        )
        with torch.no_grad():
            for (name, field), gradient in zip(moving.items(), gradients, strict=True):
                field.requires_grad_(False)
                pull = gradient
                if name == "object" and self.regularised:
                    pull = gradient + self._smoothing_pull(len(index) / len(self.amplitude))
                field.sub_(self._adam(name, pull) * self._rate(name))
            square = (intensity.sqrt() - measured).square()
            return (square if self.mask is None else square * self.mask).sum(dim=(-2, -1))

    def after_epoch(self, order: Tensor, misfit: Tensor) -> float:
        """Cut the object where the positions are now; see `RunState.after_epoch`."""
        if "positions" not in self._moving():
            return math.nan
        before = self.corners + self.rest
        self.stand_at(self.without_drift(self.positions))
        return float((self.corners + self.rest - before).norm(dim=1).median())

    def result(self, epochs: list[Epoch]) -> EngineResult:
        """Order the modes by power; see `RunState.result`."""
        if self.options.update_probe and len(self.probe) > 1:
            self.probe = orthogonal_modes(self.probe)
        return super().result(epochs)

    def snapshot(self) -> dict[str, Tensor]:
        """See `RunState.snapshot`."""
        kept = super().snapshot()
        for name, (first, second) in self.moments.items():
            kept |= {f"first_{name}": first, f"second_{name}": second}
            kept[f"steps_{name}"] = torch.tensor(self.steps[name])
        return kept

    def restore(self, kept: dict[str, Tensor]) -> None:
        """See `RunState.restore`."""
        super().restore(kept)
        for name in ("object", "probe", "positions"):
            if f"steps_{name}" in kept:
                self.moments[name] = kept[f"first_{name}"], kept[f"second_{name}"]
                self.steps[name] = int(kept[f"steps_{name}"])

    def _moving(self) -> dict[str, Tensor]:
        """What moves in an epoch."""
        options = self.options
        moving = {"object": self.object}
        if options.update_probe and self.clock >= options.probe_from:
            moving["probe"] = self.probe
        if options.correct_positions and self.clock >= options.epochs * POSITIONS_FROM:
            moving["positions"] = self.positions
        return moving

    def _rate(self, name: str) -> float:
        options = self.options
        share = self.clock / options.epochs
        fall = _LAST_RATE + (1 - _LAST_RATE) * 0.5 * (1 + math.cos(math.pi * share))
        rate = {
            "object": options.learning_rate,
            "probe": options.probe_rate * self.brightness,
            "positions": options.position_rate,
        }
        return rate[name] * fall

    def _adam(self, name: str, gradient: Tensor) -> Tensor:
        """Adam's direction, with real and imaginary part scaled alike."""
        if name not in self.moments:
            self.moments[name] = torch.zeros_like(gradient), torch.zeros_like(gradient.real)
            self.steps[name] = 0
        first, second = self.moments[name]
        self.steps[name] += 1
        first.lerp_(gradient, 1 - _BETAS[0])
        second.lerp_((gradient * gradient.conj()).real, 1 - _BETAS[1])
        unbiased = [1 - beta ** self.steps[name] for beta in _BETAS]
        size = (second / unbiased[1]).sqrt_()
        # Pixels without light have no gradient worth following.
        floor = 1e-3 * size.max() + torch.finfo(size.dtype).tiny
        return first / unbiased[0] / (size + floor)

    def _smoothing_pull(self, share: float) -> Tensor:
        """Gradient of the penalty in the unit of the loss's, which is twice or four times W."""
        per_loss = 4 if self.options.likelihood == "poisson" else 2
        return self.smoother().gradient(self.object) * (share * per_loss)

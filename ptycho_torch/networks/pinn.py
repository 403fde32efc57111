"""PtychoPINN: a network that proposes object patches, and the physics that judges them."""

from __future__ import annotations

import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor, nn

from ptycho_torch.config import ModelConfig
from ptycho_torch.errors import ConfigError
from ptycho_torch.networks.heads import cartesian_head
from ptycho_torch.networks.inputs import INPUT_CHANNELS
from ptycho_torch.networks.plain import PlainNetwork
from ptycho_torch.networks.residual import ResidualNetwork
from ptycho_torch.physics.forward import diffract, merge_group
from ptycho_torch.physics.probe import shift_probe

_HALVED = 8
"""The network halves an edge three times."""


class PtychoPINN(nn.Module):
    """Diffraction to object patches, and patches to the diffraction they would give.

    Each pattern of a group goes through the same network on its own; the group meets in the
    physics, where its patches are merged by their overlap before the probe multiplies them
    (Hoidn et al., Sci. Rep. 2023, 10.1038/s41598-023-48351-7).

    Args:
        config: Architecture, width, `object_big` and `probe_big`.
        probe: (mode, N, N) complex64 of unit energy; kept with the weights.

    Raises:
        ConfigError: N is odd.
    """

    probe: Tensor

    def __init__(self, config: ModelConfig, probe: Complex[Tensor, "mode row col"]) -> None:
        super().__init__()
        size = probe.shape[-1]
        if size % 2:
            raise ConfigError(
                f"patterns of {size} px have no middle pixel pair", hint="crop one row and column"
            )
        self.config = config
        self.register_buffer("probe", probe.clone())
        self.network: nn.Module
        if config.architecture == "residual":
            self.network = ResidualNetwork(INPUT_CHANNELS, config.width_channels)
            self.network.start_silent()
        else:
            self.network = PlainNetwork(config.width_channels)

    def forward(
        self, inputs: Float[Tensor, "batch channel 3 row col"]
    ) -> Complex[Tensor, "batch channel row col"]:
        """Propose an object patch for every pattern.

        Args:
            inputs: (batch, channel, 3, row, col) from `network_inputs`.

        Returns:
            (batch, channel, row, col) complex, about 1 in vacuum.
        """
        batch, channel = inputs.shape[:2]
        size = inputs.shape[-1]
        raw = self.network(_padded(inputs.flatten(0, 1)))
        patches: Tensor = raw if raw.is_complex() else cartesian_head(raw.float())
        # Without padding this is the whole, and costs nothing.
        low = (patches.shape[-1] - size) // 2
        patches = patches[..., low : low + size, low : low + size]
        patches = patches.reshape(batch, channel, size, size)
        return patches if self.config.probe_big else _vacuum_border(patches)

    def predict_intensity(
        self,
        patches: Complex[Tensor, "batch channel row col"],
        corners: Int[Tensor, "batch channel 2"],
        rest: Float[Tensor, "batch channel 2"],
    ) -> Float[Tensor, "batch channel row col"]:
        """Predict the unit-dose intensity each pattern should have had.

        Args:
            patches: (batch, channel, row, col) complex object patches.
            corners: (batch, channel, 2) int64 patch corners in object pixels.
            rest: (batch, channel, 2) sub-pixel rests, which shift the probe.

        Returns:
            (batch, channel, row, col), zero frequency at `N // 2`.
        """
        probe = shift_probe(self.probe, rest)
        if self.config.object_big:
            patches = merge_group(patches, probe, corners)
        return diffract(patches, probe)


def _padded(inputs: Tensor) -> Tensor:
    """Surround the channels so that their edge can be halved three times.

    The border repeats the rim: there, outside the light, the patch says nothing.
    """
    missing = -inputs.shape[-1] % _HALVED
    if not missing:
        return inputs
    low = missing // 2
    return nn.functional.pad(inputs, (low, missing - low, low, missing - low), mode="replicate")


def _vacuum_border(patches: Tensor) -> Tensor:
    """Keep the central half of each patch and set the rest to vacuum."""
    size = patches.shape[-1]
    inside = torch.zeros(size, dtype=torch.bool, device=patches.device)
    inside[size // 4 : size - size // 4] = True
    return torch.where(inside[:, None] & inside[None, :], patches, torch.ones_like(patches))

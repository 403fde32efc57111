"""The network to use: a small residual U-net with normalised activations."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ptycho_torch.networks.levels import down_and_up

_GROUPS = 8


class ResidualBlock(nn.Module):
    """`x + conv(silu(norm(conv(silu(norm(x))))))`, 3 x 3, the channel count kept.

    Args:
        channels: Channels in and out, a multiple of 8.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            nn.GroupNorm(_GROUPS, channels),
            nn.SiLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.GroupNorm(_GROUPS, channels),
            nn.SiLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
        )

    def forward(self, x: Float[Tensor, "batch ch row col"]) -> Float[Tensor, "batch ch row col"]:
        """Add the branch to the input."""
        out: Tensor = x + self.branch(x)
        return out


class ResidualNetwork(nn.Module):
    """Three levels of residual blocks between a pixel-unshuffle and a pixel-shuffle.

    Half of the resolution moves into channels at the entrance and back at the exit, which makes
    every layer four times cheaper. Skips are added, not concatenated. It is fully convolutional:
    any patch edge that is a multiple of 8 will do.

    Args:
        in_channels: Input channels.
        width: Channels of the first level; the next have 2 and 4 times as many.
        out_channels: Output channels.
    """

    def __init__(self, in_channels: int, width: int, out_channels: int = 2) -> None:
        super().__init__()
        self.enter = nn.Sequential(
            nn.PixelUnshuffle(2), nn.Conv2d(4 * in_channels, width, 3, padding=1)
        )
        widths = (width, 2 * width, 4 * width)
        self.encode = nn.ModuleList(ResidualBlock(w) for w in widths[:2])
        self.down = nn.ModuleList(nn.Conv2d(w, 2 * w, 3, stride=2, padding=1) for w in widths[:2])
        self.bottom = nn.Sequential(ResidualBlock(widths[2]), ResidualBlock(widths[2]))
        self.up = nn.ModuleList(nn.Conv2d(2 * w, w, 1) for w in widths[:2])
        self.decode = nn.ModuleList(ResidualBlock(w) for w in widths[:2])
        self.leave = nn.Sequential(
            nn.GroupNorm(_GROUPS, width),
            nn.SiLU(),
            nn.Conv2d(width, 4 * out_channels, 3, padding=1),
            nn.PixelShuffle(2),
        )

    def forward(self, x: Float[Tensor, "batch cin row col"]) -> Float[Tensor, "batch cout row col"]:
        """Map input channels to output channels of the same size."""
        x = self.enter(x)
        x = down_and_up(x, self.encode, self.down, self.bottom, self.up, self.decode)
        out: Tensor = self.leave(x)
        return out

    @torch.no_grad()
    def start_silent(self, std: float = 1e-3) -> None:
        """Make the first prediction almost zero: last convolution small, its bias 0.

        Args:
            std: Standard deviation of the last convolution's weights.
        """
        last = self.leave[2]
        assert isinstance(last, nn.Conv2d)
        assert last.bias is not None
        nn.init.normal_(last.weight, std=std)
        nn.init.zeros_(last.bias)

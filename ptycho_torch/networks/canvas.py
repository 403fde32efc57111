"""The canvas network: it decides, pixel by pixel, which neighbours of an object to average.

The networks that map one pattern to one patch see a pattern's own photons only. The object that
a few passes of the engine found holds the photons of all patterns that overlap there, whatever
probe and frame size they were taken with. A network that works on it can be trained once, over
many objects, probes and doses, and costs the object's area, not the number of patterns.

It never paints: the network's output are weights of some local averages of the object (each a
mean weighted by the photons that fell on its pixels), as the kernel-predicting networks of
rendering do (Bako et al., ACM Trans. Graph. 36, 2017, 10.1145/3072959.3073708). The weights have
the sum 1, may be negative (edges can become sharper, too), and differ between what lies along
the local phase and across it, roughly amplitude and phase. What the network sees does not change
with the object's global phase.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Complex, Float
from torch import Tensor, nn

from ptycho_torch.networks.levels import down_and_up

IN_CHANNELS = 8
_REACH = 1
_WIDTHS_PX = (1.2, 2.2, 4.0, 7.0, 13.0)
_LINES = 8
_LINE_LENGTH_PX, _LINE_WIDTH_PX, _LINE_REACH = 3.0, 0.6, 6
_FINE, _COARSE = 0, 2
_MULTIPLE = 8
_SMALL = 1e-12

CANDIDATES = (2 * _REACH + 1) ** 2 + len(_WIDTHS_PX) + _LINES
"""The 3 x 3 pixels around, round averages, averages along lines."""


class CanvasBlock(nn.Module):
    """`x + conv(silu(conv(x)))`, 3 x 3, without normalisation.

    Statistics over a canvas would tie what is seen in one corner to what lies in another.

    Args:
        channels: Channels in and out.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Float[Tensor, "batch ch row col"]) -> Float[Tensor, "batch ch row col"]:
        """Add the branch to the input."""
        out: Tensor = x + self.second(nn.functional.silu(self.first(x)))
        return out


class CanvasNetwork(nn.Module):
    """A U-net of three levels between a pixel-unshuffle and a pixel-shuffle, out come weights.

    Args:
        width: Channels of the first level; the next have 2 and 4 times as many.
        blocks: Residual blocks a level and way.
    """

    def __init__(self, width: int = 16, blocks: int = 1) -> None:
        super().__init__()
        self.width, self.blocks = width, blocks
        widths = (width, 2 * width, 4 * width)
        self.enter = nn.Sequential(
            nn.PixelUnshuffle(2), nn.Conv2d(4 * IN_CHANNELS, width, 3, padding=1)
        )
        self.encode = nn.ModuleList(_chain(w, blocks) for w in widths[:2])
        self.down = nn.ModuleList(nn.Conv2d(w, 2 * w, 2, stride=2) for w in widths[:2])
        self.bottom = _chain(widths[2], 2 * blocks)
        self.up = nn.ModuleList(nn.Conv2d(2 * w, w, 1) for w in widths[:2])
        self.decode = nn.ModuleList(_chain(w, blocks) for w in widths[:2])
        self.leave = nn.Sequential(
            nn.Conv2d(width, 8 * CANDIDATES, 3, padding=1), nn.PixelShuffle(2)
        )
        self._start_gently()

    @torch.no_grad()
    def _start_gently(self) -> None:
        """Keep the variance through the layers, and begin with the object as it is."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                assert module.bias is not None
                nn.init.zeros_(module.bias)
        last = self.leave[0]
        assert isinstance(last, nn.Conv2d)
        last.weight.zero_()

    def forward(
        self,
        found: Complex[Tensor, "batch row col"],
        light: Float[Tensor, "batch row col"],
        nphotons: float,
    ) -> Complex[Tensor, "batch row col"]:
        """Better an object.

        Args:
            found: (batch, row, col) complex, |O| about 1 in vacuum; edges of any length.
            light: (batch, row, col), merged |P|^2 of a probe of unit energy.
            nphotons: Mean photons per pattern.

        Returns:
            (batch, row, col) complex, on the same canvas.
        """
        rows, cols = found.shape[-2:]
        with torch.autocast(found.device.type, enabled=False):
            averages = local_averages(found, light)
        x = self.enter(_padded(canvas_channels(averages, light, nphotons)))
        x = down_and_up(x, self.encode, self.down, self.bottom, self.up, self.decode)
        weights = self.leave(x)[..., :rows, :cols].float() * _caution(light, nphotons)[:, None]
        turn = _turn(averages)
        away = (averages - found[:, None]) * turn[:, None]
        parts = (away.real, away.imag)
        change = [
            (part * weight).sum(dim=1)
            for part, weight in zip(parts, weights.chunk(2, 1), strict=True)
        ]
        return found + torch.complex(*change) * turn.conj()


def local_averages(
    found: Complex[Tensor, "batch row col"], light: Float[Tensor, "batch row col"]
) -> Complex[Tensor, "batch candidate row col"]:
    """The neighbours and the averages that the network chooses from.

    Args:
        found: (batch, row, col) complex.
        light: (batch, row, col), not negative.

    Returns:
        (batch, candidate, row, col): the pixels of the 3 x 3 around each, then averages
        sum(g light O) / sum(g light) over round and over elongated Gaussians g; where there is
        no light, the object itself.
    """
    weight = light + _SMALL * light.amax()
    parts = torch.stack([weight * found.real, weight * found.imag, weight], dim=1)
    smooth = torch.cat([_round_averages(parts), _line_averages(parts)], dim=2)
    averaged = torch.complex(smooth[:, 0], smooth[:, 1]) / smooth[:, 2]
    return torch.cat([_neighbours(found), averaged], dim=1)


def canvas_channels(
    averages: Complex[Tensor, "batch candidate row col"],
    light: Float[Tensor, "batch row col"],
    nphotons: float,
) -> Float[Tensor, "batch 8 row col"]:
    """What the network sees, unchanged by the object's global phase.

    Phases are counted from a wide local average: of the object itself, and of a slightly smoothed
    one; then the difference of the two in units of the noise that is to be expected, and how many
    photons each pixel stands on.

    Args:
        averages: From `local_averages`.
        light: (batch, row, col), merged |P|^2 of a probe of unit energy.
        nphotons: Mean photons per pattern.

    Returns:
        (batch, 8, row, col) float.
    """
    first = (2 * _REACH + 1) ** 2
    found, fine, turn = averages[:, first // 2], averages[:, first + _FINE], _turn(averages)
    sharp, smooth = found * turn, fine * turn
    rough = (sharp - smooth) * (1 + light * nphotons).sqrt()
    share = (light / light.amax(dim=(-2, -1), keepdim=True)).sqrt()
    photons = torch.log1p(light * nphotons) / 8
    seen = [sharp.real, sharp.imag, smooth.real, smooth.imag, rough.real, rough.imag]
    return torch.stack([*(part.clamp(-4, 4) for part in seen), photons, share], dim=1)


def _turn(averages: Tensor) -> Tensor:
    """Unit phases that make a wide local average real."""
    wide = averages[:, (2 * _REACH + 1) ** 2 + _COARSE]
    return wide.conj() / wide.abs().clamp_min(1e-6)


def _caution(light: Tensor, nphotons: float) -> Tensor:
    """Smaller weights where many photons fell: there is less noise to average away."""
    return (1 + light * nphotons / 100) ** -0.7


def _neighbours(found: Tensor) -> Tensor:
    rows, cols = found.shape[-2:]
    parts = [
        nn.functional.pad(part[:, None], (_REACH,) * 4, mode="replicate")[:, 0]
        for part in (found.real, found.imag)
    ]
    padded = torch.complex(*parts)
    reach = range(2 * _REACH + 1)
    return torch.stack([padded[:, i : i + rows, j : j + cols] for i in reach for j in reach], dim=1)


def _round_averages(parts: Tensor) -> Tensor:
    """Convolve with Gaussians, one axis after the other; (batch, 3, width, row, col)."""
    reach = math.ceil(2.5 * max(_WIDTHS_PX))
    axis = torch.arange(-reach, reach + 1, dtype=parts.dtype)
    lines = torch.stack([torch.exp(-0.5 * (axis / width).square()) for width in _WIDTHS_PX])
    kernels = (lines / lines.sum(dim=1, keepdim=True))[:, None, None]
    each = parts.flatten(0, 1)[:, None]
    along = nn.functional.conv2d(each, kernels, padding=(0, reach))
    smooth: Tensor = nn.functional.conv2d(
        along, kernels.mT, padding=(reach, 0), groups=len(kernels)
    )
    return smooth.reshape(*parts.shape[:2], *smooth.shape[1:])


def _line_averages(parts: Tensor) -> Tensor:
    """Convolve with elongated Gaussians of all directions; (batch, 3, line, row, col)."""
    axis = torch.arange(-_LINE_REACH, _LINE_REACH + 1, dtype=parts.dtype)
    rows, cols = torch.meshgrid(axis, axis, indexing="ij")
    angles = math.pi * torch.arange(_LINES, dtype=parts.dtype)[:, None, None] / _LINES
    along = rows * angles.sin() + cols * angles.cos()
    across = cols * angles.sin() - rows * angles.cos()
    kernels = torch.exp(
        -0.5 * (along / _LINE_LENGTH_PX).square() - 0.5 * (across / _LINE_WIDTH_PX).square()
    )
    kernels = (kernels / kernels.sum(dim=(1, 2), keepdim=True))[:, None]
    smooth: Tensor = nn.functional.conv2d(
        parts.flatten(0, 1)[:, None], kernels, padding=_LINE_REACH
    )
    return smooth.reshape(*parts.shape[:2], *smooth.shape[1:])


def _chain(channels: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(CanvasBlock(channels) for _ in range(count)))


def _padded(x: Tensor) -> Tensor:
    rows, cols = (-edge % _MULTIPLE for edge in x.shape[-2:])
    return nn.functional.pad(x, (0, cols, 0, rows))

"""The negative control: a plain encoder-decoder with bounded heads, as PtychoPINN began.

Without normalisation its heads saturate within some sixty steps and the prediction becomes a
constant. It stays here so that the alarm for collapsed runs has something true to ring for.
"""

from __future__ import annotations

from jaxtyping import Complex, Float
from torch import Tensor, nn

from ptycho_torch.networks.heads import bounded_head


class PlainNetwork(nn.Module):
    """Convolutions, max-pooling and upsampling; it sees the amplitude channel only.

    Args:
        width: Channels of the first level; the next have 2 and 4 times as many.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in ((1, width), (width, 2 * width), (2 * width, 4 * width)):
            layers += [*_convolutions(before, after), nn.MaxPool2d(2)]
        for before, after in ((4 * width, 4 * width), (4 * width, 2 * width), (2 * width, width)):
            layers += [*_convolutions(before, after), nn.Upsample(scale_factor=2.0)]
        layers.append(nn.Conv2d(width, 2, 3, padding=1))
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Float[Tensor, "batch cin row col"]) -> Complex[Tensor, "batch row col"]:
        """Map the amplitude channel to object patches with bounded amplitude and phase."""
        return bounded_head(self.layers(x[:, :1]))


def _convolutions(before: int, after: int) -> list[nn.Module]:
    return [
        nn.Conv2d(before, after, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(after, after, 3, padding=1),
        nn.ReLU(),
    ]

"""The canvas network chooses local averages: what it may never do, whatever its weights."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from ptycho_torch.networks.canvas import (
    CANDIDATES,
    CanvasNetwork,
    canvas_channels,
    local_averages,
)

ROWS, COLS = 37, 30


def field(seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    amplitude = 0.5 + torch.rand(1, ROWS, COLS, generator=generator)
    return torch.polar(amplitude, 3 * torch.rand(1, ROWS, COLS, generator=generator))


def light(seed: int = 1) -> Tensor:
    return torch.rand(1, ROWS, COLS, generator=torch.Generator().manual_seed(seed))


def shaken(seed: int = 2) -> CanvasNetwork:
    """A network with weights that do something."""
    torch.manual_seed(seed)
    network = CanvasNetwork(8).eval()
    with torch.no_grad():
        network.leave[0].weight.normal_(std=0.05)
        network.leave[0].bias.normal_(std=0.05)
    return network


def test_an_untrained_network_leaves_the_object_as_it_is() -> None:
    found = field()
    with torch.no_grad():
        made = CanvasNetwork(8)(found, light(), 1e3)
    torch.testing.assert_close(made, found)


def test_edges_of_any_length_keep_their_shape() -> None:
    for rows, cols in ((8, 8), (9, 29), (16, 30)):
        found = field()[:, :rows, :cols]
        with torch.no_grad():
            assert shaken()(found, light()[:, :rows, :cols], 1e3).shape == (1, rows, cols)


def test_the_global_phase_passes_through() -> None:
    turn = torch.polar(torch.tensor(1.0), torch.tensor(2.1))
    network, found = shaken(), field()
    with torch.no_grad():
        made = network(found, light(), 1e3)
        turned = network(found * turn, light(), 1e3)
    assert float((made - found).abs().max()) > 0.01
    torch.testing.assert_close(turned, made * turn, rtol=1e-4, atol=1e-4)


def test_a_constant_object_stays_whatever_the_weights() -> None:
    constant = torch.full((1, ROWS, COLS), 0.8 * complex(math.cos(1), math.sin(1)))
    constant = constant.to(torch.complex64)
    with torch.no_grad():
        made = shaken()(constant, light(), 30.0)
    torch.testing.assert_close(made, constant, rtol=1e-4, atol=1e-4)


def test_many_photons_make_it_careful() -> None:
    found, network = field(), shaken()
    with torch.no_grad():
        changes = [
            float((network(found, light(), n) - found).abs().mean()) for n in (1e2, 1e5, 1e9)
        ]
    assert changes[0] > 3 * changes[1] > 9 * changes[2]


def test_averages_are_weighted_by_the_light() -> None:
    found, shade = field(), light()
    shade[0, :, COLS // 2 :] = 0
    spoiled = found.clone()
    spoiled[0, :, COLS // 2 :] = 100
    averages = [local_averages(image, shade)[0, 9:] for image in (found, spoiled)]
    assert averages[0].shape[0] == CANDIDATES - 9
    bright = slice(0, COLS // 2)
    torch.testing.assert_close(
        averages[0][:, :, bright], averages[1][:, :, bright], rtol=1e-3, atol=1e-3
    )


def test_a_gaussian_average_is_the_slow_sum() -> None:
    found, shade = field(), light()
    rows, cols = torch.meshgrid(torch.arange(ROWS), torch.arange(COLS), indexing="ij")
    distance = (rows - 18).square() + (cols - 15).square()
    weight = torch.exp(-0.5 * distance / 1.2**2) * shade[0]
    expected = (weight * found[0]).sum() / weight.sum()
    torch.testing.assert_close(
        local_averages(found, shade)[0, 9, 18, 15], expected, rtol=1e-4, atol=1e-4
    )


def test_what_it_sees_is_finite_without_light() -> None:
    dark = torch.zeros(1, ROWS, COLS)
    dark[0, 10:20, 10:20] = 1e-3
    seen = canvas_channels(local_averages(field(), dark), dark, 1e9)
    assert seen.shape == (1, 8, ROWS, COLS)
    assert bool(torch.isfinite(seen).all())


@pytest.mark.parametrize("width", [8, 16])
def test_its_size_is_what_the_settings_say(width: int) -> None:
    network = CanvasNetwork(width, blocks=2)
    assert (network.width, network.blocks) == (width, 2)
    assert network.enter[1].out_channels == width

from __future__ import annotations

import pytest
import torch

from ptycho_torch.config import ModelConfig
from ptycho_torch.errors import ConfigError
from ptycho_torch.networks import PtychoPINN, network_inputs
from ptycho_torch.simulation import make_probe


def build(size: int = 64, **settings: object) -> PtychoPINN:
    torch.manual_seed(0)
    model = PtychoPINN(ModelConfig(**settings), torch.from_numpy(make_probe(size)))
    return model.requires_grad_(False)


def random_inputs(size: int, batch: int = 2, channel: int = 4) -> torch.Tensor:
    return torch.randn(batch, channel, 3, size, size, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("size", [64, 128, 256])
def test_patches_have_the_size_of_the_patterns(size):
    patches = build(size)(random_inputs(size, 1, 1))
    assert patches.shape == (1, 1, size, size)
    assert patches.dtype == torch.complex64


def test_the_untrained_network_predicts_nearly_the_flat_object():
    patches = build()(random_inputs(64))
    assert float((patches - 1).abs().max()) < 0.1


def test_the_network_has_about_a_quarter_million_weights():
    count = sum(p.numel() for p in build().parameters())
    assert 0.2e6 < count < 0.26e6


def test_each_pattern_is_mapped_on_its_own():
    model, inputs = build(), random_inputs(64)
    changed = inputs.clone()
    changed[0, 1] += 1
    difference = (model(inputs) - model(changed)).abs().amax(dim=(-2, -1))
    assert difference[0, 1] > 0
    difference[0, 1] = 0
    assert float(difference.max()) < 1e-6


@pytest.mark.parametrize("architecture", ["residual", "plain"])
@pytest.mark.parametrize("size", [50, 60, 100])
def test_any_even_size_will_do(size, architecture):
    model = build(size, architecture=architecture)
    patches = model(random_inputs(size, 1, 2))
    assert patches.shape == (1, 2, size, size)


def test_a_size_the_network_can_halve_sees_no_border():
    model, inputs = build(64), random_inputs(64)
    direct = model.network(inputs.flatten(0, 1))
    expected = 1 + torch.complex(direct[:, 0], direct[:, 1])
    torch.testing.assert_close(model(inputs).flatten(0, 1), expected, rtol=0, atol=0)


def test_an_odd_size_is_refused():
    with pytest.raises(ConfigError, match="61 px"):
        PtychoPINN(ModelConfig(), torch.ones(1, 61, 61, dtype=torch.complex64))


def disagreeing_group() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    patches = torch.ones(1, 4, 64, 64, dtype=torch.complex64)
    patches[:, 1] = 2j
    corners = torch.tensor([[[0, 0], [2, 3], [5, 1], [4, 4]]])
    return patches, corners, torch.zeros(1, 4, 2)


def test_object_big_merges_the_group_before_the_diffraction():
    patches, corners, rest = disagreeing_group()
    merged = build(object_big=True).predict_intensity(patches, corners, rest)
    alone = build(object_big=False).predict_intensity(patches, corners, rest)
    single = build().predict_intensity(patches[:, 1:2], corners[:, 1:2], rest[:, 1:2])
    torch.testing.assert_close(alone[:, 1:2], single)
    assert float((merged - alone).abs().max()) > 1e-3


def test_without_probe_big_the_border_is_vacuum():
    model = build(probe_big=False)
    with torch.no_grad():
        for weight in model.parameters():
            weight.normal_(std=0.3)
    patches = model(random_inputs(64))
    border = torch.ones(64, 64, dtype=torch.bool)
    border[16:48, 16:48] = False
    assert bool((patches[..., border] == 1).all())
    assert float((patches[..., ~border] - 1).abs().mean()) > 0.01


def test_the_probe_travels_with_the_weights():
    assert "probe" in build().state_dict()


def test_plain_heads_are_bounded():
    model = build(architecture="plain")
    patches = model(100 * random_inputs(64))
    assert float(patches.abs().max()) <= 1
    assert patches.shape == (2, 4, 64, 64)


def test_inputs_are_the_scaled_amplitude_and_the_projected_patch():
    probe = torch.from_numpy(make_probe(64))
    amplitude = torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(2)) / 64
    rest = torch.zeros(3, 2)
    inputs = network_inputs(amplitude, rest, probe, input_scale=64.0, iterations=0)
    assert inputs.shape == (3, 3, 64, 64)
    torch.testing.assert_close(inputs[:, 0], amplitude * 64)
    assert bool((inputs[:, 1] == 1).all())
    assert bool((inputs[:, 2] == 0).all())

"""Train the canvas network on scenes: diffraction is all that the loss sees."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ptycho_torch.errors import DivergedError
from ptycho_torch.losses import DiffractionLoss
from ptycho_torch.networks.canvas import CanvasNetwork
from ptycho_torch.physics.forward import diffract
from ptycho_torch.physics.patches import extract
from ptycho_torch.physics.probe import shift_probe
from ptycho_torch.pretraining.scenes import Scene
from ptycho_torch.reconstruct.learned import turned, turned_back

_FLOOR = 1e-5
_WARM_UP_STEPS = 200
_MEMORY = 0.998
_BRIGHT_PHOTONS = 3e5
_BRIGHT_SHARE = 0.25


@dataclass(frozen=True)
class FitOptions:
    """How the network is trained.

    Attributes:
        width_channels: Channels of its first level.
        blocks: Residual blocks a level and way.
        steps: Steps of the optimiser.
        scenes_per_step: Scenes whose gradients are summed in a step.
        patterns_per_scene: Patterns of a scene that a step compares.
        learning_rate: Peak rate of AdamW; 200 steps of warm-up, then a cosine to 1 %.
        weight_decay: Decoupled weight decay.
        seed: Of weights and order.
    """

    width_channels: int = 16
    blocks: int = 1
    steps: int = 16000
    scenes_per_step: int = 2
    patterns_per_scene: int = 12
    learning_rate: float = 1.5e-3
    weight_decay: float = 1e-4
    seed: int = 0


def fit_network(
    scenes: Sequence[Scene], options: FitOptions, watch: Callable[[int, float], None] | None = None
) -> CanvasNetwork:
    """Train a canvas network.

    The loss of a scene is the logarithm of the amplitude loss against the long exposure in units
    of that of the engine's object, so every dose counts alike; scenes of many photons, where there
    is little to gain, are drawn less often. The weights that come out are a running mean.

    Args:
        scenes: What to learn from.
        options: Size, steps, rates.
        watch: Called with the step and the mean loss of the last hundred.

    Returns:
        The trained network, in evaluation mode.

    Raises:
        DivergedError: The loss became non-finite.
    """
    torch.manual_seed(options.seed)
    rng = np.random.default_rng(options.seed)
    network = CanvasNetwork(options.width_channels, options.blocks)
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    mean = copy.deepcopy(network)
    optimiser = torch.optim.AdamW(
        network.parameters(), betas=(0.9, 0.99), weight_decay=options.weight_decay
    )
    chances = np.array([_BRIGHT_SHARE if s.nphotons > _BRIGHT_PHOTONS else 1.0 for s in scenes])
    chances /= chances.sum()
    recent: list[float] = []
    for step in range(1, options.steps + 1):
        for group in optimiser.param_groups:
            group["lr"] = _rate(step, options)
        chosen = rng.choice(len(scenes), size=options.scenes_per_step, p=chances)
        losses = [
            scene_loss(network, scenes[int(i)], options.patterns_per_scene, rng) for i in chosen
        ]
        loss = torch.stack(losses).mean()
        if not bool(torch.isfinite(loss)):
            raise DivergedError(f"the loss of step {step} is not finite", "lower the learning rate")
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad()
        _follow(mean, network, min(_MEMORY, 1 - 5 / (step + 5)))
        recent = [*recent[-99:], float(loss.detach())]
        if watch is not None and (step % 100 == 0 or step == options.steps):
            watch(step, float(np.mean(recent)))
    trained: CanvasNetwork = mean.to(memory_format=torch.contiguous_format).eval()
    return trained


@torch.no_grad()
def _follow(mean: CanvasNetwork, network: CanvasNetwork, memory: float) -> None:
    for kept, new in zip(mean.parameters(), network.parameters(), strict=True):
        kept.lerp_(new, 1 - memory)


def scene_loss(
    network: CanvasNetwork, scene: Scene, patterns: int, rng: np.random.Generator
) -> Tensor:
    """How much of the engine's misfit is left, for a random view of a scene.

    Args:
        network: The network in training.
        scene: What it learns from.
        patterns: How many patterns are compared, drawn at random.
        rng: Source of everything random.

    Returns:
        Scalar, log(r + 0.1) with r = sqrt(misfit / the engine's misfit).
    """
    index = torch.from_numpy(rng.permutation(len(scene.corners))[:patterns])
    inside = lit_window(scene.light)
    view, mirrored = int(rng.integers(8)), bool(rng.integers(2))
    found, light = turned(scene.iterate[inside], view), turned(scene.light[inside], view)
    with torch.autocast("cpu", torch.bfloat16):
        made = network(_mirrored(found, mirrored)[None], light[None], scene.nphotons)[0]
    whole = scene.iterate.clone()
    whole[inside] = turned_back(_mirrored(made, mirrored), view)
    with torch.no_grad():
        before = misfit(scene.iterate, scene, index)
    ratio = (misfit(whole, scene, index) / (before + _FLOOR)).sqrt()
    return torch.log(ratio + 0.1)


def misfit(found: Tensor, scene: Scene, index: Tensor) -> Tensor:
    """Amplitude loss of an object against the long exposure.

    Args:
        found: (height, width) complex, an object on the scene's canvas.
        scene: The scan.
        index: (k,) int64, the patterns to compare.

    Returns:
        Scalar: sum over pixels, mean over patterns, in unit dose.
    """
    patches = extract(found[None], scene.corners[index][None], scene.probe.shape[-1])[0]
    predicted = diffract(patches, shift_probe(scene.probe, scene.rest[index]))
    loss = DiffractionLoss("amplitude", 1.0)
    value: Tensor = loss(predicted, scene.target[index].float())
    return value


def lit_window(light: Tensor, floor: float = 0.003) -> tuple[slice, slice]:
    """The smallest window that holds all that is well lit.

    Args:
        light: (height, width), merged |P|^2.
        floor: Fraction of the largest.

    Returns:
        Range of rows and of columns.
    """
    lit = light > floor * light.max()
    rows, cols = lit.any(dim=1).nonzero().flatten(), lit.any(dim=0).nonzero().flatten()
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(cols[0]), int(cols[-1]) + 1)


def _mirrored(image: Tensor, mirrored: bool) -> Tensor:
    """The complex conjugate: the same sample with its phases turned round."""
    return image.conj().resolve_conj() if mirrored else image


def _rate(step: int, options: FitOptions) -> float:
    warm = min(1.0, step / _WARM_UP_STEPS)
    cosine = 0.5 * (1 + math.cos(math.pi * step / options.steps))
    return options.learning_rate * warm * (0.01 + 0.99 * cosine)

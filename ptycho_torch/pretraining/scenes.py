"""Simulated scans to learn from, each with what the iterative engine makes of it.

A scene knows two exposures of the same scan: a short one, from which the engine reconstructs, and
a long one, which the loss compares with. Nothing sees the object itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ptycho_torch.data.scan import Array
from ptycho_torch.iterative import IterativeSettings
from ptycho_torch.physics.forward import diffract
from ptycho_torch.physics.noise import count_photons
from ptycho_torch.physics.patches import extract, scan_canvas, split_positions
from ptycho_torch.physics.probe import shift_probe
from ptycho_torch.pretraining.objects import random_object
from ptycho_torch.pretraining.probes import radius_px, random_probe
from ptycho_torch.reconstruct.engine import GradientOptions, RpieOptions, run_engine

LONG_EXPOSURE_PHOTONS = 1e8
_RAW_SHARE = 0.6


@dataclass(frozen=True)
class Scene:
    """What one simulated scan teaches.

    Attributes:
        iterate: (height, width) complex64, the engine's object on the scan's canvas.
        light: (height, width) float32, merged |P|^2 of the unit-energy probe.
        probe: (mode, N, N) complex64 of unit energy, as the engine left it.
        corners: (n, 2) int64 patch corners on the canvas.
        rest: (n, 2) float32 sub-pixel rests.
        target: (n, N, N) float16, unit-dose amplitude of the long exposure.
        nphotons: Photons per pattern of the short exposure.
        truth: (height, width) complex64, only looked at by tests and validation.
    """

    iterate: Tensor
    light: Tensor
    probe: Tensor
    corners: Tensor
    rest: Tensor
    target: Tensor
    nphotons: float
    truth: Tensor


DrawObject = Callable[[tuple[int, int], np.random.Generator], Array]


def draw_scene(seed: int, draw_object: DrawObject = random_object) -> Scene:
    """Simulate a scan and let the engine work on it.

    Args:
        seed: Equal seeds give equal scenes.
        draw_object: Makes an object of a shape; validation gives one of other families.

    Returns:
        The scene.

    Raises:
        DivergedError: The engine became non-finite.
    """
    rng = np.random.default_rng(seed)
    size = int(rng.choice([32, 64], p=[0.35, 0.65]))
    probe = random_probe(size, rng)
    positions = _positions(probe, rng)
    corners, rest = split_positions(torch.from_numpy(positions), size)
    origin, shape = scan_canvas(corners, size)
    truth = torch.from_numpy(draw_object(shape, rng))
    exact = _intensity(truth, probe, corners - origin, rest)
    return _worked_on(exact, positions, probe, truth, rng)


def _positions(probe: Array, rng: np.random.Generator) -> Array:
    """A jittered raster, its step a fraction of the spot; (n, 2) float64."""
    step = 2 * radius_px(probe[0]) * rng.uniform(0.15, 0.6)
    rows, cols = (int(rng.integers(7, 14)) for _ in range(2))
    grid = np.stack(np.divmod(np.arange(rows * cols), cols), axis=1).astype(np.float64)
    jitter = rng.uniform(-0.5, 0.5, grid.shape) * rng.uniform(0.2, 1)
    return np.asarray((grid + jitter) * max(step, 1.5))


def _intensity(truth: Tensor, probe: Array, corners: Tensor, rest: Tensor) -> Tensor:
    """Unit-dose intensity without noise, (n, N, N) float32."""
    patches = extract(truth[None], corners[None], probe.shape[-1])[0]
    exact = diffract(patches, shift_probe(torch.from_numpy(probe), rest))
    unit: Tensor = exact / exact.sum(dim=(-2, -1)).mean()
    return unit


def _worked_on(
    exact: Tensor, positions: Array, probe: Array, truth: Tensor, rng: np.random.Generator
) -> Scene:
    nphotons = 10 ** rng.uniform(2, 5.7)
    noise = torch.Generator().manual_seed(int(rng.integers(2**31)))
    short, long = (
        (count_photons(exact, dose, noise) / dose).sqrt()
        for dose in (nphotons, LONG_EXPOSURE_PHOTONS)
    )
    known = torch.from_numpy(probe)
    wrong = rng.uniform() < 0.3
    options = engine_options(
        nphotons, bool(wrong), raw=rng.uniform() < _RAW_SHARE, seed=int(rng.integers(2**31))
    )
    found = run_engine(short, positions, _spoiled(known, rng) if wrong else known, options)
    corners, rest = split_positions(torch.from_numpy(positions), probe.shape[-1])
    return Scene(
        iterate=torch.from_numpy(found.canvas.object),
        light=torch.from_numpy(found.canvas.coverage),
        probe=found.probe,
        corners=corners - torch.tensor(found.canvas.origin),
        rest=rest,
        target=long.to(torch.float16),
        nphotons=nphotons,
        truth=truth,
    )


def engine_options(
    nphotons: float, update_probe: bool, raw: bool, seed: int
) -> RpieOptions | GradientOptions:
    """What the engine does before the network sees its object: what `reconstruct` would do.

    Args:
        nphotons: Photons per pattern.
        update_probe: Whether the probe is refined too.
        raw: Without regularisation, as for a method that leaves the noise to the network.
        seed: Order of the patterns.

    Returns:
        The settings.
    """
    settings = IterativeSettings(
        update_probe=update_probe, regularisation="0" if raw else "auto", seed=seed
    )
    (options,) = settings.stages(nphotons)
    return options


def _spoiled(probe: Tensor, rng: np.random.Generator) -> Tensor:
    """A probe as a person would know it: a little out of focus, of a little other power."""
    frequency = torch.fft.fftfreq(probe.shape[-1])
    square = frequency[:, None].square() + frequency.square()
    chirp = torch.polar(torch.ones_like(square), rng.normal(0, 8) * square)
    power = math.sqrt(1 + rng.uniform(-0.15, 0.15))
    spoiled: Tensor = torch.fft.ifft2(torch.fft.fft2(probe) * chirp) * power
    return spoiled

"""A whole pretraining: scenes, network, validation on what was never shown, bundle."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ptycho_torch.errors import DivergedError
from ptycho_torch.metrics.alignment import align
from ptycho_torch.networks.canvas import CanvasNetwork
from ptycho_torch.pretrained import load_pretrained, save_pretrained
from ptycho_torch.pretraining.fit import FitOptions, fit_network, lit_window
from ptycho_torch.pretraining.objects import held_out_object
from ptycho_torch.pretraining.scenes import Scene, draw_scene
from ptycho_torch.reconstruct.learned import bettered
from ptycho_torch.reconstruct.stitch import Canvas

logger = logging.getLogger(__name__)

_SEEDS = 1_000_000
_WELL_LIT = 0.15
_BANDS = ((0.0, 1e3), (1e3, 1e4), (1e4, 1e5), (1e5, math.inf))


@dataclass(frozen=True)
class PretrainSettings:
    """What a person decides.

    Attributes:
        scenes: Simulated scans to learn from.
        held_out: Simulated scans of other families to judge by.
        workers: Processes that draw scenes; the result does not depend on it.
        fit: Size of the network, steps, rates, seed.
    """

    scenes: int = 2000
    held_out: int = 60
    workers: int = 1
    fit: FitOptions = field(default_factory=FitOptions)


def pretrain(path: Path, settings: PretrainSettings) -> dict[str, Any]:
    """Train a canvas network and write it as a bundle.

    Args:
        path: The bundle to write.
        settings: Scenes, steps, seed.

    Returns:
        Settings and validation, as they stand in the bundle too.

    Raises:
        DivergedError: The training became non-finite.
    """
    first = settings.fit.seed * _SEEDS
    scenes = list(_draw(range(first, first + settings.scenes), draw_scene, settings.workers))
    network = fit_network(scenes, settings.fit, _tell)
    rows = validate(network, _held_out(settings))
    summary = {
        "scenes": len(scenes),
        **asdict(settings.fit),
        "torch": str(torch.__version__),
        "validation": rows,
    }
    save_pretrained(path, network, summary)
    return summary


def judge_bundle(path: Path | None, settings: PretrainSettings) -> dict[str, Any]:
    """Judge a bundle on scans of families that training never shows.

    Args:
        path: The bundle; None takes the shipped one.
        settings: How many scans, which seed.

    Returns:
        The bundle's name, how many scans, and `validate`'s rows.

    Raises:
        BundleError: The file is not a pretrained network.
    """
    found = load_pretrained(path)
    scenes = _held_out(settings)
    rows = validate(found.network, scenes)
    return {"bundle": found.path.name, "held_out": len(scenes), "validation": rows}


def _held_out(settings: PretrainSettings) -> list[Scene]:
    """The last scenes of the seed's range, of other objects."""
    end = (settings.fit.seed + 1) * _SEEDS
    unseen = partial(draw_scene, draw_object=held_out_object)
    return list(_draw(range(end - settings.held_out, end), unseen, settings.workers))


def validate(network: CanvasNetwork, scenes: list[Scene]) -> list[dict[str, Any]]:
    """Compare the network's objects and the engine's with the truth.

    Args:
        network: The trained network.
        scenes: Scans of other families than it was trained on.

    Returns:
        A row for every band of doses: `photons_from`, `scenes`, and the geometric means
        `amplitude_ratio` and `phase_ratio` of the network's mean absolute error over the
        engine's; below 1 the network helps.
    """
    ratios = [(scene.nphotons, *_error_ratios(network, scene)) for scene in scenes]
    rows = []
    for low, high in _BANDS:
        chosen = np.array([r[1:] for r in ratios if low <= r[0] < high])
        if len(chosen):
            amplitude, phase = np.exp(np.log(chosen).mean(axis=0))
            rows.append(
                {
                    "photons_from": low,
                    "scenes": len(chosen),
                    "amplitude_ratio": float(amplitude),
                    "phase_ratio": float(phase),
                }
            )
    return rows


def _error_ratios(network: CanvasNetwork, scene: Scene) -> tuple[float, float]:
    canvas = Canvas(scene.iterate.numpy(), scene.light.numpy(), (0, 0))
    before = _errors(canvas, scene)
    after = _errors(bettered(canvas, scene.nphotons, network), scene)
    return after[0] / before[0], after[1] / before[1]


def _errors(canvas: Canvas, scene: Scene) -> tuple[float, float]:
    """Mean absolute error of amplitude and phase where there is light, ramp and gain removed."""
    window = lit_window(scene.light, _WELL_LIT)
    inside = (scene.light > _WELL_LIT * scene.light.max())[window].numpy()
    truth = scene.truth[window].numpy()
    found = align(canvas.object[window], truth, 0, inside).image
    amplitude = np.abs(np.abs(found) - np.abs(truth))[inside].mean()
    phase = np.abs(np.angle(found * np.conj(truth)))[inside].mean()
    return float(amplitude), float(phase)


def _draw(seeds: range, draw: Callable[[int], Scene], workers: int) -> Iterator[Scene]:
    """Draw scenes in their order, those left out in which the engine diverged."""
    drawn = (
        _drawn_by_workers(seeds, draw, workers)
        if workers > 1
        else map(partial(_draw_one, draw), seeds)
    )
    for number, scene in enumerate(drawn, 1):
        if scene is not None:
            yield scene
        if number % 100 == 0 or number == len(seeds):
            logger.info("scene %d/%d", number, len(seeds))


def _drawn_by_workers(
    seeds: range, draw: Callable[[int], Scene], workers: int
) -> Iterator[Scene | None]:
    with ProcessPoolExecutor(workers, get_context("spawn"), _one_thread) as pool:
        yield from pool.map(partial(_draw_one, draw), seeds, chunksize=4)


def _one_thread() -> None:
    torch.set_num_threads(1)


def _draw_one(draw: Callable[[int], Scene], seed: int) -> Scene | None:
    try:
        return draw(seed)
    except DivergedError as error:
        logger.warning("scene %d left out: %s", seed, error)
        return None


def _tell(step: int, loss: float) -> None:
    if step % 500 == 0:
        logger.info("step %d loss=%.3f", step, loss)

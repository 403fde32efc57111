"""The pretrained network's part: it betters the object that the engine found, at any probe."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

from ptycho_torch.archive import read_archive
from ptycho_torch.bundle import SCALES
from ptycho_torch.iterative import IterativeOutcome
from ptycho_torch.methods.scene import Scene
from ptycho_torch.pretrained import PRETRAINED_FILE, TRAINING, Pretrained, load_pretrained
from ptycho_torch.reconstruct.learned import bettered
from ptycho_torch.reconstruct.result import measure

logger = logging.getLogger(__name__)


def given_prior(path: Path) -> Pretrained | None:
    """Load a file if it is a pretrained network, not a trained model.

    Args:
        path: A file, or its folder.

    Returns:
        The network; None for anything else, whose own reader then says what is wrong.

    Raises:
        BundleError: The archive or the pretrained network in it is damaged.
    """
    file = path / PRETRAINED_FILE if path.is_dir() else path
    if path.is_dir() and not file.exists():
        return None
    _, members = read_archive(file)
    if TRAINING not in members or SCALES in members:
        return None
    return load_pretrained(file)


def bettered_outcome(found: IterativeOutcome, scene: Scene, prior: Pretrained) -> IterativeOutcome:
    """Send the engine's object through the pretrained network.

    Nothing follows: further passes of the engine bring back the photon noise that was taken out
    (on simulated scans even two of large batches undid all of it).

    Args:
        found: What the engine found.
        scene: The scan.
        prior: The network.

    Returns:
        The bettered object with the engine's probe and positions; `facts` has the R factor
        before.

    Raises:
        DivergedError: An object became non-finite.
    """
    before = found.reconstruction
    canvas = bettered(before.canvas, before.scales.nphotons, prior.network)
    r_factor = measure(before, scene.given)["r_factor"]
    logger.info("before the network: R=%.4f", r_factor)
    outcome = replace(found, reconstruction=replace(before, canvas=canvas))
    return replace(outcome, facts={**found.facts, "before_network_r_factor": r_factor})

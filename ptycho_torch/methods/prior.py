"""The pretrained network's part: it betters the object that the engine found, at any probe."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

from ptycho_torch.archive import read_archive
from ptycho_torch.bundle import SCALES
from ptycho_torch.iterative import IterativeOutcome, improved
from ptycho_torch.losses import choose_mode
from ptycho_torch.methods.scene import Scene
from ptycho_torch.pretrained import PRETRAINED_FILE, TRAINING, Pretrained, load_pretrained
from ptycho_torch.reconstruct.engine import Likelihood, RpieOptions
from ptycho_torch.reconstruct.learned import bettered
from ptycho_torch.reconstruct.result import measure

CLOSING_EPOCHS = 2
CLOSING_BATCH = 64

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


def closing_passes(nphotons: float) -> RpieOptions:
    """Say how the engine goes on from the network's object.

    Momentum and small batches would bring the photon noise back that the network took out.

    Args:
        nphotons: Mean photons per pattern.

    Returns:
        Few passes, of large batches and without momentum.
    """
    likelihood: Likelihood = (
        "poisson" if choose_mode("auto", nphotons) == "poisson" else "amplitude"
    )
    return RpieOptions(
        epochs=CLOSING_EPOCHS,
        batch_size=CLOSING_BATCH,
        alpha=1.0,
        likelihood=likelihood,
        nphotons=nphotons,
    )


def bettered_outcome(
    found: IterativeOutcome, scene: Scene, prior: Pretrained, *, closing: bool
) -> IterativeOutcome:
    """Send the engine's object through the pretrained network.

    Args:
        found: What the engine found.
        scene: The scan.
        prior: The network.
        closing: Whether gentle passes of the engine follow.

    Returns:
        The bettered object with the engine's probe and positions; `facts` has the R factor
        before.

    Raises:
        DivergedError: An object became non-finite.
    """
    before = found.reconstruction
    canvas = bettered(before.canvas, before.scales.nphotons, prior.network)
    outcome = replace(found, reconstruction=replace(before, canvas=canvas))
    if closing:
        passes = closing_passes(before.scales.nphotons)
        after = improved(outcome.reconstruction, scene.amplitude, scene.mask, passes)
        outcome = replace(
            outcome, reconstruction=after.reconstruction, epochs=found.epochs + after.epochs
        )
    r_factor = measure(before, scene.scan)["r_factor"]
    logger.info("before the network: R=%.4f", r_factor)
    return replace(outcome, facts={**found.facts, "before_network_r_factor": r_factor})

"""When a loss says that something went wrong: too little learnt, or the noise learnt."""

from __future__ import annotations

import math

from ptycho_torch.data.remark import Remark
from ptycho_torch.errors import DivergedError

POOR_RATIO = 0.7
"""What leaves more of the flat object's loss than this has found next to nothing."""
FITS_NOISE_BELOW = 0.5
"""A loss below this fraction of the expected photon noise is a fit to the noise."""
_ABOVE_NOISE = 1.2
"""Sound scans of up to 10^7 photons a pattern end below this many times photon noise."""
_EXCESS_R = 0.02
"""With more photons also a fine object leaves up to this part of the amplitudes beside noise."""
_FEW_PHOTONS = 25.0
"""Fewer on an object pixel leave it noise of more than a fifth."""
_NOISY = 1.1
"""Up to this many times the photon noise a loss is mostly noise."""
_TELLING = 0.05
"""The flat object must leave this fraction of its loss above the noise, or nothing can be told."""


def share_left(loss: float, flat_loss: float, noise_loss: float) -> float | None:
    """How much of what can be explained is still unexplained.

    With few photons most of any loss is noise, also the flat object's and the true object's; so
    the noise is taken off both.

    Args:
        loss: What the object leaves.
        flat_loss: What the flat object leaves.
        noise_loss: What photon noise leaves of the true object.

    Returns:
        0 for an object as good as the truth, 1 for one as bad as the flat object; None when the
        flat object is no worse than noise.
    """
    explainable = flat_loss - noise_loss
    if explainable < _TELLING * flat_loss:
        return None
    return max(0.0, loss - noise_loss) / explainable


def training_alarms(loss: float, flat_loss: float, noise_loss: float) -> tuple[Remark, ...]:
    """Judge a trained network by its loss.

    Args:
        loss: At the end.
        flat_loss: Of the flat object.
        noise_loss: Of photon noise alone.

    Returns:
        `collapse` and `overfit`, as far as they are true.
    """
    left = share_left(loss, flat_loss, noise_loss)
    alarms = []
    if left is not None and left > POOR_RATIO:
        alarms.append(
            Remark(
                "collapse",
                f"the trained loss is {left:.2f} of the flat object's above photon noise: the "
                "network has hardly learnt",
                "the probe may be wrong (--prepare-probe on), the run too short (--max_epochs), "
                "or the architecture `plain`",
            )
        )
    if loss < FITS_NOISE_BELOW * noise_loss:
        alarms.append(
            Remark(
                "overfit",
                f"the trained loss {loss:.3g} lies far below the photon noise {noise_loss:.3g}: "
                "the network fits the noise",
                "use --gridsize 2 or fewer epochs",
            )
        )
    return tuple(alarms)


def object_alarms(
    loss: float, flat_loss: float, noise_loss: float, scan: str = "SCAN"
) -> tuple[Remark, ...]:
    """Judge a finished object by its amplitude loss on the patterns, the square of its R factor.

    Args:
        loss: Of the object with its probe.
        flat_loss: Of the flat object with the same probe.
        noise_loss: Of photon noise alone.
        scan: Its file as a shell reads it, for a command to paste.

    Returns:
        `unexplained` for an object hardly better than the flat one, else `misfit` for one that
        leaves far more than noise; nothing for a sound one.

    Raises:
        DivergedError: The object explains less than nothing at all would.
    """
    if loss > 1:
        raise DivergedError(
            f"the object's R factor is {math.sqrt(loss):.3g}: no light at all would fit better",
            "try --no_update_probe or other positions, and look at `ptycho-torch check`",
        )
    found, noise = math.sqrt(loss), math.sqrt(noise_loss)
    if found < _ABOVE_NOISE * noise:
        return ()
    left = share_left(loss, flat_loss, noise_loss)
    if left is not None and left > POOR_RATIO:
        message = f"object and probe leave {left:.2f} of the flat object's loss above photon noise"
        hint = f"the probe or the positions are probably wrong: run `ptycho-torch check {scan}`"
        return (Remark("unexplained", message, hint),)
    if loss - noise_loss < _EXCESS_R**2:
        return ()
    message = f"R={found:.3f} is {found / noise:.1f} times what photon noise leaves"
    hint = (
        f"something is not described: first run `ptycho-torch check {scan}`; if it finds nothing, "
        "try --search_probe always, --correct_positions, --modes 2 or 3, or more --epochs"
    )
    return (Remark("misfit", message, hint),)


def control_alarms(loss: float, control_loss: float, noise_loss: float) -> tuple[Remark, ...]:
    """Judge a finished object by what single-pattern projections explain without any iteration.

    Projections fit every pattern on its own, its noise included; so where photon noise is most of
    what is left, a lower R of theirs means nothing.

    Args:
        loss: Of the object with its probe, the square of its R factor.
        control_loss: Of the projections.
        noise_loss: Of photon noise alone.

    Returns:
        `no-gain`, if the projections explain more and it is not noise that they explain.
    """
    if loss <= control_loss or control_loss <= _NOISY * noise_loss:
        return ()
    found, control = math.sqrt(loss), math.sqrt(control_loss)
    message = f"R={found:.3g} is no better than the {control:.3g} of projections without a network"
    hint = (
        "the patterns do not agree with each other: positions or probe may be wrong, or the run "
        "too short (--epochs, --train_steps)"
    )
    return (Remark("no-gain", message, hint),)


def dose_alarms(photons_per_pixel: float) -> tuple[Remark, ...]:
    """Judge how far an object can be trusted pixel by pixel.

    A pixel that n photons passed is known to about 1 / sqrt(n), in units of its own amplitude
    and in radians, whichever method is used; only what is known of objects beforehand helps.

    Args:
        photons_per_pixel: Photons that passed a pixel of the object, over all patterns.

    Returns:
        `few-photons`, if it is true.
    """
    if photons_per_pixel >= _FEW_PHOTONS:
        return ()
    noise = 1 / math.sqrt(photons_per_pixel) if photons_per_pixel > 0 else math.inf
    message = (
        f"about {photons_per_pixel:.2g} photons passed an object pixel: photon noise of about "
        f"{noise:.2g}"
    )
    hint = "contrast weaker than that is noise: trust larger features only, or expose longer"
    return (Remark("few-photons", message, hint),)


def settling_alarms(falling: float | None, epochs: int) -> tuple[Remark, ...]:
    """Judge whether iterations ended before they had settled.

    Args:
        falling: Share by which what is unexplained fell in the last three epochs; None where the
            run has settled.
        epochs: How many there were.

    Returns:
        `not-settled`, if it is true.
    """
    if falling is None:
        return ()
    message = f"R still falls after {epochs} epochs: {falling:.0%} of what is above photon noise"
    return (Remark("not-settled", f"{message} in the last 3", f"try --epochs {3 * epochs}"),)

"""Which method suits a scan: a rule of numbers, with its reason in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Method = Literal["net", "pie", "hybrid"]
AskedMethod = Literal["auto", "net", "pie", "hybrid"]
NetworkSource = Literal["bundle", "pretrained", "trained here", "none"]

LOW_DOSE_PHOTONS = 1e5
"""Mean photons per pattern below which photon noise, not convergence, limits the object."""
PRIOR_FROM_PHOTONS = 100
"""The smallest dose at which the pretrained network was measured, and trained."""
FEW_PATTERNS = 200
"""Up to this many patterns a trained network is a better start than the flat object."""


@dataclass(frozen=True)
class Facts:
    """What the choice depends on.

    Attributes:
        photons_per_pattern: Mean.
        patterns: How many.
        has_bundle: Whether a trained bundle was given.
        misfit: Why it does not fit the scan, in words; None when it does or there is none.
        has_prior: Whether there is a pretrained network, which fits any scan.
    """

    photons_per_pattern: float
    patterns: int
    has_bundle: bool = False
    misfit: str | None = None
    has_prior: bool = False


@dataclass(frozen=True)
class Choice:
    """A method and why it was taken.

    Attributes:
        method: What is done.
        network: Where its network comes from.
        reason: One line for the log and `metrics.json`.
    """

    method: Method
    network: NetworkSource
    reason: str


def choose_method(asked: AskedMethod, facts: Facts) -> Choice:
    """Choose a method.

    The pretrained network costs a fraction of a second and betters amplitude and phase where
    photons are few, but not very few. Elsewhere iterations alone end as near to the object, and
    training on the scan itself costs more than they do.

    Args:
        asked: What the person asked for.
        facts: What is known of the scan and the bundle.

    Returns:
        The choice.
    """
    if asked != "auto":
        source: NetworkSource = "none"
        if asked != "pie":
            source = "bundle" if facts.has_bundle else "trained here"
            source = "pretrained" if facts.has_prior else source
        return Choice(asked, source, "asked for by --method")
    weak = _weakness(facts)
    if not facts.has_bundle and not facts.has_prior:
        return Choice("pie", "none", f"{_size(facts)} and no trained network at hand")
    misfit = "" if facts.misfit is None else f"; the bundle does not fit: {facts.misfit}"
    if weak is None:
        reason = f"{_size(facts)}: iterations alone get nearer than a network"
        return Choice("pie", "none", reason + misfit)
    if facts.has_bundle and not misfit:
        return Choice("hybrid", "bundle", f"{weak}, and the bundle fits: its object is the start")
    if facts.has_prior and PRIOR_FROM_PHOTONS <= facts.photons_per_pattern < LOW_DOSE_PHOTONS:
        return Choice(
            "hybrid", "pretrained", f"{weak}: the pretrained network takes noise out{misfit}"
        )
    if facts.photons_per_pattern < PRIOR_FROM_PHOTONS:
        weak += ", fewer than the pretrained network knows"
    return Choice("pie", "none", f"{weak}: iterations alone{misfit}")


def _weakness(facts: Facts) -> str | None:
    if facts.photons_per_pattern < LOW_DOSE_PHOTONS:
        return f"only {facts.photons_per_pattern:.3g} photons a pattern"
    if facts.patterns <= FEW_PATTERNS:
        return f"only {facts.patterns} patterns"
    return None


def _size(facts: Facts) -> str:
    return f"{facts.patterns} patterns of {facts.photons_per_pattern:.3g} photons"

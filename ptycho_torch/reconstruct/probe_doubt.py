"""Half-way through a run: is the start probe to blame, and is there a better one?"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor

from ptycho_torch.data.scan import Array
from ptycho_torch.reconstruct.judge import Judge
from ptycho_torch.reconstruct.options import RpieOptions
from ptycho_torch.reconstruct.probe_search import FoundStart, ProbeSearch
from ptycho_torch.reconstruct.state import RunState

PROBE_SEARCH = "probe_search"
"""Name of what a search found among the facts of a run."""

DOUBT_ABOVE: Mapping[str, float | None] = {"auto": 0.3, "always": 0.02, "never": None}
"""A run that leaves more than this of what the mean pattern leaves has a wrong probe, or
wrong positions. On simulated scans right probes leave below 0.05 after half of the epochs and
wrong ones 0.15 to 20; real scans with faults of their own leave up to 0.2, and a search that finds
nothing there costs more than their run, so it must be asked for."""

logger = logging.getLogger(__name__)


class ProbeDoubt:
    """Looks for another start probe when a run explains too little (`run_engine`'s `doubt`).

    Args:
        given: (mode, N, N) complex64 of unit energy, the run's start.
        judge: Of the run's patterns.
        above: What a run must leave to be doubted.

    Attributes:
        found: The better start, once there is one.
    """

    def __init__(self, given: Tensor, judge: Judge, above: float) -> None:
        self._given, self._judge, self._above = given, judge, above
        self.found: FoundStart | None = None

    def __call__(self, state: RunState) -> bool:
        """Judge a run, and search if it is doubtful.

        Args:
            state: Of the run.

        Returns:
            Whether a better start was found, so that the run is to be given up.
        """
        options = state.options
        if not options.update_probe or not isinstance(options, RpieOptions):
            return False
        left = self._judge.left(state.r_factor)
        if left < self._above or not self._judge.plain(state.r_factor):
            return False
        logger.info(
            "R=%.4f is %.2g of what the mean pattern leaves above photon noise: "
            "looking for another start probe",
            *(state.r_factor, left),
        )
        search = ProbeSearch(state.amplitude, state.start.numpy(), state.mask, options)
        self.found = search.find(self._given, state.probe)
        if self.found is None:
            logger.info("none of %d start probes is better", search.tried)
            return False
        logger.info("starting anew: %s", told_start(self.facts()[PROBE_SEARCH]))
        return True

    def facts(self) -> dict[str, Any]:
        """What was found, for `metrics.json`.

        Returns:
            `probe_search` with plain values; empty where nothing was found.
        """
        if self.found is None:
            return {}
        found = self.found
        values = {
            "start": found.start.origin,
            "defocus_rad": found.start.defocus_rad,
            "r_factor_given": found.r_given if math.isfinite(found.r_given) else None,
            "r_factor_found": found.r_found,
            "tried": found.tried,
        }
        return {PROBE_SEARCH: values}


def told_start(values: Mapping[str, Any], travelled_m: float | None = None) -> str:
    """Say in words what a search found.

    Args:
        values: Of `ProbeDoubt.facts`.
        travelled_m: Distance that the defocus stands for, where the geometry is known.

    Returns:
        One line.
    """
    defocus = values["defocus_rad"]
    way = "" if travelled_m is None else f", {travelled_m * 1e3:+.3g} mm along the beam"
    focus = f", defocused by {defocus:+.3g} rad at the detector's edge{way}" if defocus else ""
    given = values["r_factor_given"]
    before = "" if given is None else f" {given:.3f} ->"
    return (
        f"the given probe cannot explain the patterns; start probe from {values['start']}{focus}: "
        f"R{before} {values['r_factor_found']:.3f} in a few passes"
    )


def searched_as_array(facts: Mapping[str, Any]) -> dict[str, Array]:
    """Keep what a search found in a checkpoint.

    Args:
        facts: Of the run so far.

    Returns:
        One array of text, or nothing.
    """
    if PROBE_SEARCH not in facts:
        return {}
    return {PROBE_SEARCH: np.array(json.dumps(facts[PROBE_SEARCH]))}


def searched_before(begin: Mapping[str, Array]) -> dict[str, Any]:
    """Read what `searched_as_array` kept.

    Args:
        begin: What a stage began with.

    Returns:
        Facts of the run so far.
    """
    if PROBE_SEARCH not in begin:
        return {}
    return {PROBE_SEARCH: json.loads(str(begin[PROBE_SEARCH]))}

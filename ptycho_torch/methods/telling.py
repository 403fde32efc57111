"""What was done to a scan, in a few lines for a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ptycho_torch.data.formats.geometry import PLANCK_TIMES_LIGHT_EV_M
from ptycho_torch.data.scan import ScanData
from ptycho_torch.iterative import IterativeOutcome, IterativeSettings, chosen_likelihood
from ptycho_torch.methods.choice import Choice
from ptycho_torch.physics.aberrations import travelled_m
from ptycho_torch.reconstruct.probe_doubt import PROBE_SEARCH, told_start

_NETWORKS = {
    "bundle": "network of the bundle, applied to every pattern and stitched",
    "trained here": "network trained on this scan, applied to every pattern and stitched",
    "pretrained": "pretrained network, applied to the engine's object",
}


def told(
    choice: Choice,
    how: IterativeSettings,
    outcome: IterativeOutcome,
    figures: Mapping[str, Any],
    scan: ScanData,
) -> list[str]:
    """Say what was done.

    Args:
        choice: The method.
        how: Settings of the iterations.
        outcome: Of the iterations.
        figures: Of `report.judged_object`.
        scan: The measurement, for its lengths.

    Returns:
        Lines: the network, the iterations, the start probe that was looked for, the modes.
    """
    done = [] if choice.network == "none" else [_NETWORKS[choice.network]]
    if outcome.epochs:
        likelihood = chosen_likelihood(how.likelihood, outcome.reconstruction.scales.nphotons)
        probe = "refined" if how.update_probe else "as given"
        done.append(
            f"{len(outcome.epochs)} passes of the engine; likelihood {likelihood}, "
            f"probe {probe}, {_moves(figures['position_correction_px'])}"
        )
    if PROBE_SEARCH in outcome.facts:
        values = outcome.facts[PROBE_SEARCH]
        done.append(told_start(values, _travelled(values["defocus_rad"], scan)))
    powers = figures["probe_mode_powers"]
    if len(powers) > 1:
        done.append(f"light in the probe's modes: {', '.join(f'{p:.1%}' for p in powers)}")
    return done


def _moves(moved: Mapping[str, float] | None) -> str:
    """How far the positions went."""
    if moved is None:
        return "positions as given"
    return f"positions moved by {moved['median']:.2f} px (median), {moved['largest']:.2f} at most"


def _travelled(defocus_rad: float, scan: ScanData) -> float | None:
    """The way along the beam that a defocus stands for, where the scan knows its lengths."""
    if scan.pixel_size_m is None or scan.energy_ev is None:
        return None
    return travelled_m(defocus_rad, scan.pixel_size_m, PLANCK_TIMES_LIGHT_EV_M / scan.energy_ev)

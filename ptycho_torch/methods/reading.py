"""What the figures of a run mean: beside photon noise, beside no network, for a person."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping
from typing import Any

import numpy as np

from ptycho_torch.alarms import control_alarms, dose_alarms, object_alarms, settling_alarms
from ptycho_torch.data.remark import Remark
from ptycho_torch.losses import photon_noise
from ptycho_torch.methods.scene import Scene
from ptycho_torch.reconstruct.assemble import canvas_intensity
from ptycho_torch.reconstruct.result import Reconstruction, scan_window

_NEAR = 1.1
"""Up to this many times photon noise, R is mostly noise and orders nothing."""
_CHUNK = 256
_AS_LOW = 1.05
"""Up to this many times photon noise, nothing else is left to explain."""


def noise_r_factor(found: Reconstruction, scene: Scene) -> float:
    """What photon noise alone leaves: the R factor that the true object would have.

    Args:
        found: A reconstruction, whose patterns say how bright every pixel is expected to be.
        scene: The scan.

    Returns:
        The root of the expected amplitude loss.
    """
    dose, probe, total = scene.scales.nphotons, found.unit_probe(), 0.0
    for start in range(0, len(found.positions_px), _CHUNK):
        positions = found.positions_px[start : start + _CHUNK]
        expected = canvas_intensity(found.canvas, positions, probe)
        total += len(positions) * photon_noise("amplitude", dose, expected, scene.mask)
    return math.sqrt(total / len(found.positions_px))


def object_dose(found: Reconstruction) -> float:
    """Photons that passed a pixel of the object, over all patterns.

    Args:
        found: The reconstruction.

    Returns:
        Median over the scan window.
    """
    inside = scan_window(found.canvas, found.positions_px)
    return float(np.median(found.canvas.coverage[inside])) * found.scales.nphotons


def object_remarks(metrics: Mapping[str, Any], source: str) -> tuple[Remark, ...]:
    """Say what looks wrong with a finished object.

    Args:
        metrics: Of `report.judged_object`.
        source: File of the scan.

    Returns:
        Alarms, each with its slug.

    Raises:
        DivergedError: The object explains less than nothing at all would.
    """
    names = ("r_factor", "flat_r_factor", "noise_r_factor", "projections_r_factor")
    loss, flat, noise, control = (float(metrics[name]) ** 2 for name in names)
    alarms = object_alarms(loss, flat, noise, shlex.quote(source))
    few = dose_alarms(metrics["photons_per_object_pixel"])
    unsettled = settling_alarms(metrics.get("falling"), metrics.get("stopped_after", 0))
    return (*alarms, *control_alarms(loss, control, noise), *few, *unsettled)


def reading(metrics: Mapping[str, Any]) -> str:
    """Say how to read the column R.

    Args:
        metrics: Of `report.judged_object`.

    Returns:
        A sentence.
    """
    found, noise = metrics["r_factor"], metrics["noise_r_factor"]
    if metrics["projections_r_factor"] < found < _NEAR * noise:
        return (
            f"even the true object would leave R={noise:.3g}, the photon noise: a lower R near it "
            "is fitted noise, no better object; use the reconstruction"
        )
    if found < _AS_LOW * noise:
        return "R is as low as photon noise allows: the patterns are explained"
    return f"R is {found / noise:.2g} times what photon noise alone leaves"

"""What a reconstruction is worth, in rows that always hold the flat object and no network."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from ptycho_torch.alarms import dose_alarms, object_alarms
from ptycho_torch.artifacts import write_bytes, write_json
from ptycho_torch.data.remark import Remark
from ptycho_torch.iterative import METRICS_FILE, InferenceResult, judged, position_change
from ptycho_torch.losses import photon_noise
from ptycho_torch.methods.scene import Scene
from ptycho_torch.pictures import draw_curve, draw_probe
from ptycho_torch.reconstruct.engine import Epoch
from ptycho_torch.reconstruct.probe_modes import mode_powers
from ptycho_torch.reconstruct.result import (
    Reconstruction,
    compare,
    measure,
    scan_window,
    write_reconstruction,
)
from ptycho_torch.runtime import CONFIG_FILE

FOUND_ROW = "reconstruction"
CONTROL_ROW = "projections + sync, no network"
FLAT_ROW = "flat object"
DATA_COLUMNS = ("r_factor", "poisson_nll_per_pixel")
TRUTH_COLUMNS = (
    *("mae_amplitude", "mae_phase_rad", "relative_error"),
    *("ssim_amplitude", "ssim_phase", "frc50_per_px"),
)
PROBE_PICTURE = "probe.png"
CURVE_PICTURE = "r_factor.png"

logger = logging.getLogger(__name__)


def judged_object(found: Reconstruction, control: Reconstruction, scene: Scene) -> dict[str, Any]:
    """Measure a reconstruction, beside the flat object and the projections without a network.

    Args:
        found: The reconstruction.
        control: What single-pattern projections give.
        scene: The scan.

    Returns:
        Figures for `metrics.json`; `rows` has the three rows of the table.
    """
    metrics = judged(found, scene.scan)
    without = measure(control, scene.scan)
    logger.info("%s: R=%.4f", CONTROL_ROW, without["r_factor"])
    if "reconstruction" in metrics and scene.scan.object is not None:
        without |= compare(control, scene.scan.object)
    return {
        **metrics,
        "projections_r_factor": without["r_factor"],
        "rows": {
            FOUND_ROW: _row(metrics, "", "reconstruction"),
            CONTROL_ROW: _row(without, "", "reconstruction"),
            FLAT_ROW: _row(metrics, "flat_", "flat"),
        },
        "photons_per_object_pixel": object_dose(found),
        "probe_mode_powers": mode_powers(found.unit_probe()).tolist(),
        "position_correction_px": position_change(found),
    }


def object_remarks(metrics: Mapping[str, Any], scene: Scene) -> tuple[Remark, ...]:
    """Say what looks wrong with a finished object.

    Args:
        metrics: Of `judged_object`.
        scene: The scan.

    Returns:
        Alarms, each with its slug.
    """
    mean = scene.amplitude.square().mean(dim=0)
    noise = photon_noise("amplitude", scene.scales.nphotons, mean, scene.mask)
    loss, flat = (float(metrics[name]) ** 2 for name in ("r_factor", "flat_r_factor"))
    few = dose_alarms(metrics["photons_per_object_pixel"])
    return (*object_alarms(loss, flat, noise), *few)


def object_dose(found: Reconstruction) -> float:
    """Photons that passed a pixel of the object, over all patterns.

    Args:
        found: The reconstruction.

    Returns:
        Median over the scan window.
    """
    inside = scan_window(found.canvas, found.positions_px)
    return float(np.median(found.canvas.coverage[inside])) * found.scales.nphotons


def write_run(
    folder: Path,
    found: Reconstruction,
    epochs: Sequence[Epoch],
    metrics: dict[str, Any],
    decided: Mapping[str, Any],
    *,
    pictures: bool = True,
) -> InferenceResult:
    """Write object, probe, positions, pictures, metrics and what was decided.

    Args:
        folder: Where everything goes.
        found: The reconstruction.
        epochs: Of the iterations, for the curve; none for a network alone.
        metrics: Content of `metrics.json`.
        decided: Content of `config.yaml`.
        pictures: Whether pictures are drawn.

    Returns:
        Reconstruction, metrics and files, the reconstruction first.
    """
    files = write_reconstruction(folder, found, pictures=pictures)
    if pictures:
        files += _pictures(folder, found, epochs, metrics["rows"])
    files.append(folder / CONFIG_FILE)
    write_bytes(files[-1], yaml.safe_dump(dict(decided), sort_keys=False).encode())
    files.append(folder / METRICS_FILE)
    write_json(files[-1], metrics)
    logger.info("reconstruction saved: %s", files[0])
    return InferenceResult(found, metrics, files)


def _pictures(
    folder: Path,
    found: Reconstruction,
    epochs: Sequence[Epoch],
    rows: Mapping[str, Mapping[str, float]],
) -> list[Path]:
    """Draw the probe, and the course of the iterations where there were any."""
    files = [folder / PROBE_PICTURE]
    draw_probe(files[0], found.probe)
    (folder / CURVE_PICTURE).unlink(missing_ok=True)
    if epochs:
        files.append(folder / CURVE_PICTURE)
        levels = {name: rows[name]["r_factor"] for name in (CONTROL_ROW, FLAT_ROW)}
        draw_curve(files[-1], {"R": [epoch.r_factor for epoch in epochs]}, levels=levels)
    return files


def as_records(remarks: Sequence[Remark]) -> list[dict[str, str]]:
    """Turn remarks into plain values for JSON.

    Args:
        remarks: What looks wrong.

    Returns:
        `slug`, `message` and `hint` of each.
    """
    return [asdict(remark) for remark in remarks]


def _row(metrics: Mapping[str, Any], prefix: str, truth: str) -> dict[str, float | None]:
    row = {name: metrics[f"{prefix}{name}"] for name in DATA_COLUMNS}
    known = metrics.get(truth, {})
    return row | {name: known[name] for name in TRUTH_COLUMNS if name in known}

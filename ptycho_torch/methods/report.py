"""What a reconstruction is worth, in rows that always hold the flat object and no network."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from ptycho_torch.artifacts import write_bytes, write_json
from ptycho_torch.data.remark import Remark
from ptycho_torch.iterative import METRICS_FILE, InferenceResult, judged, position_change
from ptycho_torch.methods.reading import noise_r_factor, object_dose
from ptycho_torch.methods.scene import Scene
from ptycho_torch.pictures import draw_curve, draw_probe
from ptycho_torch.reconstruct.engine import Epoch
from ptycho_torch.reconstruct.probe_modes import mode_powers
from ptycho_torch.reconstruct.result import (
    Reconstruction,
    compare,
    measure,
    write_reconstruction,
)
from ptycho_torch.runtime import CONFIG_FILE

FOUND_ROW = "reconstruction"
CONTROL_ROW = "projections + sync, no network"
FLAT_ROW = "flat object"
NOISE_ROW = "photon noise alone"
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
        Figures for `metrics.json`; `rows` has the rows of the table, and last the R factor that
        photon noise alone leaves of the true object.
    """
    metrics = judged(found, scene.given)
    without, noise = measure(control, scene.given), noise_r_factor(found, scene)
    logger.info("%s: R=%.4f", CONTROL_ROW, without["r_factor"])
    if "reconstruction" in metrics and scene.given.object is not None:
        without |= compare(control, scene.given.object)
    return {
        **metrics,
        "projections_r_factor": without["r_factor"],
        "noise_r_factor": noise,
        "rows": {
            FOUND_ROW: _row(metrics, "", "reconstruction"),
            CONTROL_ROW: _row(without, "", "reconstruction"),
            FLAT_ROW: _row(metrics, "flat_", "flat"),
            NOISE_ROW: {"r_factor": noise},
        },
        "photons_per_object_pixel": object_dose(found),
        "probe_mode_powers": mode_powers(found.unit_probe()).tolist(),
        "position_correction_px": position_change(found),
    }


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
    draw_probe(files[0], found.probe, found.pixel_size_m)
    (folder / CURVE_PICTURE).unlink(missing_ok=True)
    if epochs:
        files.append(folder / CURVE_PICTURE)
        levels = {name: rows[name]["r_factor"] for name in (CONTROL_ROW, FLAT_ROW, NOISE_ROW)}
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

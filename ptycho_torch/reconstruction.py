"""The way of an inference run: bundle → groups → patches → phases → object → files.

Apart from `workflows`, because it needs no Lightning: that saves seconds of start-up.
"""

from __future__ import annotations

import logging

import numpy as np
import torch

from ptycho_torch.artifacts import make_folder, write_json
from ptycho_torch.bundle import InferenceBundle, load_inference_bundle_torch, probe_digest
from ptycho_torch.config import ExecutionConfig, InferenceConfig, InferencePayload
from ptycho_torch.data.dataset import PatternSet, prepare_patterns
from ptycho_torch.data.grouping import make_groups
from ptycho_torch.data.loading import load_inference_scan
from ptycho_torch.data.scan import Array, ScanData
from ptycho_torch.errors import DivergedError, PreconditionError
from ptycho_torch.instrumentation.patch_stats import PatchStatsLogger
from ptycho_torch.iterative import (
    METRICS_FILE,
    InferenceResult,
    improved,
    judged,
    measured_mask,
)
from ptycho_torch.reconstruct.assemble import Assembly, assemble
from ptycho_torch.reconstruct.debug_dump import write_debug_dump
from ptycho_torch.reconstruct.engine import RpieOptions
from ptycho_torch.reconstruct.predict import Prediction, predict_patches
from ptycho_torch.reconstruct.result import (
    Reconstruction,
    write_reconstruction,
)
from ptycho_torch.runtime import choose_device, log_scales, prepare_torch, write_config

PROBE_TOLERANCE = 0.2
"""Relative difference of two probes, up to a common factor, that is worth a warning."""

logger = logging.getLogger(__name__)


def run_inference_torch(payload: InferencePayload, scan: ScanData | None = None) -> InferenceResult:
    """Reconstruct a scan with a trained bundle and write everything the run leaves.

    Args:
        payload: The run's settings.
        scan: The scan, if it is in memory already; None reads the payload's file.

    Returns:
        Reconstruction, metrics and files.

    Raises:
        BundleError: The bundle cannot be trusted.
        PreconditionError: Scan and bundle do not fit, or the device is not there.
        DivergedError: The prediction is not finite.
    """
    scan = load_inference_scan(payload) if scan is None else scan
    bundle = load_inference_bundle_torch(payload.model_path)
    prepare_torch(payload.execution, bundle.info.training.seed)
    make_folder(payload.execution.output_dir)
    write_config(payload.execution.output_dir, payload)
    execution, recorder = payload.execution, None
    if execution.log_patch_stats:
        recorder = PatchStatsLogger(execution.output_dir, "inference", execution.patch_stats_limit)
    return reconstruct_scan(bundle, scan, payload.inference, execution, recorder)


def reconstruct_scan(
    bundle: InferenceBundle,
    scan: ScanData,
    inference: InferenceConfig,
    execution: ExecutionConfig,
    recorder: PatchStatsLogger | None = None,
) -> InferenceResult:
    """Reconstruct a scan and write object, pictures, metrics and what else was asked for.

    Args:
        bundle: Network, grouping and scales.
        scan: The measurement.
        inference: Number of groups, batch size, phases, refinement, debug folder.
        execution: Output folder and device.
        recorder: Takes the predicted patches, or None.

    Returns:
        Reconstruction, metrics and files.

    Raises:
        PreconditionError: Scan and bundle do not fit, or the device is not there.
        DivergedError: The prediction is not finite.
    """
    _check_fit(bundle, scan)
    log_scales(bundle.info.scales, "from the bundle: ")
    device = choose_device(execution.accelerator)
    prediction, patterns = predict_scan(bundle, scan, inference, device)
    if recorder is not None:
        _record(recorder, prediction, inference.batch_size)
    assembly, result = stitch_prediction(bundle, prediction, patterns, scan, inference)
    files = write_reconstruction(execution.output_dir, result)
    metrics = {
        "synchronised": assembly.synchronised,
        "components": assembly.components,
        **judged(result, scan),
    }
    files.append(execution.output_dir / METRICS_FILE)
    write_json(files[-1], metrics)
    if inference.debug_dump_dir is not None:
        files += write_debug_dump(
            inference.debug_dump_dir,
            prediction.patches.numpy(),
            result.positions_px,
            prediction.members.numel(),
            assembly.canvas,
        )
    logger.info("reconstruction saved: %s", files[0])
    return InferenceResult(result, metrics, files)


def predict_scan(
    bundle: InferenceBundle, scan: ScanData, inference: InferenceConfig, device: torch.device
) -> tuple[Prediction, PatternSet]:
    """Group a scan as in training and predict the patches of its groups.

    Args:
        bundle: Network, grouping and scales.
        scan: The measurement.
        inference: Number of groups and batch size.
        device: Where to compute.

    Returns:
        The patches by pattern, and the patterns in the network's units.

    Raises:
        DivergedError: A patch is not finite.
        PreconditionError: The scan is too small for its groups.
    """
    info = bundle.info
    groups = make_groups(
        scan.positions_px,
        info.data.gridsize,
        info.data.neighbor_count,
        inference.n_images,
        info.training.seed,
    )
    logger.info("%d groups of %d patterns", len(groups), groups.channels)
    patterns = prepare_patterns(scan, info.scales, bundle.network.probe.cpu(), info.model)
    prediction = predict_patches(bundle.network, patterns, groups, inference.batch_size, device)
    if not bool(torch.isfinite(prediction.patches.abs()).all()):
        raise DivergedError(
            "the network predicts patches that are not finite", "train again, at a lower rate"
        )
    return prediction, patterns


def stitch_prediction(
    bundle: InferenceBundle,
    prediction: Prediction,
    patterns: PatternSet,
    scan: ScanData,
    inference: InferenceConfig,
) -> tuple[Assembly, Reconstruction]:
    """Stitch the patches, and refine the object if asked to.

    Args:
        bundle: Network and scales.
        prediction: The patches.
        patterns: The patterns they were predicted from.
        scan: The measurement.
        inference: Whether phases are aligned, and epochs of refinement.

    Returns:
        How the object came together, and the reconstruction.

    Raises:
        DivergedError: A patch or the refined object is not finite.
    """
    info, chosen = bundle.info, prediction.patterns
    positions = scan.positions_px[chosen.numpy()]
    probe = bundle.network.probe.cpu()
    amplitude = patterns.amplitude[chosen]
    assembly = assemble(
        prediction.patches, positions, probe, amplitude, measured_mask(scan), inference.sync
    )
    scales = info.scales.with_probe_in_data_unit()
    result = Reconstruction(
        canvas=assembly.canvas,
        probe=probe.numpy() / np.complex64(scales.probe_factor),
        positions_px=positions,
        patterns=chosen.numpy(),
        scales=scales,
        pixel_size_m=scan.pixel_size_m,
    )
    if inference.refine_epochs > 0:
        options = RpieOptions(epochs=inference.refine_epochs, seed=info.training.seed)
        result = improved(result, amplitude, measured_mask(scan), options).reconstruction
    return assembly, result


def _record(recorder: PatchStatsLogger, prediction: Prediction, batch_size: int) -> None:
    for index, batch in enumerate(prediction.batches(batch_size)):
        if not recorder.wants_more():
            break
        recorder.record(batch, index)
    recorder.write()


def _check_fit(bundle: InferenceBundle, scan: ScanData) -> None:
    require_size(bundle, scan)
    difference = foreign_probe(bundle, scan)
    if difference is not None:
        logger.warning(
            "the model was trained with another probe than the one in `%s` (difference %.2f); "
            "the model's is used",
            scan.source,
            difference,
        )


def require_size(bundle: InferenceBundle, scan: ScanData) -> None:
    """Make sure that a bundle is for patterns of a scan's size.

    Args:
        bundle: The trained network.
        scan: The measurement.

    Raises:
        PreconditionError: It is not.
    """
    size = bundle.network.probe.shape[-1]
    if scan.n_pixel != size:
        raise PreconditionError(
            f"`{scan.source}` has patterns of {scan.n_pixel} px, the model needs {size} px",
            "train a model for it; `ptycho-torch reconstruct SCAN --pretrained` needs none",
        )


def foreign_probe(bundle: InferenceBundle, scan: ScanData) -> float | None:
    """Tell whether a bundle was trained with another probe than a scan's.

    Args:
        bundle: The trained network.
        scan: A scan of the bundle's size.

    Returns:
        How different the probes are when that is too much for one network; None for a probe
        that fits, the one of the training file included.
    """
    if probe_digest(scan.probe) == bundle.info.probe_digest:
        return None
    difference = probe_difference(bundle.network.probe.cpu().numpy(), scan.probe)
    return difference if difference > PROBE_TOLERANCE else None


def probe_difference(first: Array, second: Array) -> float:
    """Relative difference of two probes after the best common complex factor.

    Args:
        first: (mode, row, col) complex.
        second: (mode, row, col) complex.

    Returns:
        0 for the same probe, 1 for probes that share nothing or differ in their mode count.
    """
    if first.shape != second.shape:
        return 1.0
    norms = float(np.linalg.norm(first)) * float(np.linalg.norm(second))
    overlap = min(1.0, abs(np.vdot(first, second)) / norms)
    return float(np.sqrt(1 - overlap**2))

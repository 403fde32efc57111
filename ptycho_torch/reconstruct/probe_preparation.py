"""The probe of a real scan: refined before training, and judged by the file's own object."""

from __future__ import annotations

import logging
import math

import numpy as np
import torch
from torch import Tensor

from ptycho_torch.data.scan import Array, ScanData
from ptycho_torch.losses.diffraction import DiffractionLoss
from ptycho_torch.physics.scaling import compute_scales
from ptycho_torch.reconstruct.assemble import canvas_intensity
from ptycho_torch.reconstruct.engine import RpieOptions, run_engine
from ptycho_torch.reconstruct.stitch import Canvas

logger = logging.getLogger(__name__)


def prepare_probe(scan: ScanData, epochs: int = 8, seed: int = 0) -> Array:
    """Refine the probe of a real scan before a network is trained with it.

    A wrong probe cannot be trained away: on the Siemens star the file's probe leaves 80 % of the
    flat object's loss even for the right object.

    Args:
        scan: The measurement with its starting guess.
        epochs: rPIE epochs with probe update.
        seed: Of the order of the patterns.

    Returns:
        (mode, N, N) complex64 in the file's unit: its energy is the mean sum of squares of the
        file's amplitudes.

    Raises:
        DivergedError: The object became non-finite.
    """
    scales = compute_scales(scan.amplitude(), scan.probe)
    amplitude = torch.from_numpy(scan.amplitude() * np.float32(scales.amplitude_scale))
    probe = torch.from_numpy(scan.probe * np.complex64(scales.probe_factor))
    options = RpieOptions(epochs=epochs, update_probe=True, seed=seed)
    mask = None if scan.mask is None else torch.from_numpy(scan.mask)
    result = run_engine(amplitude, scan.positions_px, probe, options, mask=mask)
    logger.info(
        "probe prepared by %d rPIE epochs, R %.4f -> %.4f",
        epochs,
        result.r_factors[0],
        result.r_factors[-1],
    )
    prepared: Array = result.probe.numpy() * np.complex64(math.sqrt(scales.mean_intensity))
    return prepared


def unexplained_fraction(scan: ScanData) -> float | None:
    """How much of the flat object's loss the file's own object leaves with the file's probe.

    The object's scale is fitted first, since files differ in their gauge.

    Args:
        scan: A scan, best with an object.

    Returns:
        loss(object) / loss(flat), near 0 when probe and object explain the data and near 1 when
        they do not; None when the scan has no object.
    """
    if scan.object is None:
        return None
    scales = compute_scales(scan.amplitude(), scan.probe)
    amplitude = torch.from_numpy(scan.amplitude() * np.float32(scales.amplitude_scale))
    probe = torch.from_numpy(scan.probe * np.complex64(scales.probe_factor))
    known = Canvas(scan.object, np.ones(scan.object.shape, np.float32), (0, 0))
    flat = Canvas(np.ones_like(scan.object), known.coverage, (0, 0))
    mask = None if scan.mask is None else torch.from_numpy(scan.mask)
    losses = [_fitted_loss(c, amplitude, scan.positions_px, probe, mask) for c in (known, flat)]
    return losses[0] / losses[1]


def _fitted_loss(
    canvas: Canvas, amplitude: Tensor, positions_px: Array, probe: Tensor, mask: Tensor | None
) -> float:
    """Amplitude loss of an object at the scale that fits best."""
    loss = DiffractionLoss("amplitude", 1.0, mask)
    predicted = canvas_intensity(canvas, positions_px, probe)
    gain = float((predicted.sqrt() * amplitude).sum() / predicted.sum())
    return float(loss(predicted * gain**2, amplitude))

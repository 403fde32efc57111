"""The network's part: a bundle's or a freshly trained network applied to a scan."""

from __future__ import annotations

import copy
import logging
from dataclasses import replace

from ptycho_torch.bundle import InferenceBundle
from ptycho_torch.config import DataConfig, ExecutionConfig, InferenceConfig
from ptycho_torch.data.remark import Remark
from ptycho_torch.data.scan import ScanData
from ptycho_torch.methods.scene import Scene
from ptycho_torch.reconstruct.result import Reconstruction
from ptycho_torch.reconstruction import (
    foreign_probe,
    predict_scan,
    require_size,
    stitch_prediction,
)
from ptycho_torch.runtime import choose_device

logger = logging.getLogger(__name__)


def misfit(bundle: InferenceBundle, scan: ScanData) -> str | None:
    """Say why a bundle does not fit a scan.

    Args:
        bundle: The trained network.
        scan: The measurement.

    Returns:
        The reason in words; None when it fits.
    """
    size = bundle.network.probe.shape[-1]
    if size != scan.n_pixel:
        return f"it is for patterns of {size} px, these have {scan.n_pixel} px"
    difference = foreign_probe(bundle, scan)
    if difference is None:
        return None
    return f"it was trained with another probe (difference {difference:.2f})"


def predicted_object(
    bundle: InferenceBundle, scene: Scene, execution: ExecutionConfig
) -> tuple[Reconstruction, tuple[Remark, ...]]:
    """Apply a network to every pattern and stitch its patches.

    The scan's own scales are used, not the bundle's: the same object at another dose then looks
    the same to the network, and the objects of all methods share one gauge. The bundle's probe
    is used where it is the scan's, since training may have refined it.

    Args:
        bundle: The trained network.
        scene: The scan.
        execution: Device.

    Returns:
        The object, and what looks wrong with the bundle.

    Raises:
        PreconditionError: The bundle is for patterns of another size.
        DivergedError: The prediction is not finite.
    """
    require_size(bundle, scene.given)
    network = bundle.network
    remarks: tuple[Remark, ...] = ()
    difference = foreign_probe(bundle, scene.given)
    if difference is not None:
        network = copy.deepcopy(network)
        network.probe = scene.unit_probe()
        remarks = (_foreign(difference),)
        logger.warning(remarks[0].line())
    # The network sees one pattern at a time; groups matter in training only.
    info = replace(bundle.info, scales=scene.scales, data=DataConfig(gridsize=1, neighbor_count=1))
    fitted = InferenceBundle(info, network)
    inference = InferenceConfig()
    device = choose_device(execution.accelerator)
    prediction, patterns = predict_scan(fitted, scene.scan, inference, device)
    network.cpu()
    _, found = stitch_prediction(fitted, prediction, patterns, scene.scan, inference)
    return replace(found, patterns=scene.patterns[found.patterns]), remarks


def _foreign(difference: float) -> Remark:
    return Remark(
        "bundle-probe",
        f"the bundle was trained with another probe (difference {difference:.2f}); "
        "the scan's is used",
        "a network learns one probe: train one on this scan, or use --method pie",
    )

"""Compares what training and inference predict for the same groups.

The training path starts from the training file, the settings and the last checkpoint; the
inference path from the bundle alone. They meet only in the network's code, so a scale, a probe or
a grouping that got lost on the way to the bundle shows up here.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from ptycho_torch.bundle import load_inference_bundle_torch
from ptycho_torch.config import TrainingPayload
from ptycho_torch.config_factory import create_training_payload
from ptycho_torch.data.dataset import prepare_patterns
from ptycho_torch.data.grouping import Groups
from ptycho_torch.data.loading import TrainingScans, load_training_scans
from ptycho_torch.errors import PreconditionError
from ptycho_torch.instrumentation.patch_stats import patch_statistics
from ptycho_torch.reconstruct.predict import predict_patches
from ptycho_torch.runtime import CONFIG_FILE, prepare_torch
from ptycho_torch.training.fit import CHECKPOINT_DIR
from ptycho_torch.workflows import prepare_training

QUANTITIES = ("global_mean", "global_std", "var_zero_mean")


@dataclass(frozen=True)
class ParityResult:
    """Patch statistics of both paths.

    Attributes:
        groups: Number of groups compared.
        tolerance: Largest relative difference allowed.
        train: Statistics of the training path.
        inference: Statistics of the inference path.
        relative_difference: |inference - train| / |train| of each quantity.
        equal: Whether all of them are within the tolerance.
    """

    groups: int
    tolerance: float
    train: dict[str, float]
    inference: dict[str, float]
    relative_difference: dict[str, float]
    equal: bool

    def summary(self) -> dict[str, Any]:
        """Return all of it as plain values for JSON."""
        return asdict(self)


def compare_paths(
    folder: Path, train_data_file: Path | None, n_images: int, tolerance: float
) -> ParityResult:
    """Predict the same training groups along both paths.

    Args:
        folder: Output folder of a training run.
        train_data_file: The training scan; None takes the path that the run wrote down.
        n_images: Number of groups compared, at most those of the training.
        tolerance: Largest relative difference allowed.

    Returns:
        The statistics and the verdict.

    Raises:
        PreconditionError: The folder holds no settings or no checkpoint.
        BundleError: The bundle cannot be trusted.
    """
    settings = folder / CONFIG_FILE
    if not settings.exists():
        raise PreconditionError(
            f"`{folder}` holds no `{CONFIG_FILE}`", "give the output folder of a training run"
        )
    # The run's test scan is not needed; where another training scan is given, its old path may
    # not exist any more.
    payload = create_training_payload(
        settings, train_data_file=train_data_file, test_data_file=train_data_file
    )
    prepare_torch(payload.execution, payload.training.seed)
    scans = TrainingScans(load_training_scans(payload).train, None)
    trained, groups = _along_training(folder, payload, scans, n_images)
    inferred = _along_inference(folder, scans, groups)
    difference = {
        name: abs(inferred[name] - trained[name]) / max(abs(trained[name]), 1e-12)
        for name in QUANTITIES
    }
    equal = max(difference.values()) <= tolerance
    return ParityResult(len(groups), tolerance, trained, inferred, difference, equal)


def _along_training(
    folder: Path, payload: TrainingPayload, scans: TrainingScans, n_images: int
) -> tuple[dict[str, float], Groups]:
    setup = prepare_training(payload, scans)
    setup.network.load_state_dict(_checkpoint_weights(folder / CHECKPOINT_DIR / "last.ckpt"))
    setup.network.train()
    chosen = range(min(n_images, len(setup.groups)))
    batch = setup.groups.__getitems__(chosen)
    with torch.no_grad():
        patches = setup.network(batch.inputs)
    return _statistics(patches), Groups(batch.patterns.numpy())


def _along_inference(folder: Path, scans: TrainingScans, groups: Groups) -> dict[str, float]:
    bundle = load_inference_bundle_torch(folder)
    probe = bundle.network.probe
    patterns = prepare_patterns(scans.train, bundle.info.scales, probe, bundle.info.model)
    prediction = predict_patches(
        bundle.network, patterns, groups, batch_size=16, device=torch.device("cpu")
    )
    patches = next(iter(prediction.batches(len(groups))))
    return _statistics(patches)


def _statistics(patches: torch.Tensor) -> dict[str, float]:
    values = patch_statistics(patches.flatten(0, 1).numpy())
    return {name: float(values[name]) for name in QUANTITIES}


def _checkpoint_weights(path: Path) -> dict[str, torch.Tensor]:
    """Read the network's part of a Lightning checkpoint, without unpickling objects."""
    if not path.exists():
        raise PreconditionError(
            f"`{path}` does not exist", "train with --enable-checkpointing to compare the paths"
        )
    state = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
    prefix = "network."
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in state.items()
        if name.startswith(prefix)
    }

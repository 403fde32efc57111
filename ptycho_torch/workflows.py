"""The way of a run: scans → training → bundle → reconstruction, one payload handed through."""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ptycho_torch.alarms import training_alarms
from ptycho_torch.artifacts import make_folder, write_bytes
from ptycho_torch.bundle import BUNDLE_FILE, PATHS, load_inference_bundle_torch, save_torch_bundle
from ptycho_torch.config import TrainingPayload
from ptycho_torch.config_factory import create_training_payload
from ptycho_torch.data.datamodule import PtychoDataModule
from ptycho_torch.data.dataset import GroupDataset, prepare_patterns
from ptycho_torch.data.grouping import make_groups
from ptycho_torch.data.loading import TrainingScans, load_training_scans
from ptycho_torch.data.remark import Remark
from ptycho_torch.data.scan import ScanData
from ptycho_torch.errors import PreconditionError
from ptycho_torch.instrumentation.patch_stats import GRID_FILE, STATS_FILE, PatchStatsLogger
from ptycho_torch.iterative import InferenceResult
from ptycho_torch.losses import DiffractionLoss, choose_mode, photon_noise
from ptycho_torch.model import PtychoPINN_Lightning
from ptycho_torch.networks import PtychoPINN
from ptycho_torch.physics.scaling import Scales, compute_scales
from ptycho_torch.reconstruct.probe_preparation import prepare_probe, unexplained_fraction
from ptycho_torch.reconstruction import reconstruct_scan
from ptycho_torch.runtime import choose_device, log_scales, prepare_torch, write_config
from ptycho_torch.training.callbacks import LOSS_CURVE_FILE
from ptycho_torch.training.fit import (
    CHECKPOINT_DIR,
    FitPlan,
    FitResult,
    fit,
    mean_flat_loss,
    require_logger,
)

VALIDATION_GROUPS = 64
"""Groups of the second scan that are looked at after every epoch."""
UNEXPLAINED_LIMIT = 0.3
"""A file's object and probe that leave more of the flat object's loss do not explain the data."""
FINGERPRINT_FILE = "run.json"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainedModel:
    """What training leaves in memory.

    Attributes:
        network: The trained network, on the CPU.
        scales: The scales it was trained with.
        fit: Loss curve and verdict.
        bundle: The bundle written.
        alarms: What looks wrong with the training.
        reconstruction: Of the test scan, when it was asked for.
    """

    network: PtychoPINN
    scales: Scales
    fit: FitResult
    bundle: Path
    alarms: tuple[Remark, ...] = ()
    reconstruction: InferenceResult | None = None

    def summary(self) -> dict[str, Any]:
        """Sum the run up.

        Returns:
            Plain values for JSON.
        """
        last = self.fit.epochs[-1]
        return {
            "bundle": self.bundle.as_posix(),
            "epochs": len(self.fit.epochs),
            "stopped_early": self.fit.stopped_early,
            "flat_loss": self.fit.flat_loss,
            "loss_ratio": self.fit.ratio,
            **{name: value for name, value in last.items() if name.endswith("loss")},
            "intensity_scale": self.scales.intensity_scale,
            "warnings": [asdict(alarm) for alarm in self.alarms],
            **({} if self.reconstruction is None else self.reconstruction.summary()),
        }


def run_cdi_example_torch(
    payload: TrainingPayload | None = None,
    scans: TrainingScans | None = None,
    **settings: Any,
) -> TrainedModel:
    """Train on a scan and write everything the run leaves.

    Args:
        payload: The run's settings; None builds them from `settings`.
        scans: The scans, if they are in memory already; None reads the files of the payload.
        **settings: As for `config_factory.create_training_payload`, when there is no payload.

    Returns:
        The trained model.

    Raises:
        PtychoTorchError: As the steps say; see `train_cdi_model_torch`.
    """
    payload = create_training_payload(**settings) if payload is None else payload
    scans = load_training_scans(payload) if scans is None else scans
    prepare_torch(payload.execution, payload.training.seed)
    choose_device(payload.execution.accelerator)
    require_logger(payload.execution.logger)
    make_folder(payload.execution.output_dir)
    _claim_folder(payload, scans)
    write_config(payload.execution.output_dir, payload)
    model = train_cdi_model_torch(payload, scans)
    logger.info("Model bundle saved: %s", model.bundle)
    if not payload.execution.reconstruct or scans.test is None:
        return model
    bundle = load_inference_bundle_torch(model.bundle)
    found = reconstruct_scan(bundle, scans.test, payload.inference, payload.execution)
    return replace(model, reconstruction=found)


def train_cdi_model_torch(payload: TrainingPayload, scans: TrainingScans) -> TrainedModel:
    """Train a network and save its bundle.

    Args:
        payload: The run's settings.
        scans: What to train and to validate on.

    Returns:
        The trained model.

    Raises:
        DivergedError: The run became non-finite.
        CollapsedError: The run predicts a constant.
        PreconditionError: A device is not there, or the scan is too small for its groups.
    """
    device = choose_device(payload.execution.accelerator)
    setup = prepare_training(payload, scans)
    plan = _plan(payload, setup, device)
    module = PtychoPINN_Lightning(setup.network, payload.training, setup.loss, plan.total_steps)
    result = fit(module, setup.data, plan)
    alarms = _alarms(result, setup)
    network = setup.network.cpu().eval()
    folder = payload.execution.output_dir
    bundle = save_torch_bundle(folder, network, payload, setup.scales, scans.train.probe)
    return TrainedModel(network, setup.scales, result, bundle, alarms)


@dataclass(frozen=True)
class TrainingSetup:
    """All parts of a training run, before the first step.

    Attributes:
        network: The untrained network.
        scales: The frozen scales.
        groups: Training groups.
        data: Batches of training and validation.
        loss: The loss in use.
        noise_loss: What photon noise alone would leave of it.
    """

    network: PtychoPINN
    scales: Scales
    groups: GroupDataset
    data: PtychoDataModule
    loss: DiffractionLoss
    noise_loss: float


def prepare_training(payload: TrainingPayload, scans: TrainingScans) -> TrainingSetup:
    """Compute scales, groups and inputs, and build the untrained network.

    Args:
        payload: The run's settings.
        scans: What to train and to validate on.

    Returns:
        The parts.

    Raises:
        PreconditionError: The scan is too small for its groups.
    """
    training = payload.training
    probe = choose_probe(payload, scans.train)
    nphotons, origin = _nphotons(payload, scans.train)
    scales = compute_scales(scans.train.amplitude(), probe, nphotons, origin)
    log_scales(scales)
    unit_probe = torch.from_numpy(probe * np.complex64(scales.probe_factor))
    torch.manual_seed(training.seed)
    network = PtychoPINN(payload.model, unit_probe)
    groups = _groups(payload, scans.train, scales, unit_probe, payload.data.n_images)
    validation = None
    if scans.test is not None:
        count = min(VALIDATION_GROUPS, len(scans.test))
        validation = _groups(payload, scans.test, scales, unit_probe, count)
    data = PtychoDataModule(
        groups, validation, training.batch_size, payload.execution.num_workers, training.seed
    )
    mode = choose_mode(training.loss_mode, scales.nphotons, training.poisson_below_photons)
    mask = None if scans.train.mask is None else torch.from_numpy(scans.train.mask)
    loss = DiffractionLoss(mode, scales.nphotons, mask)
    mean = groups.patterns.amplitude.square().mean(dim=0)
    noise = photon_noise(mode, scales.nphotons, mean, mask)
    logger.info("loss is %s; %d groups of %d patterns", mode, len(groups), payload.data.group_size)
    return TrainingSetup(network, scales, groups, data, loss, noise)


def choose_probe(payload: TrainingPayload, scan: ScanData) -> np.ndarray[Any, Any]:
    """Take the file's probe, or refine it by rPIE first.

    Args:
        payload: `training.prepare_probe` decides; `auto` asks whether the file's own object
            explains the data with the file's probe.
        scan: The training scan.

    Returns:
        (mode, row, col) complex64, in the file's unit.

    Raises:
        DivergedError: rPIE became non-finite.
    """
    training = payload.training
    if training.prepare_probe == "auto":
        fraction = unexplained_fraction(scan)
        known = "no object in the file" if fraction is None else f"unexplained={fraction:.3f}"
        needed = fraction is None or fraction > UNEXPLAINED_LIMIT
        logger.info("probe of the file: %s, %s", known, "refining" if needed else "used as it is")
    else:
        needed = training.prepare_probe == "on"
    if not needed:
        return scan.probe
    return prepare_probe(scan, training.prepare_probe_epochs, training.seed)


def _nphotons(payload: TrainingPayload, scan: ScanData) -> tuple[float | None, str]:
    if payload.data.nphotons is not None:
        return payload.data.nphotons, "given by --nphotons"
    return scan.nphotons, "stated by the training file"


def _groups(
    payload: TrainingPayload, scan: ScanData, scales: Scales, probe: Tensor, count: int | None
) -> GroupDataset:
    groups = make_groups(
        scan.positions_px,
        payload.data.gridsize,
        payload.data.neighbor_count,
        count,
        payload.training.seed,
    )
    return GroupDataset(prepare_patterns(scan, scales, probe, payload.model), groups)


def _plan(payload: TrainingPayload, setup: TrainingSetup, device: torch.device) -> FitPlan:
    execution, training = payload.execution, payload.training
    recorder = None
    if execution.log_patch_stats:
        recorder = PatchStatsLogger(execution.output_dir, "train", execution.patch_stats_limit)
    flat = mean_flat_loss(setup.network, setup.loss, setup.groups, training.batch_size)
    logger.info("flat_loss=%.6g", flat)
    return FitPlan(
        payload=payload,
        loss_mode=setup.loss.mode,
        flat_loss=flat,
        monitor="val_loss" if setup.data.has_validation else "train_loss",
        total_steps=training.max_epochs * setup.data.steps_per_epoch,
        recorder=recorder,
        device=device,
    )


def _alarms(result: FitResult, setup: TrainingSetup) -> tuple[Remark, ...]:
    alarms = training_alarms(result.epochs[-1]["train_loss"], result.flat_loss, setup.noise_loss)
    for alarm in alarms:
        logger.warning(alarm.line())
    return alarms


def _claim_folder(payload: TrainingPayload, scans: TrainingScans) -> None:
    """Clear what an earlier run left, or make sure that it is the run to resume."""
    folder = payload.execution.output_dir
    fingerprint = folder / CHECKPOINT_DIR / FINGERPRINT_FILE
    identity = _identity(payload, scans)
    if payload.execution.resume and fingerprint.exists():
        if fingerprint.read_bytes() != identity:
            raise PreconditionError(
                f"the run in `{folder}` had other data or settings than this one",
                f"compare with `{fingerprint}`, or train anew without --resume",
            )
        return
    for name in (BUNDLE_FILE, LOSS_CURVE_FILE, STATS_FILE, GRID_FILE):
        (folder / name).unlink(missing_ok=True)
    for checkpoint in (folder / CHECKPOINT_DIR).glob("*.ckpt"):
        checkpoint.unlink()
    if payload.execution.enable_checkpointing:
        write_bytes(fingerprint, identity)


def _identity(payload: TrainingPayload, scans: TrainingScans) -> bytes:
    """Everything that decides the final weights: settings without paths, and the data."""
    settings = {
        "data": payload.data.model_dump(mode="json", exclude=PATHS),
        "model": payload.model.model_dump(mode="json"),
        "training": payload.training.model_dump(mode="json"),
        "cpu_threads": payload.execution.cpu_threads,
        "train": _digest(scans.train),
        "test": None if scans.test is None else _digest(scans.test),
    }
    return (json.dumps(settings, indent=2) + "\n").encode()


def _digest(scan: ScanData) -> str:
    digest = hashlib.sha256(scan.measurement.encode())
    for array in (scan.diffraction, scan.probe, scan.positions_px):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()

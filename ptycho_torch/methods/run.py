"""One run from a scan to an object: choose the method, run it, judge it, write everything."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from ptycho_torch.artifacts import make_folder
from ptycho_torch.bundle import InferenceBundle, load_inference_bundle_torch
from ptycho_torch.config import ExecutionConfig
from ptycho_torch.data.remark import Remark
from ptycho_torch.data.scan import ScanData
from ptycho_torch.iterative import (
    InferenceResult,
    IterativeOutcome,
    IterativeSettings,
    run_stages,
)
from ptycho_torch.methods.choice import AskedMethod, Choice, Facts, Method, choose_method
from ptycho_torch.methods.network import misfit, predicted_object
from ptycho_torch.methods.prior import bettered_outcome, given_prior
from ptycho_torch.methods.reading import noise_r_factor, object_remarks, reading
from ptycho_torch.methods.remedies import Tried, try_remedies
from ptycho_torch.methods.report import as_records, judged_object, write_run
from ptycho_torch.methods.scene import Scene, flat_object, prepare_scene, projected_object
from ptycho_torch.methods.telling import told
from ptycho_torch.pretrained import Pretrained, load_pretrained, shipped_bundle
from ptycho_torch.reconstruct.checkpoint import CHECKPOINT_FILE
from ptycho_torch.reconstruct.result import Reconstruction
from ptycho_torch.runtime import prepare_torch

FEW_EPOCHS = 9
"""Passes over all patterns after a network: three of each size of batch."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class MethodSettings:
    """What a person decides about a reconstruction; the rest follows from the scan.

    Attributes:
        method: How; `auto` lets the scan decide.
        bundle: A trained bundle, or its folder; None without one.
        pretrained: Whether to use the network that is shipped.
        train_steps: Optimiser steps of a network that is trained on the scan.
        epochs: Passes of the iterations; None takes those of `iterative` from the flat object,
            and `FEW_EPOCHS` after a network.
        iterative: Settings of the iterations, and the seed of everything.
        nphotons: Mean photons per pattern; None takes what the file says.
        pictures: Whether pictures are drawn.
    """

    method: AskedMethod = "auto"
    bundle: Path | None = None
    pretrained: bool = False
    train_steps: int = 1000
    epochs: int | None = None
    iterative: IterativeSettings = field(default_factory=IterativeSettings)
    nphotons: float | None = None
    pictures: bool = True

    def passes(self, method: Method) -> IterativeSettings:
        """Say how a method iterates.

        Args:
            method: `pie` or `hybrid`.

        Returns:
            The settings with the number of passes.
        """
        if self.epochs is not None:
            return replace(self.iterative, epochs=self.epochs, go_on=False)
        return replace(self.iterative, epochs=FEW_EPOCHS) if method == "hybrid" else self.iterative


@dataclass(frozen=True)
class Found:
    """What a method leaves.

    Attributes:
        outcome: Object, probe, positions, and the epochs of the iterations.
        remarks: What looks wrong.
        facts: More figures for `metrics.json`.
    """

    outcome: IterativeOutcome
    remarks: tuple[Remark, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)


def reconstruct(
    scan: ScanData, settings: MethodSettings, execution: ExecutionConfig
) -> InferenceResult:
    """Reconstruct a scan and write everything the run leaves.

    Args:
        scan: The measurement.
        settings: What was decided.
        execution: Output folder, device and threads.

    Returns:
        Reconstruction, metrics and files.

    Raises:
        BundleError: The bundle cannot be trusted.
        DataFileError: The positions are in another unit.
        PreconditionError: The bundle is for patterns of another size.
        DivergedError: A run became non-finite.
    """
    prepare_torch(execution, settings.iterative.seed)
    bundle, prior = _networks(settings)
    make_folder(execution.output_dir)
    scene = prepare_scene(scan, settings.iterative.modes, settings.nphotons)
    choice = choose_method(settings.method, _facts(scene, bundle, prior))
    logger.info("method %s: %s", choice.method, choice.reason)
    control = projected_object(scene)
    dose, noise = scene.scales.nphotons, noise_r_factor(control, scene)
    logger.info("%.3g photons a pattern: their noise alone leaves R of about %.2g", dose, noise)
    found = _run(choice, scene, bundle, prior, settings, execution)
    figures = judged_object(found.outcome.reconstruction, control, scene)
    how = settings.passes("pie" if choice.network == "pretrained" else choice.method)
    tried = _tried(found, scene, how, figures)
    metrics = {
        "method": choice.method,
        "method_asked": settings.method,
        "method_reason": choice.reason,
        "network": choice.network,
        "told": [*scene.inspection.lines(), *told(choice, how, found.outcome, figures, scan)],
        "reading": reading(figures),
        **figures,
        "trials": tried.as_dict(),
        **found.outcome.facts,
        **found.facts,
        "inspection": scene.inspection.as_dict(),
    }
    remarks = (*object_remarks(metrics, scene.scan.source), *tried.remarks)
    for remark in remarks:  # the others were said when they came up
        logger.warning(remark.line())
    said = (*scene.inspection.remarks, *found.remarks, *remarks)
    metrics["warnings"] = as_records(said)
    outcome, decided = found.outcome, _decided(choice, scene, settings, execution)
    return write_run(
        execution.output_dir,
        outcome.reconstruction,
        outcome.epochs,
        metrics,
        decided,
        pictures=settings.pictures,
    )


def _tried(found: Found, scene: Scene, how: IterativeSettings, figures: dict[str, Any]) -> Tried:
    """Try what may lower R, unless a network alone made the object or it explains nothing."""
    r_factor, noise = figures["r_factor"], figures["noise_r_factor"]
    if not found.outcome.epochs or r_factor > figures["flat_r_factor"]:
        return Tried({})
    return try_remedies(found.outcome.reconstruction, scene, how, r_factor, noise)


def _decided(
    choice: Choice, scene: Scene, settings: MethodSettings, execution: ExecutionConfig
) -> dict[str, Any]:
    """What `config.yaml` says: the choices, and the settings they were made with."""
    return {
        "scan": scene.scan.source,
        **asdict(choice),
        "bundle": None if settings.bundle is None else settings.bundle.as_posix(),
        "train_steps": settings.train_steps if choice.network == "trained here" else None,
        "nphotons": scene.scales.nphotons,
        "iterative": None if choice.method == "net" else asdict(settings.passes(choice.method)),
        "cpu_threads": execution.cpu_threads,
        "accelerator": execution.accelerator,
    }


def _networks(settings: MethodSettings) -> tuple[InferenceBundle | None, Pretrained | None]:
    """Load what was given; `auto` without a bundle may take the shipped network."""
    if settings.bundle is not None:
        prior = given_prior(settings.bundle)
        return (None if prior else load_inference_bundle_torch(settings.bundle)), prior
    if settings.pretrained or (settings.method == "auto" and shipped_bundle().exists()):
        return None, load_pretrained()
    return None, None


def _facts(scene: Scene, bundle: InferenceBundle | None, prior: Pretrained | None) -> Facts:
    return Facts(
        photons_per_pattern=scene.scales.nphotons,
        patterns=len(scene.scan),
        has_bundle=bundle is not None,
        misfit=None if bundle is None else misfit(bundle, scene.given),
        has_prior=prior is not None,
    )


def _run(
    choice: Choice,
    scene: Scene,
    bundle: InferenceBundle | None,
    prior: Pretrained | None,
    settings: MethodSettings,
    execution: ExecutionConfig,
) -> Found:
    if choice.network in ("none", "pretrained"):
        asked = settings.passes("pie")
        if choice.method == "net" and asked.regularisation == "auto":
            # The network alone is to take the noise out; a hybrid lets the engine begin.
            asked = replace(asked, regularisation="0")
        outcome = _iterated(flat_object(scene), scene, asked, execution)
        if choice.network == "pretrained" and prior is not None:
            outcome = bettered_outcome(outcome, scene, prior)
        return Found(outcome)
    facts: dict[str, Any] = {}
    alarms: tuple[Remark, ...] = ()
    if choice.network == "trained here" or bundle is None:
        bundle, alarms, facts = _trained(scene, settings, execution)
    start, remarks = predicted_object(bundle, scene, execution)
    found = Found(IterativeOutcome(start), alarms + remarks, facts)
    if choice.method == "net":
        return found
    return replace(found, outcome=_iterated(start, scene, settings.passes("hybrid"), execution))


def _iterated(
    start: Reconstruction, scene: Scene, settings: IterativeSettings, execution: ExecutionConfig
) -> IterativeOutcome:
    kept = execution.output_dir / CHECKPOINT_FILE
    return run_stages(start, scene.amplitude, scene.mask, settings, kept)


def _trained(
    scene: Scene, settings: MethodSettings, execution: ExecutionConfig
) -> tuple[InferenceBundle, tuple[Remark, ...], dict[str, Any]]:
    # Lightning takes seconds to load, and most runs train nothing.
    from ptycho_torch.methods.training import choose_preset, train_here

    preset = choose_preset(scene.inspection, settings.train_steps)
    logger.info("training on this scan: gridsize %d, %s", preset.gridsize, preset.reason)
    model = train_here(
        scene.scan,
        preset,
        update_probe=settings.iterative.update_probe,
        seed=settings.iterative.seed,
        execution=execution,
    )
    facts = {
        "training": {
            "gridsize": preset.gridsize,
            "epochs": len(model.fit.epochs),
            "flat_loss": model.fit.flat_loss,
            "loss_ratio": model.fit.ratio,
            "bundle": model.bundle.as_posix(),
        }
    }
    return load_inference_bundle_torch(model.bundle), model.alarms, facts

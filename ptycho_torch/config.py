"""Every setting of a run and its default, in one place.

The classes are frozen and refuse unknown keys: a config is built once, by `config_factory`, and
handed through unchanged. Quantities carry their unit in the name. This module loads neither torch
nor numpy, so a wrong setting is answered before anything heavy starts.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Measurement = Literal["counts", "amplitude"]
Architecture = Literal["residual", "plain"]
LossMode = Literal["auto", "amplitude", "poisson", "mae"]
SchedulerName = Literal["cosine", "constant", "exponential", "multistep", "plateau"]
ProbePreparation = Literal["auto", "on", "off"]
Accelerator = Literal["auto", "cpu", "cuda", "mps"]
LoggerName = Literal["none", "csv", "tensorboard"]

Positive = Annotated[int, Field(gt=0)]
NonNegative = Annotated[int, Field(ge=0)]
PositiveFloat = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, le=1)]

RPIE_ALPHA = 0.2
"""Regularisation of rPIE's object step: 0.1 is faster on clean data and worse on real data."""


class _Config(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DataConfig(_Config):
    """Which measurements are used and how they are grouped.

    Attributes:
        train_data_file: Scan the network is trained on; None for inference alone.
        test_data_file: Scan of the validation and of the reconstruction, or None.
        measurement: Meaning of the stored diffraction; None lets the file's content decide.
        n_images: Number of groups, each with its own seed pattern; None means one for every
            pattern of the scan.
        gridsize: A group holds gridsize² patterns.
        neighbor_count: The other members of a group are drawn from this many nearest neighbours.
        nphotons: Photons per pattern that define `intensity_scale`; None takes the mean counts
            measured (or the number stored in the file).
    """

    train_data_file: Path | None = None
    test_data_file: Path | None = None
    measurement: Measurement | None = None
    n_images: Positive | None = None
    gridsize: Annotated[int, Field(ge=1, le=4)] = 2
    neighbor_count: Positive = 12
    nphotons: PositiveFloat | None = None

    @property
    def group_size(self) -> int:
        """Number of patterns in a group, C = gridsize²."""
        return self.gridsize**2


class ModelConfig(_Config):
    """The network and the physics behind it; the side of a patch comes from the data.

    Attributes:
        architecture: `residual` is the network to use; `plain` is an encoder-decoder with
            bounded heads that is known to collapse, kept as a negative control.
        width_channels: Channels of the first level; the following levels have 2 and 4 times more.
        object_big: Merge the patches of a group by their overlap before the diffraction is
            predicted; without it every patch stands alone.
        probe_big: Let the network fill the whole patch; without it the object is vacuum (1)
            outside the central N/2 x N/2 window.
        projection_iterations: Single-pattern rPIE projections that make input channels 2 and 3.
        projection_alpha: Regularisation of these projections, 0 to 1.
    """

    architecture: Architecture = "residual"
    width_channels: Annotated[int, Field(ge=8, multiple_of=8)] = 16
    object_big: bool = True
    probe_big: bool = True
    projection_iterations: NonNegative = 10
    projection_alpha: Fraction = 0.1


class TrainingConfig(_Config):
    """How the network is trained.

    Attributes:
        max_epochs: Passes over the training groups.
        batch_size: Groups in a step.
        learning_rate: Peak learning rate of AdamW.
        weight_decay: Decoupled weight decay.
        beta1: First moment's decay.
        beta2: Second moment's decay.
        gradient_clip_norm: Largest gradient norm of a step.
        scheduler: Course of the learning rate after the warm-up.
        warmup_fraction: Part of all steps in which the rate rises linearly from 0.
        min_lr_fraction: Part of the peak rate that cosine and the decaying schedulers end with.
        loss_mode: `auto` is `amplitude`, and `poisson` below `poisson_below_photons`.
        poisson_below_photons: Mean photons per pattern under which `auto` means `poisson`.
        early_stop_patience: Epochs without improvement of the monitored loss before the run
            stops; None never stops early.
        prepare_probe: Refine the probe by rPIE before training; `auto` does so unless the file's
            own object explains the data with the file's probe.
        prepare_probe_epochs: rPIE epochs of this preparation.
        seed: Origin of every random number: grouping, weights, order of the groups.
    """

    max_epochs: Positive = 10
    batch_size: Positive = 4
    learning_rate: Annotated[float, Field(gt=0, le=1000, allow_inf_nan=False)] = 2e-3
    weight_decay: Annotated[float, Field(ge=0)] = 1e-4
    beta1: Fraction = 0.9
    beta2: Fraction = 0.99
    gradient_clip_norm: PositiveFloat = 1.0
    scheduler: SchedulerName = "cosine"
    warmup_fraction: Fraction = 0.1
    min_lr_fraction: Fraction = 0.01
    loss_mode: LossMode = "auto"
    poisson_below_photons: PositiveFloat = 1e5
    early_stop_patience: Positive | None = None
    prepare_probe: ProbePreparation = "auto"
    prepare_probe_epochs: Positive = 8
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 42


class InferenceConfig(_Config):
    """How a trained network is applied.

    Attributes:
        n_images: Number of groups that are reconstructed; None means all.
        batch_size: Groups per forward pass.
        sync: Align the patches' global phases by their overlaps before stitching.
        refine_epochs: rPIE epochs after stitching; 0 leaves the network's own result.
        debug_dump_dir: Folder for the intermediate quantities, or None.
    """

    n_images: Positive | None = None
    batch_size: Positive = 32
    sync: bool = True
    refine_epochs: NonNegative = 0
    debug_dump_dir: Path | None = None


class ExecutionConfig(_Config):
    """Where and how a run executes; none of it changes what is computed, except `deterministic`.

    Attributes:
        output_dir: Folder of everything the run leaves.
        accelerator: Device; `auto` takes the best one present.
        deterministic: Refuse operations without a deterministic implementation.
        cpu_threads: Threads of torch. The default makes results independent of the machine's
            core count; sums over several threads differ in the last bits.
        num_workers: Processes that prepare batches; 0 does it in the main process.
        logger: Where Lightning's metrics go besides `loss_curve.json`.
        enable_checkpointing: Write the best and the last checkpoint of every epoch.
        resume: Go on from the last checkpoint in `output_dir`.
        reconstruct: After training, reconstruct the test scan into `output_dir`.
        log_patch_stats: Record statistics and pictures of the predicted patches.
        patch_stats_limit: Number of batches recorded.
        quiet: Only warnings and errors on stderr.
    """

    output_dir: Path = Path("outputs")
    accelerator: Accelerator = "auto"
    deterministic: bool = True
    cpu_threads: Positive = 1
    num_workers: NonNegative = 0
    logger: LoggerName = "csv"
    enable_checkpointing: bool = True
    resume: bool = False
    reconstruct: bool = False
    log_patch_stats: bool = False
    patch_stats_limit: Positive = 2
    quiet: bool = False


class TrainingPayload(_Config):
    """All of a training run's settings, built once and handed through unchanged."""

    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    training: TrainingConfig = TrainingConfig()
    inference: InferenceConfig = InferenceConfig()
    execution: ExecutionConfig = ExecutionConfig()


class InferencePayload(_Config):
    """All of an inference run's settings, built once and handed through unchanged.

    Grouping, network and scales come from the bundle, not from here.

    Attributes:
        model_path: The bundle, or the folder that holds it.
        test_data_file: Scan to reconstruct.
        measurement: Meaning of the stored diffraction; None lets the file's content decide.
    """

    model_path: Path
    test_data_file: Path
    measurement: Measurement | None = None
    inference: InferenceConfig = InferenceConfig()
    execution: ExecutionConfig = ExecutionConfig()

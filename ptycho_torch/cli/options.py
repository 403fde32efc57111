"""The flags that several commands share, each written once.

A flag that is not given is None, so that a config file or the default of `ptycho_torch.config`
decides. Names of two words are accepted with `_` and with `-`.
"""

from __future__ import annotations

from itertools import zip_longest
from pathlib import Path
from typing import Annotated, Any

import typer

from ptycho_torch.config import (
    Architecture,
    DataConfig,
    ExecutionConfig,
    InferenceConfig,
    LoggerName,
    LossMode,
    Measurement,
    ModelConfig,
    ProbePreparation,
    TrainingConfig,
)


def flag(name: str, text: str, default: object = None, off: str | None = None) -> Any:
    """Declare an option under both spellings.

    Args:
        name: The long name with `_` between words and without dashes.
        text: Help text.
        default: What the config says when the flag is not given, shown in the help.
        off: Long name that switches a boolean off, or None for `no_<name>`; ignored elsewhere.

    Returns:
        Typer's option object.
    """
    spellings = dict.fromkeys(f"--{word}" for word in _both(name))
    if isinstance(default, bool):
        text = f"{text} [default: {'on' if default else 'off'}]"
        negative = dict.fromkeys(f"--{word}" for word in _both(off or f"no_{name}"))
        pairs = zip_longest(spellings, negative, fillvalue=f"--{name}")
        return typer.Option(*(f"{yes}/{no}" for yes, no in pairs), help=text, show_default=False)
    if default is not None:
        text = f"{text} [default: {default}]"
    return typer.Option(*spellings, help=text, show_default=False)


def _both(name: str) -> tuple[str, str]:
    return name, name.replace("_", "-")


def _default(config: Any, field: str) -> object:
    return config.model_fields[field].default


_DATA, _MODEL, _TRAIN = DataConfig, ModelConfig, TrainingConfig
_INFER, _RUN = InferenceConfig, ExecutionConfig

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]
ConfigFile = Annotated[Path | None, flag("config", "YAML file with settings; flags win over it.")]
OutputDir = Annotated[
    Path | None, flag("output_dir", "Folder for everything the run leaves.", "outputs")
]
MeasurementFlag = Annotated[
    Measurement | None,
    flag("measurement", "What the file stores; without it the content decides."),
]
AcceleratorFlag = Annotated[
    str | None,
    flag("accelerator", "Device: auto, cpu, cuda (or gpu) or mps.", _default(_RUN, "accelerator")),
]
Quiet = Annotated[bool | None, typer.Option("--quiet", help="Only warnings and errors.")]
CpuThreads = Annotated[
    int | None,
    flag("cpu_threads", "Threads of torch; results depend on it.", _default(_RUN, "cpu_threads")),
]
LogPatchStats = Annotated[
    bool | None,
    flag(
        "log_patch_stats",
        "Write statistics and pictures of the predicted patches to analysis/.",
        _default(_RUN, "log_patch_stats"),
    ),
]
PatchStatsLimit = Annotated[
    int | None,
    flag("patch_stats_limit", "Batches recorded.", _default(_RUN, "patch_stats_limit")),
]

TrainFile = Annotated[Path | None, flag("train_data_file", "Scan to train on (NPZ).")]
TestFile = Annotated[
    Path | None, flag("test_data_file", "Scan for validation and the reconstruction (NPZ).")
]
TrainImages = Annotated[
    int | None, flag("n_images", "Number of training groups; without it one per pattern.")
]
Gridsize = Annotated[
    int | None, flag("gridsize", "A group has gridsize² patterns.", _default(_DATA, "gridsize"))
]
NeighborCount = Annotated[
    int | None,
    flag(
        "neighbor_count",
        "Group members come from this many nearest neighbours.",
        _default(_DATA, "neighbor_count"),
    ),
]
Nphotons = Annotated[
    float | None, flag("nphotons", "Photons per pattern that define the intensity scale.")
]
ArchitectureFlag = Annotated[
    Architecture | None,
    flag("architecture", "Network; plain collapses.", _default(_MODEL, "architecture")),
]
ObjectBig = Annotated[
    bool | None,
    flag("object_big", "Merge a group's patches by overlap.", _default(_MODEL, "object_big")),
]
ProbeBig = Annotated[
    bool | None,
    flag("probe_big", "Fill the whole patch, not its centre.", _default(_MODEL, "probe_big")),
]
BatchSize = Annotated[
    int | None, flag("batch_size", "Groups in a step.", _default(_TRAIN, "batch_size"))
]
MaxEpochs = Annotated[
    int | None, flag("max_epochs", "Passes over the groups.", _default(_TRAIN, "max_epochs"))
]
LearningRate = Annotated[
    float | None,
    flag("learning_rate", "Peak learning rate.", _default(_TRAIN, "learning_rate")),
]
Scheduler = Annotated[
    str | None,
    flag(
        "scheduler",
        "cosine, constant, exponential, multistep or plateau.",
        _default(_TRAIN, "scheduler"),
    ),
]
LossFlag = Annotated[
    LossMode | None,
    flag(
        "torch_loss_mode",
        "Loss; auto is amplitude, and poisson at low dose.",
        _default(_TRAIN, "loss_mode"),
    ),
]
EarlyStop = Annotated[
    int | None, flag("early_stop_patience", "Stop after this many epochs without improvement.")
]
PrepareProbe = Annotated[
    ProbePreparation | None,
    flag(
        "prepare_probe",
        "Refine the probe by rPIE before training.",
        _default(_TRAIN, "prepare_probe"),
    ),
]
Seed = Annotated[
    int | None, flag("seed", "Origin of every random number.", _default(_TRAIN, "seed"))
]
Deterministic = Annotated[
    bool | None,
    flag(
        "deterministic",
        "Refuse operations without a deterministic implementation.",
        _default(_RUN, "deterministic"),
    ),
]
NumWorkers = Annotated[
    int | None,
    flag("num_workers", "Processes that prepare batches.", _default(_RUN, "num_workers")),
]
LoggerFlag = Annotated[
    LoggerName | None,
    flag("logger", "Further log of the metrics.", _default(_RUN, "logger")),
]
Checkpointing = Annotated[
    bool | None,
    flag(
        "enable_checkpointing",
        "Keep the best and the last checkpoint.",
        _default(_RUN, "enable_checkpointing"),
        off="disable_checkpointing",
    ),
]
Resume = Annotated[
    bool | None,
    typer.Option("--resume", help="Go on from the last checkpoint in the output folder."),
]

Reconstruct = Annotated[
    bool | None,
    flag(
        "reconstruct",
        "After training, reconstruct the test scan.",
        _default(_RUN, "reconstruct"),
    ),
]

ModelPath = Annotated[
    Path | None, flag("model_path", "Model bundle, or the folder that holds wts.h5.zip.")
]
InferFile = Annotated[Path | None, flag("test_data", "Scan to reconstruct (NPZ).")]
InferImages = Annotated[
    int | None, flag("n_images", "Number of groups to reconstruct; without it all.")
]
InferBatch = Annotated[
    int | None, flag("batch_size", "Groups per forward pass.", _default(_INFER, "batch_size"))
]
Sync = Annotated[
    bool | None,
    flag("sync", "Align the patches' phases before stitching.", _default(_INFER, "sync")),
]
RefineEpochs = Annotated[
    int | None,
    flag("refine_epochs", "rPIE epochs after stitching.", _default(_INFER, "refine_epochs")),
]
DebugDump = Annotated[Path | None, flag("debug_dump", "Folder for the intermediate quantities.")]

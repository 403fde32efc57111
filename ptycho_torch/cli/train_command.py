"""`ptycho-torch train`, also reached as `python -m ptycho_torch.train`."""

from __future__ import annotations

from ptycho_torch.cli import edge
from ptycho_torch.cli import options as opt
from ptycho_torch.cli.render import show


@edge.guarded
def train(
    train_data_file: opt.TrainFile = None,
    test_data_file: opt.TestFile = None,
    output_dir: opt.OutputDir = None,
    n_images: opt.TrainImages = None,
    gridsize: opt.Gridsize = None,
    neighbor_count: opt.NeighborCount = None,
    nphotons: opt.Nphotons = None,
    measurement: opt.MeasurementFlag = None,
    batch_size: opt.BatchSize = None,
    max_epochs: opt.MaxEpochs = None,
    learning_rate: opt.LearningRate = None,
    scheduler: opt.Scheduler = None,
    loss_mode: opt.LossFlag = None,
    early_stop_patience: opt.EarlyStop = None,
    prepare_probe: opt.PrepareProbe = None,
    seed: opt.Seed = None,
    architecture: opt.ArchitectureFlag = None,
    object_big: opt.ObjectBig = None,
    probe_big: opt.ProbeBig = None,
    accelerator: opt.AcceleratorFlag = None,
    deterministic: opt.Deterministic = None,
    cpu_threads: opt.CpuThreads = None,
    num_workers: opt.NumWorkers = None,
    logger: opt.LoggerFlag = None,
    enable_checkpointing: opt.Checkpointing = None,
    resume: opt.Resume = None,
    reconstruct: opt.Reconstruct = None,
    log_patch_stats: opt.LogPatchStats = None,
    patch_stats_limit: opt.PatchStatsLimit = None,
    quiet: opt.Quiet = None,
    config_file: opt.ConfigFile = None,
    as_json: opt.Json = False,
) -> None:
    """Train a network on a scan, without any truth, and write a model bundle."""
    flags = dict(locals())
    flags.pop("as_json")
    from ptycho_torch.config_factory import create_training_payload

    payload = create_training_payload(**flags)
    edge.talk(payload.execution.quiet)
    from ptycho_torch.data.loading import load_training_scans

    scans = load_training_scans(payload)
    from ptycho_torch.workflows import run_cdi_example_torch

    result = run_cdi_example_torch(payload, scans)
    if as_json or not payload.execution.quiet:
        show(result.summary(), as_json)

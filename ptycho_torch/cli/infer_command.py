"""`ptycho-torch infer`, also reached as `python -m ptycho_torch.inference`."""

from __future__ import annotations

from ptycho_torch.cli import edge
from ptycho_torch.cli import options as opt
from ptycho_torch.cli.render import show


@edge.guarded
def infer(
    model_path: opt.ModelPath = None,
    test_data_file: opt.InferFile = None,
    output_dir: opt.OutputDir = None,
    n_images: opt.InferImages = None,
    batch_size: opt.InferBatch = None,
    sync: opt.Sync = None,
    refine_epochs: opt.RefineEpochs = None,
    measurement: opt.MeasurementFlag = None,
    accelerator: opt.AcceleratorFlag = None,
    cpu_threads: opt.CpuThreads = None,
    debug_dump_dir: opt.DebugDump = None,
    log_patch_stats: opt.LogPatchStats = None,
    patch_stats_limit: opt.PatchStatsLimit = None,
    quiet: opt.Quiet = None,
    config_file: opt.ConfigFile = None,
    as_json: opt.Json = False,
) -> None:
    """Reconstruct the object of a scan with a trained model bundle."""
    flags = dict(locals())
    flags.pop("as_json")
    from ptycho_torch.config_factory import create_inference_payload

    payload = create_inference_payload(**flags)
    edge.talk(payload.execution.quiet)
    from ptycho_torch.data.loading import load_inference_scan

    scan = load_inference_scan(payload)
    from ptycho_torch.reconstruction import run_inference_torch

    result = run_inference_torch(payload, scan)
    if as_json or not payload.execution.quiet:
        show(result.summary(), as_json)

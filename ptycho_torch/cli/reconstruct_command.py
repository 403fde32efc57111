"""`ptycho-torch reconstruct`: from a scan to an object."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from ptycho_torch.cli import edge
from ptycho_torch.cli import options as opt
from ptycho_torch.cli import reconstruct_options as rec
from ptycho_torch.cli.render import show, show_reconstruction


@edge.guarded
def reconstruct(
    scan_file: rec.ScanFile,
    method: rec.Method = "auto",
    bundle: rec.Bundle = None,
    pretrained: rec.Pretrained = False,
    train_steps: rec.TrainSteps = None,
    output_dir: rec.OutputDir = Path("outputs"),
    epochs: rec.Epochs = None,
    modes: rec.Modes = None,
    update_probe: rec.UpdateProbe = True,
    search_probe: rec.SearchProbe = "auto",
    correct_positions: rec.CorrectPositions = False,
    likelihood: rec.Likelihood = "auto",
    engine: rec.Engine = "rpie",
    regularisation: rec.Regularisation = "auto",
    stop: rec.Stop = "auto",
    resume: rec.Resume = False,
    nphotons: rec.Nphotons = None,
    seed: rec.Seed = 0,
    pictures: rec.Pictures = True,
    measurement: opt.MeasurementFlag = None,
    accelerator: opt.AcceleratorFlag = None,
    cpu_threads: opt.CpuThreads = None,
    quiet: opt.Quiet = None,
    as_json: opt.Json = False,
) -> None:
    """Reconstruct object, probe and positions of a scan: by iterations, a network, or both."""
    flags = dict(locals())
    from ptycho_torch.config_factory import create_execution_config

    execution = create_execution_config(
        output_dir=output_dir, accelerator=accelerator, cpu_threads=cpu_threads, quiet=quiet
    )
    _check_numbers(flags)
    _check_network(flags)
    edge.talk(execution.quiet)
    from ptycho_torch.data.formats import read_scan

    scan = read_scan(scan_file, measurement)
    from ptycho_torch.methods.run import reconstruct as run
    from ptycho_torch.reconstruct.checkpoint import CHECKPOINT_FILE

    with edge.resumable(execution.output_dir / CHECKPOINT_FILE):
        result = run(scan, _settings(flags), execution)
    if as_json:
        show(result.summary(), as_json)
    elif not execution.quiet:
        show_reconstruction(result.metrics, [path.as_posix() for path in result.files])


def _settings(flags: dict[str, Any]) -> Any:
    """Sort the flags into the settings of a run."""
    from dataclasses import fields

    from ptycho_torch.iterative import IterativeSettings
    from ptycho_torch.methods.run import MethodSettings

    names = {field.name for field in fields(IterativeSettings)} - {"epochs"}
    return MethodSettings(
        method=flags["method"],
        bundle=flags["bundle"],
        pretrained=flags["pretrained"],
        train_steps=flags["train_steps"] or rec.DEFAULT_TRAIN_STEPS,
        epochs=flags["epochs"],
        iterative=IterativeSettings(**{name: flags[name] for name in names & set(flags)}),
        nphotons=flags["nphotons"],
        pictures=flags["pictures"],
    )


def _check_numbers(flags: dict[str, Any]) -> None:
    from ptycho_torch.config_factory import require_number_or_auto, require_range

    ranges = {
        "epochs": (1, math.inf),
        "modes": (1, 32),
        "train_steps": (1, math.inf),
        "nphotons": (1e-3, math.inf),
    }
    for name, (lowest, highest) in ranges.items():
        if flags[name] is not None:
            require_range(name, flags[name], lowest, highest)
    require_number_or_auto("regularisation", flags["regularisation"], 0, rec.STRONGEST)


def _check_network(flags: dict[str, Any]) -> None:
    """Refuse flags of which one would have no effect, and a bundle that is not there."""
    from ptycho_torch.errors import ConfigError, DataFileError

    method, bundle = flags["method"], flags["bundle"]
    given = [name for name in ("bundle", "pretrained") if flags[name]]
    if given and method == "pie":
        raise ConfigError("`--method pie` uses no network", f"drop --{given[0]}, or --method")
    if len(given) > 1:
        raise ConfigError("`--bundle` and `--pretrained` name two networks", "give one of them")
    if flags["train_steps"] is not None and (given or method in ("pie", "auto")):
        raise ConfigError(
            "`--train_steps` has no effect: no network is trained in this run",
            "use --method net or hybrid, without --bundle and --pretrained",
        )
    if bundle is not None and not bundle.exists():
        raise DataFileError(f"`{bundle}` does not exist", "check the path and the folder")

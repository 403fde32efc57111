"""`ptycho-torch refine`: how to go on from a result."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ptycho_torch.cli import edge
from ptycho_torch.cli import options as opt
from ptycho_torch.cli import reconstruct_options as rec
from ptycho_torch.cli.render import show
from ptycho_torch.config import RPIE_ALPHA

BatchSize = Annotated[int, opt.flag("batch_size", "Patterns in a step.", 16)]
Alpha = Annotated[float, opt.flag("alpha", "Regularisation of a step of rPIE.", RPIE_ALPHA)]
Momentum = Annotated[float, opt.flag("momentum", "Share of rPIE's last move that is kept.", 0.0)]
BatchGrowth = Annotated[
    int, opt.flag("batch_growth", "Growth of a step after each third of the epochs.", 1)
]


@edge.guarded
def refine(
    reconstruction: Annotated[
        Path, typer.Argument(help="The reconstruction.npz that a run wrote.")
    ],
    scan_file: Annotated[Path, opt.flag("scan", "Scan it was made from.")],
    output_dir: rec.OutputDir = Path("outputs"),
    engine: rec.Engine = "rpie",
    epochs: Annotated[int, opt.flag("epochs", "Passes over all patterns.", 3)] = 3,
    batch_size: BatchSize = 16,
    alpha: Alpha = RPIE_ALPHA,
    update_probe: Annotated[bool, opt.flag("update_probe", "Refine the probe too.", False)] = False,
    correct_positions: Annotated[
        bool, opt.flag("correct_positions", "Refine the positions too.", False)
    ] = False,
    momentum: Momentum = 0.0,
    batch_growth: BatchGrowth = 1,
    likelihood: rec.Likelihood = "auto",
    regularisation: rec.Regularisation = "auto",
    stop: rec.Stop = "auto",
    resume: rec.Resume = False,
    seed: Annotated[int, opt.flag("seed", "Order of the patterns.", 0)] = 0,
    measurement: opt.MeasurementFlag = None,
    cpu_threads: opt.CpuThreads = None,
    as_json: opt.Json = False,
) -> None:
    """Go on from a reconstruction by iterations."""
    flags = dict(locals())
    from ptycho_torch.config_factory import create_execution_config

    execution = create_execution_config(output_dir=output_dir, cpu_threads=cpu_threads)
    _check(flags)
    edge.talk(quiet=False)
    from ptycho_torch.data.formats import read_scan
    from ptycho_torch.iterative import refine_reconstruction
    from ptycho_torch.reconstruct.checkpoint import CHECKPOINT_FILE
    from ptycho_torch.reconstruct.result import read_reconstruction

    scan = read_scan(scan_file, measurement)
    start = read_reconstruction(reconstruction)
    options = _options(flags, start.scales.nphotons)
    with edge.resumable(execution.output_dir / CHECKPOINT_FILE):
        result = refine_reconstruction(start, scan, options, execution, resume=resume)
    show(result.summary(), as_json)


def _check(flags: dict[str, Any]) -> None:
    """Refuse numbers out of range, and flags that would have no effect."""
    from ptycho_torch.config_factory import require_number_or_auto, require_range
    from ptycho_torch.errors import ConfigError

    require_range("epochs", flags["epochs"], lowest=1)
    require_range("batch_size", flags["batch_size"], lowest=1)
    require_range("alpha", flags["alpha"], lowest=1e-6, highest=1)
    require_range("momentum", flags["momentum"], lowest=0, highest=0.99)
    require_range("batch_growth", flags["batch_growth"], lowest=1)
    require_number_or_auto("regularisation", flags["regularisation"], 0, rec.STRONGEST)
    if flags["engine"] == "adam" and (flags["alpha"] != RPIE_ALPHA or flags["momentum"]):
        raise ConfigError("`--alpha` and `--momentum` are rPIE's", "drop them, or --engine adam")


def _options(flags: dict[str, Any], nphotons: float) -> Any:
    """Sort the flags into the options of the engine."""
    from ptycho_torch.iterative import chosen_likelihood, chosen_strength
    from ptycho_torch.reconstruct.engine import GradientOptions, RpieOptions

    names = ("epochs", "batch_size", "update_probe", "correct_positions", "batch_growth", "seed")
    common = {
        **{name: flags[name] for name in names},
        "nphotons": nphotons,
        "likelihood": chosen_likelihood(flags["likelihood"], nphotons),
        "regularisation": chosen_strength(flags["regularisation"]),
        "stop_early": flags["stop"] == "auto",
    }
    if flags["engine"] == "adam":
        return GradientOptions(**common)
    return RpieOptions(**common, alpha=flags["alpha"], momentum=flags["momentum"])

"""`ptycho-torch evaluate | refine | parity`: what to think of a result, and how to go on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ptycho_torch.cli import edge
from ptycho_torch.cli import options as opt
from ptycho_torch.cli.render import show
from ptycho_torch.config import RPIE_ALPHA

ReconstructionFile = Annotated[
    Path, typer.Argument(help="The reconstruction.npz that inference wrote.")
]


@edge.guarded
def evaluate(
    reconstruction: ReconstructionFile,
    truth: Annotated[Path | None, opt.flag("truth", "Scan with the true object (NPZ).")] = None,
    scan_file: Annotated[
        Path | None, opt.flag("scan", "Scan it was made from, for the R factor (NPZ).")
    ] = None,
    as_json: opt.Json = False,
) -> None:
    """Compare a reconstruction with the truth or with its data, the flat object beside it."""
    from ptycho_torch.data.formats import read_scan
    from ptycho_torch.errors import ConfigError, DataFileError

    if truth is None and scan_file is None:
        raise ConfigError("nothing to compare with", "give --truth, --scan or both")
    known = None if truth is None else read_scan(truth)
    if known is not None and known.object is None:
        raise DataFileError(
            f"`{truth}` holds no object to compare with", "give a file with `objectGuess`"
        )
    scan = None if scan_file is None else read_scan(scan_file)
    from ptycho_torch.reconstruct.result import compare, measure, read_reconstruction

    found = read_reconstruction(reconstruction)
    report = {} if known is None or known.object is None else compare(found, known.object)
    show(report if scan is None else {**report, "data": measure(found, scan)}, as_json)


@edge.guarded
def refine(
    reconstruction: ReconstructionFile,
    scan_file: Annotated[Path, opt.flag("scan", "Scan it was made from.")],
    output_dir: opt.OutputDir = Path("outputs"),
    epochs: Annotated[int, opt.flag("epochs", "rPIE epochs.", 3)] = 3,
    batch_size: Annotated[int, opt.flag("batch_size", "Patterns in a step.", 16)] = 16,
    alpha: Annotated[
        float, opt.flag("alpha", "Regularisation of a step.", RPIE_ALPHA)
    ] = RPIE_ALPHA,
    update_probe: Annotated[bool, opt.flag("update_probe", "Refine the probe too.", False)] = False,
    momentum: Annotated[
        float, opt.flag("momentum", "Share of the last move that is kept.", 0.0)
    ] = 0.0,
    batch_growth: Annotated[
        int, opt.flag("batch_growth", "Growth of a step after each third of the epochs.", 1)
    ] = 1,
    seed: Annotated[int, opt.flag("seed", "Order of the patterns.", 0)] = 0,
    measurement: opt.MeasurementFlag = None,
    cpu_threads: opt.CpuThreads = None,
    as_json: opt.Json = False,
) -> None:
    """Go on from a reconstruction with rPIE, the plain iterative method."""
    from ptycho_torch.config_factory import create_execution_config, require_range

    execution = create_execution_config(output_dir=output_dir, cpu_threads=cpu_threads)
    require_range("epochs", epochs, lowest=1)
    require_range("batch_size", batch_size, lowest=1)
    require_range("alpha", alpha, lowest=1e-6, highest=1)
    require_range("momentum", momentum, lowest=0, highest=0.99)
    require_range("batch_growth", batch_growth, lowest=1)
    edge.talk(quiet=False)
    from ptycho_torch.data.formats import read_scan
    from ptycho_torch.iterative import refine_reconstruction
    from ptycho_torch.reconstruct.engine import RpieOptions
    from ptycho_torch.reconstruct.result import read_reconstruction

    scan = read_scan(scan_file, measurement)
    options = RpieOptions(
        epochs=epochs,
        batch_size=batch_size,
        alpha=alpha,
        update_probe=update_probe,
        seed=seed,
        momentum=momentum,
        batch_growth=batch_growth,
    )
    result = refine_reconstruction(read_reconstruction(reconstruction), scan, options, execution)
    show(result.summary(), as_json)


@edge.guarded
def parity(
    model_path: Annotated[Path, opt.flag("model_path", "Output folder of a training run.")],
    train_data_file: Annotated[
        Path | None, opt.flag("data", "The training scan; without it the run's own path.")
    ] = None,
    n_images: Annotated[int, opt.flag("n_images", "Groups to compare.", 64)] = 64,
    tolerance: Annotated[float, opt.flag("tolerance", "Relative difference allowed.", 0.1)] = 0.1,
    as_json: opt.Json = False,
) -> None:
    """Predict the same groups as training and as inference do; exit 1 when they differ."""
    from ptycho_torch.config_factory import require_range

    require_range("n_images", n_images, lowest=1)
    require_range("tolerance", tolerance, lowest=0)
    edge.talk(quiet=True)
    from ptycho_torch.parity import compare_paths

    result = compare_paths(model_path, train_data_file, n_images, tolerance)
    show(result.summary(), as_json)
    if not result.equal:
        raise typer.Exit(1)

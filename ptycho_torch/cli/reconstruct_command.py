"""`ptycho-torch reconstruct | check`: from a scan to an object, and whether the scan is sound."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Literal

import typer

from ptycho_torch.cli import edge
from ptycho_torch.cli import options as opt
from ptycho_torch.cli.render import show, show_reconstruction

ScanFile = Annotated[Path, typer.Argument(help="Scan to read, in any format.")]


@edge.guarded
def reconstruct(
    scan_file: ScanFile,
    method: Annotated[
        Literal["auto", "net", "pie", "hybrid"],
        opt.flag("method", "auto chooses by dose, patterns and bundle, and says why.", "auto"),
    ] = "auto",
    bundle: Annotated[
        Path | None, opt.flag("bundle", "Trained network: the bundle or its folder.")
    ] = None,
    train_steps: Annotated[
        int | None,
        opt.flag("train_steps", "Steps of a network trained on this scan.", "1000"),
    ] = None,
    output_dir: Annotated[
        Path,
        typer.Option(
            *("--output_dir", "--output-dir", "--out"),
            help="Folder for everything the run leaves. [default: outputs]",
            show_default=False,
        ),
    ] = Path("outputs"),
    epochs: Annotated[
        int | None,
        opt.flag("epochs", "Passes over all patterns.", "24, after a network 9"),
    ] = None,
    modes: Annotated[
        int | None, opt.flag("modes", "Incoherent probe modes; without it as many as in the file.")
    ] = None,
    update_probe: Annotated[bool, opt.flag("update_probe", "Refine the probe.", True)] = True,
    correct_positions: Annotated[
        bool, opt.flag("correct_positions", "Refine the positions first.", False)
    ] = False,
    likelihood: Annotated[
        Literal["auto", "amplitude", "poisson"],
        opt.flag("likelihood", "What steps follow; auto is Poisson at low dose.", "auto"),
    ] = "auto",
    nphotons: Annotated[
        float | None, opt.flag("nphotons", "Mean photons per pattern; without it the counts.")
    ] = None,
    seed: Annotated[int, opt.flag("seed", "Origin of every random number.", 0)] = 0,
    pictures: Annotated[
        bool, opt.flag("pictures", "Draw object, probe and the course of R.", True)
    ] = True,
    measurement: opt.MeasurementFlag = None,
    accelerator: opt.AcceleratorFlag = None,
    cpu_threads: opt.CpuThreads = None,
    quiet: opt.Quiet = None,
    as_json: opt.Json = False,
) -> None:
    """Reconstruct object, probe and positions of a scan: by iterations, a network, or both."""
    from ptycho_torch.config_factory import create_execution_config, require_range

    execution = create_execution_config(
        output_dir=output_dir, accelerator=accelerator, cpu_threads=cpu_threads, quiet=quiet
    )
    for name, value, highest in (
        ("epochs", epochs, math.inf),
        ("modes", modes, 32),
        ("train_steps", train_steps, math.inf),
    ):
        if value is not None:
            require_range(name, value, lowest=1, highest=highest)
    if nphotons is not None:
        require_range("nphotons", nphotons, lowest=1e-3)
    _check_method(method, bundle, train_steps)
    edge.talk(execution.quiet)
    from ptycho_torch.data.formats import read_scan

    scan = read_scan(scan_file, measurement)
    if bundle is not None:
        from ptycho_torch.bundle import read_bundle_info

        read_bundle_info(bundle)
    from ptycho_torch.iterative import IterativeSettings
    from ptycho_torch.methods.run import MethodSettings
    from ptycho_torch.methods.run import reconstruct as run

    iterative = IterativeSettings(
        modes=modes,
        update_probe=update_probe,
        correct_positions=correct_positions,
        likelihood=likelihood,
        seed=seed,
    )
    settings = MethodSettings(
        method=method,
        bundle=bundle,
        train_steps=train_steps or 1000,
        epochs=epochs,
        iterative=iterative,
        nphotons=nphotons,
        pictures=pictures,
    )
    result = run(scan, settings, execution)
    if as_json:
        show(result.summary(), as_json)
    elif not execution.quiet:
        show_reconstruction(result.metrics, [path.as_posix() for path in result.files])


def _check_method(method: str, bundle: Path | None, train_steps: int | None) -> None:
    """Refuse flags of which one would have no effect."""
    from ptycho_torch.errors import ConfigError

    if bundle is not None and method == "pie":
        raise ConfigError("`--method pie` uses no network", "drop --bundle, or --method")
    if train_steps is not None and (bundle is not None or method in ("pie", "auto")):
        raise ConfigError(
            "`--train_steps` has no effect: no network is trained in this run",
            "use --method net or hybrid, without --bundle",
        )


@edge.guarded
def check(
    scan_file: ScanFile,
    epochs: Annotated[int, opt.flag("epochs", "rPIE epochs for each orientation.", 4)] = 4,
    seed: Annotated[int, opt.flag("seed", "Order of the patterns.", 0)] = 0,
    measurement: opt.MeasurementFlag = None,
    cpu_threads: opt.CpuThreads = None,
    as_json: opt.Json = False,
) -> None:
    """Say what a scan holds, what looks wrong, and which way round its positions are.

    Exits with 1 when something looks wrong, or another orientation fits clearly better.
    """
    from ptycho_torch.config_factory import create_execution_config, require_range

    execution = create_execution_config(cpu_threads=cpu_threads)
    require_range("epochs", epochs, lowest=1)
    edge.talk(quiet=False)
    from ptycho_torch.data.formats import read_scan

    scan = read_scan(scan_file, measurement)
    from ptycho_torch.data.inspection import inspect_scan
    from ptycho_torch.reconstruct.orientation import find_orientation
    from ptycho_torch.runtime import prepare_torch

    prepare_torch(execution, seed)
    inspection = inspect_scan(scan)
    orientation = None
    if inspection.unit_remark is None:  # else there is nothing to try
        orientation = find_orientation(scan, epochs, seed)
    shown = None if orientation is None else orientation.as_dict()
    show({**inspection.as_dict(), "orientation": shown}, as_json)
    if inspection.remarks or orientation is None or orientation.contradicts:
        raise typer.Exit(1)

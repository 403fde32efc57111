"""`ptycho-torch reconstruct | check`: from a scan to an object, and whether the scan is sound."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from ptycho_torch.cli import edge
from ptycho_torch.cli import options as opt
from ptycho_torch.cli.render import show

ScanFile = Annotated[Path, typer.Argument(help="Scan to read, in any format.")]


@edge.guarded
def reconstruct(
    scan_file: ScanFile,
    output_dir: opt.OutputDir = Path("outputs"),
    epochs: Annotated[int, opt.flag("epochs", "Passes over all patterns.", 24)] = 24,
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
    seed: Annotated[int, opt.flag("seed", "Order of the patterns.", 0)] = 0,
    measurement: opt.MeasurementFlag = None,
    cpu_threads: opt.CpuThreads = None,
    as_json: opt.Json = False,
) -> None:
    """Reconstruct object, probe and positions of a scan without any network."""
    from ptycho_torch.config_factory import create_execution_config, require_range

    execution = create_execution_config(output_dir=output_dir, cpu_threads=cpu_threads)
    require_range("epochs", epochs, lowest=1)
    if modes is not None:
        require_range("modes", modes, lowest=1, highest=32)
    edge.talk(quiet=False)
    from ptycho_torch.data.formats import read_scan

    scan = read_scan(scan_file, measurement)
    from ptycho_torch.iterative import IterativeSettings, reconstruct_iteratively

    settings = IterativeSettings(epochs, modes, update_probe, correct_positions, likelihood, seed)
    show(reconstruct_iteratively(scan, settings, execution).summary(), as_json)


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

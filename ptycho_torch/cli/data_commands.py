"""`ptycho-torch simulate | split | convert | info`: scans and bundles as files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from ptycho_torch.cli import edge
from ptycho_torch.cli import options as opt
from ptycho_torch.cli.render import show

OutDir = Annotated[Path, opt.flag("out_dir", "Folder for train.npz and test.npz.")]
ScanFile = Annotated[Path, typer.Argument(help="Scan to read.")]

_TEST_SEED_OFFSET = 1_000_003
"""Keeps the test object's seed away from every training seed a person would choose."""


@edge.guarded
def simulate(
    out_dir: OutDir,
    seed: Annotated[int, opt.flag("seed", "Of object, positions and noise.", 7)] = 7,
    n_pixel: Annotated[int, opt.flag("n_pixel", "Edge of a pattern.", 64)] = 64,
    n_patterns: Annotated[int, opt.flag("n_patterns", "Training patterns.", 512)] = 512,
    n_test_patterns: Annotated[int, opt.flag("n_test_patterns", "Test patterns.", 256)] = 256,
    nphotons: Annotated[float, opt.flag("nphotons", "Photons per pattern.", "1e9")] = 1e9,
    kind: Annotated[str, opt.flag("kind", "Family of objects.", "cells")] = "cells",
    as_json: opt.Json = False,
) -> None:
    """Simulate two scans of different objects with one probe; equal seeds give equal bytes."""
    from ptycho_torch.artifacts import make_folder
    from ptycho_torch.config_factory import require_range
    from ptycho_torch.data.formats import write_npz
    from ptycho_torch.simulation import simulate_scan

    require_range("seed", seed, lowest=0)
    make_folder(out_dir)
    report: dict[str, Any] = {}
    for name, part_seed, count in (
        ("train", seed, n_patterns),
        ("test", seed + _TEST_SEED_OFFSET, n_test_patterns),
    ):
        scan = simulate_scan(
            part_seed, n_pixel=n_pixel, n_patterns=count, nphotons=nphotons, kind=kind
        )
        write_npz(out_dir / f"{name}.npz", scan)
        report[name] = {"file": (out_dir / f"{name}.npz").as_posix(), "patterns": len(scan)}
    show(report, as_json)


@edge.guarded
def split(
    scan_file: ScanFile,
    out_dir: OutDir,
    rule: Annotated[
        Literal["side", "alternate"],
        opt.flag("rule", "Cut the area in two, or take every second pattern.", "side"),
    ] = "side",
    measurement: opt.MeasurementFlag = None,
    as_json: opt.Json = False,
) -> None:
    """Divide a scan into train.npz and test.npz, which share no pattern."""
    edge.talk(quiet=False)
    from ptycho_torch.artifacts import make_folder
    from ptycho_torch.data.formats import read_scan, write_npz
    from ptycho_torch.data.split import split_scan

    halves = split_scan(read_scan(scan_file, measurement), rule)
    make_folder(out_dir)
    report = {}
    for name, half in zip(("train", "test"), halves, strict=True):
        write_npz(out_dir / f"{name}.npz", half)
        report[name] = {"file": (out_dir / f"{name}.npz").as_posix(), "patterns": len(half)}
    show(report, as_json)


@edge.guarded
def convert(
    scan_file: ScanFile,
    target: Annotated[Path, typer.Argument(help="File to write: `.npz`, `.cxi`, or `.h5`.")],
    measurement: opt.MeasurementFlag = None,
    as_json: opt.Json = False,
) -> None:
    """Write a scan as NPZ, CXI or a product of Ptychodus, whatever format it has now."""
    edge.talk(quiet=False)
    from ptycho_torch.artifacts import make_folder
    from ptycho_torch.data.formats import read_scan, write_scan

    _check_ending(target)
    scan = read_scan(scan_file, measurement)
    make_folder(target.absolute().parent)
    write_scan(target, scan)
    show({"file": target.as_posix(), **_scan_facts(scan)}, as_json)


@edge.guarded
def join(
    patterns: Annotated[Path, typer.Argument(help="Patterns: NPY, TIFF, HDF5 or NPZ.")],
    target: Annotated[Path, typer.Argument(help="File to write: `.npz`, `.cxi`, or `.h5`.")],
    positions: Annotated[
        Path, opt.flag("positions", "Table with a header (x_px, y_um, …), or a product.")
    ],
    pixel_size_m: Annotated[
        float | None, opt.flag("pixel_size_m", "Edge of an object pixel in metres.")
    ] = None,
    energy_ev: Annotated[float | None, opt.flag("energy_ev", "Photon energy.")] = None,
    distance_m: Annotated[float | None, opt.flag("distance_m", "Sample to detector.")] = None,
    detector_pixel_m: Annotated[
        float | None, opt.flag("detector_pixel_m", "Edge of a detector pixel in metres.")
    ] = None,
    measurement: opt.MeasurementFlag = None,
    as_json: opt.Json = False,
) -> None:
    """Make one scan of patterns in one file and their positions in another."""
    edge.talk(quiet=False)
    from ptycho_torch.artifacts import make_folder
    from ptycho_torch.data.formats import write_scan
    from ptycho_torch.data.formats.joined import Optics
    from ptycho_torch.data.formats.joined import join as joined

    _check_ending(target)
    optics = Optics(pixel_size_m, energy_ev, distance_m, detector_pixel_m)
    scan = joined(patterns, positions, optics, measurement)
    make_folder(target.absolute().parent)
    write_scan(target, scan)
    show({"file": target.as_posix(), **_scan_facts(scan)}, as_json)


def _check_ending(target: Path) -> None:
    from ptycho_torch.data.formats import SUFFIXES
    from ptycho_torch.errors import ConfigError

    if target.suffix not in SUFFIXES:
        written = ", ".join(f"`{suffix}`" for suffix in SUFFIXES)
        raise ConfigError(f"`{target}` has another ending", f"{written} are written")


@edge.guarded
def info(
    file: Annotated[Path, typer.Argument(help="Model bundle, its folder, or a scan.")],
    measurement: opt.MeasurementFlag = None,
    as_json: opt.Json = False,
) -> None:
    """Say what a bundle or a scan holds, after checking it."""
    from ptycho_torch.archive import is_archive
    from ptycho_torch.bundle import read_bundle_info

    if file.is_dir() or is_archive(file):
        show(_bundle_facts(read_bundle_info(file)), as_json)
        return
    from ptycho_torch.data.formats import read_scan

    edge.talk(quiet=False)
    show({"kind": "scan", **_scan_facts(read_scan(file, measurement))}, as_json)


def _scan_facts(scan: Any) -> dict[str, Any]:
    return {
        "patterns": len(scan),
        "n_pixel": scan.n_pixel,
        "measurement": scan.measurement,
        "probe_modes": len(scan.probe),
        "object_shape": None if scan.object is None else list(scan.object.shape),
        "mask": scan.mask is not None,
        "mean_intensity": float((scan.amplitude().astype("float64") ** 2).sum() / len(scan)),
        "position_range_px": [
            scan.positions_px.min(axis=0).tolist(),
            scan.positions_px.max(axis=0).tolist(),
        ],
        "nphotons": scan.nphotons,
        "pixel_size_m": scan.pixel_size_m,
        "energy_ev": scan.energy_ev,
        "distance_m": scan.distance_m,
    }


def _bundle_facts(bundle: Any) -> dict[str, Any]:
    from math import prod

    return {
        "kind": "bundle",
        "schema_version": bundle.manifest["schema_version"],
        "code_version": bundle.manifest["code_version"],
        "members": bundle.manifest["members"],
        "parameters": sum(prod(s) for name, s in bundle.shapes.items() if name != "probe"),
        "probe_shape": list(bundle.shapes.get("probe", ())),
        "data": bundle.data.model_dump(mode="json"),
        "model": bundle.model.model_dump(mode="json"),
        "training": bundle.training.model_dump(mode="json"),
        "scales": bundle.scales.to_dict(),
    }

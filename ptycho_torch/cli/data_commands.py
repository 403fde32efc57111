"""`ptycho-torch simulate | split | info`: scans and bundles as files."""

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
def info(
    file: Annotated[Path, typer.Argument(help="Bundle, its folder, scan, product or result.")],
    measurement: opt.MeasurementFlag = None,
    as_json: opt.Json = False,
) -> None:
    """Say what a bundle, a scan, a product or a reconstruction holds, after checking it."""
    from ptycho_torch.archive import is_archive

    if file.is_dir() or is_archive(file):
        from ptycho_torch.bundle import read_bundle_info

        show(_bundle_facts(read_bundle_info(file)), as_json)
        return
    from ptycho_torch.data.formats import read_file
    from ptycho_torch.data.formats.npz import holds_reconstruction

    edge.talk(quiet=False)
    if holds_reconstruction(file):
        from ptycho_torch.reconstruct.result import read_reconstruction

        show(_reconstruction_facts(read_reconstruction(file)), as_json)
        return
    show(facts(read_file(file, measurement)), as_json)


def facts(item: Any) -> dict[str, Any]:
    """Say what a scan or a product holds.

    Args:
        item: `ScanData` or `Product`.

    Returns:
        Plain values for JSON.
    """
    from ptycho_torch.data.scan import ScanData

    found = _scan_facts(item) if isinstance(item, ScanData) else _product_facts(item)
    lengths = ("nphotons", "pixel_size_m", "energy_ev", "distance_m")
    return {**found, **{name: getattr(item, name) for name in lengths}}


def _product_facts(product: Any) -> dict[str, Any]:
    return {
        "kind": "product",
        "positions": len(product),
        "n_pixel": product.probe.shape[-1],
        "probe_modes": len(product.probe),
        "object_shape": list(product.object.shape),
        "position_range_px": _range(product.positions_px),
    }


def _reconstruction_facts(result: Any) -> dict[str, Any]:
    return {
        "kind": "reconstruction",
        "patterns": len(result.patterns),
        "n_pixel": result.probe.shape[-1],
        "probe_modes": len(result.probe),
        "object_shape": list(result.canvas.object.shape),
        "origin_px": list(result.canvas.origin),
        "position_range_px": _range(result.positions_px),
        "positions_corrected": result.given_positions_px is not None,
        "scales": result.scales.to_dict(),
    }


def _range(positions_px: Any) -> list[Any]:
    return [positions_px.min(axis=0).tolist(), positions_px.max(axis=0).tolist()]


def _scan_facts(scan: Any) -> dict[str, Any]:
    power = 2 if scan.measurement == "amplitude" else 1
    return {
        "kind": "scan",
        "patterns": len(scan),
        "n_pixel": scan.n_pixel,
        "measurement": scan.measurement,
        "probe_modes": len(scan.probe),
        "object_shape": None if scan.object is None else list(scan.object.shape),
        "mask": scan.mask is not None,
        "mean_intensity": sum(float((x.astype("float64") ** power).sum()) for x in scan.diffraction)
        / len(scan),
        "position_range_px": _range(scan.positions_px),
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

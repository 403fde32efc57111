"""Held-out scenes: error and CPU seconds of every method, beside a textbook rPIE at equal time.

Scenes, metric and textbook are those of `tests/torch/reference_*.py`, which import nothing of the
package; nothing was tuned on them. Rows of a scene: the flat object, projections put together
without a network, the textbook's sequential rPIE (given the CPU time that `reconstruct` took),
`reconstruct --method pie`, and `--method hybrid` with a pretrained network where there is one.
Error is |c found - truth| / |truth| with the best shift, ramp and c. One thread.

    python bench/bench_scenes.py [--only WORD …] [--bundle FILE] [--seeds N] [--json FILE]

Ends with 1 if `reconstruct` is worse than both the textbook and the flat object on any scene.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch

from ptycho_torch.config import ExecutionConfig
from ptycho_torch.data.formats import read_scan
from ptycho_torch.data.scan import ScanData
from ptycho_torch.methods.run import MethodSettings, reconstruct
from ptycho_torch.methods.scene import prepare_scene, projected_object
from ptycho_torch.pretrained import shipped_bundle
from ptycho_torch.reconstruct.result import Reconstruction
from tests.torch.reference_ptychography import Judgement, judge, textbook_rpie
from tests.torch.reference_scenes import Measured, Scene, measure, write_npz

SCENES = (
    Scene("natural", "zone_plate", "spiral", patterns=200, overlap=0.8, dose=1e2),
    Scene("natural", "zone_plate", "spiral", patterns=200, overlap=0.8, dose=1e3),
    Scene("strong", "pinhole", "jitter", patterns=200, overlap=0.6, dose=1e3),
    Scene("text", "diffuser", "random", patterns=200, overlap=0.8, dose=1e4),
    Scene("vortices", "curved", "jitter", patterns=150, overlap=0.75, dose=1e4),
    Scene("over_2pi", "zone_plate", "random", patterns=150, overlap=0.75, dose=1e4),
    Scene("binary_phase", "off_centre", "circles", patterns=150, overlap=0.75, dose=1e4),
    Scene("absorption", "slits", "spiral", patterns=49, overlap=0.7, dose=1e5),
    Scene("natural", "diffuser", "spiral", patterns=25, overlap=0.8, dose=1e6),
    Scene("phantom", "gauss", "spiral", patterns=150, overlap=0.7, dose=1e5),
    Scene("text", "gauss", "raster", patterns=144, dose=1e5),
    Scene("sparse", "diffuser", "random", patterns=60, n_pixel=128, dose=1e5),
    Scene("natural", "curved", "jitter", patterns=80, n_pixel=128, dose=1e6),
    Scene("natural", "zone_plate", "spiral", patterns=400, overlap=0.85, dose=1e6, aspect=4.0),
    Scene("noise", "airy", "circles", patterns=100, dose=1e7),
    Scene("natural", "curved", "jitter", patterns=100, dose=1e7, modes=(0.7, 0.2, 0.1)),
    Scene("over_2pi", "zone_plate", "random", patterns=300, dose=1e7),
    Scene("vortices", "long", "random", patterns=100, dose=1e7),
    Scene("strong", "off_centre", "circles", patterns=100, dose=1e7),
    Scene("text", "slits", "jitter", patterns=150, overlap=0.5, dose=1e8),
    Scene("strong", "vortex", "jitter", patterns=150, overlap=0.4, dose=1e9),
)


@dataclass(frozen=True)
class Row:
    """One method on one scene, medians over the seeds."""

    scene: str
    method: str
    cpu_s: float
    error: float
    amplitude: float
    phase_rad: float


def rows_of(scene: Scene, bundle: Path | None) -> Iterator[Row]:
    """Try every method on one scene."""
    measured = measure(scene)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scan.npz"
        write_npz(path, measured, truth=False)
        scan = read_scan(path)
        settings = MethodSettings(method="pie", pictures=False)
        cpu_s, ours = _timed(measured, lambda: _reconstructed(scan, settings, folder))
        yield Row(scene.name, "flat", 0.0, ours.flat, np.nan, np.nan)
        control_s, control = _timed(measured, lambda: projected_object(prepare_scene(scan)))
        yield _row(scene, "projections + sync", control_s, control)
        with np.errstate(all="ignore"):
            book = textbook_rpie(measured, epochs=9999, cpu_s=cpu_s)
            sound = bool(np.isfinite(book.obj).all())
            judged = judge(book.obj if sound else np.ones_like(book.obj), book.origin, measured)
        yield _row(scene, "textbook rPIE" if sound else "textbook (diverged)", book.cpu_s, judged)
        yield _row(scene, "reconstruct", cpu_s, ours)
        if bundle is not None:
            settings = replace(settings, method="hybrid", bundle=bundle)
            hybrid_s, hybrid = _timed(measured, lambda: _reconstructed(scan, settings, folder))
            yield _row(scene, "hybrid", hybrid_s, hybrid)


def _reconstructed(scan: ScanData, settings: MethodSettings, folder: str) -> Reconstruction:
    execution = ExecutionConfig(output_dir=Path(folder) / settings.method)
    return reconstruct(scan, settings, execution).reconstruction


def _timed(measured: Measured, run: Callable[[], Reconstruction]) -> tuple[float, Judgement]:
    began = time.process_time()
    found = run()
    cpu_s = time.process_time() - began
    return cpu_s, judge(found.canvas.object, np.array(found.canvas.origin), measured)


def _row(scene: Scene, method: str, cpu_s: float, judged: Judgement) -> Row:
    return Row(scene.name, method, cpu_s, judged.error, judged.amplitude, judged.phase_rad)


def medians(scene: Scene, bundle: Path | None, seeds: int) -> list[Row]:
    """Repeat a scene with other seeds of object, positions and noise."""
    runs = [list(rows_of(replace(scene, seed=seed), bundle)) for seed in range(1, seeds + 1)]
    numbers = ("cpu_s", "error", "amplitude", "phase_rad")
    return [
        replace(
            same[0],
            **{key: statistics.median(getattr(row, key) for row in same) for key in numbers},
        )
        for same in zip(*runs, strict=True)
    ]


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", default=[], help="words of scenes' names")
    parser.add_argument("--bundle", type=Path, help="pretrained network instead of the shipped one")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    logging.disable(logging.WARNING)
    shipped = shipped_bundle() if shipped_bundle().is_file() else None
    bundle = arguments.bundle or shipped
    if bundle is None:
        print("no pretrained network is shipped: no hybrid rows", file=sys.stderr)
    print(f"{'scene':42s} {'method':20s} {'CPU s':>6s} {'error':>7s} {'amp.':>7s} {'phase':>7s}")
    everything: list[Row] = []
    for scene in SCENES:
        if all(word in scene.name for word in arguments.only):
            found = medians(scene, bundle, arguments.seeds)
            everything += found
            for row in found:
                numbers = (
                    f"{row.cpu_s:6.1f} {row.error:7.4f} {row.amplitude:7.4f} {row.phase_rad:7.4f}"
                )
                print(f"{row.scene:42s} {row.method:20s} {numbers}", flush=True)
    if arguments.json is not None:
        records = [_without_nan(asdict(row)) for row in everything]
        arguments.json.write_text(json.dumps(records, indent=1) + "\n")
    return _verdict(everything)


def _without_nan(record: dict[str, Any]) -> dict[str, Any]:
    return {key: None if value != value else value for key, value in record.items()}


def _verdict(rows: list[Row]) -> int:
    by_scene: dict[str, dict[str, float]] = {}
    for row in rows:
        by_scene.setdefault(row.scene, {})[row.method.split(" ")[0]] = row.error
    worse = [
        name
        for name, error in by_scene.items()
        if error["reconstruct"] > 1.05 * max(error["textbook"], error["flat"])
    ]
    for name in worse:
        print(f"worse than textbook and flat: {name}", file=sys.stderr)
    return int(bool(worse))


if __name__ == "__main__":
    sys.exit(main())

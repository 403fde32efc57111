"""Wrong start probes: where `reconstruct` ends, and where a plain run of 24 epochs does.

Scenes and metric are those of `tests/torch/reference_*.py`, which import nothing of the package;
nothing was chosen on them. A row holds where the true probe ends, where the wrong start ends
without search and further rounds (before) and as the command does it (after), and what was found.
It is solved when the error is at most 0.05, or 1.3 times the true probe's.

    python bench/bench_probe_search.py [--only WORD …] [--json FILE]

Ends with 1 if a run ends worse than before (by more than a tenth).
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch
from scipy import ndimage

from ptycho_torch.data.formats import read_scan
from ptycho_torch.iterative import IterativeOutcome, IterativeSettings, run_stages
from ptycho_torch.methods.scene import flat_object, prepare_scene
from ptycho_torch.reconstruct.probe_doubt import PROBE_SEARCH
from tests.torch.reference_ptychography import judge
from tests.torch.reference_scenes import (
    Array,
    Measured,
    Scene,
    defocused,
    measure,
    width_px,
    write_npz,
)

FAMILIES = {
    "zone_plate": "natural",
    "pinhole": "text",
    "slits": "strong",
    "curved": "phantom",
    "diffuser": "natural",
}
DOSES = (1e6, 1e3, 1e4)
WRONG = ("defocus -60", "1.5 times as wide", "gaussian", "no phase")
SOLVED = 0.05
NEAR = 1.3
EPOCHS = IterativeSettings().epochs


@dataclass(frozen=True)
class Row:
    """One start on one scene; errors are |c found - truth| / |truth|."""

    scene: str
    start: str
    likeness: float
    flat: float
    true_probe: float
    before: float
    after: float
    found: str
    cpu_before_s: float
    cpu_after_s: float

    def solved(self, error: float) -> bool:
        """Whether an error counts as success."""
        return error <= max(SOLVED, NEAR * self.true_probe)


def wrong_start(probe: Array, kind: str) -> Array:
    """Spoil a probe, (N, N) complex."""
    size = probe.shape[-1]
    rows, cols = np.indices(probe.shape) - size // 2
    radius, half_width = np.hypot(rows, cols), width_px(probe[None]) / 2
    return {
        "defocus -60": lambda: defocused(probe, -60),
        "1.5 times as wide": lambda: _zoomed(probe, 1.5),
        "gaussian": lambda: np.exp(-((radius / half_width) ** 2)) + 0j,
        "no phase": lambda: np.abs(probe) + 0j,
    }[kind]()


def _zoomed(probe: Array, zoom: float) -> Array:
    half = probe.shape[-1] // 2
    axis = (np.arange(probe.shape[-1]) - half) / zoom + half
    return ndimage.map_coordinates(probe, np.meshgrid(axis, axis, indexing="ij"), order=3)


def rows_of(scene: Scene) -> Iterator[Row]:
    """Try every wrong start on one scene."""
    measured = measure(scene)
    true, flat, _, _ = _run(measured, measured.probe[0])
    for kind in WRONG:
        start = wrong_start(measured.probe[0], kind)
        after, _, outcome, after_s = _run(measured, start)
        before, before_s = after, after_s
        told = outcome.facts.get(PROBE_SEARCH)
        if told is not None or len(outcome.epochs) > EPOCHS:
            before, _, _, before_s = _run(measured, start, search_probe="never", go_on=False)
        found = "" if told is None else f"{told['start']} {told['defocus_rad']:+.0f}"
        likeness = _likeness(measured.probe[0], start)
        numbers = (likeness, flat, true, before, after)
        yield Row(scene.name, kind, *numbers, found, before_s, after_s)


def _likeness(first: Array, second: Array) -> float:
    """Overlap at the best shift, 0 to 1."""
    overlap = np.abs(np.fft.ifft2(np.fft.fft2(first) * np.fft.fft2(second).conj())).max()
    return float(overlap / np.linalg.norm(first) / np.linalg.norm(second))


def _run(
    measured: Measured, probe: Array, **asked: Any
) -> tuple[float, float, IterativeOutcome, float]:
    """Reconstruct as the command does; error, the flat object's, outcome and CPU seconds."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scan.npz"
        write_npz(path, replace(measured, given_probe=probe[None]), truth=False)
        scene = prepare_scene(read_scan(path))
    began = time.process_time()
    settings = IterativeSettings(**asked)
    outcome = run_stages(flat_object(scene), scene.amplitude, scene.mask, settings)
    cpu_s = time.process_time() - began
    canvas = outcome.reconstruction.canvas
    judged = judge(canvas.object, np.array(canvas.origin), measured)
    return judged.error, judged.flat, outcome, cpu_s


def scenes() -> Iterator[Scene]:
    """Every family at every dose."""
    for dose in DOSES:
        for probe, obj in FAMILIES.items():
            yield Scene(obj, probe, "jitter", patterns=100, overlap=0.75, dose=dose)


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", default=[], help="words of scenes' names")
    parser.add_argument("--json", type=Path, default=Path("outputs/bench/probe_search.json"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    logging.disable(logging.WARNING)
    rows: list[Row] = []
    print(f"{'scene':36s} {'start':18s} like  flat   true  before after   CPU s      found")
    for scene in scenes():
        if not all(word in scene.name for word in arguments.only):
            continue
        for row in rows_of(scene):
            rows.append(row)
            print(
                f"{row.scene:36s} {row.start:18s} {row.likeness:4.2f} {row.flat:6.3f} "
                f"{row.true_probe:6.3f} {row.before:6.3f} {row.after:6.3f} "
                f"{row.cpu_before_s:4.1f} {row.cpu_after_s:5.1f}  {row.found}",
                flush=True,
            )
    return _verdict(rows, arguments.json)


def _verdict(rows: list[Row], path: Path) -> int:
    """Write JSON and sum up, dose by dose."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
    for dose in DOSES:
        some = [row for row in rows if row.scene.endswith(f"/{dose:g}")]
        if some:
            before, after = (
                sum(row.solved(getattr(row, name)) for row in some) for name in ("before", "after")
            )
            ratio = math.exp(sum(math.log(row.after / row.before) for row in some) / len(some))
            print(
                f"{dose:g} photons: {before} of {len(some)} solved before, {after} "
                f"after; errors x {ratio:.2f}"
            )
    worse = [row for row in rows if row.after > 1.1 * row.before]
    for row in worse:
        print(f"worse with the search: {row.scene}, {row.start}", file=sys.stderr)
    return int(bool(worse))


if __name__ == "__main__":
    sys.exit(main())

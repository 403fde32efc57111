"""What is compared: speed with a true probe, a real scan, few photons, scenes of other kinds."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from methods import FEW_PHOTONS, REAL, RUN1084, SCENES, STARS, TRUE_PROBE, Method
from product import NAME, run_product
from tracing import PeerFailedError, Trace, r_factor, run_peer

from ptycho_torch.data.formats import read_scan
from ptycho_torch.data.scan import ScanData
from ptycho_torch.metrics.evaluation import Field, judge
from ptycho_torch.reconstruct.assemble import canvas_intensity
from ptycho_torch.reconstruct.stitch import Canvas
from ptycho_torch.simulation import make_probe, simulate_scan

LEVELS = (0.05, 0.015)
OWN_EPOCHS = (3, 4, 6, 9, 12, 18, 24)
SEEDS = (1, 2, 3)
FIGURES = ("mae_amplitude", "mae_phase_rad", "frc50_per_px", "relative_error")


@dataclass(frozen=True)
class Row:
    """One figure of one method.

    Attributes:
        ratio: To the project's own in the same task; above 1 it is larger.
        notes: What else belongs to it.
    """

    task: str
    method: str
    quantity: str
    value: float | None
    cpu_s: float | None = None
    ratio: float | None = None
    notes: str = ""

    def line(self) -> str:
        """One line of the table."""
        value = "never" if self.value is None else f"{self.value:.4f}"
        seconds = "" if self.cpu_s is None else f"{self.cpu_s:7.1f} s"
        ratio = "" if self.ratio is None else f"  x {self.ratio:.2f}"
        return (
            f"{self.task:<22} {self.method:<26} {self.quantity:<20} {value:>8} {seconds:>9}{ratio}"
            f"  {self.notes}"
        ).rstrip()


@dataclass
class Runs:
    """Where things are, and what pictures and failures came together.

    Attributes:
        peers: Folder of the environments.
        data: Folder of the measured sets.
        curves: Task → method → (CPU seconds, error).
        levels: Task → errors to mark.
    """

    peers: Path
    data: Path
    curves: dict[str, dict[str, list[tuple[float, float]]]] = field(default_factory=dict)
    levels: dict[str, tuple[float, ...]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def scan(self, name: str) -> ScanData:
        """Read a measured set."""
        return read_scan(self.data / name)

    def peer(self, method: Method, scan: ScanData, **changes: Any) -> Trace | None:
        """Run a package; a failure is kept and told at the end."""
        try:
            return run_peer(method, scan, self.peers, method.asked(**changes))
        except PeerFailedError as error:
            self.failures.append(str(error))
            return None


def true_probe(runs: Runs) -> Iterator[Row]:
    """Time to relative error 0.05 and 0.015 on the semi-real scan, everything else known."""
    scan = runs.scan(RUN1084)
    curves: dict[str, list[tuple[float, float]]] = {NAME: []}
    for trace in run_product(scan, OWN_EPOCHS, update_probe=False):
        curves[NAME] += _points(trace, scan)
    for method in TRUE_PROBE:
        every = range(1, method.settings["epochs"] + 1)
        if trace := runs.peer(method, scan, record_at=list(every)):
            curves[method.name] = _points(trace, scan)
    runs.curves["true_probe"], runs.levels["true_probe"] = curves, LEVELS
    for level in LEVELS:
        own = _reached(curves[NAME], level)
        for name, points in curves.items():
            spent = _reached(points, level)
            ratio = None if spent is None or own is None else spent / own
            yield Row("true probe", name, f"CPU s to error {level}", spent, ratio=ratio)
    for name, points in curves.items():
        spent, best = min(points, key=lambda point: point[1])
        yield Row("true probe", name, "least error", best, spent)


def _points(trace: Trace, scan: ScanData) -> list[tuple[float, float]]:
    errors = [row["relative_error"] for row in trace.figures(scan)]
    return list(zip(trace.cpu_s, errors, strict=True))


def _reached(points: Sequence[tuple[float, float]], level: float) -> float | None:
    """CPU seconds of the first point at or below a level."""
    return next((seconds for seconds, error in points if error <= level), None)


def star(runs: Runs) -> Iterator[Row]:
    """The real scan from the probe of its file: R factor, and how far the objects differ."""
    for name in STARS:
        scan = runs.scan(name)
        task = f"star n{scan.n_pixel}"
        traces = run_product(scan, [24])
        traces += [t for m in REAL[scan.n_pixel] if (t := runs.peer(m, scan, update_probe=True))]
        values = {trace.method: r_factor(trace, scan) for trace in traces}
        for trace in traces:
            value = values[trace.method]
            yield Row(task, trace.method, "R", value, trace.cpu_s[-1], value / values[NAME])
        for at, first in enumerate(traces):
            for second in traces[at + 1 :]:
                apart = difference(first, second, scan)
                yield Row(task, first.method, "difference", apart, notes=f"to {second.method}")


def difference(first: Trace, second: Trace, scan: ScanData) -> float:
    """Relative difference of two objects of one scan, the same whichever comes first."""
    fields = [
        Field(trace.objects[-1], trace.origin, None, scan.positions_px) for trace in (first, second)
    ]
    return judge(*fields, search=False, equals=True).row["relative_error"]


def few_photons(runs: Runs) -> Iterator[Row]:
    """The semi-real scan at 10^4 and 10^3 photons, three noise seeds.

    Every package's figure is its best over its settings and over stopping, chosen by the truth,
    figure by figure: no user can choose so well.
    """
    scan = runs.scan(RUN1084)
    for photons, methods in FEW_PHOTONS.items():
        dim = [dimmed(scan, photons, seed) for seed in SEEDS]
        task = f"{photons:g} photons"
        traces = [run_product(one, [24], update_probe=False)[0] for one in dim]
        own = [trace.figures(one)[-1] for trace, one in zip(traces, dim, strict=True)]
        seconds = statistics.median(trace.cpu_s[-1] for trace in traces)
        for quantity in FIGURES:
            yield Row(task, NAME, quantity, _median(own, quantity), seconds)
        for method in methods:
            kept = [
                trace.figures(one)
                for one in dim
                if (trace := runs.peer(method, one, record_at=_some(method.settings["epochs"])))
            ]
            for quantity in FIGURES if len(kept) == len(SEEDS) else ():
                best = [_best(rows, quantity) for rows in kept]
                value = statistics.median(best)
                ratio = value / _median(own, quantity)
                yield Row(task, method.name, quantity, value, ratio=ratio, notes="best of stopping")


def _some(epochs: int) -> list[int]:
    """Epochs to look at: every third."""
    return list(range(3, epochs + 1, 3))


def _best(rows: Sequence[dict[str, float]], quantity: str) -> float:
    pick = max if quantity.startswith("frc") else min
    return pick(row[quantity] for row in rows)


def _median(rows: Sequence[dict[str, float]], quantity: str) -> float:
    return statistics.median(row[quantity] for row in rows)


def dimmed(scan: ScanData, photons: float, seed: int) -> ScanData:
    """The same scan with few photons, from its true object and probe.

    Args:
        scan: With a true object.
        photons: Mean per pattern.
        seed: Of the noise.
    """
    assert scan.object is not None
    canvas = Canvas(scan.object, np.ones(scan.object.shape, np.float32), (0, 0))
    probe = torch.from_numpy(scan.probe / np.linalg.norm(scan.probe))
    clean = canvas_intensity(canvas, scan.positions_px, probe).numpy()
    clean *= photons / clean.sum(axis=(1, 2)).mean()
    counts = np.random.default_rng(seed).poisson(clean).astype(np.float32)
    return replace(scan, diffraction=counts, measurement="counts", nphotons=None)


def scenes(runs: Runs) -> Iterator[Row]:
    """Simulated scans nobody was tuned on: other objects, probes, doses and sizes."""
    for task, scan in other_scenes():
        (trace,) = run_product(scan, [24], update_probe=False)
        own = trace.figures(scan)[-1]
        for quantity in FIGURES:
            yield Row(task, NAME, quantity, own[quantity], trace.cpu_s[-1])
        for method in SCENES[task]:
            if trace := runs.peer(method, scan):
                row = trace.figures(scan)[-1]
                for quantity in FIGURES:
                    ratio = row[quantity] / own[quantity] if own[quantity] else math.inf
                    value = row[quantity]
                    yield Row(task, method.name, quantity, value, trace.cpu_s[-1], ratio)


def other_scenes() -> Iterator[tuple[str, ScanData]]:
    """Yield a scene of many photons and one of few, with names."""
    wide = make_probe(64, spot=0.3, astigmatism_rad=0.0, coma_rad=1.5)
    yield (
        "texture 1e5 photons",
        simulate_scan(31, n_pixel=64, n_patterns=400, nphotons=1e5, kind="texture", probe=wide),
    )
    narrow = make_probe(64, spot=0.12, astigmatism_rad=2.0)
    yield (
        "siemens 3e3 photons",
        simulate_scan(
            32,
            n_pixel=64,
            n_patterns=400,
            nphotons=3e3,
            kind="siemens",
            step_px=3.2,
            probe=narrow,
        ),
    )


TASKS: dict[str, Callable[[Runs], Iterator[Row]]] = {
    "true": true_probe,
    "star": star,
    "photons": few_photons,
    "scenes": scenes,
}

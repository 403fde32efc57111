"""Iterative reconstruction: error against CPU seconds, beside plain rPIE in the same run.

Tasks, each with the flat object's row: a semi-real scan with known truth (true probe, wrong
probe, wrong positions, two incoherent modes, few photons) and the real Siemens star. The peer is
mini-batch rPIE without momentum, growing batches or Poisson steps, each row with its best of
several settings. One thread, CPU seconds, medians of three runs where time is judged.

    python bench/bench_recon.py [--data FOLDER] [--only TASK …] [--runs N] [--json FILE]

Ends with 0 when every goal holds and with 1 otherwise; a task whose file is absent is left out
and said so.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

from ptycho_torch.data.formats import read_scan
from ptycho_torch.data.scan import ScanData
from ptycho_torch.iterative import IterativeSettings
from ptycho_torch.metrics import evaluate
from ptycho_torch.physics.scaling import compute_scales
from ptycho_torch.pretrained import load_pretrained
from ptycho_torch.reconstruct.assemble import canvas_intensity
from ptycho_torch.reconstruct.engine import EngineResult, RpieOptions, run_engine
from ptycho_torch.reconstruct.learned import bettered
from ptycho_torch.reconstruct.probe_modes import mode_powers, with_modes
from ptycho_torch.reconstruct.stitch import Canvas

SHARED = Path(__file__).resolve().parents[1] / ".." / "shared" / "data"
RUN1084 = "run1084_lcls_semireal_n64_1e+06.npz"
STARS = ("siemens_star_aps_n64.npz", "siemens_star_aps_n128.npz")


@dataclass(frozen=True)
class Row:
    """One way through one task.

    Attributes:
        goal: Upper limit of `value`, or None for a row that is only shown.
    """

    task: str
    method: str
    cpu_s: float
    quantity: str
    value: float
    goal: float | None = None

    @property
    def holds(self) -> bool:
        """Whether the goal is reached."""
        return self.goal is None or self.value <= self.goal


@dataclass(frozen=True)
class Prepared:
    """A scan in the engine's units."""

    scan: ScanData
    amplitude: torch.Tensor
    probe: torch.Tensor
    nphotons: float

    @classmethod
    def of(cls, scan: ScanData) -> Prepared:
        """Scale a scan as the command does."""
        scales = compute_scales(scan.amplitude(), scan.probe)
        amplitude = torch.from_numpy(scan.amplitude() * np.float32(scales.amplitude_scale))
        probe = torch.from_numpy(scan.probe * np.complex64(scales.probe_factor))
        return cls(scan, amplitude, probe, scales.nphotons)

    def run(self, *stages: RpieOptions, modes: int = 1) -> tuple[EngineResult, float]:
        """Run stages one after the other; returns the last result and CPU seconds."""
        began = time.process_time()
        probe, positions, start = with_modes(self.probe, modes), self.scan.positions_px, None
        for stage in stages:
            found = run_engine(self.amplitude, positions, probe, stage, start)
            probe, positions, start = found.probe, found.positions_px, found.canvas
        return found, time.process_time() - began


def product(nphotons: float, **settings: Any) -> tuple[RpieOptions, ...]:
    """What `ptycho-torch reconstruct` does by default."""
    return IterativeSettings(**settings).stages(nphotons)


def errors(found: EngineResult, scan: ScanData) -> dict[str, float]:
    """Figures against the truth."""
    assert scan.object is not None
    canvas = found.canvas
    return evaluate(canvas.object, canvas.origin, scan.object, scan.positions_px)["reconstruction"]


def r_factor(found: EngineResult, prepared: Prepared) -> float:
    """R factor of the object that is handed out."""
    predicted = canvas_intensity(found.canvas, found.positions_px, found.probe).sqrt()
    squares = (predicted - prepared.amplitude).square().sum(dtype=torch.float64)
    return math.sqrt(float(squares / prepared.amplitude.square().sum(dtype=torch.float64)))


def true_probe(scan: ScanData, runs: int) -> Iterator[Row]:
    """Time to relative error 0.05 and 0.015."""
    prepared = Prepared.of(scan)
    quick = product(prepared.nphotons, update_probe=False)[0]
    plain = RpieOptions(alpha=0.1)
    for level, goal in ((0.05, 1.5), (0.015, 3.5)):
        for method, options, limit in (("plain rPIE", plain, None), ("reconstruct", quick, goal)):
            cpu_s, epochs = _time_to(prepared, options, level, runs)
            name = f"{method}, {epochs} epochs"
            yield Row("true probe", name, cpu_s, f"CPU s to error {level}", cpu_s, limit)


def _time_to(
    prepared: Prepared, options: RpieOptions, level: float, runs: int
) -> tuple[float, int]:
    for epochs in (3, 4, 6, 9, 12, 18, 24, 36, 48):
        stage = replace(options, epochs=epochs)
        found, cpu_s = prepared.run(stage)
        if errors(found, prepared.scan)["relative_error"] <= level:
            others = [prepared.run(stage)[1] for _ in range(runs - 1)]
            return statistics.median([cpu_s, *others]), epochs
    return math.inf, epochs


def wrong_probe(scan: ScanData, runs: int) -> Iterator[Row]:
    """A defocused probe of 20 % more power; both updates on."""
    frequency = np.fft.fftfreq(scan.n_pixel)
    chirp = np.exp(12j * (frequency[:, None] ** 2 + frequency[None, :] ** 2))
    defocused = np.fft.ifft2(np.fft.fft2(scan.probe) * chirp) * math.sqrt(1.2)
    spoiled = replace(scan, probe=defocused.astype(np.complex64))
    likeness = abs(np.vdot(scan.probe, defocused)) / (
        np.linalg.norm(scan.probe) * np.linalg.norm(defocused)
    )
    prepared = Prepared.of(spoiled)
    task = f"probe defocused to likeness {likeness:.2f}"
    plain = RpieOptions(epochs=30, alpha=0.1, update_probe=True)
    for method, stages in (("plain rPIE", (plain,)), ("reconstruct", product(prepared.nphotons))):
        found, cpu_s = prepared.run(*stages)
        value = errors(found, scan)["relative_error"]
        goal = 0.05 if method == "reconstruct" else None
        yield Row(task, method, cpu_s, "relative error", value, goal)


def wrong_positions(scan: ScanData, runs: int) -> Iterator[Row]:
    """Positions off by 2 px rms a coordinate, against the true ones; medians over noise seeds."""
    true, _ = Prepared.of(scan).run(*product(1e6))
    floor = errors(true, scan)["relative_error"]
    for method, correct in (("not corrected", False), ("corrected", True)):
        ratios, seconds = [], []
        for seed in range(runs if correct else 1):
            noise = np.random.default_rng(seed).normal(0, 2, scan.positions_px.shape)
            prepared = Prepared.of(replace(scan, positions_px=scan.positions_px + noise))
            stages = product(prepared.nphotons, correct_positions=correct)
            found, cpu_s = prepared.run(*stages)
            ratios.append(errors(found, scan)["relative_error"] / floor)
            seconds.append(cpu_s)
        quantity = f"error / error at true ones, worst {max(ratios):.2f}"
        value, goal = statistics.median(ratios), 1.5 if correct else None
        yield Row("positions 2 px off", method, statistics.median(seconds), quantity, value, goal)


def two_modes(scan: ScanData, runs: int) -> Iterator[Row]:
    """Two incoherent modes, 90 and 10 per cent of the light."""
    mixed = _mixed(scan, runs)
    prepared = Prepared.of(mixed)
    for modes in (1, 2):
        found, cpu_s = prepared.run(*product(prepared.nphotons), modes=modes)
        goal = 0.05 if modes == 2 else None
        value = errors(found, mixed)["relative_error"]
        yield Row("two modes", f"{modes} reconstructed", cpu_s, "relative error", value, goal)
    off = float((mode_powers(found.probe)[0] - 0.9).abs())
    yield Row("two modes", "2 reconstructed", cpu_s, "power off by", off, 0.03)


def _mixed(scan: ScanData, seed: int) -> ScanData:
    first = torch.from_numpy(scan.probe[0] / np.linalg.norm(scan.probe[0]))
    axis = (torch.arange(scan.n_pixel) - scan.n_pixel // 2) / scan.n_pixel
    second = first * (axis[None, :] + 0.3 * axis[:, None])
    second = second - first * torch.vdot(first.flatten(), second.flatten())
    modes = torch.stack([math.sqrt(0.9) * first, math.sqrt(0.1) * second / second.norm()])
    counts = _counts(scan, modes, 1e6, seed)
    return replace(scan, diffraction=counts, measurement="counts", probe=first.numpy()[None])


def _counts(scan: ScanData, probe: torch.Tensor, photons: float, seed: int) -> Any:
    assert scan.object is not None
    canvas = Canvas(scan.object, np.ones(scan.object.shape, np.float32), (0, 0))
    clean = canvas_intensity(canvas, scan.positions_px, probe).numpy()
    clean *= photons / clean.sum(axis=(1, 2)).mean()
    return np.random.default_rng(seed).poisson(clean).astype(np.float32)


def few_photons(scan: ScanData, runs: int) -> Iterator[Row]:
    """10^4 and 10^3 photons a pattern, three noise seeds, against rPIE at its best alpha.

    The network is to be better than the best of all rows above it, figure by figure.
    """
    probe = torch.from_numpy(scan.probe / np.linalg.norm(scan.probe))
    for photons in (1e4, 1e3):
        dim = [
            replace(scan, diffraction=_counts(scan, probe, photons, seed), measurement="counts")
            for seed in (1, 2, 3)
        ]
        prepared = [Prepared.of(one) for one in dim]
        task = f"{photons:g} photons"
        plain = {
            f"plain rPIE, alpha {alpha}, {epochs} epochs": (
                RpieOptions(epochs=epochs, alpha=alpha, batch_size=batch),
            )
            for alpha, epochs, batch in ((0.3, 12, 16), (1.0, 12, 16), (1.0, 24, 64))
        }
        own = {"reconstruct --method pie": product(photons, update_probe=False)}
        best: dict[str, float] = {}
        for method, stages in (plain | own).items():
            runs_of = [(one, *one.run(*stages)) for one in prepared]
            for row in _median_rows(task, method, runs_of):
                best[row.quantity] = min(row.value, best.get(row.quantity, math.inf))
                yield row
        hybrid = [(one, *_bettered(found, cpu_s, photons)) for one, found, cpu_s in runs_of]
        yield from _median_rows(task, "reconstruct --method hybrid --pretrained", hybrid, best)


def _median_rows(
    task: str,
    method: str,
    runs_of: list[tuple[Prepared, EngineResult, float]],
    goals: dict[str, float] | None = None,
) -> Iterator[Row]:
    cpu_s = statistics.median(seconds for _, _, seconds in runs_of)
    figures = [errors(found, one.scan) for one, found, _ in runs_of]
    for quantity in ("mae_amplitude", "mae_phase_rad", "resolution50_px"):
        if quantity == "resolution50_px":
            values = [1 / each["frc50_per_px"] for each in figures]
        else:
            values = [each[quantity] for each in figures]
        goal = None if goals is None else goals[quantity]
        yield Row(task, method, cpu_s, quantity, statistics.median(values), goal)


def _bettered(found: EngineResult, cpu_s: float, photons: float) -> tuple[EngineResult, float]:
    """Send an object through the shipped network; its time counts, loading it does not."""
    network = load_pretrained().network
    began = time.process_time()
    canvas = bettered(found.canvas, photons, network)
    return replace(found, canvas=canvas), cpu_s + time.process_time() - began


def star(scan: ScanData, runs: int) -> Iterator[Row]:
    """The real scan from the probe of its file."""
    prepared = Prepared.of(scan)
    goal = 0.10 if scan.n_pixel == 64 else 0.115
    task = f"star n{scan.n_pixel}"
    plain = RpieOptions(epochs=20, update_probe=True)
    for method, stages in (("plain rPIE", (plain,)), ("reconstruct", product(prepared.nphotons))):
        found, cpu_s = prepared.run(*stages)
        value = r_factor(found, prepared)
        yield Row(task, method, cpu_s, "R", value, goal if method == "reconstruct" else None)


TASKS: dict[str, tuple[tuple[str, ...], Callable[[ScanData, int], Iterator[Row]]]] = {
    "true": ((RUN1084,), true_probe),
    "probe": ((RUN1084,), wrong_probe),
    "positions": ((RUN1084,), wrong_positions),
    "modes": ((RUN1084,), two_modes),
    "photons": ((RUN1084,), few_photons),
    "star": (STARS, star),
}


def main() -> int:
    """Run the tasks and print a row as soon as it is known."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--data", type=Path, default=SHARED)
    parser.add_argument("--only", nargs="+", choices=sorted(TASKS), default=list(TASKS))
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", type=Path, default=Path("outputs/bench/recon.json"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows: list[Row] = []
    for name in options.only:
        files, task = TASKS[name]
        for file in files:
            if not (options.data / file).exists():
                print(f"{name}: {file} is not in {options.data}, left out")
                continue
            for row in task(read_scan(options.data / file), options.runs):
                rows.append(row)
                _print(row)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    listed = [{**asdict(row), "holds": row.holds} for row in rows]
    options.json.write_text(json.dumps(listed, indent=2) + "\n")
    return 0 if all(row.holds for row in rows) else 1


def _print(row: Row) -> None:
    goal = "" if row.goal is None else f"  goal {row.goal:g} {'holds' if row.holds else 'MISSED'}"
    print(
        f"{row.task:<34} {row.method:<40} {row.cpu_s:7.1f} s  {row.quantity:<26} "
        f"{row.value:.4f}{goal}",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())

"""Does the training recipe reach what it promises, within 3 minutes of CPU?

Each data set gives four kinds of rows, all by the product's own code on one thread: the flat
object, the single-pattern projections alone (no network), the trained network, and the network
followed by 3 epochs of rPIE. Floors are judged on the last two.

    python bench/bench_recipe.py [--only r6 star new] [--data FOLDER] [--json FILE]

Ends with 0 when every floor holds and with 1 otherwise; a set whose file is absent is left out
and said so.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

from ptycho_torch.bundle import load_inference_bundle_torch
from ptycho_torch.config import ExecutionConfig, InferenceConfig, TrainingPayload
from ptycho_torch.config_factory import create_training_payload
from ptycho_torch.data.dataset import prepare_patterns
from ptycho_torch.data.formats import read_scan, write_npz
from ptycho_torch.data.loading import TrainingScans
from ptycho_torch.metrics import evaluate
from ptycho_torch.reconstruct.assemble import assemble, canvas_r_factor
from ptycho_torch.reconstruct.stitch import Canvas
from ptycho_torch.reconstruction import reconstruct_scan
from ptycho_torch.simulation import simulate_scan
from ptycho_torch.workflows import TrainedModel, run_cdi_example_torch

SHARED = Path(__file__).resolve().parents[1] / ".." / "shared" / "data"
TRAINING_BUDGET_S = 180.0
REFINE_EPOCHS = 3

logger = logging.getLogger("bench_recipe")


@dataclass(frozen=True)
class Floor:
    """What a row must reach: upper limits of the errors, lower limits of the similarities."""

    mae_amplitude: float
    mae_phase_rad: float
    ssim_amplitude: float = -1.0
    ssim_phase: float = -1.0

    def holds(self, row: dict[str, Any]) -> bool:
        """Tell whether a row keeps every limit."""
        return (
            row["mae_amplitude"] <= self.mae_amplitude
            and row["mae_phase_rad"] <= self.mae_phase_rad
            and row["ssim_amplitude"] >= self.ssim_amplitude
            and row["ssim_phase"] >= self.ssim_phase
        )


@dataclass(frozen=True)
class Case:
    """A data set with its settings and floors."""

    name: str
    file: str | None
    max_epochs: int
    learning_rate: float
    network_floor: Floor
    refined_floor: Floor


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    set: str
    method: str
    cpu_s: float
    r_factor: float | None
    scores: dict[str, float]
    floor: Floor | None = None
    verdict: str = ""
    notes: dict[str, Any] = field(default_factory=dict)


CASES = (
    Case(
        "r6",
        "run1084_lcls_semireal_n64_1e+06.npz",
        max_epochs=5,
        learning_rate=3e-3,
        network_floor=Floor(0.022, 0.11, 0.83, 0.92),
        refined_floor=Floor(0.008, 0.09),
    ),
    Case(
        "star",
        "siemens_star_aps_n64.npz",
        max_epochs=8,
        learning_rate=2e-3,
        network_floor=Floor(0.065, 0.135),
        refined_floor=Floor(0.055, 0.08),
    ),
    Case(
        "new",
        None,
        max_epochs=4,
        learning_rate=3e-3,
        network_floor=Floor(0.020, 0.065),
        refined_floor=Floor(0.004, 0.02),
    ),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the cases asked for and print the table.

    Args:
        arguments: Command line; None takes the process's.

    Returns:
        Exit code.
    """
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", choices=[case.name for case in CASES])
    parser.add_argument("--data", type=Path, default=SHARED, help="folder of the measured sets")
    parser.add_argument("--json", type=Path, help="write the rows to this file too")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    rows: list[Row] = []
    print(HEADER)
    for case in CASES:
        if options.only and case.name not in options.only:
            continue
        for row in run_case(case, options.data):
            rows.append(row)
            print(line(row), flush=True)
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n")
    failed = [row for row in rows if row.verdict == "FAIL"]
    print(f"{len(failed)} of {sum(bool(r.verdict) for r in rows)} floors missed")
    return 1 if failed else 0


def run_case(case: Case, data: Path) -> Iterator[Row]:
    """Train and reconstruct one data set.

    Args:
        case: Its settings.
        data: Folder of the measured sets.

    Yields:
        The rows of the table.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        files = scan_files(case, data, folder)
        if files is None:
            print(f"{case.name:<6}left out: {case.file} is not in {data}", file=sys.stderr)
            return
        scans = TrainingScans(*(read_scan(file) for file in files))
        payload = create_training_payload(
            train_data_file=files[0],
            test_data_file=files[1],
            output_dir=folder / "train",
            gridsize=2,
            batch_size=4,
            max_epochs=case.max_epochs,
            learning_rate=case.learning_rate,
            accelerator="cpu",
            logger="none",
        )
        started = time.process_time()
        model = run_cdi_example_torch(payload, scans)
        trained_s = time.process_time() - started
        yield from baseline_rows(case, payload, model, scans)
        yield from network_rows(case, model, scans, folder, trained_s)


def scan_files(case: Case, data: Path, folder: Path) -> tuple[Path, Path] | None:
    """Training and test file of a case; a simulated one is written first.

    A network trained without truth on a measured scan is judged on that very scan, as every
    iterative method is. The simulated case is judged on an object that training never saw.
    """
    if case.file is not None:
        path = data / case.file
        return (path, path) if path.exists() else None
    paths = folder / "train.npz", folder / "test.npz"
    for seed, path in zip((5, 1005), paths, strict=True):
        write_npz(path, simulate_scan(seed, n_patterns=1024, nphotons=1e9, kind="cells"))
    return paths


def baseline_rows(
    case: Case, payload: TrainingPayload, model: TrainedModel, scans: TrainingScans
) -> Iterator[Row]:
    """The flat object, and the projections stitched without any network."""
    scan = scans.test
    assert scan is not None
    assert scan.object is not None
    probe = model.network.probe
    started = time.process_time()
    patterns = prepare_patterns(scan, model.scales, probe, payload.model)
    projected = torch.complex(patterns.inputs[:, 1], patterns.inputs[:, 2])
    found = assemble(projected, scan.positions_px, probe, patterns.amplitude)
    spent = time.process_time() - started
    canvas = found.canvas
    scores = evaluate(canvas.object, canvas.origin, scan.object, scan.positions_px)
    flat = Canvas(canvas.object * 0 + 1, canvas.coverage, canvas.origin)
    flat_r = canvas_r_factor(flat, scan.positions_px, probe, patterns.amplitude)
    yield Row(case.name, "flat object", 0.0, flat_r, scores["flat"])
    yield Row(case.name, "projections, no network", spent, found.r_factor, scores["reconstruction"])


def network_rows(
    case: Case, model: TrainedModel, scans: TrainingScans, folder: Path, trained_s: float
) -> Iterator[Row]:
    """The network from its bundle, alone and refined, each judged by its floor."""
    assert scans.test is not None
    bundle = load_inference_bundle_torch(model.bundle)
    for epochs, floor in ((0, case.network_floor), (REFINE_EPOCHS, case.refined_floor)):
        settings = InferenceConfig(refine_epochs=epochs)
        execution = ExecutionConfig(output_dir=folder / f"refined_{epochs}", accelerator="cpu")
        started = time.process_time()
        metrics = reconstruct_scan(bundle, scans.test, settings, execution).metrics
        spent = time.process_time() - started
        scores = metrics["reconstruction"]
        kept = floor.holds(scores) and trained_s <= TRAINING_BUDGET_S
        yield Row(
            case.name,
            f"network + {epochs} rPIE epochs" if epochs else "network",
            trained_s + spent,
            metrics["r_factor"],
            scores,
            floor,
            "PASS" if kept else "FAIL",
            {"training_cpu_s": trained_s, "epochs": case.max_epochs},
        )


HEADER = (
    f"{'set':<6}{'method':<26}{'CPU s':>7}{'R':>8}{'MAE amp':>9}{'phase':>8}"
    f"{'SSIM':>7}{'phase':>7}{'FRC50':>7}  floor"
)


def line(row: Row) -> str:
    """One line of the table."""
    scores = row.scores
    text = f"{row.set:<6}{row.method:<26}{row.cpu_s:7.1f}"
    text += f"{'':>8}" if row.r_factor is None else f"{row.r_factor:8.4f}"
    text += f"{scores['mae_amplitude']:9.4f}{scores['mae_phase_rad']:8.4f}"
    text += f"{scores['ssim_amplitude']:7.2f}{scores['ssim_phase']:7.2f}"
    text += f"{scores['frc50_per_px']:7.3f}"
    if row.floor is not None:
        text += f"  <= {row.floor.mae_amplitude} / {row.floor.mae_phase_rad} {row.verdict}"
    return text


if __name__ == "__main__":
    sys.exit(main())

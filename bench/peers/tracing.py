"""Run a package on a scan and judge what it leaves by the project's own metrics."""

from __future__ import annotations

import math
import os
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from exchange import Problem
from install import interpreter
from methods import Method

from ptycho_torch.data.scan import ScanData
from ptycho_torch.metrics import evaluate
from ptycho_torch.physics.patches import extract, split_positions
from ptycho_torch.physics.probe import illumination, shift_probe
from ptycho_torch.physics.propagate import propagate

HERE = Path(__file__).resolve().parent
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")


class PeerFailedError(RuntimeError):
    """An adaptor ended with an error."""


@dataclass(frozen=True)
class Trace:
    """What a method left on its way.

    Attributes:
        method: Its name.
        epochs: (k,) after which an object was kept.
        cpu_s: (k,) CPU seconds until then.
        objects: k complex images.
        origin: Object pixel (row, col) of their first pixel.
        probe: (mode, N, N) complex64 at the end, in root counts.
        positions_px: (n, 2) as the method used them.
    """

    method: str
    epochs: list[int]
    cpu_s: list[float]
    objects: list[Any]
    origin: tuple[int, int]
    probe: Any
    positions_px: Any

    def figures(self, scan: ScanData) -> list[dict[str, float]]:
        """Judge every kept object by the scan's true one."""
        assert scan.object is not None
        return [
            evaluate(image, self.origin, scan.object, scan.positions_px)["reconstruction"]
            for image in self.objects
        ]


def counts_of(scan: ScanData) -> Any:
    """(n, N, N) float32 counts."""
    counts = scan.diffraction if scan.measurement == "counts" else np.square(scan.diffraction)
    return counts.astype(np.float32)


def scaled_probe(scan: ScanData) -> Any:
    """The scan's probe with the energy of the mean counts per pattern."""
    energy = float(counts_of(scan).sum(axis=(1, 2), dtype=np.float64).mean())
    factor = math.sqrt(energy / float(np.square(np.abs(scan.probe)).sum(dtype=np.float64)))
    return (scan.probe * factor).astype(np.complex64)


def run_peer(
    method: Method, scan: ScanData, folder: Path, settings: Mapping[str, Any] | None = None
) -> Trace:
    """Run a package in its own environment on one thread.

    Args:
        method: Whose, and its settings.
        scan: What to reconstruct.
        folder: Of the environments.
        settings: Instead of the method's own.

    Returns:
        What it left.

    Raises:
        PeerFailedError: With the end of what it said.
    """
    asked = method.asked() if settings is None else settings
    problem = Problem(counts_of(scan), scaled_probe(scan), scan.positions_px, asked)
    with tempfile.TemporaryDirectory() as temporary:
        given, left = Path(temporary, "problem.npz"), Path(temporary, "result.npz")
        problem.save(given)
        command = [interpreter(folder, method.peer), HERE / f"run_{method.peer}.py", given, left]
        environment = os.environ | dict.fromkeys(_THREADS, "1") | {"MPLBACKEND": "Agg"}
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        if done.returncode:
            raise PeerFailedError(f"{method.name}: {done.stderr.strip()[-2000:]}")
        with np.load(left) as file:
            row, col = (int(value) for value in file["origin"])
            return Trace(
                method.name,
                file["epochs"].tolist(),
                file["cpu_s"].tolist(),
                list(file["objects"]),
                (row, col),
                file["probe"],
                file["positions_px"],
            )


def r_factor(trace: Trace, scan: ScanData) -> float:
    """R factor of the last object with its probe, the total gain fitted to each method's benefit.

    Args:
        trace: Of a method; its own positions are used.
        scan: What it reconstructed.
    """
    canvas = torch.from_numpy(trace.objects[-1])[None]
    probe = torch.from_numpy(trace.probe)
    corners, rest = split_positions(torch.from_numpy(trace.positions_px), scan.n_pixel)
    corners = corners - torch.tensor(trace.origin)
    measured = torch.from_numpy(np.sqrt(counts_of(scan)))
    products = torch.zeros(3, dtype=torch.float64)
    for part in torch.arange(len(measured)).split(128):
        patches = extract(canvas, corners[None, part], scan.n_pixel)[0]
        wave = propagate(patches[:, None] * shift_probe(probe, rest[part]))
        found = illumination(wave).sqrt()
        for at, (a, b) in enumerate(
            ((found, found), (found, measured[part]), (measured[part], measured[part]))
        ):
            products[at] += (a * b).sum(dtype=torch.float64)
    found2, cross, measured2 = products.tolist()
    return math.sqrt(max(0.0, 1 - cross**2 / (found2 * measured2)))

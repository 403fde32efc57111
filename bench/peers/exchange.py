"""What the comparison hands to another package, and what it takes back: two NPZ files.

Needs NumPy alone, since it is imported inside the environment of every peer. Nobody's conventions
but these:

- counts with the zero frequency at N // 2, (n, row, col);
- a probe whose energy is the mean counts per pattern, its transform being orthonormal;
- positions (row, col) in object pixels: pattern i saw `object[corner : corner + N]` on both axes
  with `corner = round(position) - N / 2`, and what is left of the position shifts the probe.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Problem:
    """A scan and how one package shall reconstruct it.

    Attributes:
        counts: (n, N, N) float32.
        probe: (mode, N, N) complex64 to start from.
        positions_px: (n, 2) float64.
        settings: Of the package; `epochs` and `record_at` are understood by all.
    """

    counts: Any
    probe: Any
    positions_px: Any
    settings: Mapping[str, Any]

    @property
    def size(self) -> int:
        """Edge of a pattern."""
        return int(self.counts.shape[-1])

    def canvas(self, margin: int = 2) -> tuple[Any, tuple[int, int]]:
        """Where every patch has room.

        Args:
            margin: Pixels beyond the outermost patches.

        Returns:
            The object pixel (row, col) of the canvas's first pixel, and its (height, width).
        """
        corners = np.round(self.positions_px).astype(int) - self.size // 2
        low = corners.min(axis=0) - margin
        high = corners.max(axis=0) + self.size + margin
        return low, (int(high[0] - low[0]), int(high[1] - low[1]))

    @classmethod
    def load(cls, path: str) -> Problem:
        """Read what `save` wrote."""
        with np.load(path) as file:
            settings = json.loads(str(file["settings"]))
            return cls(file["counts"], file["probe"], file["positions_px"], settings)

    def save(self, path: Path) -> None:
        """Write everything into one file."""
        np.savez(
            path,
            counts=self.counts,
            probe=self.probe,
            positions_px=self.positions_px,
            settings=json.dumps(dict(self.settings)),
        )


@dataclass
class Recorder:
    """Takes objects down while a package runs; its own work does not count.

    Attributes:
        epochs: After which an object is kept.
        origin: Object pixel (row, col) of an object's first pixel.
        positions_px: (n, 2) as the package uses them.
    """

    epochs: set[int]
    origin: Any
    positions_px: Any
    _rows: list[tuple[int, float, Any]] = field(default_factory=list)
    _probe: Any = None
    _spent: float = 0.0
    _since: float | None = None

    @classmethod
    def of(cls, problem: Problem, origin: Any, positions_px: Any = None) -> Recorder:
        """Keep what the settings ask for, the last epoch at least."""
        wanted = problem.settings.get("record_at", [])
        used = problem.positions_px if positions_px is None else positions_px
        return cls({*wanted, problem.settings["epochs"]}, origin, used)

    def start(self) -> None:
        """The package begins, or goes on."""
        self._since = time.process_time()

    def epoch(self, number: int, object_: Callable[[], Any], probe: Callable[[], Any]) -> None:
        """An epoch is over.

        Args:
            number: Counted from 1.
            object_: Gives the (H, W) complex object, asked only where it is kept.
            probe: Gives the (mode, N, N) complex probe.
        """
        if self._since is not None:
            self._spent += time.process_time() - self._since
        if number in self.epochs:
            self._rows.append((number, self._spent, np.array(object_(), dtype=np.complex64)))
            self._probe = np.array(probe(), dtype=np.complex64)
        self.start()

    def save(self, path: str) -> None:
        """Write every kept object, the last probe and the CPU seconds."""
        np.savez(
            path,
            epochs=np.array([row[0] for row in self._rows]),
            cpu_s=np.array([row[1] for row in self._rows]),
            objects=np.stack([row[2] for row in self._rows]),
            probe=self._probe,
            origin=np.asarray(self.origin),
            positions_px=self.positions_px,
        )


def main(run: Callable[[Problem], Recorder]) -> None:
    """Be a command: problem file, result file.

    Args:
        run: Reconstructs.
    """
    problem = Problem.load(sys.argv[1])
    run(problem).save(sys.argv[2])

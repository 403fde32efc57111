"""Split-half resolution: two reconstructions that share no noise, correlated ring by ring.

Two ways to halve a scan, and what each can be blamed for:

- `patterns`: neighbouring patterns go to different halves. Nothing is assumed of the detector, and
  errors of single positions and frames are independent too. But each half has half the overlap,
  so the correlation is lower than the whole scan deserves: an honest lower bound.
- `counts`: every photon goes to either half by a coin. For true Poisson counts both halves are
  exactly independent and overlap as before; but they share every frame and position with all its
  errors, and values that are no counts cannot be thinned: an upper bound.

Both halves are reconstructed from the flat object with the same, fixed probe, without
regularisation. What the probe has wrong is common to both, and no split can show it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from scipy.spatial import cKDTree

from ptycho_torch.data.scan import Array, ScanData
from ptycho_torch.errors import PreconditionError
from ptycho_torch.iterative import IterativeSettings, run_options
from ptycho_torch.metrics.evaluation import Judgement, judge
from ptycho_torch.metrics.field import Field
from ptycho_torch.reconstruct.result import Reconstruction, used_patterns
from ptycho_torch.reconstruct.stitch import Canvas

Split = Literal["patterns", "counts"]

FEWEST_PATTERNS = 8


@dataclass(frozen=True)
class Halves:
    """How two halves of a scan agree.

    Attributes:
        split: How the scan was halved.
        patterns: Patterns in each half.
        judgement: The first half beside the second.
    """

    split: Split
    patterns: tuple[int, int]
    judgement: Judgement

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON, without the curve."""
        row = self.judgement.row
        names = ("frc50_per_px", "frc_half_bit_per_px", "frc_one_bit_per_px", "relative_error")
        return {
            "split": self.split,
            "patterns": list(self.patterns),
            **{name: row[name] for name in names},
        }


def correlate_halves(
    result: Reconstruction, scan: ScanData, split: Split = "patterns", epochs: int = 24
) -> Halves:
    """Reconstruct both halves of a scan and compare them.

    Args:
        result: Probe, positions and scales come from here; its object is not used.
        scan: The scan it was made from.
        split: How to halve.
        epochs: rPIE passes for each half.

    Returns:
        How the halves agree.

    Raises:
        PreconditionError: Too few patterns, or values that are no counts.
        DivergedError: A half became non-finite.
    """
    used = used_patterns(result, scan)
    if len(used) < FEWEST_PATTERNS:
        raise PreconditionError(
            f"the reconstruction was made from {len(used)} patterns",
            f"at least {FEWEST_PATTERNS} are needed to have two halves",
        )
    amplitude = used.amplitude()
    everything = np.arange(len(used))
    if split == "counts":
        parts = [(everything, half) for half in thinned(amplitude, seed=0)]
        share = 0.5
    else:
        parts = [(index, amplitude[index]) for index in paired(result.positions_px, seed=0)]
        share = 1.0
    fields = [_half(result, scan, index, values, share, epochs) for index, values in parts]
    judgement = judge(fields[0], fields[1], search=False, equals=True)
    return Halves(split, (len(parts[0][0]), len(parts[1][0])), judgement)


def paired(positions_px: Array, seed: int) -> tuple[Array, Array]:
    """Put the two of every pair of neighbours into different halves.

    Alternating along the scan would leave every second column of some rasters empty; pairs keep
    both halves as evenly spread as the whole, whatever the order of the scan.

    Args:
        positions_px: (n, 2) float64.
        seed: Of the coin that says which goes where.

    Returns:
        The indices of both halves, sorted; they differ in number by at most one.
    """
    count = len(positions_px)
    distance, neighbour = cKDTree(positions_px).query(positions_px, k=min(count, 9))
    rows, ranks = np.unravel_index(np.argsort(distance, axis=None, kind="stable"), distance.shape)
    free = np.ones(count, bool)
    pairs = []
    for row, rank in zip(rows, ranks, strict=True):
        other = int(neighbour[row, rank])
        if other != row and free[row] and free[other]:
            free[[row, other]] = False
            pairs.append((int(row), other))
    left = np.flatnonzero(free)
    pairs += [(int(a), int(b)) for a, b in zip(left[::2], left[1::2], strict=False)]
    swap = np.random.default_rng(seed).integers(0, 2, len(pairs))
    chosen = [(b, a) if flip else (a, b) for (a, b), flip in zip(pairs, swap, strict=True)]
    first = [a for a, _ in chosen] + ([int(left[-1])] if len(left) % 2 else [])
    return np.sort(first), np.sort([b for _, b in chosen])


def thinned(amplitude: Array, seed: int) -> tuple[Array, Array]:
    """Share photons out between two halves, each by a fair coin.

    Args:
        amplitude: (n, row, col), roots of counts.
        seed: Of the coin.

    Returns:
        The amplitudes of both halves; their squares add up to the counts.

    Raises:
        PreconditionError: The squares are no whole numbers.
    """
    counts = np.square(amplitude, dtype=np.float64)
    whole = np.rint(counts)
    if np.abs(counts - whole).max() > 1e-3 * max(1.0, float(whole.max()) * 1e-3):
        raise PreconditionError(
            "the patterns are no photon counts, which alone can be shared out",
            "use `--split patterns`",
        )
    first = np.random.default_rng(seed).binomial(whole.astype(np.int64), 0.5)
    parts = (first, whole - first)
    one, other = (np.sqrt(part).astype(np.float32) for part in parts)
    return one, other


def _half(
    result: Reconstruction, scan: ScanData, index: Array, values: Array, share: float, epochs: int
) -> Field:
    """Reconstruct some patterns from the flat object, with a given share of the dose."""
    scales = replace(result.scales, nphotons=result.scales.nphotons * share)
    canvas = result.canvas
    flat = Canvas(np.ones_like(canvas.object), np.ones_like(canvas.coverage), canvas.origin)
    start = replace(
        result,
        canvas=flat,
        positions_px=result.positions_px[index],
        patterns=result.patterns[index],
        scales=scales,
        given_positions_px=None,
    )
    unit = np.float32(scales.amplitude_scale / np.sqrt(share))
    settings = IterativeSettings(epochs=epochs, update_probe=False)
    # What regularisation invents it might invent in both.
    stages = [replace(stage, regularisation=0.0) for stage in settings.stages(scales.nphotons)]
    mask = None if scan.mask is None else torch.from_numpy(scan.mask)
    found = run_options(start, torch.from_numpy(values * unit), mask, stages).reconstruction
    return Field(
        found.canvas.object,
        found.canvas.origin,
        found.canvas.coverage,
        found.positions_px,
        name="half",
    )

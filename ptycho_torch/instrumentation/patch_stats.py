"""Statistics and pictures of the patches a network predicts.

A network that collapsed predicts patches without structure, long before a loss curve shows it:
`var_zero_mean`, the mean squared deviation of a patch from its own mean, goes to 0.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from torch import Tensor

from ptycho_torch.artifacts import write_json
from ptycho_torch.pictures import MAX_PATCHES, draw_patch_grid

Phase = Literal["train", "inference"]
STATS_FILE = Path("analysis/torch_patch_stats.json")
GRID_FILE = Path("analysis/torch_patch_grid.png")

logger = logging.getLogger(__name__)


class PatchStatsLogger:
    """Records the first batches of a pass over the data, and writes them out.

    Args:
        output_dir: Folder of the run; the files go to `analysis/` in it.
        phase: Where the patches come from.
        limit: Number of batches recorded in a pass.
    """

    def __init__(self, output_dir: Path, phase: Phase, limit: int) -> None:
        self._output_dir = output_dir
        self._phase = phase
        self._limit = limit
        self._entries: list[dict[str, Any]] = []
        self._shown: npt.NDArray[Any] | None = None

    def wants_more(self) -> bool:
        """Say whether another batch of this pass is to be recorded.

        Returns:
            False once the limit is reached.
        """
        return len(self._entries) < self._limit

    def restart(self) -> None:
        """Forget what was recorded: a new pass over the data begins."""
        self._entries, self._shown = [], None

    def record(self, patches: Tensor, batch_idx: int) -> None:
        """Take the statistics of one batch, unless the limit is reached.

        Args:
            patches: (batch, channel, row, col) complex, predicted object patches.
            batch_idx: Number of the batch in its pass.
        """
        if not self.wants_more():
            return
        fields = patches.detach().cpu().numpy()
        batch_size = fields.shape[0]
        fields = fields.reshape(-1, *fields.shape[-2:])
        entry = {"phase": self._phase, "batch_idx": batch_idx, "batch_size": batch_size}
        self._entries.append(entry | patch_statistics(fields))
        if self._shown is None:
            self._shown = fields[:MAX_PATCHES]

    def state(self) -> list[dict[str, Any]]:
        """Return what was recorded so far, one entry a batch.

        Returns:
            The entries as they are written.
        """
        return list(self._entries)

    def write(self) -> list[Path]:
        """Write the statistics and the picture, and log one line a batch.

        Returns:
            The files written; none if nothing was recorded.
        """
        if self._shown is None:
            return []
        for entry in self._entries:
            logger.info(
                "PATCH_STATS phase=%s batch=%d patches=%d mean=%.6g std=%.6g var_zero_mean=%.6g",
                entry["phase"],
                entry["batch_idx"],
                len(entry["per_patch"]),
                entry["global_mean"],
                entry["global_std"],
                entry["var_zero_mean"],
            )
        paths = [self._output_dir / STATS_FILE, self._output_dir / GRID_FILE]
        write_json(paths[0], self._entries)
        draw_patch_grid(paths[1], self._shown)
        return paths


def patch_statistics(patches: npt.NDArray[Any]) -> dict[str, Any]:
    """Describe the amplitude of a stack of patches.

    Args:
        patches: (n, row, col) complex.

    Returns:
        `global_mean`, `global_std`, `var_zero_mean` (mean squared deviation from each patch's own
        mean) and `per_patch` with index, mean, std, min and max of each patch.
    """
    amplitude = np.abs(patches).astype(np.float64)
    means = amplitude.mean(axis=(-2, -1), keepdims=True)
    return {
        "global_mean": float(amplitude.mean()),
        "global_std": float(amplitude.std()),
        "var_zero_mean": float(np.square(amplitude - means).mean()),
        "per_patch": [
            {
                "index": index,
                "mean": float(patch.mean()),
                "std": float(patch.std()),
                "min": float(patch.min()),
                "max": float(patch.max()),
            }
            for index, patch in enumerate(amplitude)
        ],
    }

"""Writes what happened between the network and the stitched object, for a human to look at."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from ptycho_torch.artifacts import write_json
from ptycho_torch.data.scan import Array
from ptycho_torch.pictures import draw_amplitude_grid
from ptycho_torch.reconstruct.stitch import Canvas

FIRST_OFFSETS = 16


def write_debug_dump(
    folder: Path, patches: Array, positions_px: Array, slots: int, canvas: Canvas
) -> list[Path]:
    """Write geometry, statistics and pictures of a reconstruction.

    Args:
        folder: Where the files go; made when it is not there.
        patches: (n, row, col) complex, the stitched patches.
        positions_px: (n, 2) float64, (row, col) of their centres.
        slots: Groups times patches in a group.
        canvas: The stitched object.

    Returns:
        The five files: `canvas.json`, `offsets.json`, `stats.json` and two pictures.
    """
    offsets = positions_px - positions_px.mean(axis=0)
    reach = np.abs(offsets).max(axis=0)
    contents = {
        "canvas.json": {
            "patch_size": int(patches.shape[-1]),
            "canvas_size": int(patches.shape[-1] + 2 * math.ceil(float(reach.max()))),
            "canvas_shape": list(canvas.object.shape),
            "num_patch_slots": slots,
            "max_abs_dx": float(reach[1]),
            "max_abs_dy": float(reach[0]),
        },
        "offsets.json": {
            "count": len(offsets),
            "first_offsets_px": [
                {"dx": float(dx), "dy": float(dy)} for dy, dx in offsets[:FIRST_OFFSETS]
            ],
            "mean_dx": float(offsets[:, 1].mean()),
            "mean_dy": float(offsets[:, 0].mean()),
            "std_dx": float(offsets[:, 1].std()),
            "std_dy": float(offsets[:, 0].std()),
        },
        "stats.json": {
            "patch_amplitude": _describe(np.abs(patches)),
            "canvas_amplitude": _describe(np.abs(canvas.object[canvas.covered()])[None]),
        },
    }
    for name, content in contents.items():
        write_json(folder / name, content)
    grids = [folder / f"pred_patches_amp_grid{end}.png" for end in ("", "_normalized")]
    draw_amplitude_grid(grids[0], patches, each=False)
    draw_amplitude_grid(grids[1], patches, each=True)
    return [*(folder / name for name in contents), *grids]


def _describe(amplitude: Array) -> dict[str, float]:
    """Describe a stack; `var_zero_mean` is about the mean of each member of the stack."""
    values = amplitude.astype(np.float64)
    means = values.reshape(len(values), -1).mean(axis=1)
    deviation = values.reshape(len(values), -1) - means[:, None]
    return {
        "mean": float(values.mean()),
        "std": float(values.std()),
        "min": float(values.min()),
        "max": float(values.max()),
        "var_zero_mean": float(np.square(deviation).mean()),
    }

"""Draw the picture of the README: truth beside reconstruction, from the files of a run.

python docs/images/reconstruction.py outputs/runs/<stamp>/out docs/images/reconstruction.png
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ptycho_torch.data.formats import read_scan
from ptycho_torch.metrics.alignment import match_gain
from ptycho_torch.reconstruct.result import read_reconstruction, scan_window


def draw(run: Path, target: Path) -> None:
    """Draw amplitude and phase of both, on common scales.

    Args:
        run: The `out` folder of `make run` on simulated data.
        target: PNG to write.
    """
    truth = read_scan(run / "data/test.npz").object
    found = read_reconstruction(run / "infer/reconstruction.npz")
    assert truth is not None
    inside = scan_window(found.canvas, found.positions_px)
    start = found.canvas.origin
    frame = tuple(
        slice(part.start + first, part.stop + first)
        for part, first in zip(inside, start, strict=True)
    )
    true = truth[frame]
    shown = match_gain(found.canvas.object[inside], true)
    turn = np.exp(-1j * np.angle(true.sum(dtype=np.complex128)))
    figure = Figure(figsize=(6.4, 6.2), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(2, 2)
    for column, (name, field) in enumerate((("truth", true), ("reconstruction", shown))):
        parts = (("amplitude", np.abs(field), "gray"), ("phase", np.angle(field * turn), "viridis"))
        for row, (part, image, colours) in enumerate(parts):
            both = np.abs(true) if row == 0 else np.angle(true * turn)
            low, high = float(both.min()), float(both.max())
            drawn = grid[row, column].imshow(image, cmap=colours, vmin=low, vmax=high)
            unit = " / rad" if part == "phase" else ""
            grid[row, column].set_title(f"{name}: {part}{unit}", fontsize=10)
            grid[row, column].tick_params(labelsize=7)
            if column == 1:
                figure.colorbar(drawn, ax=grid[row, :], shrink=0.85).ax.tick_params(labelsize=7)
    figure.savefig(target, format="png", metadata={"Software": None})


if __name__ == "__main__":
    draw(Path(sys.argv[1]), Path(sys.argv[2]))

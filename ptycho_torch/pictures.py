"""Pictures of complex fields: amplitude and phase, as PNG with equal bytes for equal input."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ptycho_torch.artifacts import write_bytes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = npt.NDArray[Any]
MAX_PATCHES = 16


def draw_patch_grid(path: Path, patches: Array) -> None:
    """Draw amplitude and phase of up to 16 patches, each normalised on its own.

    Args:
        path: PNG to write.
        patches: (n, row, col) complex, at least one.
    """
    shown = patches[:MAX_PATCHES]
    columns = min(len(shown), 8)
    rows = 2 * math.ceil(len(shown) / columns)
    figure = _figure(columns, rows)
    for index, patch in enumerate(shown):
        top = 2 * (index // columns)
        for offset, (name, image, colours) in enumerate(_parts(patch)):
            axes = figure.add_subplot(rows, columns, (top + offset) * columns + index % columns + 1)
            axes.imshow(image, cmap=colours)
            _label(axes, f"{index} {name}\n{_range(image)}")
    _save(path, figure)


def draw_amplitude_grid(path: Path, patches: Array, *, each: bool) -> None:
    """Draw the amplitude of up to 16 patches.

    Args:
        path: PNG to write.
        patches: (n, row, col) complex, at least one.
        each: Normalise every patch on its own; otherwise all share one grey scale.
    """
    shown = np.abs(patches[:MAX_PATCHES])
    columns = min(len(shown), 4)
    rows = math.ceil(len(shown) / columns)
    low, high = (None, None) if each else (float(shown.min()), float(shown.max()))
    figure = _figure(columns, rows)
    for index, image in enumerate(shown):
        axes = figure.add_subplot(rows, columns, index + 1)
        axes.imshow(image, cmap="gray", vmin=low, vmax=high)
        _label(axes, f"{index}\n{_range(image)}")
    _save(path, figure)


def draw_field(folder: Path, name: str, field: Array, covered: Array) -> list[Path]:
    """Draw a reconstruction's amplitude and phase, scaled to what was measured well.

    Args:
        folder: Where the pictures go.
        name: Start of their names.
        field: (row, col) complex.
        covered: (row, col) bool, True where the scan says something about the field.

    Returns:
        The two pictures, amplitude first.
    """
    paths = []
    for part, image, colours in _parts(np.where(covered, field, np.nan)):
        figure = _figure(4, 4)
        axes = figure.add_subplot(1, 1, 1)
        low, high = np.percentile(image[covered], (1, 99)) if covered.any() else (0.0, 1.0)
        drawn = axes.imshow(image, cmap=colours, vmin=low, vmax=high)
        axes.set_title(f"{part}" + (" / rad" if part == "phase" else ""), fontsize=8)
        axes.tick_params(labelsize=6)
        figure.colorbar(drawn, ax=axes, shrink=0.8).ax.tick_params(labelsize=6)
        paths.append(folder / f"{name}_{part}.png")
        _save(paths[-1], figure)
    return paths


def _parts(field: Array) -> tuple[tuple[str, Array, str], ...]:
    """Split into amplitude and phase, the phase about its own mean direction."""
    direction = np.nansum(field)
    turned = field * np.conj(direction) / abs(direction) if abs(direction) > 0 else field
    return ("amplitude", np.abs(field), "gray"), ("phase", np.angle(turned), "viridis")


def _figure(columns: int, rows: int) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(1.5 * columns, 1.5 * rows), dpi=80, layout="tight")
    FigureCanvasAgg(figure)
    return figure


def _label(axes: Axes, text: str) -> None:
    axes.set_title(text, fontsize=6)
    axes.set_axis_off()


def _range(image: Array) -> str:
    return f"{np.nanmin(image):.3g} to {np.nanmax(image):.3g}"


def _save(path: Path, figure: Figure) -> None:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    write_bytes(path, buffer.getvalue())

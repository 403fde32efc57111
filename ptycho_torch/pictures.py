"""Pictures of complex fields and of how well two agree: PNG, equal bytes for equal input.

Amplitudes have a perceptually uniform colour map. A phase that uses the circle has a cyclic one;
one that stays within half of it has a diverging one about its mean, or its contrast would be lost.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ptycho_torch.artifacts import write_bytes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = npt.NDArray[Any]
MAX_PATCHES = 16
MAX_MODES = 6

_AMPLITUDE, _CYCLIC, _DIVERGING = "viridis", "twilight_shifted", "RdBu_r"
_LEVELS = ("0.45", "C3", "C4", "C5")
_TITLE, _TEXT, _SMALL = 10, 9, 8
_UNITS = ((1e-3, "mm"), (1e-6, "µm"), (1e-9, "nm"), (1e-12, "pm"))


@dataclass(frozen=True)
class _Part:
    """Amplitude or phase of a field with the colours it is drawn in."""

    name: str
    values: Array
    colours: str
    low: float
    high: float
    unit: str


@dataclass(frozen=True)
class Comparison:
    """What `draw_comparison` shows.

    Attributes:
        names: What the two images are called.
        images: Two (row, col) complex images of equal shape, aligned.
        inside: (row, col) bool, True where they were compared.
        frequency_per_px: (k,) of the rings, cycles per pixel.
        curves: (k,) values by name, correlations drawn as lines.
        thresholds: (k,) values by name, drawn dashed.
        rows: Figures by row name and key, shown as a table.
        remarks: Lines below the table.
        pixel_size_m: Edge of a pixel in metres, or None.
    """

    names: tuple[str, str]
    images: tuple[Array, Array]
    inside: Array
    frequency_per_px: Array
    curves: Mapping[str, Array]
    thresholds: Mapping[str, Array]
    rows: Mapping[str, Mapping[str, float | None]]
    remarks: Sequence[str] = ()
    pixel_size_m: float | None = None


def draw_patch_grid(path: Path, patches: Array) -> None:
    """Draw amplitude and phase of up to 16 patches, each normalised on its own.

    Args:
        path: PNG to write.
        patches: (n, row, col) complex, at least one.
    """
    shown = patches[:MAX_PATCHES]
    columns = min(len(shown), 8)
    rows = 2 * math.ceil(len(shown) / columns)
    figure = _figure(1.5 * columns, 1.5 * rows, dpi=80)
    for index, patch in enumerate(shown):
        top = 2 * (index // columns)
        for offset, (name, image, colours) in enumerate(_patch_parts(patch)):
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
    figure = _figure(1.5 * columns, 1.5 * rows, dpi=80)
    for index, image in enumerate(shown):
        axes = figure.add_subplot(rows, columns, index + 1)
        axes.imshow(image, cmap="gray", vmin=low, vmax=high)
        _label(axes, f"{index}\n{_range(image)}")
    _save(path, figure)


def draw_field(
    folder: Path, name: str, field: Array, covered: Array, pixel_size_m: float | None = None
) -> list[Path]:
    """Draw a reconstruction's amplitude and phase, scaled to what was measured well.

    Args:
        folder: Where the pictures go.
        name: Start of their names.
        field: (row, col) complex.
        covered: (row, col) bool, True where the scan says something about the field.
        pixel_size_m: Edge of a pixel in metres, for the scale bar; None counts pixels.

    Returns:
        The two pictures, amplitude first.
    """
    paths = []
    for part in _parts_of(field, covered):
        figure = _figure(4.6, 4.0)
        axes = figure.add_subplot(1, 1, 1)
        _image(axes, part, part.values)
        _scale_bar(axes, part.values.shape, pixel_size_m)
        axes.set_title(part.name, fontsize=_TITLE)
        paths.append(folder / f"{name}_{part.name}.png")
        _save(paths[-1], figure)
    return paths


def draw_probe(path: Path, probe: Array, pixel_size_m: float | None = None) -> None:
    """Draw amplitude and phase of a probe's modes, with each mode's share of the light.

    The phase is shown where the mode has light, over black; the phase of nothing is noise.

    Args:
        path: PNG to write.
        probe: (mode, row, col) complex; up to six modes are shown.
        pixel_size_m: Edge of a pixel in metres, for the scale bar; None counts pixels.
    """
    energy = np.square(np.abs(probe)).sum(axis=(1, 2), dtype=np.float64)
    total = float(energy.sum())
    shown = probe[:MAX_MODES]
    figure = _figure(2.6 * len(shown) + 0.4, 5.0)
    for index, mode in enumerate(shown):
        share = energy[index] / total if total > 0 else 0.0
        amplitude = _Part("amplitude", np.abs(mode), _AMPLITUDE, 0.0, _peak(np.abs(mode)), "")
        axes = figure.add_subplot(2, len(shown), index + 1)
        _image(axes, amplitude, amplitude.values)
        if index == 0:
            _scale_bar(axes, mode.shape, pixel_size_m)
        axes.set_title(f"mode {index + 1}: {share:.1%}", fontsize=_TITLE)
        lit = np.abs(mode) > 0.05 * _peak(np.abs(mode))
        phase = _Part("phase", np.angle(mode), _CYCLIC, -math.pi, math.pi, "rad")
        axes = figure.add_subplot(2, len(shown), len(shown) + index + 1)
        axes.set_facecolor("black")
        _image(axes, phase, np.where(lit, phase.values, np.nan))
    _save(path, figure)


def draw_curve(
    path: Path,
    curves: Mapping[str, Sequence[float]],
    *,
    x: str = "epoch",
    y: str = "R factor",
    levels: Mapping[str, float] = MappingProxyType({}),
    log: bool = True,
) -> None:
    """Draw values over epochs, with levels to judge them by.

    Args:
        path: PNG to write.
        curves: Values by name, each over 1, 2, …; what is not finite is left out.
        x: Name of the horizontal axis.
        y: Name of the vertical axis.
        levels: Horizontal lines by name, such as the flat object's value.
        log: Logarithmic vertical axis; linear where a value is not positive.
    """
    figure = _figure(5.2, 3.6)
    axes = figure.add_subplot(1, 1, 1)
    everything = [value for values in curves.values() for value in values] + list(levels.values())
    for index, (name, values) in enumerate(curves.items()):
        counted = np.arange(1, len(values) + 1)
        mark = "o" if len(values) <= 40 else None
        axes.plot(counted, values, color=f"C{index}", marker=mark, markersize=3, label=name)
    for index, (name, value) in enumerate(levels.items()):
        axes.axhline(value, color=_LEVELS[index % len(_LEVELS)], linestyle="--", linewidth=1)
        axes.annotate(
            f"{name}: {value:.4g}",
            (1, value),
            xycoords=("axes fraction", "data"),
            xytext=(-4, 3),
            textcoords="offset points",
            ha="right",
            fontsize=_SMALL,
            color=_LEVELS[index % len(_LEVELS)],
        )
    positive = [value for value in everything if math.isfinite(value)]
    if log and positive and min(positive) > 0:
        _log_axis(axes)
    axes.set_xlabel(x, fontsize=_TEXT)
    axes.set_ylabel(y, fontsize=_TEXT)
    _plain_axes(axes)
    if len(curves) > 1:
        axes.legend(fontsize=_SMALL, frameon=False)
    _save(path, figure)


def _log_axis(axes: Axes) -> None:
    """A logarithmic axis with plain numbers at 1, 2 and 5 times powers of ten."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def draw_comparison(path: Path, shown: Comparison) -> None:
    """Draw two images, their difference, and up to which frequency they agree.

    Args:
        path: PNG to write.
        shown: The images and what was measured.
    """
    height, width = shown.inside.shape
    panel = 3.2 * min(1.6, max(0.6, height / width))
    figure = _figure(15.5, 2 * panel + 0.7)
    grid = figure.add_gridspec(2, 4, width_ratios=(1, 1, 1, 1.35))
    parts = [_parts_of(image, shown.inside) for image in shown.images]
    for row, (first, second) in enumerate(zip(*parts, strict=True)):
        scale = _shared(first, second)
        panels = [figure.add_subplot(grid[row, column]) for column in range(3)]
        for column, part in enumerate((first, second)):
            values = np.where(shown.inside, part.values, np.nan)
            drawn = _panel(panels[column], scale, values)
            panels[column].set_title(f"{part.name}, {shown.names[column]}", fontsize=_TITLE)
        _colour_bar(panels[1], drawn, scale)  # one for both: they share their colours
        difference = _difference(first.name, shown)
        drawn = _panel(panels[2], difference, difference.values)
        _colour_bar(panels[2], drawn, difference)
        panels[2].set_title(f"{first.name}, difference", fontsize=_TITLE)
        if row == 0:
            _scale_bar(panels[0], shown.inside.shape, shown.pixel_size_m)
    _correlation(figure.add_subplot(grid[0, 3]), shown)
    _table(figure.add_subplot(grid[1, 3]), shown)
    _save(path, figure)


def _panel(axes: Axes, part: _Part, values: Array) -> Any:
    """An image without ticks: what it shows is told by its neighbours and one scale bar."""
    axes.set_xticks([])
    axes.set_yticks([])
    return axes.imshow(
        values, cmap=part.colours, vmin=part.low, vmax=part.high, interpolation="nearest"
    )


def _correlation(axes: Axes, shown: Comparison) -> None:
    for index, (name, values) in enumerate(shown.curves.items()):
        colour = "0.6" if name == "flat object" else f"C{index}"
        axes.plot(shown.frequency_per_px, values, label=name, color=colour)
    for index, (name, values) in enumerate(shown.thresholds.items()):
        dashes = ("--", ":")[index % 2]
        axes.plot(shown.frequency_per_px, values, dashes, label=name, color="0.2", linewidth=1)
    axes.set_xlim(0, 0.5)
    axes.set_ylim(-0.4, 1.05)
    axes.set_xlabel("spatial frequency / (cycles per pixel)", fontsize=_TEXT)
    axes.set_ylabel("Fourier ring correlation", fontsize=_TEXT)
    _plain_axes(axes)
    axes.legend(fontsize=_SMALL, frameon=False, loc="lower center", ncols=2)
    if shown.pixel_size_m is not None:
        pixel, unit = _in_unit(shown.pixel_size_m)
        top = axes.secondary_xaxis("top")
        top.set_xticks([0.1, 0.2, 0.3, 0.4, 0.5])
        top.set_xticklabels([f"{pixel / (2 * f):.3g}" for f in (0.1, 0.2, 0.3, 0.4, 0.5)])
        top.set_xlabel(f"half period / {unit}", fontsize=_TEXT)
        top.tick_params(labelsize=_SMALL)


def _table(axes: Axes, shown: Comparison) -> None:
    axes.set_axis_off()
    names = list(shown.rows)
    keys = list(next(iter(shown.rows.values()), {}))
    lines = ["".join([f"{'':<22}", *(f"{name[:14]:>15}" for name in names)])]
    for key in keys:
        values = (shown.rows[name].get(key) for name in names)
        cells = ("-" if value is None else f"{value:.4g}" for value in values)
        lines.append("".join([f"{key:<22}", *(f"{cell:>15}" for cell in cells)]))
    lines += ["", *shown.remarks]
    text = "\n".join(lines)
    axes.text(0, 1, text, va="top", family="monospace", fontsize=7, transform=axes.transAxes)


def _difference(name: str, shown: Comparison) -> _Part:
    """First minus second, on a scale symmetric about 0; phases as the angle between the two."""
    first, second = shown.images
    if name == "amplitude":
        values, unit = np.abs(first) - np.abs(second), ""
    else:
        values, unit = np.angle(first * np.conj(second)), "rad"
    size = float(np.percentile(np.abs(values[shown.inside]), 99.5)) or 1.0
    return _Part(name, np.where(shown.inside, values, np.nan), _DIVERGING, -size, size, unit)


def _shared(first: _Part, second: _Part) -> _Part:
    """One scale for both: the wider of the two, cyclic if one of them needs the circle."""
    if first.name == "phase":
        return first if first.colours == _CYCLIC or first.high > second.high else second
    low, high = min(first.low, second.low), max(first.high, second.high)
    return _Part(first.name, first.values, first.colours, low, high, first.unit)


def _parts_of(field: Array, covered: Array) -> tuple[_Part, _Part]:
    """Split into amplitude and phase with colours and limits that fit what is covered."""
    known = field[covered]
    amplitude = np.abs(field)
    low, high = np.percentile(np.abs(known), (0.5, 99.5)) if known.size else (0.0, 1.0)
    if high - low < 1e-6 * max(high, 1e-30):  # constant: a scale of its own noise would mislead
        low, high = 0.0, max(2 * float(high), 1e-30)
    mean = known.sum()
    turned = np.angle(field * (np.conj(mean) / abs(mean) if abs(mean) > 0 else 1.0))
    span = float(np.percentile(np.abs(turned[covered]), 99.5)) if known.size else math.pi
    colours, limit = (_DIVERGING, max(span, 1e-3)) if span < math.pi / 2 else (_CYCLIC, math.pi)
    return (
        _Part("amplitude", np.where(covered, amplitude, np.nan), _AMPLITUDE, low, high, ""),
        _Part("phase", np.where(covered, turned, np.nan), colours, -limit, limit, "rad"),
    )


def _image(axes: Axes, part: _Part, values: Array) -> None:
    _colour_bar(axes, _panel(axes, part, values), part)


def _colour_bar(axes: Axes, drawn: Any, part: _Part) -> None:
    bar = axes.figure.colorbar(drawn, ax=axes, fraction=0.046, pad=0.03)
    bar.ax.tick_params(labelsize=_SMALL)
    bar.set_label(f"{part.name} / {part.unit}" if part.unit else part.name, fontsize=_TEXT)
    if part.colours == _CYCLIC:
        bar.set_ticks([-math.pi, -math.pi / 2, 0, math.pi / 2, math.pi])
        bar.set_ticklabels(["−π", "−π/2", "0", "π/2", "π"])


def _scale_bar(axes: Axes, shape: tuple[int, ...], pixel_size_m: float | None) -> None:
    """A bar of 1, 2 or 5 times a power of ten, about a quarter of the width long.

    In pixels where nobody knows how large they are.
    """
    pixel = pixel_size_m or 1.0
    wanted = shape[1] * pixel / 4
    power = 10 ** math.floor(math.log10(wanted))
    length = next(step * power for step in (5, 2, 1) if step * power <= wanted * (1 + 1e-9))
    value, unit = (length, "px") if pixel_size_m is None else _in_unit(length)
    left, low = 0.05 * shape[1], 0.93 * shape[0]
    width = length / pixel
    outline = {"edgecolor": "black", "linewidth": 0.6}
    axes.add_patch(_rectangle((left, low), width, 0.02 * shape[0], **outline))
    axes.annotate(
        f"{value:.3g} {unit}",
        (left + width / 2, low),
        xytext=(0, 3),
        textcoords="offset points",
        ha="center",
        fontsize=_TEXT,
        color="white",
        path_effects=_outlined(),
    )


def _rectangle(corner: tuple[float, float], width: float, height: float, **style: Any) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle(corner, width, height, facecolor="white", **style)


def _outlined() -> list[Any]:
    from matplotlib.patheffects import withStroke

    return [withStroke(linewidth=2, foreground="black")]


def _in_unit(length_m: float) -> tuple[float, str]:
    for size, unit in _UNITS:
        if length_m >= size * (1 - 1e-9):
            return length_m / size, unit
    return length_m / 1e-12, "pm"


def _peak(values: Array) -> float:
    return float(values.max()) or 1.0


def _patch_parts(field: Array) -> Iterator[tuple[str, Array, str]]:
    """Amplitude and phase, the phase about its own mean direction, for small pictures."""
    direction = np.nansum(field)
    turned = field * np.conj(direction) / abs(direction) if abs(direction) > 0 else field
    yield "amplitude", np.abs(field), _AMPLITUDE
    yield "phase", np.angle(turned), _DIVERGING


def _figure(width_in: float, height_in: float, dpi: int = 130) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_in, height_in), dpi=dpi, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _label(axes: Axes, text: str) -> None:
    axes.set_title(text, fontsize=6)
    axes.set_axis_off()


def _plain_axes(axes: Axes) -> None:
    axes.tick_params(labelsize=_SMALL)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(visible=True, color="0.92", linewidth=0.6)
    axes.set_axisbelow(True)


def _range(image: Array) -> str:
    return f"{np.nanmin(image):.3g} to {np.nanmax(image):.3g}"


def _save(path: Path, figure: Figure) -> None:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    write_bytes(path, buffer.getvalue())

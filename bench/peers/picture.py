"""Error against CPU seconds, one line a method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

_OWN_WIDTH, _PEER_WIDTH = 2.6, 1.3


def draw_curves(
    path: Path,
    curves: Mapping[str, Sequence[tuple[float, float]]],
    levels: Sequence[float],
    unit: str = "relative error",
) -> None:
    """Draw curves on logarithmic axes; the first is the project's own.

    Args:
        path: Of the PNG.
        curves: Name → points (CPU seconds, error).
        levels: Errors to mark by a line.
        unit: What is on the vertical axis.
    """
    figure, axes = pyplot.subplots(figsize=(7.2, 4.6), layout="constrained")
    for number, (name, points) in enumerate(curves.items()):
        seconds, errors = zip(*points, strict=True)
        own = number == 0
        axes.loglog(
            seconds,
            errors,
            marker="o",
            markersize=4 if own else 3,
            linewidth=_OWN_WIDTH if own else _PEER_WIDTH,
            color="black" if own else f"C{number - 1}",
            label=name,
            zorder=3 if own else 2,
        )
    for level in levels:
        axes.axhline(level, color="0.6", linestyle=":", linewidth=1)
        place = (axes.get_xlim()[0], level)
        axes.annotate(f" {level:g}", place, color="0.4", fontsize=8, va="bottom")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("CPU seconds, one thread")
    axes.set_ylabel(unit)
    axes.grid(which="both", color="0.93")
    axes.legend(fontsize=8, frameon=False)
    figure.savefig(path, dpi=160)
    pyplot.close(figure)

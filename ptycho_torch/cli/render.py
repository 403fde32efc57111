"""Shows a result on stdout: as JSON, or as indented lines."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any


def show(result: Mapping[str, Any], as_json: bool) -> None:
    """Print a result.

    Args:
        result: Plain values.
        as_json: JSON instead of lines.
    """
    if as_json:
        json.dump(result, sys.stdout, indent=2, allow_nan=False)
        print()
    else:
        _lines(result, "")


_COLUMNS = {
    "r_factor": "R",
    "poisson_nll_per_pixel": "NLL/px",
    "mae_amplitude": "MAE amp",
    "mae_phase_rad": "MAE phase",
    "relative_error": "error",
    "ssim_amplitude": "SSIM amp",
    "ssim_phase": "SSIM phase",
    "frc50_per_px": "FRC50",
}


def show_reconstruction(metrics: Mapping[str, Any], files: Sequence[str]) -> None:
    """Print what a reconstruction is worth: what was done, its rows, what looks wrong.

    Args:
        metrics: Content of `metrics.json`.
        files: What was written, the reconstruction first.
    """
    print(f"method: {metrics['method']} ({metrics['method_reason']})")
    print(*metrics["told"], sep="\n", end="\n\n")
    print("\n".join(table(metrics["rows"], _COLUMNS)))
    print(metrics["reading"])
    print(f"\nwarnings: {'none' if not metrics['warnings'] else len(metrics['warnings'])}")
    for remark in metrics["warnings"]:
        print(f"  {remark['slug']}: {remark['message']}\n    {remark['hint']}")
    print(f"files: {files[0]} and {len(files) - 1} more beside it")


def table(rows: Mapping[str, Mapping[str, Any]], columns: Mapping[str, str]) -> list[str]:
    """Lay rows out in columns.

    Args:
        rows: Values by row and column.
        columns: Columns by name, with their headings; those that no row has are left out.

    Returns:
        Lines, the headings first.
    """
    used = {name: text for name, text in columns.items() if any(name in r for r in rows.values())}
    first = max(map(len, rows), default=0)
    cells = [["", *used.values()]]
    for label, row in rows.items():
        cells.append([label, *(_short(row[name]) if name in row else "" for name in used)])
    widths = [max(len(line[i]) for line in cells) for i in range(len(used) + 1)]
    widths[0] = first
    return [
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in cells
    ]


def _short(value: Any) -> str:
    return "-" if value is None else f"{value:.4g}"


def _lines(values: Mapping[str, Any], indent: str) -> None:
    width = max((len(name) for name in values), default=0)
    for name, value in values.items():
        if isinstance(value, Mapping):
            print(f"{indent}{name}:")
            _lines(value, indent + "  ")
        elif isinstance(value, list | tuple) and not value:
            print(f"{indent}{name:<{width}}  none")
        elif isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
            print(f"{indent}{name}:")
            for item in value:
                print(f"{indent}  {item}")
        elif isinstance(value, list | tuple) and all(isinstance(item, Mapping) for item in value):
            print(f"{indent}{name}:")
            for item in value:
                print(f"{indent}  {'; '.join(map(_text, item.values()))}")
        else:
            print(f"{indent}{name:<{width}}  {_text(value)}")


def _text(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.6g}" if isinstance(value, float) else str(value)

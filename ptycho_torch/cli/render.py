"""Shows a result on stdout: as JSON, or as indented lines."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
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

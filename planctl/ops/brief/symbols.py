"""Names in Python source: classes, functions, methods, assignments; read, never imported."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from planctl._files import read_text
from planctl.ops.targets import near

_MAX_BYTES = 4_000_000


def has_symbol(path: Path, symbol: str) -> bool:
    """Tell whether a Python file has a symbol (`f`, `Class.method`, `Class::method[param]`).

    A file that cannot be read as Python has none.
    """
    wanted = symbol.partition("[")[0].replace("::", ".").strip(".")
    names = set(_names(path))
    return wanted in names or any(name.endswith(f".{wanted}") for name in names)


def symbols_like(path: Path, symbol: str) -> list[str]:
    """Return the symbols of a file that are most like a name."""
    return near(symbol.replace("::", "."), _names(path))


def _names(path: Path) -> list[str]:
    try:
        tree = ast.parse(read_text(path, _MAX_BYTES, "replace"))
    except (SyntaxError, ValueError, OSError, RecursionError):
        return []  # no Python: whoever asks says that the symbol is not there
    return list(_below(tree, ""))


def _below(node: ast.AST, before: str) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{before}{child.name}"
            yield from _below(child, f"{before}{child.name}.")
        elif isinstance(child, ast.Assign | ast.AnnAssign):
            targets = child.targets if isinstance(child, ast.Assign) else [child.target]
            yield from (f"{before}{t.id}" for t in targets if isinstance(t, ast.Name))
        elif isinstance(child, ast.If | ast.Try | ast.With):
            yield from _below(child, before)


def is_outside(root: Path, path: str) -> bool:
    """Tell whether a path leads out of the repository, where no commit sees a change."""
    return not (root / path).resolve().is_relative_to(root.resolve())

"""The limits of `docs/concepts/architecture.md`, held."""

from __future__ import annotations

import ast
import json
import statistics
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("planctl", "ptycho_torch")
UNWANTED = {"utils.py", "helpers.py", "common.py", "misc.py", "manager.py"}


@cache
def sources() -> dict[Path, str]:
    return {
        path: path.read_text("utf-8") for name in PACKAGES for path in (ROOT / name).rglob("*.py")
    }


@cache
def function_lengths() -> dict[str, int]:
    lengths: dict[str, int] = {}
    for path, text in sources().items():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lengths[f"{path.relative_to(ROOT)}:{node.name}"] = _length(node)
    return lengths


def _length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    doc = node.body[0]
    is_doc = (
        isinstance(doc, ast.Expr)
        and isinstance(doc.value, ast.Constant)
        and isinstance(doc.value.value, str)
    )
    total = (node.end_lineno or 0) - node.lineno + 1
    return total - ((doc.end_lineno or 0) - doc.lineno + 1 if is_doc else 0)


def test_functions_stay_short() -> None:
    lengths = function_lengths()
    too_long = {name: length for name, length in lengths.items() if length > 60}
    assert not too_long
    deciles = statistics.quantiles(lengths.values(), n=10)
    assert statistics.median(lengths.values()) <= 10
    assert deciles[8] <= 35


def test_files_stay_small() -> None:
    sizes = {str(path.relative_to(ROOT)): text.count("\n") for path, text in sources().items()}
    tests = {
        str(path.relative_to(ROOT)): path.read_text("utf-8").count("\n")
        for path in (ROOT / "tests").rglob("*.py")
    }
    too_big = {name: size for name, size in (sizes | tests).items() if size > 500}
    assert not too_big
    assert statistics.quantiles(sizes.values(), n=10)[8] <= 300


def test_file_names_say_what_is_inside() -> None:
    names = {str(p.relative_to(ROOT)) for p in sources() if p.name in UNWANTED}
    assert not names
    assert not [p for p in sources() if p.stem.endswith(("_new", "_v2"))]


def test_every_public_function_has_a_docstring() -> None:
    missing = []
    for path, text in sources().items():
        for node in ast.parse(text).body:
            public = isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name[0] != "_"
            if public and ast.get_docstring(node) is None:
                missing.append(f"{path.relative_to(ROOT)}:{node.name}")
    assert not missing


def test_only_the_edges_catch_everything() -> None:
    broad = [
        str(path.relative_to(ROOT))
        for path, text in sources().items()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or ast.unparse(node.type) in {"Exception"})
    ]
    edges = {"planctl/cli/app.py", "planctl/mcp/tools.py", "ptycho_torch/cli/edge.py"}
    assert set(broad) == edges


@pytest.mark.parametrize(
    ("library", "allowed"),
    [
        ("git", {"planctl/_git.py"}),
        ("submitit", {"planctl/executors/slurm.py"}),
        ("cryptography", {"planctl/_signing.py"}),
        ("mcp", {"planctl/mcp/server.py"}),
        ("mcp_types", {"planctl/mcp/server.py"}),
        ("rich", {"planctl/cli/render.py", "ptycho_torch/progress.py"}),
        ("lightning", {"ptycho_torch/model.py", "ptycho_torch/data/datamodule.py", "training/"}),
    ],
)
def test_a_library_has_one_door(library: str, allowed: set[str]) -> None:
    found = {
        str(path.relative_to(ROOT)) for path, text in sources().items() if library in _imports(text)
    }
    strangers = {name for name in found if not any(part in name for part in allowed)}
    assert found
    assert not strangers


def test_planctl_never_imports_array_libraries() -> None:
    for path, text in sources().items():
        if path.is_relative_to(ROOT / "planctl"):
            assert not _imports(text) & {"torch", "numpy", "lightning", "scipy", "ptycho_torch"}, (
                path
            )


@cache
def _imports(text: str) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found


def _modules_after(code: str) -> set[str]:
    script = f"{code}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)), file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stderr.strip().splitlines()[-1]))


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["verify", "--nonsense"]])
def test_planctl_starts_without_heavy_modules(arguments: list[str]) -> None:
    loaded = _modules_after(f"from planctl.cli.app import run; run({arguments!r})")
    heavy = {"torch", "lightning", "numpy", "pydantic", "git", "rich", "mcp", "yaml", "asyncio"}
    assert not loaded & (heavy | {"submitit", "cryptography", "bcrypt"})


@pytest.mark.parametrize(
    "command",
    [
        ["ptycho_torch.train", "--help"],
        ["ptycho_torch.train", "--nonsense"],
        ["ptycho_torch.train", "--train_data_file", "absent.npz", "--output_dir", "x"],
        ["ptycho_torch.inference", "--help"],
        ["ptycho_torch.inference", "--model_path", "absent", "--test_data", "absent.npz"],
    ],
)
def test_ptycho_torch_answers_before_torch_is_loaded(command: list[str], tmp_path: Path) -> None:
    module, *arguments = command
    code = (
        f"import os, runpy, sys\nos.chdir({str(tmp_path)!r})\nsys.argv = {['x', *arguments]!r}\n"
        f"try:\n    runpy.run_module({module!r}, run_name='__main__')\nexcept SystemExit:\n    pass"
    )
    assert not _modules_after(code) & {"torch", "lightning", "scipy", "matplotlib", "h5py"}


def _run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", *words], cwd=ROOT, capture_output=True, text=True)


def test_layers_hold() -> None:
    script = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_ruff_is_clean() -> None:
    for words in (("ruff", "check", "."), ("ruff", "format", "--check", ".")):
        done = _run(*words)
        assert done.returncode == 0, done.stdout


def test_mypy_is_clean() -> None:
    done = _run("mypy")
    assert done.returncode == 0, done.stdout


def test_no_machine_paths_in_the_project() -> None:
    words = ["-e", f"{ROOT}/", "-e", f"{Path.home()}/"]
    listed = subprocess.run(
        ["git", "grep", "-nIF", *words], cwd=ROOT, capture_output=True, text=True
    )
    assert not listed.stdout

"""Make an environment of its own for every package of the comparison.

    python bench/peers/install.py [FOLDER]

Nothing of theirs enters this project's environment. Versions are pinned; torch is pinned to the
project's own, so that nobody is faster for a newer one. Where torch comes with CUDA by default,
set `PIP_EXTRA_INDEX_URL` to the index of CPU wheels first: it saves gigabytes.

ptypy is not on PyPI, and tike computes on CUDA alone: both are left out.
"""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

FOLDER = Path("outputs/peers")
PACKAGES = {
    "ptychi": "ptychi==2.2.0",
    "ptylab": "ptylab==0.3.7",
    "cdtools": "cdtools-py==0.3.2",
    "py4dstem": "py4dstem==0.14.18",
}
TORCH = "torch==2.13.0"


def interpreter(folder: Path, peer: str) -> Path:
    """Where a peer's Python is, once installed."""
    return folder / peer / "bin" / "python"


def install(folder: Path) -> None:
    """Create what is not there yet.

    Args:
        folder: Where environments go.
    """
    folder.mkdir(parents=True, exist_ok=True)
    constraints = folder / "constraints.txt"
    constraints.write_text(TORCH + "\n")
    for peer, package in PACKAGES.items():
        done = folder / peer / ".installed"
        if done.exists() and done.read_text() == package:
            continue
        print(f"{package} into {folder / peer}", flush=True)
        venv.create(folder / peer, with_pip=True, clear=True)
        command = [interpreter(folder, peer), "-m", "pip", "install", "--quiet"]
        subprocess.run([*command, "--constraint", constraints, package], check=True)
        done.write_text(package)


if __name__ == "__main__":
    install(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)

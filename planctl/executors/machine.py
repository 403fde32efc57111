"""The machine a command runs on, as far as it bears on the result."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from typing import Any


def describe_machine() -> dict[str, Any]:
    """Return host, system, number of processors, Python version and GPUs of this machine."""
    return {
        "host": platform.node(),
        "system": f"{platform.system()} {platform.machine()}",
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
        "gpus": _gpus(),
    }


def _gpus() -> list[str]:
    if shutil.which("nvidia-smi") is None:
        return []
    query = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    done = subprocess.run(query, capture_output=True, text=True, check=False)
    return done.stdout.split("\n")[:-1] if done.returncode == 0 else []

"""The machine a step ran on, as far as it bears on the result."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from functools import lru_cache
from typing import Any

from planctl.executors import JobResult


def describe(job: JobResult) -> dict[str, Any]:
    """Return host, interpreter, package versions and GPUs, with the run's duration and memory."""
    return _machine() | {
        "durationSeconds": round(job.duration_s, 3),
        "peakMemoryBytes": job.peak_memory_bytes,
        "leftBehind": job.left_behind,
    }


@lru_cache(maxsize=1)
def _machine() -> dict[str, Any]:
    from importlib.metadata import distributions

    packages = {item.metadata["Name"]: item.version for item in distributions()}
    return {
        "host": platform.node(),
        "system": f"{platform.system()} {platform.machine()}",
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
        "packages": dict(sorted(packages.items())),
        "gpus": _gpus(),
    }


def _gpus() -> list[str]:
    if shutil.which("nvidia-smi") is None:
        return []
    query = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    done = subprocess.run(query, capture_output=True, text=True, check=False)
    return done.stdout.split("\n")[:-1] if done.returncode == 0 else []

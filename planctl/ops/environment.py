"""What surrounded a run: the machine, the packages, how much it took."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from planctl.executors import JobResult
from planctl.executors.machine import describe_machine


def describe(job: JobResult) -> dict[str, Any]:
    """Return host, interpreter, package versions and GPUs, with the run's duration and memory.

    What the executor saw of the place the command ran at goes before what is seen here.
    """
    return (
        _here()
        | dict(job.place)
        | {
            "durationSeconds": round(job.duration_s, 3),
            "peakMemoryBytes": job.peak_memory_bytes,
            "leftBehind": job.left_behind,
        }
    )


@lru_cache(maxsize=1)
def _here() -> dict[str, Any]:
    from importlib.metadata import distributions

    packages = {item.metadata["Name"]: item.version for item in distributions()}
    return describe_machine() | {"packages": dict(sorted(packages.items()))}

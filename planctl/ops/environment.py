"""What surrounded a run: the machine, the packages, how much it took."""

from __future__ import annotations

import os
import re
import sys
from functools import lru_cache
from typing import Any

from planctl.executors import JobResult
from planctl.executors.machine import describe_machine

# The files that say it, by kind of installation; in the last the folder itself is the file.
_METADATA = ("/METADATA", "/PKG-INFO", "")
_FIELDS = re.compile(r"^(Name|Version):[ \t]*(.*\S)", re.MULTILINE)


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
    return describe_machine() | {"packages": installed_packages()}


def installed_packages() -> dict[str, str]:
    """Return name and version of what is installed; of two the one that Python would import.

    Read by name from the folders that Python imports from: the standard library's way loads a mail
    parser and parses every description with it: a quarter of a second of CPU for a hundred of them.
    """
    found: dict[str, str] = {}
    for place in dict.fromkeys(sys.path):
        for name in _installed_in(place or os.curdir):
            # The first of a field: what follows the head may be a description.
            head = _metadata(f"{place or os.curdir}/{name}").partition("\n\n")[0]
            fields = dict(reversed(_FIELDS.findall(head)))
            if "Name" in fields and "Version" in fields:
                found.setdefault(fields["Name"], fields["Version"])
    return dict(sorted(found.items()))


def _installed_in(place: str) -> list[str]:
    try:
        names = os.listdir(place)
    except OSError:
        return []  # an archive, or a folder that is not there
    return [name for name in names if name.lower().endswith((".dist-info", ".egg-info"))]


def _metadata(place: str) -> str:
    for name in _METADATA:
        try:
            with open(f"{place}{name}", encoding="utf-8", errors="replace") as stream:
                return stream.read()
        except OSError:
            continue
    return ""

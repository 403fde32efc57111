"""What surrounded a run: the machine, the packages, how much it took."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from planctl.executors import JobResult
from planctl.executors.machine import describe_machine

# The files that say it, by kind of installation; in the last the folder itself is the file.
_METADATA = ("METADATA", "PKG-INFO", "")
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

    Read without the mail parser of the standard library, which takes a quarter of a second of CPU
    for a hundred packages: the two fields stand before anything else of their name.
    """
    from importlib.metadata import distributions

    found: dict[str, str] = {}
    for item in distributions():
        text = next(filter(None, map(item.read_text, _METADATA)), "")
        # The first of a name: what follows may be the description.
        fields = dict(reversed(_FIELDS.findall(text.partition("\n\n")[0])))
        if "Name" in fields and "Version" in fields:
            found.setdefault(fields["Name"], fields["Version"])
    return dict(sorted(found.items()))

"""Every time an artifact carries, beside the gate's: shown, compared, never believed alone."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass

from planctl.clock import find_stamps

_EPOCH = re.compile(r"(?<![\w.])(1[5-9]\d{8})(?:\.\d+)?(?![\w.])")


@dataclass(frozen=True)
class FoundTime:
    """One time found for an artifact.

    Attributes:
        source: Where: `receipt start`, `first commit`, `log`, `name`, `mtime`, `gate authored` …
        when: In UTC; when the zone is unknown, the reading as if it were UTC.
        zone_known: False for a date without a zone.
        text: As it was spelled, or the commit's id.
    """

    source: str
    when: dt.datetime
    zone_known: bool = True
    text: str = ""


@dataclass(frozen=True)
class Timeline:
    """All times of one artifact and those that contradict each other."""

    path: str
    times: tuple[FoundTime, ...]
    contradictions: tuple[str, ...]


def times_in(text: str, source: str) -> list[FoundTime]:
    """Find epochs and dates in a text: `2025-11-14T02:48:00Z`, `2025-11-14 02:48:00,123`, `1763…`.

    Args:
        text: The head of a log, or a file name.
        source: What to call the place.
    """
    found = [
        FoundTime(source, stamp.when, stamp.zone_known, stamp.text)
        for stamp in find_stamps(text)
        if stamp.when is not None and stamp.precision != "day"
    ]
    found += [
        FoundTime(source, dt.datetime.fromtimestamp(int(match[1]), dt.UTC), True, match[0])
        for match in _EPOCH.finditer(text)
    ]
    return found

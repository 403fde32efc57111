"""Every time an artifact carries, beside the gate's: shown, compared, never believed alone."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass

_EPOCH = re.compile(r"(?<![\w.])(1[5-9]\d{8})(?:\.\d+)?(?![\w.])")
_DATE = re.compile(
    r"(?<![\w-])(20\d\d)-(\d\d)-(\d\d)[T _](\d\d):?(\d\d)(?::?(\d\d))?(?:[.,]\d+)?"
    r"\s?(Z|UTC|[+-]\d\d:?\d\d)?(?![\w:])"
)


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
    found = [_dated(match, source) for match in _DATE.finditer(text)]
    found += [
        FoundTime(source, dt.datetime.fromtimestamp(int(match[1]), dt.UTC), True, match[0])
        for match in _EPOCH.finditer(text)
    ]
    return [item for item in found if item is not None]


def _dated(match: re.Match[str], source: str) -> FoundTime | None:
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    zone = match[7]
    try:
        naive = dt.datetime(year, month, day, hour, minute, second)
    except ValueError:
        return None
    if zone is None:
        return FoundTime(source, naive.replace(tzinfo=dt.UTC), False, match[0].strip())
    offset = _offset(zone)
    if offset >= dt.timedelta(days=1):
        return None  # `+99:99` is no zone
    offset = -offset if zone[0] == "-" else offset
    return FoundTime(source, (naive - offset).replace(tzinfo=dt.UTC), True, match[0].strip())


def _offset(zone: str) -> dt.timedelta:
    if zone in ("Z", "UTC"):
        return dt.timedelta()
    digits = zone[1:].replace(":", "")
    return dt.timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))

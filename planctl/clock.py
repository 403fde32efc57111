"""The only clock: UTC, injected, one spelling written."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable

Clock = Callable[[], dt.datetime]
"""Anything that returns an aware UTC time; every operation takes one."""

_STAMP = re.compile(r"(\d{4})-(\d{2})-(\d{2})T(\d{2}):?(\d{2})(?::?(\d{2}))?Z")


def system_clock() -> dt.datetime:
    """Return the machine's time in UTC, cut to whole seconds."""
    return dt.datetime.now(dt.UTC).replace(microsecond=0)


def iso(when: dt.datetime) -> str:
    """Spell an aware time as records do: `2025-11-14T02:48:00Z`."""
    return when.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def stamp(when: dt.datetime) -> str:
    """Spell an aware time as names do: `2025-11-14T024800Z`."""
    return when.astimezone(dt.UTC).strftime("%Y-%m-%dT%H%M%SZ")


def parse(text: str) -> dt.datetime:
    """Read a UTC time in either spelling; seconds may be absent.

    Args:
        text: `2025-11-14T02:48:00Z`, `2025-11-14T024800Z` or `2025-11-14T0248Z`.

    Raises:
        ValueError: Not such a time, or not a real date.
    """
    match = _STAMP.fullmatch(text)
    if match is None:
        raise ValueError(f"not a UTC stamp: {text!r}")
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups())
    return dt.datetime(year, month, day, hour, minute, second, tzinfo=dt.UTC)

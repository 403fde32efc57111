"""The only clock: UTC, injected, one spelling written."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

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


@dataclass(frozen=True)
class Stamp:
    """A time as somebody spelled it inside a text or a name.

    Attributes:
        text: As it stands there.
        start: Where in the text.
        when: In UTC; a time without a zone is read as if it were UTC. None when no year is given,
            or when there is no such time.
        until: The end of a span such as `04:35-04:36` or `2025-11-16/17`.
        zone_known: Whether the zone is spelled out.
        precision: `day`, `minute` or `second`.
    """

    text: str
    start: int
    when: dt.datetime | None
    until: dt.datetime | None = None
    zone_known: bool = False
    precision: str = "second"

    @property
    def end(self) -> int:
        """Where the text goes on."""
        return self.start + len(self.text)


_FARTHEST = 14  # hours that a zone lies from UTC
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_ZONE = r"(?P<zone>\s?(?:Z|UTC|GMT)(?![A-Za-z0-9])|[+-]\d\d:?\d\d(?!\d))?"
_SPELLED = (
    # 2025-11-14T050250Z, 2025-11-14 04:35-04:36, 2025-11-14_02-48-00, 2025-11-16/17, 2025-11-13
    r"(?<!\d)(?<![\d][-.:/])(?P<y>(?:19|20)\d\d)-(?P<mo>\d\d)-(?P<d>\d\d)"
    r"(?:(?P<sep>[T_]|\s(?=\d\d:))(?P<h>\d\d)(?P<c>[:-]?)(?P<mi>\d\d)"
    r"(?:(?P=c)(?P<s>\d\d)(?:[.,]\d+)?)?" + _ZONE + r"(?:\s?[-–—]\s?(?P<h2>\d\d):(?P<mi2>\d\d)"
    r"(?::\d\d)?(?![\d:]))?|/(?P<d2>\d\d)(?![\d/-]))?(?!\d)"
    # 20251114T050250Z, 20251114-0502, 20251114
    r"|(?<![\d.])(?P<cy>(?:19|20)\d\d)(?P<cmo>[01]\d)(?P<cd>[0-3]\d)"
    r"(?:[T_-](?P<ch>[0-2]\d)(?P<cmi>[0-5]\d)(?P<cs>[0-5]\d)?(?P<cz>Z)?)?(?![\d.]\d|\d)"
    # Nov 14, Nov-14, November 14, 2025, 14 Nov 2025
    r"|\b(?:(?P<nd1>\d{1,2})[ -])?(?P<nm>(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
    r"(?:uary|ruary|ch|il|e|y|ust|t?(?:ember)?|ober)?)\.?(?:[ -](?P<nd2>\d{1,2})(?!\d))?"
    r"(?:,? (?P<ny>(?:19|20)\d\d)(?!\d))?(?![\w:])"
)


def find_stamps(text: str) -> list[Stamp]:
    """Find every date and time in a text or a file name, however it is spelled.

    Args:
        text: Prose, a heading, a path.

    Returns:
        In the order of the text. A spelled-out time that no calendar holds has no `when`.
    """
    found = (_spelled(match) for match in _pattern().finditer(text))
    return [item for item in found if item is not None]


@cache
def _pattern() -> re.Pattern[str]:
    # Compiled at the first use: most commands never need it.
    return re.compile(_SPELLED)


def _spelled(match: re.Match[str]) -> Stamp | None:
    try:
        if match["y"]:
            return _extended(match)
        return _compact(match) if match["cy"] else _named(match)
    except ValueError:
        # A day or an hour that there is not: told as such, unless it is a plain number.
        written = match["y"] or match["ch"]
        return Stamp(match[0], match.start(), None) if written else None


def _extended(match: re.Match[str]) -> Stamp:
    day = dt.datetime(int(match["y"]), int(match["mo"]), int(match["d"]), tzinfo=dt.UTC)
    if match["h"] is None:
        last = day.replace(day=int(match["d2"])) if match["d2"] else None
        return Stamp(match[0], match.start(), day, last, False, "day")
    when = day.replace(hour=int(match["h"]), minute=int(match["mi"]), second=int(match["s"] or 0))
    zone, until = match["zone"], None
    if match["h2"]:
        until = when.replace(hour=int(match["h2"]), minute=int(match["mi2"]))
    elif zone and zone[0] in "+-":
        hours, minutes = int(zone[1:3]), int(zone[-2:])
        # `04:30-05:00` after a blank is a span; `T04:30-05:00` is a zone, but `T04:35-04:36` none.
        span = zone[0] == "-" and not match["s"] and (match["sep"] != "T" or minutes % 15)
        if span:
            until, zone = when.replace(hour=hours, minute=minutes), None
        elif hours > _FARTHEST or minutes > 59:
            raise ValueError(f"no zone: {zone}")
        else:
            offset = dt.timedelta(hours=hours, minutes=minutes)
            when += offset if zone[0] == "-" else -offset
    precision = "second" if match["s"] else "minute"
    return Stamp(match[0], match.start(), when, until, bool(zone), precision)


def _compact(match: re.Match[str]) -> Stamp:
    when = dt.datetime(int(match["cy"]), int(match["cmo"]), int(match["cd"]), tzinfo=dt.UTC)
    hour, minute, second = (int(match[name] or 0) for name in ("ch", "cmi", "cs"))
    when = when.replace(hour=hour, minute=minute, second=second)
    precision = "second" if match["cs"] else "minute" if match["ch"] else "day"
    return Stamp(match[0], match.start(), when, None, bool(match["cz"]), precision)


def _named(match: re.Match[str]) -> Stamp | None:
    day = match["nd2"] or match["nd1"]
    if day is None:
        return None
    month = _MONTHS.index(match["nm"][:3].lower()) + 1
    year = int(match["ny"]) if match["ny"] else None
    # A leap year stands in for the one that is not given, so that 29 February passes.
    when = dt.datetime(year or 2000, month, int(day), tzinfo=dt.UTC)
    return Stamp(match[0], match.start(), when if year else None, None, False, "day")

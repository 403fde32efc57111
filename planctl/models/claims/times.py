"""Stamps in headings and text against the committer time of the commit that first had them."""

from __future__ import annotations

import datetime as dt

from planctl.clock import iso
from planctl.models.claims.claim import StampClaim

SLACK = dt.timedelta(minutes=30)
"""How far a heading may lie from its commit."""
_CLOCKS = dt.timedelta(minutes=2)
# A time without a zone may lie so far from UTC.
_ZONES = dt.timedelta(hours=14)
_LASTS = {
    "second": dt.timedelta(),
    "minute": dt.timedelta(seconds=59),
    "day": dt.timedelta(hours=23, minutes=59, seconds=59),
}


def ahead(claim: StampClaim, now: dt.datetime) -> bool:
    """Tell whether a stamp names a time after `now`, whatever its zone."""
    if claim.when is None:
        return False
    return claim.when - now > _CLOCKS + (dt.timedelta() if claim.zone_known else _ZONES)


def off(claim: StampClaim, committed: dt.datetime) -> dt.timedelta:
    """Return how far a stamp lies from a commit; 0 when it can be that moment."""
    if claim.when is None:
        return dt.timedelta()
    last = claim.until or min(claim.when, _latest()) + _LASTS[claim.precision]
    away = max(claim.when - committed, committed - last, dt.timedelta())
    return away if claim.zone_known else max(away - _ZONES, dt.timedelta())


def _latest() -> dt.datetime:
    return dt.datetime(9999, 12, 30, tzinfo=dt.UTC)


def spelled_off(claim: StampClaim, committed: dt.datetime) -> str:
    """Say on which side of a commit a stamp lies, and how far."""
    away = off(claim, committed)
    side = "after" if claim.when is not None and claim.when > committed else "before"
    minutes = int(away.total_seconds() // 60)
    far = f"{minutes} min" if minutes < 120 else f"{minutes // 60} h"
    far = f"{minutes // 1440} days" if minutes > 72 * 60 else far
    return f"{far} {side} the commit of {iso(committed)}"

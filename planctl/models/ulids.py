"""ULIDs: ids that sort by time (https://github.com/ulid/spec), made without loading a library.

Whoever needs more than a new one takes `python-ulid`; importing that reads package metadata and
with it a mail parser, which is a tenth of what recording a step costs.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LENGTH = 26
_RANDOM_BITS = 80
RANDOM_BYTES = _RANDOM_BITS // 8


def new_ulid(when: dt.datetime, randomness: bytes, known: Iterable[str] = ()) -> str:
    """Return a new id.

    Args:
        when: Its time; aware, to the millisecond.
        randomness: Ten bytes.
        known: Ids there are: the new one sorts after those of its millisecond.
    """
    milliseconds = int(when.timestamp() * 1000)
    numbers = (_number(item) for item in known)
    same = (number for number in numbers if number >> _RANDOM_BITS == milliseconds)
    fresh = milliseconds << _RANDOM_BITS | int.from_bytes(randomness[:RANDOM_BYTES])
    return _text(max(fresh, max(same, default=-1) + 1))


def _number(text: str) -> int:
    number = 0
    for digit in text:
        number = number << 5 | _DIGITS.index(digit)
    return number


def _text(number: int) -> str:
    return "".join(_DIGITS[number >> 5 * place & 31] for place in reversed(range(_LENGTH)))

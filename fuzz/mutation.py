"""Mutations: of JSON by its structure, of anything by its bytes."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

ODD_VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 1.5, 10**400, 1e308, "", "\0", "\ud800", "../..", "/etc/passwd", "a\nb",
    "\x1b[2J", "9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+14:00", "x" * 10_000, [], {}, [[]],
    [None], {"": {}}, {"a": [1]}, "0" * 64, "0" * 40, "1e999", "NaN",
)  # fmt: skip
ODD_BYTES = (
    b"\0", b"\xff", b"\xed\xa0\x80", b"\r\n", b"\n\n\n\n", b"[" * 2000, b"{" * 2000, b"- " * 500,
    b"\xe2\x80\xae", b"1e999", b"9" * 5000, b"&a *a", b"<<: ", b"!!python/object:x ", b"```\n",
    b"|", b"{a,{b,c}", b"**/" * 40, b"*" * 40, b"[z-a]", b"\x1b]0;", b'"""',
    b"a." * 300, b" " * 3000,
)  # fmt: skip


def mutated_json(value: Any, random_: random.Random) -> Any:
    """Return a copy of a JSON value with one to four changes somewhere in it."""
    changed = copy.deepcopy(value)
    for _ in range(random_.randint(1, 4)):
        _change(changed, random_)
    return changed


def _change(value: Any, random_: random.Random) -> None:
    place = value
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        if not keys:
            return
        key = random_.choice(keys)
        below = place[key]
        if isinstance(below, dict | list) and below and random_.random() < 0.8:
            place = below
            continue
        break
    kind = random_.random()
    if kind < 0.6:
        place[key] = copy.deepcopy(random_.choice(ODD_VALUES))
    elif kind < 0.75 and isinstance(place, dict):
        place.pop(key)
    elif kind < 0.9 and isinstance(place, dict):
        place[random_.choice(("kind", "x", "", str(key) + "x"))] = copy.deepcopy(below)
    elif isinstance(place, list):
        place.append(copy.deepcopy(below))


def mutated_bytes(data: bytes, random_: random.Random) -> bytes:
    """Return bytes with one to six changes: cut, doubled, swapped, replaced, inserted."""
    changed = bytearray(data or b"x")
    for _ in range(random_.randint(1, 6)):
        start = random_.randrange(len(changed) + 1)
        end = min(len(changed), start + random_.choice((1, 1, 2, 8, 64)))
        kind = random_.randrange(5)
        if kind == 0:
            del changed[start:end]
        elif kind == 1:
            changed[start:start] = changed[start:end] * random_.choice((1, 2, 50))
        elif kind == 2:
            changed[start:end] = random_.choice(ODD_BYTES)
        elif kind == 3:
            changed[start:start] = random_.choice(ODD_BYTES)
        else:
            changed[start:end] = bytes(random_.randrange(256) for _ in range(end - start))
        del changed[200_000:]
    return bytes(changed)


def dumped(value: Any) -> bytes:
    """Return JSON as bytes, with what strict readers refuse in it."""
    return json.dumps(value).encode()

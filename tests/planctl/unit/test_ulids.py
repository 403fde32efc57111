"""New ids are ULIDs, as the library reads them, and sort after those of their millisecond."""

from __future__ import annotations

import datetime as dt
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ulid import ULID

from planctl.models.ulids import RANDOM_BYTES, new_ulid

WHEN = dt.datetime(2025, 11, 14, 2, 48, tzinfo=dt.UTC)


@given(
    st.datetimes(dt.datetime(1970, 1, 2), dt.datetime(9998, 1, 1), timezones=st.just(dt.UTC)),
    st.binary(min_size=RANDOM_BYTES, max_size=RANDOM_BYTES),
)
def test_the_library_reads_the_same_time_and_the_same_randomness(
    when: dt.datetime, randomness: bytes
) -> None:
    found = ULID.from_str(new_ulid(when, randomness))
    assert found.milliseconds == int(when.timestamp() * 1000)
    assert found.bytes[6:] == randomness


def test_it_sorts_after_all_of_its_millisecond_and_only_those() -> None:
    highest = new_ulid(WHEN, b"\xff" * 9 + b"\xfe")
    later = new_ulid(WHEN + dt.timedelta(hours=1), bytes(RANDOM_BYTES))
    found = new_ulid(WHEN, bytes(RANDOM_BYTES), [highest, later])
    assert highest < found < later
    assert int(ULID.from_str(found)) == int(ULID.from_str(highest)) + 1


@pytest.mark.parametrize("count", [1, 200])
def test_many_of_one_moment_are_in_the_order_they_were_made(count: int) -> None:
    known: list[str] = []
    for _ in range(count):
        known.append(new_ulid(WHEN, os.urandom(RANDOM_BYTES), known))
    assert known == sorted(set(known))

"""Records about a focus: what is read back, what is refused, and which turns waited."""

from __future__ import annotations

import datetime as dt
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planctl.errors import BadFileError
from planctl.models.focus_record import (
    FocusRecord,
    Over,
    Unlock,
    Wait,
    file_name,
    open_waits,
    parse_record,
    record_text,
    waited,
)

NOW = dt.datetime(2026, 11, 14, 2, 48, tzinfo=dt.UTC)
IDS = [f"01KA0000000000000000000{number:03d}" for number in range(1, 8)]


def begun(number: int, after: int) -> Wait:
    return Wait(
        id=IDS[number],
        initiative="X-001",
        made=NOW,
        after=after,
        role="person",
        what="beam time",
        until=dt.date(2026, 12, 1),
    )


def ended(number: int, after: int, *waits: Wait) -> Over:
    return Over(
        id=IDS[number],
        initiative="X-001",
        made=NOW,
        after=after,
        role="person",
        waits=tuple(item.id for item in waits),
    )


RECORDS: tuple[FocusRecord, ...] = (
    begun(0, 3),
    ended(1, 5, begun(0, 3)),
    Unlock(id=IDS[2], initiative="X-001", made=NOW, after=9, role="lead", dwell=6, because="go on"),
)


@pytest.mark.parametrize("record", RECORDS)
def test_a_record_reads_back_as_it_was_written(record: FocusRecord) -> None:
    path = f"plans/active/X-001/waits/{file_name(record)}"
    assert parse_record(record_text(record).encode(), path) == record


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"until": "soon"}, "until"),
        ({"after": -1}, "after"),
        ({"kind": "nap"}, "kind|tag"),
        ({"what": "two\nlines"}, "what"),
        ({"id": IDS[5]}, "name does not fit"),
        ({"more": 1}, "more"),
        ({"schema": "planctl/focus/v2"}, "schema"),
    ],
)
def test_what_is_no_record_is_refused_with_its_path_and_key(
    change: dict[str, object], match: str
) -> None:
    record = begun(0, 3)
    path = f"plans/active/X-001/waits/{file_name(record)}"
    raw = json.loads(record_text(record)) | change
    with pytest.raises(BadFileError, match=match) as caught:
        parse_record(json.dumps(raw).encode(), path)
    assert caught.value.path == path


@settings(deadline=None)
@given(st.one_of(st.binary(max_size=60), st.text(max_size=60).map(str.encode)))
def test_any_bytes_are_a_record_or_a_bad_file(content: bytes) -> None:
    with pytest.raises(BadFileError):
        parse_record(content, "plans/active/X-001/waits/a.json")


def test_a_wait_takes_in_the_turns_that_opened_under_it() -> None:
    wait = begun(0, 3)
    assert [waited((wait,), number) for number in (3, 4, 9)] == [False, True, True]
    over = ended(1, 5, wait)
    assert [waited((wait, over), number) for number in (3, 4, 5, 6)] == [False, True, True, False]
    assert open_waits((wait,)) == (wait,)
    assert open_waits((wait, over)) == ()


@settings(deadline=None)
@given(st.integers(0, 9), st.integers(0, 9), st.integers(1, 12))
def test_a_wait_that_was_replaced_leaves_no_gap(start: int, end: int, turn: int) -> None:
    first = begun(0, start)
    second = begun(1, start)  # the one that replaces it begins where it began
    records: tuple[FocusRecord, ...] = (first, second, ended(2, start, first))
    assert waited(records, turn) == (turn > start)
    last = max(start, end)
    assert waited((*records, ended(3, last, second)), turn) == (start < turn <= last)

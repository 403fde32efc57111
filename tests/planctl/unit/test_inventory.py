from __future__ import annotations

from planctl.models.inventory import rows
from planctl.models.receipt import Receipt, StoredReceipt, Subject


def stored(digest: str, ulid: str, previous: tuple[str, ...] = (), *names: str) -> StoredReceipt:
    """Return a receipt of step `make` that recorded some artifacts."""
    subjects = tuple(
        Subject(name=f"{digest}/{name}", sha256="0" * 64, declared=name) for name in names or ("a",)
    )
    receipt = Receipt.model_construct(
        ulid=ulid, step="make", previous=previous, subjects=subjects, hub="h"
    )
    return StoredReceipt.model_construct(path=digest, payload_sha256=digest, receipt=receipt)


def latest(*receipts: StoredReceipt) -> set[str]:
    """Return the names of the artifacts that nothing has replaced."""
    return {row.name for row in rows(receipts) if row.latest}


def test_the_latest_run_is_told_by_previous_and_not_by_its_clock() -> None:
    first, second = stored("first", "B"), stored("second", "A", ("first",))
    assert latest(first, second) == {"second/a"}
    assert latest(second, first) == {"second/a"}


def test_runs_of_two_branches_are_both_the_latest_until_one_comes_after_both() -> None:
    first = stored("first", "A")
    left, right = stored("left", "B", ("first",)), stored("right", "C", ("first",))
    assert latest(first, left, right) == {"left/a", "right/a"}
    joined = stored("joined", "A", ("left", "right"))
    assert latest(first, left, right, joined) == {"joined/a"}


def test_what_a_later_run_did_not_record_again_stays_the_latest() -> None:
    first = stored("first", "A", (), "a", "b")
    second = stored("second", "B", ("first",), "a")
    third = stored("third", "C", ("second",), "a", "b")
    assert latest(first, second) == {"second/a", "first/b"}
    assert latest(first, second, third) == {"third/a", "third/b"}


def test_receipts_that_name_each_other_end() -> None:
    assert latest(stored("x", "A", ("y",)), stored("y", "B", ("x",))) == set()


def test_a_long_line_of_runs_costs_no_more_than_its_length() -> None:
    line = [stored("0", "0")]
    line += [stored(str(n), str(n), (str(n - 1),)) for n in range(1, 3000)]
    assert latest(*line) == {"2999/a"}

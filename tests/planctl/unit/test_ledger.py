from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planctl.errors import BadFileError
from planctl.models.ledger.document import (
    Attempt,
    LedgerItem,
    parse,
    with_attempt,
    with_item,
    with_status,
)

PATH = "docs/fix_plan.md"
ITEM = LedgerItem(
    id="X-001.F1", title="Try — it", status="pending", priority="high", depends_on=("A-1", "b")
)


def test_an_item_reads_back_as_it_was_written() -> None:
    text = with_item("# Fix plan\n", ITEM)
    text = with_attempt(text, PATH, ITEM.id, Attempt(when="2025-11-14T02:48:00Z", text="one"))
    text = with_status(text, PATH, ITEM.id, "in_progress")
    found = parse(text, PATH).item(ITEM.id)
    assert found is not None
    assert found.model_dump() == ITEM.model_dump() | {
        "status": "in_progress",
        "attempts": ({"when": "2025-11-14T02:48:00Z", "text": "one"},),
    }


@given(st.text("ab \n\r#-<!>é\t", max_size=60), st.text("xy \n-#", max_size=40))
def test_free_text_stays_byte_for_byte(before: str, inside: str) -> None:
    text = with_item(before, ITEM) + "\nafter\n"
    end = f"<!-- planctl:end {ITEM.id} -->"
    last = f"- Attempts of {ITEM.id}:"
    text = text.replace(last, f"{last}\n{inside}\n", 1)
    head, tail = text.split(end)
    new = with_attempt(text, PATH, ITEM.id, Attempt(when="2025-11-14T02:48:00Z", text="two"))
    assert new.startswith(head)
    assert new.endswith(end + tail)
    line = new[len(head) : -len(end + tail)]
    assert line.strip() == "- 2025-11-14T02:48:00Z two"


def test_line_ends_of_the_file_are_kept() -> None:
    text = with_item("# Plan\r\n", ITEM)
    text = with_attempt(text, PATH, ITEM.id, Attempt(when="2025-11-14T02:48:00Z", text="a\nb"))
    text = with_status(text, PATH, ITEM.id, "blocked")
    assert text.count("\n") == text.count("\r\n")
    assert "  - 2025-11-14T02:48:00Z a b\r\n" in text


def test_a_status_line_that_is_gone_is_put_back_under_the_heading() -> None:
    text = with_item("", ITEM).replace("- Status: pending\n", "")
    text = with_status(text, PATH, ITEM.id, "done")
    assert "## X-001.F1 — Try — it\n- Status: done\n- Priority" in text


@pytest.mark.parametrize(
    ("found", "status"),
    [
        (("done", "blocked"), "blocked"),
        (("pending", "in_progress"), "in_progress"),
        (("done", "pending"), "pending"),
    ],
)
def test_of_two_states_a_merge_left_the_cautious_one_holds(
    found: tuple[str, str], status: str
) -> None:
    both = "".join(f"- Status: {item}\n" for item in found)
    text = with_item("", ITEM).replace("- Status: pending\n", both)
    item = parse(text, PATH).item(ITEM.id)
    assert item is not None
    assert item.status == status
    assert with_status(text, PATH, ITEM.id, "done").count("Status:") == 1


def test_a_marker_repeated_by_a_merge_is_one_item_with_all_attempts() -> None:
    one = with_attempt(with_item("", ITEM), PATH, ITEM.id, Attempt(when="1Z", text="left"))
    two = with_attempt(with_item("", ITEM), PATH, ITEM.id, Attempt(when="2Z", text="right"))
    begin, end = one.splitlines(keepends=True)[0], one.splitlines(keepends=True)[-1]
    woven = begin + one.removeprefix(begin).removesuffix(end) + two
    (item,) = parse(woven, PATH).items
    assert [attempt.text for attempt in item.attempts] == ["left", "right"]


def test_a_region_without_end_is_an_error_with_its_line() -> None:
    text = "# Plan\n\n<!-- planctl:item X-001 -->\n## X-001 — t\n" + with_item("", ITEM)
    with pytest.raises(BadFileError, match=r"docs/fix_plan\.md:3: the region of `X-001`"):
        parse(text, PATH)


def test_an_unknown_status_is_an_error_with_the_known_ones() -> None:
    text = with_item("", ITEM).replace("pending", "almost")
    with pytest.raises(BadFileError, match="`almost` is no status") as caught:
        parse(text, PATH)
    assert "in_progress" in (caught.value.hint or "")


def test_an_attempt_for_an_unknown_item_is_an_error() -> None:
    with pytest.raises(BadFileError, match="no item `Y`"):
        with_attempt("", PATH, "Y", Attempt(when="1Z", text="x"))

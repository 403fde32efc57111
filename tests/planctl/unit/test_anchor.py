"""Anchors: lines that are found again by their text and their neighbours."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planctl.models.anchor import anchor_at, reanchor

TEXT = [f"value_{n} = compute({n}, offset={n * 7})" for n in range(40)]


def moved(lines: list[str], line: int, now: list[str]) -> tuple[str, int | None]:
    anchor = anchor_at("a.py", lines, line)
    assert anchor is not None
    found = reanchor(anchor, now)
    return found.fate, found.line


def test_what_stands_where_it_stood_is_there() -> None:
    assert moved(TEXT, 5, TEXT) == ("there", 5)
    assert moved(TEXT, 5, [*TEXT[:4], "  " + TEXT[4] + "  ", *TEXT[5:]]) == ("there", 5)


def test_lines_above_move_it() -> None:
    assert moved(TEXT, 5, ["# new", "", *TEXT]) == ("moved", 7)
    assert moved(TEXT, 20, TEXT[10:]) == ("moved", 10)


def test_a_line_that_reads_otherwise_is_changed_where_it_stands() -> None:
    now = [*TEXT[:4], "value_4 = compute(4, offset=29)", *TEXT[5:]]
    assert moved(TEXT, 5, now) == ("changed", 5)


def test_a_line_that_is_like_no_other_is_gone() -> None:
    lines = ["import os", "the only sentence about whales here", "x = 1"]
    assert moved(lines, 2, ["import os", "x = 1"]) == ("deleted", None)


def test_neighbours_tell_equal_lines_apart() -> None:
    lines = ["def a():", "    return None", "", "def b():", "    return None", "", "def c():"]
    now = ["# head", *lines]
    assert moved(lines, 5, now) == ("moved", 6)


def test_the_old_number_is_no_proof_where_an_equal_line_stands_there_now() -> None:
    lines = ["def a():", "    return None", "", "def b():", "    return None", "", "def c():"]
    now = ["x = 1", "y = 2", "z = 3", *lines]
    # Line 5 holds `return None` again, but that of `a`.
    assert moved(lines, 5, now) == ("moved", 8)


def test_equal_lines_without_neighbours_that_tell_are_ambiguous() -> None:
    lines = ["alpha beta gamma", "p", "q", "r"]
    now = ["u", "alpha beta gamma", "v", "w", "alpha beta gamma", "z"]
    anchor = anchor_at("a.txt", lines, 1)
    assert anchor is not None
    found = reanchor(anchor, now)
    assert (found.fate, found.candidates) == ("ambiguous", (2, 5))


def test_a_brace_alone_is_no_line_to_find_again() -> None:
    assert moved(["{", "a", "}"], 3, ["b", "c", "d", "}", "e", "f", "}"])[0] in (
        "ambiguous",
        "deleted",
    )


def test_a_range_is_found_as_a_whole() -> None:
    anchor = anchor_at("a.py", TEXT, 5, 8)
    assert anchor is not None
    assert anchor.name == "a.py:5-8"
    assert reanchor(anchor, ["#", *TEXT]).line == 6
    cut = [*TEXT[:6], *TEXT[8:]]
    assert reanchor(anchor, cut).fate == "changed"


def test_a_tick_and_a_remark_of_planctl_change_no_row() -> None:
    lines = ["# Plan", "- [ ] A1: the scan", "- [ ] A2: the fit"]
    now = ["# Plan", "- [x] A1: the scan <!-- planctl: stale since 12345678 -->", *lines[2:]]
    assert moved(lines, 2, now) == ("there", 2)


def test_lines_that_a_file_has_not_cannot_be_anchored() -> None:
    assert anchor_at("a", ["x"], 2) is None
    assert anchor_at("a", ["x"], 0) is None
    assert anchor_at("a", ["x"], 1, 3) is None


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.text("abcdef ghij", min_size=0, max_size=20), min_size=3, max_size=25),
    st.integers(0, 24),
    st.lists(st.text("uvwxyz 123", min_size=3, max_size=20), max_size=6),
)
def test_a_block_put_before_moves_a_line_by_its_length_or_says_that_it_cannot_tell(
    lines: list[str], at: int, before: list[str]
) -> None:
    line = at % len(lines) + 1
    anchor = anchor_at("f", lines, line)
    assert anchor is not None
    found = reanchor(anchor, [*before, *lines])
    if found.fate in ("moved", "there"):
        assert found.line is not None
        now = [*before, *lines][found.line - 1]
        assert " ".join(now.split()) == anchor.text
    else:
        assert found.fate in ("ambiguous", "deleted")


@pytest.mark.parametrize("text", ["", "\x00", "é" * 500, "🙂"])
def test_any_text_can_be_anchored(text: str) -> None:
    anchor = anchor_at("f", [text, "b"], 1)
    assert anchor is not None
    assert reanchor(anchor, [text, "b"]).fate == "there"

"""Which lines are new: the rest of both texts must be the same, and moved lines are not new."""

from __future__ import annotations

import time
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from planctl.models.linediff import line_diff, not_moved

LINES = st.lists(st.sampled_from("abcdefgh"), max_size=40)


def without(lines: list[str], places: tuple[int, ...]) -> list[str]:
    return [line for at, line in enumerate(lines) if at not in set(places)]


@settings(deadline=None)
@given(LINES, LINES)
def test_what_is_left_of_both_texts_is_the_same(old: list[str], new: list[str]) -> None:
    diff = line_diff(old, new)
    assert without(old, diff.removed) == without(new, diff.added)


@settings(deadline=None)
@given(LINES, LINES, st.integers(0, 40))
def test_a_block_put_anywhere_is_all_that_is_new(
    lines: list[str], block: list[str], at: int
) -> None:
    fresh = [f"new {number} {line}" for number, line in enumerate(block)]
    new = [*lines[:at], *fresh, *lines[at:]]
    diff = line_diff(lines, new)
    assert [new[place] for place in diff.added] == fresh
    assert diff.removed == ()


def test_a_block_on_top_leaves_its_twins_below_alone() -> None:
    block = ["### Turn", "same words", "Artifacts: docs/plan.md", ""]
    old = block * 3
    diff = line_diff(old, ["### Turn", "other words", "Artifacts: docs/plan.md", "", *old])
    assert diff.removed == ()
    assert len(diff.added) == 4
    assert set(diff.added) <= set(range(8))
    assert 1 in diff.added


def test_a_block_before_one_of_the_same_heading_begins_at_its_own() -> None:
    old = ["# Summary", "", "### Turn", "old words", ""]
    new = ["# Summary", "", "### Turn", "new words", "", "### Turn", "old words", ""]
    assert line_diff(old, new).added == (2, 3, 4)


def test_long_shuffled_texts_take_linear_time() -> None:
    old = [f"line {number % 5000}" for number in range(20_000)]
    new = [f"line {number * 7 % 5000}" for number in range(20_000)]
    start = time.process_time()
    diff = line_diff(old, new)
    assert time.process_time() - start < 2
    assert len(old) - len(diff.removed) == len(new) - len(diff.added)


def test_lines_that_another_place_lost_only_moved() -> None:
    lines = ["### Turn Summary (one)", "Artifacts: reports/one.log", "---", "", "a new line here"]
    removed = Counter({"### Turn Summary (one)": 1, "Artifacts: reports/one.log": 1, "---": 1})
    assert not_moved(lines, range(4), removed) == (2, 3)
    # It moved once: the second time it is a copy.
    assert not_moved(lines, range(4), removed) == (0, 1, 2, 3)


def test_a_line_spelled_like_a_removed_one_among_new_ones_is_new() -> None:
    lines = ["### Turn Summary (two)", "quite other words", "Artifacts: docs/fix_plan.md"]
    removed = Counter({"Artifacts: docs/fix_plan.md": 1, "### Turn Summary (one)": 1})
    assert not_moved(lines, range(3), removed) == (0, 1, 2)

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from planctl.models import way_back
from planctl.models.way_back import Action, WayBack, open_rows, within

Key = tuple[str, str]


def run(step: str, seconds: float | None, *needs: str) -> Action:
    """Return the run of a step."""
    return Action("run", step, "", "X", "A", (step,), needs, (), seconds)


def rows_of(*runs: Action) -> dict[Key, frozenset[str]]:
    """Return a row a step."""
    return {("X", f"row {one.steps[0]}"): frozenset(one.steps) for one in runs}


def names(runs: list[Action]) -> list[str]:
    """Return the steps of runs."""
    return [one.steps[-1] for one in runs]


def test_a_step_brings_what_it_needs() -> None:
    runs = [run("a", 5), run("b", 1, "a"), run("c", 7)]
    assert names(within(runs, rows_of(*runs), 6)[0]) == ["a", "b"]
    assert names(within(runs, rows_of(*runs), 5)[0]) == ["a"]
    assert names(within(runs, rows_of(*runs), 4)[0]) == []
    assert names(within(runs, rows_of(*runs), 13)[0]) == ["a", "b", "c"]


def test_the_most_rows_count_and_not_the_most_steps() -> None:
    runs = [run("a", 5), run("b", 5), run("c", 10)]
    rows = {("X", f"A{n}"): frozenset({"c"}) for n in range(3)} | {("X", "B"): frozenset("ab")}
    assert names(within(runs, rows, 10)[0]) == ["c"]


def test_a_row_of_two_steps_needs_both() -> None:
    runs = [run("a", 5), run("b", 5), run("c", 9)]
    rows = {("X", "A"): frozenset("ab"), ("X", "B"): frozenset("c")}
    assert names(within(runs, rows, 9)[0]) == ["c"]
    assert names(within(runs, rows, 10)[0]) in (["a", "b"], ["c"])


def test_an_unknown_duration_is_left_out_with_what_needs_it() -> None:
    runs = [run("a", None), run("b", 1, "a"), run("c", 1)]
    chosen, exact = within(runs, rows_of(*runs), 100)
    assert (names(chosen), exact) == (["c"], True)


@st.composite
def plans(draw: st.DrawFn) -> list[Action]:
    """Draw runs that need earlier ones."""
    found: list[Action] = []
    for number in range(draw(st.integers(1, 9))):
        earlier = [one.steps[0] for one in found]
        needs = draw(st.lists(st.sampled_from(earlier), unique=True, max_size=2)) if earlier else []
        found.append(run(str(number), draw(st.integers(0, 20)), *needs))
    return found


@given(plans(), st.integers(0, 60))
def test_both_ways_of_choosing_fit_and_have_all_they_need(runs: list[Action], budget: int) -> None:
    rows = rows_of(*runs)
    best, exact = within(runs, rows, budget)
    way_back.EXACT, before = 0, way_back.EXACT
    try:
        good, _ = within(runs, rows, budget)
    finally:
        way_back.EXACT = before
    assert exact
    for chosen in (best, good):
        assert sum(one.duration_s or 0 for one in chosen) <= budget
        there = set(names(chosen))
        assert all(set(one.needs) <= there for one in chosen)
        assert chosen == [one for one in runs if one in chosen]
    assert len(best) >= len(good)


def test_rows_that_need_no_run_are_not_open() -> None:
    steps = [(("X", "a"), ("A1", "A2"), True), (("X", "b"), ("A2", "A3"), False)]
    assert open_rows(steps) == {("X", "A1"): frozenset("a"), ("X", "A2"): frozenset("a")}


def test_an_empty_way_is_the_end_of_it() -> None:
    assert WayBack(()).ok
    assert not WayBack((run("a", None),)).ok
    assert WayBack((run("a", None), run("b", 2.0))).as_dict()["unknown"] == 1

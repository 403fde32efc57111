"""Requests for evidence: which ask again, told by structure, whatever the words."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planctl.models.orders import Deed, clauses
from planctl.models.requests import TurnText, requests, stem

HUB = "plans/active/beam-drift/reports/2026-02-01T000000Z/scan"
DONE = TurnText(
    "done",
    "beam-drift",
    (),
    ("Executed the drift scan and captured the table: all selectors passed.",),
    (f"{HUB}/drift_table.csv", f"{HUB}/green/pytest_drift.log"),
    (),
    ("tests/test_drift.py::test_scan",),
)
AGAIN = "rerun `pytest tests/test_drift.py::test_scan` and capture `drift_table.csv` under the hub."


def order(text: str, **more: object) -> TurnText:
    return TurnText("order", "beam-drift", ((7, text),), ("Read the hub.",), **more)  # type: ignore[arg-type]


def repeated(*turns: TurnText) -> list[int]:
    return [item.turn for item in requests(turns) if item.satisfied is not None]


def test_a_request_for_what_is_complete_names_the_turn_that_completed_it() -> None:
    (found,) = requests((DONE, order(AGAIN)))
    assert (found.turn, found.line, found.satisfied) == (1, 7, 0)
    assert "drift_table.csv" in found.targets


def test_a_first_request_does_not_ask_again() -> None:
    assert repeated(order(AGAIN), DONE) == []


def test_each_of_several_requests_asks_again() -> None:
    assert repeated(DONE, order(AGAIN), DONE, order(AGAIN), order(AGAIN)) == [1, 3, 4]


VERBS = ("rerun", "re-run", "repeat", "execute", "recapture", "regenerate", "collect", "reproduce")
SUBJECTS = ("", "Kim must ", "the operator ", "please ", "we need to ", "Next loop: ")


@settings(deadline=None)
@given(st.sampled_from(VERBS), st.sampled_from(SUBJECTS), st.sampled_from(["A", "C", "stage 2"]))
def test_other_verbs_subjects_and_phases_ask_again_too(verb: str, subject: str, phase: str) -> None:
    done = TurnText(
        "done",
        "x",
        (),
        (f"Ran the drift scan of phase {phase} and archived the drift table.",),
        (f"{HUB}/drift_table.csv",),
    )
    text = f"{subject}{verb} the drift scan and save `drift_table.csv`."
    assert repeated(done, TurnText("order", "x", ((1, text),), ())) == [1]


@pytest.mark.parametrize(
    "text",
    [
        "fix the offset in the stage driver, then rerun the scan and capture `drift_table.csv`.",
        "implement the dose correction and capture `drift_table.csv` with it.",
        "capture `tilt_series.json` under the hub.",
        "run the ablation over learning rates and collect `ablation_grid.csv`.",
        "mark row B2 complete and update the ledger.",
        "review the plan for the next phase.",
        "file a blocker if the scan fails.",
        "if the disk is full, rerun the drift scan and capture `drift_table.csv`.",
        "run the selector of phase D and archive `drift_table.csv` for phase D.",
    ],
)
def test_new_work_other_artifacts_and_paper_work_do_not_ask_again(text: str) -> None:
    assert repeated(DONE, order(text)) == []


def test_after_a_change_of_code_the_same_request_is_justified() -> None:
    change = TurnText(
        "change", "beam-drift", (), ("Fixed the stage driver.",), (), ("src/stage.py",)
    )
    assert repeated(DONE, change, order(AGAIN)) == []


def test_a_tool_below_plans_is_no_change_of_code() -> None:
    tool = TurnText(
        "tool", "beam-drift", (), ("Wrote a check.",), (), ("plans/active/beam-drift/bin/check.py",)
    )
    assert repeated(DONE, tool, order(AGAIN)) == [2]


def test_history_decides_about_changes_where_it_is_known() -> None:
    turns = (DONE, order(AGAIN))
    assert [r.satisfied for r in requests(turns, lambda a, b: True)] == [None]
    assert [r.satisfied for r in requests(turns, lambda a, b: False)] == [0]


def test_another_initiative_completes_nothing_here() -> None:
    other = replace(DONE, focus="other")
    assert repeated(other, order(AGAIN)) == []
    assert repeated(DONE, order(AGAIN)) == [1]


@pytest.mark.parametrize(
    "report",
    [
        "Executed the drift scan, but it failed with out of memory.",
        "Ran the drift scan; the table was not captured.",
        "Planned the drift scan.",
    ],
)
def test_a_run_that_failed_completes_nothing(report: str) -> None:
    assert repeated(replace(DONE, report=(report,)), order(AGAIN)) == []


def test_a_failed_test_claim_completes_nothing() -> None:
    assert repeated(replace(DONE, failed=True), order(AGAIN)) == []


def test_a_report_without_artifacts_completes_nothing() -> None:
    assert repeated(replace(DONE, cited=()), order(AGAIN)) == []
    assert repeated(replace(DONE, cited=("docs/drift_table.md", "src/a.py")), order(AGAIN)) == []


def test_a_short_order_means_what_was_asked_before() -> None:
    short = order("run the selector and both commands.")
    found = requests((DONE, order(AGAIN), short))
    assert [item.satisfied for item in found] == [0, 0]
    assert repeated(DONE, order("capture `tilt_series.json`."), short) == []


def test_conditions_order_nothing() -> None:
    found = clauses("Run the scan, or file `red/blocked.md` if memory runs out.")
    assert [(item.deed, item.verb) for item in found] == [(Deed.PRODUCE, "run")]


def test_a_noun_after_and_is_no_verb() -> None:
    (found,) = clauses("copy the tables and debug dumps into the hub")
    assert found.verb == "copy"
    assert "dump" in found.words


def test_quoted_names_end_no_clause() -> None:
    (found,) = clauses("rerun `python -m tool.run --a, --b; and more` twice")
    assert (found.deed, found.verb) == (Deed.PRODUCE, "rerun")


@pytest.mark.parametrize(
    ("name", "base"),
    [
        ("$HUB/analysis/drift_table_v3.csv", "drift_table"),
        ("green/pytest_drift_rerun_v2.log", "pytest_drift"),
        ("tests/test_drift.py::TestScan::test_all", "test_all"),
        ("analysis/dumps_v2/", "dumps"),
    ],
)
def test_versions_of_a_thing_have_one_stem(name: str, base: str) -> None:
    assert stem(name) == base


@settings(deadline=None)
@given(st.text(max_size=400))
def test_any_text_can_be_read_for_orders(text: str) -> None:
    turn = TurnText("any", "x", ((1, text),), (text,), (text,))
    requests((turn, turn))

"""Statuses in ledgers and plans that nobody wrote for a parser."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planctl.models.statuses import rows, statuses


def told(text: str, item: str = "") -> list[tuple[str, bool]]:
    return [(claim.item, claim.done) for claim in statuses(text.split("\n"), item)]


@pytest.mark.parametrize(
    ("line", "done"),
    [
        ("- Status: done", True),
        ("- **Status:** Complete — all phases", True),
        ("* Status: ✅ finished", True),
        ("Status: in_progress", False),
        ("**Status**: IN PROGRESS (phase B)", False),
        ("- Status: pending", False),
        ("- Status: blocked on hardware", False),
    ],
)
def test_status_lines_are_read_in_any_dress(line: str, done: bool) -> None:
    assert told(f"## [beam-drift] Drift\n{line}") == [("beam-drift", done)]


@pytest.mark.parametrize(
    "line", ["- Status: Phase 6 in progress", "- Status: done except row B2", "- Status: see plan"]
)
def test_a_hedged_status_says_nothing(line: str) -> None:
    assert told(f"## BEAM-001 Drift\n{line}") == []


def test_a_status_belongs_to_the_item_above_it() -> None:
    first = "## BEAM-001 — Drift\n- Status: done\n### Notes\n- Status: pending"
    text = f"{first}\n## TILT-2 — Tilt\nStatus: pending"
    assert told(text) == [("BEAM-001", True), ("TILT-2", False)]


def test_tables_have_a_status_column() -> None:
    assert told("| ID | Title | Status |\n|---|---|---|\n| BEAM-001 | Drift | Done |") == [
        ("BEAM-001", True)
    ]


def test_in_a_plan_only_the_head_speaks_for_the_item() -> None:
    text = "# Plan\n**Status:** in progress\n## Phase A\n**Status:** complete"
    assert told(text, "beam-drift") == [("beam-drift", False)]


def test_examples_in_fences_are_no_statuses() -> None:
    assert told("## BEAM-001 x\n```\n- Status: done\n```\n- Status: pending") == [
        ("BEAM-001", False)
    ]


def test_rows_are_ticked_or_not() -> None:
    lines = ["- [x] A1: run", "* [ ] **B2** fix", "| C3 | text | [X] |", "- [x] no row here"]
    assert [(row.name, row.ticked, row.line) for row in rows(lines)] == [
        ("A1", True, 1),
        ("B2", False, 2),
        ("C3", True, 3),
    ]


@settings(deadline=None)
@given(st.text(max_size=300))
def test_any_text_can_be_read(text: str) -> None:
    lines = text.split("\n")
    list(statuses(lines))
    list(rows(lines))

from __future__ import annotations

import pytest

from planctl.errors import PlanError
from planctl.models.plan.edit import with_hub, with_value
from planctl.models.plan.parse import parse_plan

REST = 'title: "t: #1"  # a note\nphases: {A: {steps: [{id: s, run: "true", log: cli/s.log}]}}\n'
NEW = "2025-11-14T024800Z/x"


def plan(hub: str, newline: str = "\n") -> str:
    text = f"# first\nschema: planctl/plan/v1\nid: X-001   # id\n{hub}{REST}"
    return text.replace("\n", newline)


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", f"hub: {NEW}\n"),
        ("hub: 2025/old # why\n", f"hub: {NEW} # why\n"),
        ('hub:   "2025/old"\n', f"hub:   {NEW}\n"),
        ("hub:\n", f"hub: {NEW}\n"),
        ("hub:   # none yet\n", f"hub: {NEW}   # none yet\n"),
        ("hub: null\n", f"hub: {NEW}\n"),
    ],
)
def test_only_the_hub_changes(before: str, after: str, newline: str) -> None:
    text = plan(before, newline)
    edited = with_hub(text, "plan.yaml", NEW)
    assert edited == plan(after, newline)
    assert parse_plan(edited, "plan.yaml").hub == NEW


def test_a_plan_that_ends_with_its_id_gets_the_line_at_the_end() -> None:
    text = f"schema: planctl/plan/v1\n{REST}id: X-001"
    assert with_hub(text, "plan.yaml", NEW) == f"{text}\nhub: {NEW}\n"


def test_a_hub_of_a_nested_mapping_is_not_taken_for_the_plans() -> None:
    text = plan("env: {hub: x}\n")
    assert "env: {hub: x}\n" in with_hub(text, "plan.yaml", NEW)


def test_a_plan_in_flow_form_is_refused() -> None:
    text = '{schema: planctl/plan/v1, id: X, title: t, phases: {A: {steps: [{id: s, run: "true", log: l}]}}}'  # noqa: E501
    with pytest.raises(PlanError, match="is written in"):
        with_hub(text, "plan.yaml", NEW)


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("before", "key", "value", "after"),
    [
        ("", "priority", "high", "priority: high\n"),
        ("priority: low # why\n", "priority", "high", "priority: high # why\n"),
        ("depends_on: [A-1]\n", "depends_on", ("B-2", "C"), 'depends_on: ["B-2", "C"]\n'),
        ("depends_on:\n  - A-1\n  - B # b\n", "depends_on", ("C",), 'depends_on: ["C"] # b\n'),
        ("depends_on:\n- A-1\n\n# note\n", "depends_on", (), "depends_on: []\n\n# note\n"),
        ("depends_on: []\n", "depends_on", ("no",), 'depends_on: ["no"]\n'),
    ],
)
def test_only_the_value_of_a_key_changes(
    before: str, key: str, value: str | tuple[str, ...], after: str, newline: str
) -> None:
    text = plan(before, newline)
    edited = with_value(text, "plan.yaml", key, value)
    assert edited == plan(after, newline)
    assert getattr(parse_plan(edited, "plan.yaml"), key) == value


def test_a_title_is_quoted_so_that_it_reads_back() -> None:
    edited = with_value(plan(""), "plan.yaml", "title", 'a "b": #c — ü')
    assert parse_plan(edited, "plan.yaml").title == 'a "b": #c — ü'

from __future__ import annotations

import pytest

from planctl.errors import PlanError
from planctl.models.plan.parse import parse_plan
from planctl.models.plan.plan import contract_digest, ordered

GOOD = """\
schema: planctl/plan/v1
id: X-001
title: A plan
env: { OUT: outputs/x, N: 2 }
phases:
  A:
    gate: "1234567"
    inputs: ["src/**"]
    steps:
      - id: first
        rows: [A1]
        run: echo hello
        log: cli/first.log
        timeout: 1.5h
        checks:
          - { log: cli/first.log, matches: hello }
      - id: second
        needs: [first]
        run: echo more
        log: cli/second.log
        inputs: []
"""


def test_a_good_plan_is_read() -> None:
    plan = parse_plan(GOOD, "plan.yaml")
    phase, first = plan.step("first")
    assert (phase, first.timeout_s, plan.env["N"]) == ("A", 5400.0, "2")
    assert plan.inputs_of("A", first) == ("src/**",)
    assert plan.inputs_of("A", plan.step("second")[1]) == ()


@pytest.mark.parametrize(
    ("old", "new", "line", "key", "says"),
    [
        ("title: A plan", "titel: A plan", 3, "titel", "unknown key"),
        ("title: A plan\n", "", 1, "title", "is required"),
        ("log: cli/first.log", "log: /tmp/first.log", 13, "phases.A.steps[0].log", "absolute"),
        ("log: cli/first.log", "log: ../first.log", 13, "phases.A.steps[0].log", "climbs out"),
        ('["src/**"]', '["../src/**"]', 8, "phases.A.inputs[0]", "climbs out"),
        ("timeout: 1.5h", "timeout: soon", 14, "phases.A.steps[0].timeout", "no duration"),
        ("needs: [first]", "needs: [third]", 17, "phases.A.steps[1]", "no step of this plan"),
        ("id: second", "id: first", 17, "phases.A.steps[1]", "stands twice"),
        ("log: cli/second.log", "log: cli/first.log", 17, "phases.A.steps[1]", "is written by"),
        ("matches: hello", "matches: '('", 16, "phases.A.steps[0].checks[0]", "regular expr"),
        ("matches: hello", "mtches: hello", 16, "phases.A.steps[0].checks[0]", "mtches"),
        ('gate: "1234567"', "gate: main", 7, "phases.A.gate", "no commit id"),
        ("env: {", "env: { HUB: x,", 4, "env", "set by planctl"),
        ("id: X-001", "id: ../X", 2, "id", "no name"),
        ("title: A plan", "title: A plan\ntitle: B", 4, "title", "stands twice"),
        ("run: echo more", "run: [", 21, None, "not YAML"),
    ],
)
def test_a_bad_plan_names_line_key_and_reason(
    old: str, new: str, line: int, key: str | None, says: str
) -> None:
    with pytest.raises(PlanError, match=says) as caught:
        parse_plan(GOOD.replace(old, new, 1), "plans/active/X-001/plan.yaml")
    assert (caught.value.line, caught.value.key) == (line, key)
    assert caught.value.message.startswith(f"plans/active/X-001/plan.yaml:{line}: ")
    assert caught.value.exit_code == 4


def test_a_cycle_is_spelled_out() -> None:
    text = GOOD.replace("run: echo hello", "run: echo hello\n        needs: [second]", 1)
    with pytest.raises(PlanError, match="cycle: first → second → first") as caught:
        parse_plan(text, "plan.yaml")
    assert caught.value.line is not None


@pytest.mark.parametrize("text", ["", "# only a comment\n", "- a\n- b\n", "42\n"])
def test_what_is_no_plan_is_refused(text: str) -> None:
    with pytest.raises(PlanError, match=r"is empty|is not a mapping"):
        parse_plan(text, "plan.yaml")


def test_yaml_bombs_and_deep_nesting_are_refused() -> None:
    with pytest.raises(PlanError, match=r"nested too deeply|is not YAML"):
        parse_plan("a: " + "[" * 300 + "]" * 300, "plan.yaml")
    with pytest.raises(PlanError, match="larger than"):
        parse_plan("#" * 1_000_001, "plan.yaml")


def test_hex_ids_and_dates_stay_as_typed() -> None:
    text = GOOD.replace('gate: "1234567"', "gate: 1234e567").replace("A plan", "2025-11-14")
    plan = parse_plan(text, "plan.yaml")
    assert (plan.phases["A"].gate, plan.title) == ("1234e567", "2025-11-14")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("echo hello", "echo hi"),
        ("matches: hello", "matches: hell"),
        ('["src/**"]', '["src/*"]'),
        ("outputs/x", "outputs/y"),
    ],
)
def test_the_contract_changes_with_what_it_promises(old: str, new: str) -> None:
    digests = set()
    for text in (GOOD, GOOD.replace(old, new, 1)):
        plan = parse_plan(text, "plan.yaml")
        digests.add(contract_digest(plan.contract(*plan.step("first"))))
    assert len(digests) == 2


def test_the_contract_ignores_wording_and_time_limits() -> None:
    other = GOOD.replace("title: A plan", "title: B").replace("timeout: 1.5h", "timeout: 2h")
    plans = [parse_plan(text, "plan.yaml") for text in (GOOD, other)]
    first, second = (contract_digest(p.contract(*p.step("first"))) for p in plans)
    assert first == second


def test_steps_come_after_what_they_need() -> None:
    assert ordered({"c": ("a", "b"), "b": ("a",), "a": ()}) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("old", "new", "meant"),
    [
        ("title: A plan", "titel: A plan", "`title`"),
        ("    inputs: [", "    input: [", "`inputs`"),
        ("        timeout: 1.5h", "        timout: 1.5h", "`timeout`"),
        ("        checks:", "        Check:", "`checks`"),
        ("        inputs: []", "        colect: []", "`collect`"),
        ("        inputs: []", "        collect: [{ form: a, to: b }]", "`from`"),
        ("        inputs: []", "        waive: { who: a, why: b, untill: 2099-01-01 }", "`until`"),
    ],
)
def test_a_key_that_is_nearly_right_is_offered(old: str, new: str, meant: str) -> None:
    with pytest.raises(PlanError) as caught:
        parse_plan(GOOD.replace(old, new), "plan.yaml")
    assert f"did you mean {meant}" in str(caught.value.hint)


def test_a_key_like_no_other_gets_no_guess() -> None:
    with pytest.raises(PlanError) as caught:
        parse_plan(GOOD.replace("title: A plan", "zzz: 1\ntitle: A plan"), "plan.yaml")
    assert "did you mean" not in str(caught.value.hint)

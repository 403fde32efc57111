"""What the loop keeps: its state and its lease, read strictly; settings; prompts."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planctl.errors import BadFileError
from planctl.models.loop import (
    LoopState,
    RunningTurn,
    dumped,
    other_role,
    parse_lease,
    parse_state,
)
from planctl.models.settings import parse_settings
from planctl.models.verdict import StepVerdict, Verdict, VerifyReport
from planctl.ops.loop.prompts import Scene, correction, prompt

NOW = "2025-11-14T02:48:00Z"
TURN = RunningTurn(id="X", number=34, role="engineer", focus="X-001", stage="agent", since=NOW)
STATE = LoopState(
    branch="main", last_number=34, next_role="engineer", turn=TURN, refused=("a",), updated=NOW
)


def test_a_state_comes_back_as_it_was_written() -> None:
    assert parse_state(dumped(STATE), "loop.json") == STATE


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_state_that_lost_a_part_is_never_taken_for_one(data: st.DataObject) -> None:
    text = dumped(STATE).rstrip("\n")
    cut = data.draw(st.integers(0, len(text) - 1))
    with pytest.raises(BadFileError, match=r"loop\.json"):
        parse_state(text[:cut], "loop.json")


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200) | st.recursive(st.none() | st.integers(), st.lists).map(json.dumps))
def test_no_text_breaks_the_readers(text: str) -> None:
    for read in (parse_state, parse_lease):
        with pytest.raises(BadFileError, match="file"):
            read(text, "file")


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"schema": "planctl/loop/v2"}, "schema"),
        ({"last_number": "34"}, "last_number"),
        ({"last_number": -1}, "last_number"),
        ({"next_role": "person"}, "next_role"),
        ({"updated": "yesterday"}, "updated"),
        ({"more": 1}, "more"),
        ({"turn": {"role": "engineer"}}, "turn"),
        ({"failures": {"engineer": -1}}, "failures"),
    ],
)
def test_a_state_with_an_odd_value_is_refused_by_name(change: dict[str, object], key: str) -> None:
    raw = json.loads(dumped(STATE)) | change
    with pytest.raises(BadFileError, match=key) as refused:
        parse_state(json.dumps(raw), "loop.json")
    assert "--recover" in (refused.value.hint or "")


def test_roles_alternate() -> None:
    assert (other_role("supervisor"), other_role("engineer")) == ("engineer", "supervisor")


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ('timeout = "soon"', "loop.timeout"),
        ("timeout = true", "loop.timeout"),
        ("turns = 0", "loop.turns"),
        ('engineer = " "', "loop.engineer"),
        ('engineer = ["a"]', "loop.engineer"),
        ('prompt = "a/b"', "loop.prompt"),
        ("corrections = 9", "loop.corrections"),
        ('lease = "1s"', "loop.lease"),
        ('subject = "{nonsense}"', "loop.subject"),
        ("tunrs = 1", "loop.tunrs"),
    ],
)
def test_a_setting_that_cannot_be_is_named(line: str, key: str) -> None:
    with pytest.raises(BadFileError, match=key):
        parse_settings(f"[loop]\n{line}\n", "planctl.toml")


def test_durations_are_read_as_everywhere() -> None:
    found = parse_settings('[loop]\ntimeout = "45m"\nlease = 30\n', "planctl.toml").loop
    assert (found.timeout, found.lease) == (2700.0, 30.0)


REPORT = VerifyReport(
    initiative="X-001",
    hub=None,
    head=None,
    steps=(
        StepVerdict("A", "one", ("A1",), Verdict.FRESH, ()),
        StepVerdict("A", "two", ("A2",), Verdict.STALE, ("inputs: changed \x1b[2J",)),
    ),
)
SCENE = Scene("supervisor", 34, "X-001", "main", REPORT)


def test_a_prompt_says_who_what_is_proven_and_what_was_refused() -> None:
    scene = Scene(
        "engineer", 34, "X-001", "main", REPORT, refused=("input.md:3: done\nalready",), brief="Do"
    )
    told = prompt(scene, "Duties.")
    assert told.startswith("# Turn 00034, engineer\n\nDuties.\n")
    assert "Proven: 1 of 2 steps\n- A/two (A2) is stale: inputs: changed \\x1b[2J\n" in told
    assert "- input.md:3: done already\n" in told
    assert told.endswith("# Brief\n\nDo\n")


def test_a_prompt_has_no_empty_sections() -> None:
    told = prompt(SCENE, "Duties.")
    assert [line for line in told.splitlines() if line.startswith("# ")] == [
        "# Turn 00034, supervisor",
        "# How things stand",
    ]


def test_a_correction_lists_what_was_refused() -> None:
    told = correction(SCENE, ["test: 12 passed: there is no such run"])
    assert "- test: 12 passed: there is no such run\n" in told
    assert "$PLANCTL_SUMMARY" in told

"""Ledger next, set, archive: through the command line, on a real repository."""

from __future__ import annotations

import json
from typing import Any

import pytest

from planctl.models.ledger import document as ledger
from planctl.workspace import LEDGER
from tests.planctl.conftest import PLAN, phase
from tests.planctl.functional.conftest import Project


def initiative(project: Project, name: str, **fields: str) -> None:
    """Add an initiative of one step, with an item in the ledger."""
    text = PLAN.format(phases=phase("A", "id: one, run: echo one, log: cli/one.log"))
    text = text.replace("X-001", name).replace("findings: [POLICY-001]\n", "")
    extra = "".join(f"{key}: {value}\n" for key, value in fields.items())
    project.repo.write(f"plans/active/{name}/plan.yaml", text.replace("env:", f"{extra}env:"))


def call(project: Project, *words: str, expect: int = 0) -> dict[str, Any]:
    code, out, err = project.call("ledger", *words, "--json")
    assert code == expect, err + out
    found: dict[str, Any] = json.loads(out)
    return found


def put(project: Project, name: str, field: str, value: str) -> None:
    assert project.call("ledger", "set", name, field, value)[0] == 0


def refused(project: Project, *words: str) -> str:
    code, _, err = project.call("ledger", *words)
    assert code in (2, 4)
    return err


@pytest.fixture
def many(project: Project) -> Project:
    """Return a project with four initiatives that the ledger knows."""
    put(project, "X-001", "status", "pending")
    for name, priority in (("L-002", "low"), ("H-003", "high"), ("M-004", "medium")):
        initiative(project, name, priority=priority)
        put(project, name, "status", "pending")
    return project


def test_next_is_the_highest_priority_then_what_is_in_progress_then_the_order(
    many: Project,
) -> None:
    assert call(many, "next")["item"]["id"] == "H-003"
    put(many, "L-002", "status", "in_progress")
    assert call(many, "next")["item"]["id"] == "H-003"
    put(many, "H-003", "priority", "low")
    assert call(many, "next")["item"]["id"] == "X-001"
    put(many, "M-004", "status", "in_progress")
    found = call(many, "next")
    assert found["item"]["id"] == "M-004"
    assert found["command"] == "planctl brief M-004"
    assert (found["waiting_turn"], found["finished"]) == (3, 0)


def test_next_says_why_others_are_passed_over(many: Project) -> None:
    put(many, "H-003", "depends_on", "X-001, L-002")
    put(many, "X-001", "status", "blocked")
    put(many, "L-002", "priority", "critical")
    put(many, "M-004", "depends_on", "L-002")
    found = call(many, "next")
    assert found["item"]["id"] == "L-002"
    passed = {one["id"]: one["why"] for one in found["passed_over"]}
    assert passed["H-003"] == "it depends on `X-001` (blocked), `L-002` (pending)"
    assert passed["M-004"] == "it depends on `L-002` (pending)"
    assert "X-001" in passed
    out = many.call("ledger", "next")[1]
    assert out.splitlines()[0] == "L-002 (critical, pending): A plan for a test"
    assert "passed over: H-003 (high, pending): it depends on" in out


def test_next_is_no_when_nothing_is_ready(many: Project) -> None:
    for name in ("X-001", "L-002", "H-003", "M-004"):
        put(many, name, "status", "blocked")
    found = call(many, "next", expect=1)
    assert found["item"] is None
    assert len(found["passed_over"]) == 4
    assert many.call("ledger", "next")[1].splitlines()[0] == "nothing is ready"


def test_next_knows_an_initiative_that_the_ledger_has_no_item_of(many: Project) -> None:
    initiative(many, "N-005", priority="critical", depends_on="[X-001]")
    found = call(many, "next")
    assert found["item"]["id"] == "H-003"
    assert found["passed_over"][0]["id"] == "N-005"
    text = (many.root / LEDGER).read_text()
    assert "N-005" not in text


def test_next_passes_over_what_waits_for_something_outside(many: Project) -> None:
    assert many.call("wait", "H-003", "--for", "beam time", "--until", "2999-01-01")[0] == 0
    found = call(many, "next")
    assert found["item"]["id"] != "H-003"
    (passed,) = found["passed_over"]
    assert passed["id"] == "H-003"
    assert "beam time" in passed["why"]


def test_next_follows_the_dependency_that_gets_done(proven: Project) -> None:
    initiative(proven, "Y-002", priority="high", depends_on="[X-001]")
    put(proven, "Y-002", "status", "pending")
    assert call(proven, "next")["item"]["id"] == "X-001"
    put(proven, "X-001", "status", "done")
    assert call(proven, "next")["item"]["id"] == "Y-002"


def test_a_priority_that_is_none_is_an_error_with_the_way_out(many: Project) -> None:
    place = many.root / LEDGER
    place.write_text(place.read_text().replace("- Priority: high", "- Priority: urgent"))
    err = refused(many, "next")
    assert "`urgent` is no priority" in err
    assert "planctl ledger set H-003 priority medium" in err


def test_done_is_only_what_is_proven(proven: Project) -> None:
    (proven.root / "src/solo.txt").write_text("other\n")
    err = refused(proven, "set", "X-001", "status", "done")
    assert "`X-001` is not done: 1 of 3 steps not proven: A3 (stale)" in err
    assert "planctl next-green X-001" in err
    (proven.root / "src/solo.txt").write_text("solo\n")
    put(proven, "X-001", "status", "done")
    assert call(proven, "show")["items"][0]["status"] == "done"


def test_done_and_in_progress_wait_for_dependencies(proven: Project) -> None:
    initiative(proven, "Y-002")
    put(proven, "X-001", "depends_on", "Y-002")
    for value in ("done",):
        err = refused(proven, "set", "X-001", "status", value)
        assert "while it depends on `Y-002` (pending)" in err


def test_no_more_than_two_are_in_progress(many: Project) -> None:
    put(many, "L-002", "status", "in_progress")
    put(many, "H-003", "status", "in_progress")
    err = refused(many, "set", "M-004", "status", "in_progress")
    assert "2 items in progress already: `L-002`, `H-003`; at most 2 may be" in err
    (many.root / "planctl.toml").write_text("[ledger]\nmax_in_progress = 3\n")
    put(many, "M-004", "status", "in_progress")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("X-001", "colour", "red"), "no field `colour`"),
        (("X-001", "status", "almost"), "`almost` is no status"),
        (("X-001", "status", "archived"), "`planctl ledger archive --item X-001`"),
        (("X-001", "priority", "urgent"), "`urgent` is no priority"),
        (("X-001", "depends_on", "NO-1"), "cannot depend on `NO-1`: no such item"),
        (("X-001", "depends_on", "X-001"), "cycle: X-001 → X-001"),
        (("X-001", "title", " "), "a title says something"),
        (("NO-1", "status", "pending"), "has no item `NO-1`, and there is no such initiative"),
        (("NO-1", "status", "done"), "`NO-1` has no plan"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(
    many: Project, words: tuple[str, ...], said: str
) -> None:
    before = (many.root / LEDGER).read_bytes(), many.plan_path.read_bytes()
    assert said in refused(many, "set", *words)
    assert ((many.root / LEDGER).read_bytes(), many.plan_path.read_bytes()) == before


def test_a_circle_of_dependencies_is_refused(many: Project) -> None:
    put(many, "X-001", "depends_on", "L-002")
    put(many, "L-002", "depends_on", "H-003")
    err = refused(many, "set", "H-003", "depends_on", "X-001")
    assert "X-001 → L-002 → H-003 → X-001" in err


@pytest.mark.parametrize("value", ["done", "pending"])
def test_from_blocked_only_work_or_rest_can_follow(proven: Project, value: str) -> None:
    put(proven, "X-001", "status", "blocked")
    code, _, err = proven.call("ledger", "set", "X-001", "status", value)
    assert (code == 0) == (value == "pending"), err


def test_an_item_that_nobody_worked_on_follows_its_plan(project: Project) -> None:
    put(project, "X-001", "status", "pending")
    project.edit("title: A small project", "title: Another name\npriority: high")
    project.run_phase("--step", "solo")
    (item,) = call(project, "show")["items"]
    assert (item["title"], item["priority"]) == ("Another name", "high")
    project.edit("priority: high", "priority: low")
    project.run_phase("--step", "one")
    (item,) = call(project, "show")["items"]
    assert item["priority"] == "high"
    found = call(project, "check", expect=1)["contradictions"]
    assert [one["kind"] for one in found] == ["plan-differs"]


def test_a_blocker_is_not_walked_around(proven: Project) -> None:
    words = ("block", "X-001", "--reason", "no beam", "--until", "test -e beam")
    assert proven.call(*words)[0] == 0
    err = refused(proven, "set", "X-001", "status", "in_progress")
    assert "no beam" in err
    assert "planctl unblock X-001" in err


def test_what_the_plan_says_too_is_written_into_the_plan(proven: Project) -> None:
    initiative(proven, "Y-002")
    put(proven, "X-001", "priority", "critical")
    put(proven, "X-001", "depends_on", "Y-002")
    put(proven, "X-001", "title", "Another title: #1")
    plan = proven.plan_path.read_text()
    assert "\npriority: critical\n" in plan
    assert '\ndepends_on: ["Y-002"]\n' in plan
    assert '\ntitle: "Another title: #1"\n' in plan
    assert "## X-001 — Another title: #1\n" in (proven.root / LEDGER).read_text()
    assert set(proven.verdicts().values()) == {"fresh"}


def told(project: Project) -> list[str]:
    """Return all attempts of X-001, those of the ledger and those of the archives."""
    places = [project.root / LEDGER, *sorted((project.root / "docs/archive").glob("*_*.md"))]
    items = [ledger.parse(place.read_text(), str(place)).item("X-001") for place in places]
    return sorted(one.text for item in items if item is not None for one in item.attempts)


def test_archive_brings_the_ledger_into_its_budget_and_loses_nothing(proven: Project) -> None:
    for number in range(30):
        assert proven.call("ledger", "attempt", "X-001", f"try {number}")[0] == 0
    before = told(proven)
    (proven.root / "planctl.toml").write_text("[ledger]\nmax_lines = 20\n")
    code, _, err = proven.call("ledger", "archive")
    assert (code, "still over budget" in err) == (1, True)  # nothing is done yet
    put(proven, "X-001", "status", "done")
    text = (proven.root / LEDGER).read_text()
    assert len(text.splitlines()) <= 20  # by itself, when the ledger is written
    assert told(proven) == before
    assert "- Archive: docs/archive/" in text
    index = (proven.root / "docs/archive/index.md").read_text()
    assert "- `X-001`: [" in index
    assert "docs/archive/*.md merge=union" in (proven.root / ".gitattributes").read_text()
    newest = call(proven, "show")["items"][0]["attempts"]
    assert newest[-1]["text"] == "note: try 29"
    proven.run_phase("--force", "--step", "solo")
    (new,) = set(told(proven)) - set(before)
    assert "`solo` passed" in new
    assert "`one` passed" not in new  # the archive tells of that run


def test_a_whole_item_goes_into_the_archive(proven: Project) -> None:
    place = proven.root / LEDGER
    note = "Somebody's words in the item.\n"
    place.write_text(place.read_text().replace("<!-- planctl:end", f"{note}<!-- planctl:end"))
    before = told(proven)
    assert "only what is done is archived" in refused(proven, "archive", "--item", "X-001")
    put(proven, "X-001", "status", "done")
    found = call(proven, "archive", "--item", "X-001")
    assert found["moved"] == {"X-001": 1}
    text = place.read_text()
    assert note not in text
    assert note in (proven.root / found["files"][0]).read_text()
    assert told(proven) == before
    (item,) = call(proven, "show")["items"]
    assert (item["status"], item["archive"]) == ("archived", found["files"])
    assert call(proven, "archive", "--item", "X-001")["moved"] == {}
    assert call(proven, "check")["ok"]


def test_free_text_and_line_ends_stay_through_every_command(proven: Project) -> None:
    place = proven.root / LEDGER
    start = place.read_bytes().index(b"<!-- planctl:item")
    region = place.read_bytes()[start:].replace(b"\n", b"\r\n")
    head = b"# Plan\r\n\xff\xfe bytes\r\n```\n<!-- planctl:item X-001 -->\n```\n"
    tail = b"\r\n  - nested\n    - deeper\nno end"
    place.write_bytes(head + region + tail)
    put(proven, "X-001", "priority", "high")
    assert proven.call("ledger", "attempt", "X-001", "again")[0] == 0
    put(proven, "X-001", "status", "done")
    call(proven, "archive", "--item", "X-001")
    text = place.read_bytes()
    assert text.startswith(head)
    assert text.endswith(tail)
    inside = text[len(head) : -len(tail)]
    assert inside.count(b"\n") == inside.count(b"\r\n")

"""Waits for something outside: a state of their own, with a day to look again."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

from planctl.ops.focus import focus_state
from tests.planctl.functional.conftest import ID, Project
from tests.planctl.functional.test_unblock import blocker, still, unblock
from tests.planctl.functional.turn_story import Story


@pytest.fixture
def story(project: Project) -> Story:
    return Story(project.repo)


def wait(project: Project, *words: str) -> tuple[int, dict[str, Any], str]:
    code, out, err = project.call("wait", ID, "--json", *words)
    return code, json.loads(out) if out.startswith("{") else {}, err


def test_a_wait_keeps_a_focus_from_work_and_dwell_from_rising(
    story: Story, project: Project
) -> None:
    still(story, 1)
    until = (dt.date.today() + dt.timedelta(days=30)).isoformat()
    code, found, _ = wait(project, "--for", "beam time", "--until", until)
    assert (code, found["waits"][0]["due"]) == (0, False)
    story.now = dt.datetime.now(dt.UTC)
    state = focus_state(story.workspace, ID)
    assert (state.waiting, state.workable, state.blocked) == (True, False, False)
    story.repo.commit("waits")
    still(story, 3)
    assert focus_state(story.workspace, ID).dwell == 1
    assert wait(project, "--over")[0] == 0
    story.repo.commit("over")
    still(story, 1)
    assert focus_state(story.workspace, ID).dwell == 2


def test_after_its_day_a_wait_is_due_and_work_may_look_again(
    story: Story, project: Project
) -> None:
    until = dt.date.today() + dt.timedelta(days=1)
    assert wait(project, "--for", "beam time", "--until", until.isoformat())[0] == 0
    story.now = dt.datetime.combine(until, dt.time(6), dt.UTC)
    state = focus_state(story.workspace, ID)
    assert (state.waiting, state.due, state.workable) == (False, True, True)
    assert "look again" in state.why
    assert state.way_out == f"planctl wait {ID} --over"


def test_a_wait_with_a_check_ends_when_that_succeeds(project: Project) -> None:
    until = (dt.date.today() + dt.timedelta(days=3)).isoformat()
    wait(project, "--for", "the scan", "--until", until, "--check", "test -e scan.h5")
    code, found, _ = wait(project, "--over")
    assert (code, found["ok"], len(found["waits"])) == (1, False, 1)
    project.repo.write("scan.h5", "")
    code, found, _ = wait(project, "--over")
    assert (code, found["waits"]) == (0, [])


def test_another_day_replaces_a_wait_and_keeps_what_it_is_for(project: Project) -> None:
    first, second = (dt.date.today() + dt.timedelta(days=n) for n in (3, 9))
    wait(project, "--for", "the scan", "--until", first.isoformat(), "--check", "false")
    code, found, _ = wait(project, "--until", second.isoformat())
    (left,) = found["waits"]
    assert (code, left["what"], left["check"]) == (0, "the scan", "false")
    assert left["until"] == second.isoformat()
    _, out, _ = project.call("wait")
    assert f"{ID}: waits for the scan until {second} (in 9 days)" in out


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--for", "x", "--until", "2020-01-01"), 2),
        (("--for", "x", "--until", "tomorrow"), 2),
        (("--for", "x"), 2),
        (("--until", "2999-01-01"), 2),
        (("--over",), 4),
        (("--over", "--for", "x"), 2),
    ],
)
def test_a_wait_that_says_too_little_is_refused(
    project: Project, words: tuple[str, ...], code: int
) -> None:
    assert wait(project, *words)[0] == code


def test_an_agent_may_not_end_a_wait_against_its_check(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    until = (dt.date.today() + dt.timedelta(days=3)).isoformat()
    wait(project, "--for", "the scan", "--until", until, "--check", "false")
    monkeypatch.setenv("PLANCTL_ROLE", "engineer")
    assert wait(project, "--over", "--because", "it must be there")[0] == 4
    monkeypatch.setenv("PLANCTL_ROLE", "person")
    assert wait(project, "--over", "--because", "we cancelled it")[0] == 0


def test_a_record_that_was_edited_is_an_error_not_a_guess(project: Project) -> None:
    until = (dt.date.today() + dt.timedelta(days=3)).isoformat()
    _, found, _ = wait(project, "--for", "the scan", "--until", until)
    path: Path = project.root / found["written"]
    path.write_text("{}")
    code, _, err = project.call("blocked", ID)
    assert code == 4
    assert found["written"] in err


def test_status_says_what_stands_in_the_way_and_the_way_out(story: Story, project: Project) -> None:
    def seen() -> tuple[str, str]:
        (row,) = json.loads(project.call("status", "--json")[1])
        return row["state"], row["next"]

    assert seen()[0] == "open"
    until = (dt.date.today() + dt.timedelta(days=3)).isoformat()
    wait(project, "--for", "the scan", "--until", until)
    assert seen() == ("waiting", f"planctl wait {ID} --over")
    wait(project, "--over")
    blocker(project)
    assert seen() == ("blocked", f"planctl unblock {ID}")
    assert unblock(project, "--because", "no reason")[0] == 0
    story.repo.commit("free again")
    still(story, 6)
    state, way = seen()
    assert (state, "--dwell" in way) == ("locked", True)

"""Blockers, waits and locks from the command line: what opens them, and what alone ends them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from planctl.errors import PreconditionError
from planctl.models.failures.signs import Failure
from planctl.ops.blocking.unblock import unlock
from planctl.ops.dwell import dwell_report
from planctl.ops.escalate import block_turn, escalate
from planctl.ops.focus import FocusLockedError, focus_state, require_unlocked
from planctl.ops.turn import open_turn
from planctl.workspace import Workspace
from tests.planctl.functional.conftest import ID, Project
from tests.planctl.functional.signers import Signers
from tests.planctl.functional.turn_story import Story


@pytest.fixture
def story(project: Project) -> Story:
    return Story(project.repo)


def status(project: Project) -> str:
    _, out, _ = project.call("ledger", "show", "--json")
    return str(next(item["status"] for item in json.loads(out)["items"] if item["id"] == ID))


def blocker(project: Project, until: str = "test -e there", reason: str = "no beam") -> str:
    code, out, err = project.call("block", ID, "--reason", reason, "--until", until)
    assert code == 0, err
    return out.strip()


def unblock(project: Project, *words: str) -> tuple[int, dict[str, Any]]:
    code, out, err = project.call("unblock", ID, "--json", *words)
    raw: dict[str, Any] = json.loads(out) if out else {}
    raw["stderr"] = err
    return code, raw


def break_step(project: Project) -> None:
    project.repo.write("src/one.txt", "")
    project.repo.commit("break it")


def test_a_condition_that_does_not_hold_leaves_the_focus_blocked(project: Project) -> None:
    path = blocker(project, "echo not yet; false")
    code, found = unblock(project)
    assert (code, found["ok"], status(project)) == (1, False, "blocked")
    (still,) = found["still"]
    assert (still["blocker"], still["seen"]) == (path, ["not yet"])
    log = (project.root / still["log"]).read_text()
    assert "# exit: 1" in log
    assert "not yet" in log


def test_a_condition_that_holds_is_recorded_beside_the_blocker(project: Project) -> None:
    path = blocker(project)
    before = (project.root / path).read_bytes()
    project.repo.write("there", "")
    code, found = unblock(project)
    assert (code, found["resolved"], found["status"]) == (0, [path], "in_progress")
    assert status(project) == "in_progress"
    assert (project.root / path).read_bytes() == before
    (record,) = found["written"]
    text = (project.root / record).read_text()
    assert record.rpartition("/")[2].startswith("unblocked_")
    assert f"- Blocker: {path}\n" in text
    assert "test -e there" in text
    assert unblock(project)[0] == 0


def test_the_conditions_environment_is_that_of_the_plans_steps(project: Project) -> None:
    blocker(project, 'test "$OUT" = out && test -d "$HUB" && test -e plans')
    assert unblock(project)[0] == 0


def test_a_condition_that_hangs_is_ended(project: Project) -> None:
    blocker(project, "sleep 60")
    code, found = unblock(project, "--timeout", "0.3s")
    assert code == 1
    assert "did not end within 0.3 s" in found["text"]


def test_a_failed_step_is_run_again_and_proven(project: Project) -> None:
    break_step(project)
    project.run_phase("--step", "one", expect=1)
    project.run_phase("--step", "one", expect=1)
    assert status(project) == "blocked"
    code, found = unblock(project)
    assert (code, status(project)) == (1, "blocked")
    assert any("one.txt" in line for line in found["still"][0]["seen"])
    project.repo.write("src/one.txt", "one\n")
    project.repo.commit("mend it")
    code, found = unblock(project)
    assert (code, found["status"]) == (0, "in_progress")
    assert found["resolved"]
    assert project.verdicts()["one"] == "fresh"


def test_all_open_blockers_must_be_gone(project: Project) -> None:
    first, second = blocker(project, "test -e a", "first"), blocker(project, "test -e b", "second")
    project.repo.write("a", "")
    code, found = unblock(project)
    assert (code, found["resolved"], status(project)) == (1, [first], "blocked")
    assert [item["blocker"] for item in found["still"]] == [second]
    project.repo.write("b", "")
    assert unblock(project)[0] == 0
    assert status(project) == "in_progress"


def test_one_blocker_can_be_named(project: Project) -> None:
    first, second = blocker(project, "true", "first"), blocker(project, "false", "second")
    code, found = unblock(project, "--blocker", "first")
    assert (code, found["resolved"], found["status"]) == (0, [first], "blocked")
    assert second in found["text"]
    code, found = unblock(project, "--blocker", "third")
    assert code == 4
    assert second in found["stderr"]


def test_a_blocker_that_was_rewritten_is_not_asked(project: Project) -> None:
    path = project.root / blocker(project, "false")
    project.repo.commit("blocked")
    path.write_text(path.read_text().replace("```sh\nfalse\n", "```sh\ntrue\n"))
    code, found = unblock(project)
    assert code == 4
    assert "first had" in found["stderr"]
    assert status(project) == "blocked"


def test_a_person_may_say_why_work_goes_on(project: Project) -> None:
    path = blocker(project, "false")
    code, found = unblock(project, "--because", "the beam is back")
    assert (code, found["status"]) == (0, "in_progress")
    text = (project.root / found["written"][0]).read_text()
    assert "person unblocked it: the beam is back" in text
    assert path in text


@pytest.mark.parametrize("role", ["supervisor", "engineer", "Engineer"])
def test_an_agent_may_not_say_why(
    project: Project, monkeypatch: pytest.MonkeyPatch, role: str
) -> None:
    blocker(project, "false")
    monkeypatch.setenv("PLANCTL_ROLE", role)
    code, found = unblock(project, "--because", "looks fine")
    assert (code, status(project)) == (4, "blocked")
    assert "is for a person" in found["stderr"]


def test_neither_may_who_calls_itself_a_person_within_an_agents_turn(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocker(project, "false")
    monkeypatch.setenv("PLANCTL_TURN", "00007")
    assert unblock(project, "--because", "looks fine")[0] == 4
    monkeypatch.delenv("PLANCTL_TURN")
    project.repo.commit("blocked")
    monkeypatch.setenv("PLANCTL_ROLE", "engineer")
    open_turn(Workspace.open(), "engineer", ID)
    monkeypatch.setenv("PLANCTL_ROLE", "person")
    assert unblock(project, "--because", "looks fine")[0] == 4


def test_a_status_without_a_blocker_needs_a_reason(project: Project) -> None:
    assert unblock(project)[0] == 0
    assert project.call("ledger", "set", ID, "status", "blocked")[0] == 0
    code, found = unblock(project)
    assert code == 4
    assert "--because" in found["stderr"]
    assert unblock(project, "--because", "a slip")[0] == 0
    assert status(project) == "in_progress"


def test_blocked_lists_who_is_blocked_on_what(project: Project) -> None:
    assert project.call("blocked")[1] == ""
    path = blocker(project, "test -e there")
    _, out, _ = project.call("blocked")
    assert out.startswith(f"{ID}: blocked\n  no beam (by-hand ")
    assert f"    {path}\n" in out
    assert "until: test -e there" in out
    assert f"way out: planctl unblock {ID}" in out
    _, out, _ = project.call("blocked", "--json")
    (state,) = json.loads(out)
    assert (state["blocked"], state["workable"], len(state["blockers"])) == (True, False, 1)


def still(story: Story, turns: int) -> None:
    for count in range(turns):
        story.turn({"docs/notes.md": f"{story.number} {count}\n"})


def test_the_second_tier_opens_one_blocker_that_progress_lifts(
    story: Story, project: Project
) -> None:
    still(story, 3)
    assert escalate(story.workspace, ID) is None
    still(story, 1)
    made = escalate(story.workspace, ID)
    assert made is not None
    assert made.return_condition == f"planctl dwell {ID} --below 2"
    assert escalate(story.workspace, ID) is None
    assert status(project) == "blocked"
    story.repo.commit("blocked")
    assert unblock(project)[0] == 1
    story.turn({"src/one.txt": "moved\n"})
    code, found = unblock(project)
    assert (code, found["status"]) == (0, "in_progress")


def test_the_third_tier_is_unlocked_by_a_person_and_counts_anew(
    story: Story, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    still(story, 6)
    escalate(story.workspace, ID)
    story.repo.commit("blocked")
    monkeypatch.setenv("PLANCTL_ROLE", "supervisor")
    code, found = unblock(project, "--dwell", "--because", "go on")
    assert code == 4
    monkeypatch.setenv("PLANCTL_ROLE", "person")
    assert unblock(project, "--dwell")[0] == 2
    code, found = unblock(project, "--dwell", "--because", "the detector was exchanged")
    assert (code, found["status"]) == (0, "in_progress")
    state = focus_state(story.workspace, ID)
    assert (state.dwell, state.locked, state.blocked, state.blockers) == (0, False, False, ())
    story.repo.commit("unlocked")
    still(story, 2)
    assert focus_state(story.workspace, ID).dwell == 2
    _, out, _ = project.call("dwell", ID)
    assert "the detector was exchanged" in out


def test_an_agent_gets_no_turn_on_a_locked_focus_and_a_person_does(story: Story) -> None:
    still(story, 5)
    require_unlocked(story.workspace, ID, "engineer")
    still(story, 1)
    with pytest.raises(FocusLockedError, match="moved nothing"):
        require_unlocked(story.workspace, ID, "engineer")
    require_unlocked(story.workspace, ID, "person")


def test_an_unlock_that_an_agent_wrote_does_not_count(story: Story) -> None:
    still(story, 6)
    unlock(story.workspace, ID, "typed by an agent that says it is a person")
    story.turn()  # the engineer's turn brings the record
    state = focus_state(story.workspace, ID)
    assert (state.dwell, state.locked) == (7, True)


def test_nor_does_one_that_an_agent_wrote_in_a_turn_on_another_focus(story: Story) -> None:
    still(story, 6)
    unlock(story.workspace, ID, "typed by an agent that says it is a person")
    story.turn(focus="OTHER-2")
    story.repo.write("plans/active/X-001/notes.md", "x")
    assert focus_state(story.workspace, ID).locked


def test_one_that_a_person_committed_between_turns_counts(story: Story) -> None:
    still(story, 6)
    unlock(story.workspace, ID, "seen by a person")
    story.repo.commit("unlocked")
    story.turn({"docs/notes.md": "more\n"})
    assert focus_state(story.workspace, ID).dwell == 1


def test_a_focus_that_moves_is_not_unlocked(story: Story) -> None:
    with pytest.raises(PreconditionError, match="has not stood still"):
        unlock(story.workspace, ID, "why not")


def test_the_second_failed_turn_with_one_signature_blocks_the_focus(story: Story) -> None:
    failure = Failure(1, False, "curl: (6) Could not resolve host: api.example.org\n")
    story.turn(outcome="crashed")
    first = block_turn(story.workspace, ID, 1, "engineer", "agent -p", failure)
    assert (first.in_a_row, first.focus_blocked) == (1, False)
    story.turn(outcome="crashed")
    second = block_turn(story.workspace, ID, 2, "engineer", "agent -p", failure)
    assert (second.signature.kind, second.in_a_row) == ("network-refused", 2)
    assert focus_state(story.workspace, ID).blocked


def test_turns_of_another_role_between_two_failures_change_nothing(story: Story) -> None:
    failure = Failure(1, False, "Segmentation fault\n")
    story.turn(outcome="crashed")
    block_turn(story.workspace, ID, 1, "engineer", "agent", failure)
    story.turn({"input.md": "go on"}, role="supervisor")
    story.turn(outcome="crashed")
    assert block_turn(story.workspace, ID, 3, "engineer", "agent", failure).in_a_row == 2


def test_failed_turns_with_work_between_are_not_in_a_row(story: Story) -> None:
    failure = Failure(1, False, "Segmentation fault\n")
    story.turn(outcome="crashed")
    block_turn(story.workspace, ID, 1, "engineer", "agent", failure)
    story.turn({"src/one.txt": "x\n"})
    story.turn(outcome="crashed")
    assert block_turn(story.workspace, ID, 3, "engineer", "agent", failure).in_a_row == 1


def test_one_failure_in_two_steps_in_a_row_blocks_the_focus(project: Project) -> None:
    project.edit("run: echo solo", "run: echo no space left on device | tr n N >&2 && false")
    text = project.plan_path.read_text()
    old = "mkdir -p $OUT && cat src/one.txt > $OUT/one.txt && echo one is done"
    project.plan_path.write_text(text.replace(old, "echo No space left on device >&2 && false"))
    project.edit("echo no space left on device | tr n N", "echo No space left on device")
    project.repo.commit("both fail")
    project.run_phase("--step", "solo", expect=1)
    project.run_phase("--step", "one", expect=1)
    assert status(project) == "blocked"


def test_where_keys_are_listed_a_word_does_not_unlock(story: Story, signers: Signers) -> None:
    project = signers.project
    signers.person("eva", "engineer")
    signers.person("pia", "lead")
    still(story, 6)
    code, found = unblock(project, "--dwell", "--because", "go on")
    assert (code, "no key is configured" in found["stderr"]) == (4, True)
    signers.be("eva")
    code, found = unblock(project, "--dwell", "--because", "go on")
    assert (code, "is for a person" in found["stderr"]) == (4, True)
    signers.be("pia")
    assert unblock(project, "--dwell", "--because", "go on")[0] == 0
    signers.be(None)
    assert not focus_state(story.workspace, ID).locked


def test_an_unlock_with_another_reason_than_was_signed_does_not_count(
    story: Story, signers: Signers
) -> None:
    signers.person("pia", "lead")
    signers.be("pia")
    still(story, 6)
    _, found = unblock(signers.project, "--dwell", "--because", "for one more turn")
    path = story.repo.root / found["written"][0]
    assert not focus_state(story.workspace, ID).locked
    path.write_text(path.read_text().replace("for one more turn", "for ever"))
    assert focus_state(story.workspace, ID).locked
    report = dwell_report(story.workspace, ID)
    assert "its signature is over other bytes" in report.ignored[0]


def test_an_unsigned_unlock_counts_no_more_once_keys_are_listed(
    story: Story, signers: Signers
) -> None:
    still(story, 6)
    unlock(story.workspace, ID, "before there were keys")
    assert not focus_state(story.workspace, ID).locked
    signers.person("pia", "lead")
    assert focus_state(story.workspace, ID).locked


WORDS = """\
A note on the work was written.
It explains the setup in words, and the code was left alone.
The steps are as they were.
Next: look at the detector.
"""


def agent_turn(project: Project, path: str, text: str) -> None:
    code, _, err = project.call("turn", "open", ID, "--role", "engineer")
    assert code == 0, err
    project.repo.write(path, text)
    words = project.repo.write(".git/words.txt", WORDS)
    code, out, err = project.call("turn", "close", "--from-file", str(words))
    assert code == 0, out + err


def test_the_way_of_a_focus_that_stands_still_through_the_real_commands(project: Project) -> None:
    for count in range(4):
        agent_turn(project, f"docs/note{count}.md", "words\n")
    assert status(project) == "blocked"
    assert project.repo.git("status", "--porcelain") == ""
    _, out, _ = project.call("blocked")
    assert f"until: planctl dwell {ID} --below 2" in out
    for count in range(4, 6):
        agent_turn(project, f"docs/note{count}.md", "words\n")
    code, _, err = project.call("turn", "open", ID, "--role", "engineer")
    assert (code, "6 turns in a row" in err) == (4, True)
    assert unblock(project, "--dwell", "--because", "the detector was exchanged")[0] == 0
    # Left uncommitted by the person: the next turn neither takes it along nor loses it.
    agent_turn(project, "docs/note6.md", "words\n")
    state = focus_state(Workspace.open(), ID)
    assert (state.dwell, state.locked, state.status) == (1, False, "in_progress")

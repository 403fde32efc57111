"""Dwell on real histories: what counts as progress, and what only looks like it."""

from __future__ import annotations

import json

import pytest

from planctl.ops.dwell import dwell_report
from planctl.ops.focus import focus_state
from tests.planctl.functional.conftest import Project
from tests.planctl.functional.turn_story import FOCUS, Story


@pytest.fixture
def story(project: Project) -> Story:
    """Return a project on which no turn was made yet; with `proven` beside it, a proven one."""
    return Story(project.repo)


def dwell(story: Story) -> tuple[int, int]:
    state = focus_state(story.workspace, FOCUS)
    return state.dwell, state.tier


def test_without_turns_there_is_no_dwell(story: Story) -> None:
    assert dwell(story) == (0, 0)
    assert focus_state(story.workspace, FOCUS).workable


@pytest.mark.parametrize(
    "path",
    [
        "docs/notes.md",
        "scripts/helper.sh",
        "plans/active/X-001/bin/compare.py",
        "plans/active/X-001/implementation.md",
        "planctl.toml",
        "docs/fix_plan.md",
        "input.md",
        "plans/active/X-001/reports/2025-11-13T000000Z/small/analysis/more.txt",
    ],
)
def test_text_tools_and_state_are_no_progress(story: Story, path: str) -> None:
    old = story.repo.root / path
    more = old.read_text() if old.exists() else ""
    story.turn({"src/one.txt": "changed\n"})
    story.turn({path: more + "\n# more\n"})
    assert dwell(story) == (1, 0)


def test_code_that_no_step_declares_is_no_progress_either(story: Story) -> None:
    story.turn({"elsewhere/code.py": "x = 1\n"})
    assert dwell(story) == (1, 0)


def test_a_change_of_a_declared_input_is_progress(story: Story) -> None:
    story.turn({"docs/notes.md": "a\n"})
    story.turn({"docs/notes.md": "b\n"})
    assert dwell(story) == (2, 1)
    story.turn({"src/two.txt": "changed\n"})
    assert dwell(story) == (0, 0)


def test_a_tool_that_a_step_declares_counts(story: Story, proven: Project) -> None:
    proven.edit("inputs: [src/solo.txt]", "inputs: [src/solo.txt, scripts/run.sh]")
    story.repo.write("scripts/run.sh", "true\n")
    story.repo.commit("a tool")
    story.turn({"scripts/run.sh": "false\n"})
    assert dwell(story) == (0, 0)


def test_inputs_that_the_turn_itself_adds_to_the_plan_do_not_count(story: Story) -> None:
    plan = "plans/active/X-001/plan.yaml"
    text = (story.repo.root / plan).read_text()
    wide = text.replace("inputs: [src/solo.txt]", 'inputs: ["**"]')
    story.turn({plan: wide, "docs/notes.md": "words\n"})
    assert dwell(story) == (1, 0)


def test_what_is_taken_back_in_the_same_turn_is_no_progress(story: Story) -> None:
    old = (story.repo.root / "src/one.txt").read_text()
    base = story.repo.git("rev-parse", "HEAD")
    story.repo.write("src/one.txt", "for a moment\n")
    story.repo.commit("agent: try")
    story.repo.write("src/one.txt", old)
    story.turn(base=base)
    assert dwell(story) == (1, 0)


def test_commits_the_agent_makes_by_itself_belong_to_its_turn(story: Story) -> None:
    story.turn({"src/one.txt": "changed\n"}, mid=2)
    assert dwell(story) == (0, 0)


def test_a_base_further_back_gives_a_turn_nothing_that_others_did(story: Story) -> None:
    start = story.repo.git("rev-parse", "HEAD")
    story.turn({"src/one.txt": "changed\n"})
    story.turn({"docs/notes.md": "words\n"}, base=start)
    assert dwell(story) == (1, 0)


def test_what_a_record_says_of_its_files_is_not_believed(story: Story) -> None:
    story.turn({"docs/notes.md": "words\n"}, files={"production": ["src/one.txt"]})
    assert dwell(story) == (1, 0)


def test_a_record_that_was_deleted_or_rewritten_counts_as_git_first_had_it(story: Story) -> None:
    for word in "abc":
        story.turn({"docs/notes.md": word})
    (story.repo.root / story.paths[0]).unlink()
    second = story.repo.root / story.paths[1]
    raw = json.loads(second.read_text())
    second.write_text(json.dumps(raw | {"outcome": "abandoned"}))
    story.repo.commit("tidy up")
    assert dwell(story) == (3, 1)


def test_a_row_that_is_proven_for_the_first_time_is_progress(project: Project) -> None:
    story = Story(project.repo)
    story.turn({"docs/notes.md": "words\n"})
    project.run_phase()
    story.turn()
    assert dwell(story) == (0, 0)
    project.run_phase("--force")
    story.turn()
    assert dwell(story) == (1, 0)


def test_running_a_fresh_step_again_is_no_progress(story: Story, proven: Project) -> None:
    proven.run_phase("--force")
    story.turn()
    assert dwell(story) == (1, 0)
    (turn,) = dwell_report(story.workspace, FOCUS).turns
    assert set(turn.reran) == {"one", "two", "solo"}
    assert turn.only.value == "re-runs"


def test_proving_what_a_person_changed_between_turns_is_progress(
    story: Story, proven: Project
) -> None:
    story.turn({"docs/notes.md": "words\n"})
    story.repo.write("src/solo.txt", "a person was here\n")
    story.repo.commit("person")
    proven.run_phase()
    story.turn()
    assert dwell(story) == (0, 0)
    assert dwell_report(story.workspace, FOCUS).turns[0].gained == ("solo",)


def test_editing_the_plan_and_running_again_is_no_progress(story: Story, proven: Project) -> None:
    proven.edit("run: echo solo", "run: echo  solo")
    proven.run_phase()
    story.turn()
    assert dwell(story) == (1, 0)


def test_rewording_a_working_plan_that_is_an_input_makes_no_row_new(
    story: Story, proven: Project
) -> None:
    proven.edit(
        "inputs: [src/solo.txt]",
        "inputs: [src/solo.txt, plans/active/X-001/implementation.md]",
    )
    proven.run_phase()
    story.repo.commit("contract")
    rows = story.repo.root / "plans/active/X-001/implementation.md"
    rows.write_text(rows.read_text() + "\nA word more about A3.\n")
    proven.run_phase()
    story.turn()
    assert dwell(story) == (1, 0)
    assert dwell_report(story.workspace, FOCUS).turns[0].reran == ("solo",)


def test_a_step_that_failed_and_passes_on_the_same_inputs_is_progress(
    story: Story, project: Project
) -> None:
    project.edit("run: echo solo", "run: test -e out/there && echo solo")
    story.repo.commit("needs something outside")
    project.run_phase("--step", "solo", expect=1)
    story.turn()
    project.run_phase("--step", "solo", expect=1)
    story.turn()
    assert dwell(story) == (2, 1)
    story.repo.write("out/there", "")
    project.run_phase("--step", "solo")
    story.turn()
    assert dwell(story) == (0, 0)


def test_a_first_failure_moves_the_step_but_is_no_progress(story: Story, proven: Project) -> None:
    story.repo.write("src/one.txt", "")
    story.repo.commit("person")
    code, _, _ = proven.call("run-phase", FOCUS, "A")
    assert code == 1
    story.turn()
    assert dwell(story) == (1, 0)
    (turn,) = dwell_report(story.workspace, FOCUS).turns
    assert turn.failed == ("one",)


def test_turns_on_another_focus_do_not_count(story: Story) -> None:
    story.turn({"docs/notes.md": "a"})
    story.turn({"docs/notes.md": "b"}, focus="OTHER")
    assert dwell(story) == (1, 0)


@pytest.mark.parametrize("outcome", ["crashed", "timed_out", "abandoned"])
def test_a_turn_that_the_agent_never_closed_counts_only_by_what_it_changed(
    story: Story, outcome: str
) -> None:
    story.turn({"docs/notes.md": "a"})
    story.turn({"docs/notes.md": "b"}, outcome=outcome)
    assert dwell(story) == (1, 0)
    story.turn({"src/one.txt": "b\n"}, outcome=outcome)
    assert dwell(story) == (0, 0)


def test_tiers_rise_with_the_turns_and_the_last_one_locks(story: Story) -> None:
    seen = []
    for count in range(7):
        story.turn({"docs/notes.md": str(count)}, role="supervisor" if count % 2 else "engineer")
        seen.append(dwell(story))
    assert seen == [(1, 0), (2, 1), (3, 1), (4, 2), (5, 2), (6, 3), (7, 3)]
    state = focus_state(story.workspace, FOCUS)
    assert state.locked
    assert not state.workable
    assert "--because" in state.way_out


def test_thresholds_come_from_the_settings(story: Story) -> None:
    story.repo.write("planctl.toml", "[dwell]\ntiers = [1, 2, 3]\n")
    for word in "abc":
        story.turn({"docs/notes.md": word})
    assert dwell(story) == (3, 3)


def test_an_agent_cannot_raise_the_thresholds_while_it_stands_still(story: Story) -> None:
    for word in "abcd":
        story.turn({"docs/notes.md": word})
    story.turn({"planctl.toml": "[dwell]\ntiers = [20, 40, 60]\n"})
    assert dwell(story) == (5, 2)
    story.repo.write("planctl.toml", "[dwell]\ntiers = [1, 2, 3]\n")
    story.repo.commit("a person")
    story.turn({"planctl.toml": "[dwell]\ntiers = [20, 40, 60]\n"})
    assert dwell(story) == (6, 3)


def test_a_person_can_raise_them(story: Story) -> None:
    for word in "abcd":
        story.turn({"docs/notes.md": word})
    story.repo.write("planctl.toml", "[dwell]\ntiers = [20, 40, 60]\n")
    story.repo.commit("a person")
    assert dwell(story) == (4, 0)


def test_an_uncommitted_turn_is_told_from_its_record(story: Story) -> None:
    story.turn({"docs/notes.md": "a"}, commit=False, files={"docs": ["docs/notes.md"]})
    assert dwell(story) == (1, 0)
    story.repo.commit("now")
    story.turn({"src/one.txt": "x\n"}, commit=False, files={"production": ["src/one.txt"]})
    assert dwell(story) == (0, 0)
    assert dwell_report(story.workspace, FOCUS).turns[0].evidence == "record"


def test_after_a_rebase_turns_are_found_again(story: Story) -> None:
    start = story.repo.git("rev-parse", "HEAD")
    story.turn({"docs/notes.md": "a"})
    story.turn({"src/one.txt": "changed\n"})
    story.turn({"docs/notes.md": "b"})
    story.repo.git("checkout", "-q", "-b", "upstream", start)
    story.repo.write("other.md", "x")
    story.repo.commit("upstream")
    story.repo.git("checkout", "-q", "main")
    story.repo.git("rebase", "-q", "upstream")
    assert dwell(story) == (1, 0)


def test_a_squash_is_told_from_the_records_of_its_turns(story: Story) -> None:
    start = story.repo.git("rev-parse", "HEAD")
    story.turn({"src/one.txt": "changed\n"}, files={"production": ["src/one.txt"]})
    story.turn({"docs/notes.md": "a"}, files={"docs": ["docs/notes.md"]})
    story.turn({"docs/notes.md": "b"}, files={"docs": ["docs/notes.md"]})
    story.repo.git("reset", "-q", "--soft", start)
    story.repo.commit("squash")
    assert dwell(story) == (2, 1)


def test_two_branches_count_together_after_a_merge(story: Story) -> None:
    story.repo.git("branch", "side")
    story.turn({"docs/notes.md": "a"})
    story.turn({"docs/notes.md": "b"})
    story.repo.git("checkout", "-q", "side")
    story.number = 0
    story.turn({"docs/other.md": "c"})
    story.repo.git("merge", "-q", "--no-edit", "main")
    assert dwell(story) == (3, 1)


def test_rows_over_their_budget_are_listed_with_what_the_turns_were(
    story: Story, proven: Project
) -> None:
    story.repo.write("planctl.toml", "[progress]\nbudget = 2\n")
    story.repo.write("src/solo.txt", "person\n")
    story.repo.commit("person")
    story.turn({"docs/notes.md": "a"})
    story.turn({"scripts/x.sh": "a"})
    proven.call("run-phase", FOCUS, "A", "--step", "one", "--force")
    story.turn()
    (row,) = dwell_report(story.workspace, FOCUS).rows
    assert (row.step, row.rows, row.verdict) == ("solo", ("A3",), "stale")
    assert (row.turns, row.docs, row.tools, row.reruns, row.over) == (3, 1, 1, 1, True)


def test_turns_before_a_step_existed_do_not_count_for_its_rows(
    story: Story, proven: Project
) -> None:
    for word in "abc":
        story.turn({"docs/notes.md": word})
    plan = "plans/active/X-001/plan.yaml"
    text = (story.repo.root / plan).read_text()
    step = "      - { id: late, run: echo late, log: cli/late.log, inputs: [src/solo.txt] }\n"
    story.turn({plan: text + step})
    story.turn({"docs/notes.md": "d"})
    (row,) = dwell_report(story.workspace, FOCUS).rows
    assert (row.step, row.turns) == ("late", 1)

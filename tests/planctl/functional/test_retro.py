"""The look-back over turns: what they came to, summed up, and what to change."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from planctl.models.dwell import TurnWork, dwell_of, row_progress
from planctl.ops.blocking.block import block_by_hand
from planctl.ops.retro import retro
from tests.planctl.conftest import Repo
from tests.planctl.functional.conftest import ID, Project
from tests.planctl.functional.turn_story import Story

SHARED = Path(__file__).resolve().parents[3] / ".." / "shared"


@pytest.fixture
def story(project: Project) -> Story:
    return Story(project.repo)


def test_turns_are_told_with_lines_by_kind_and_what_they_came_to(
    story: Story, proven: Project
) -> None:
    story.turn({"src/one.txt": "a\nb\nc\n", "docs/notes.md": "x\n"})
    proven.run_phase()
    story.turn({"scripts/x.sh": "a\nb\n"}, role="supervisor")
    found = retro(story.workspace, ID)
    last, first = found.turns
    assert (first.role, last.role) == ("engineer", "supervisor")
    assert first.lines == {"production": 4, "docs": 2}
    assert (first.progress, first.lost) == (True, ("one",))
    assert last.lines == {"tool": 2}
    assert last.gained == ("one", "two")
    assert (last.minutes, last.gap_minutes) == (7.0, 3.0)
    assert (found.totals.share, found.totals.gained, found.totals.lost) == (1.0, 2, 1)


def test_repeated_runs_and_refused_orders_are_waste_and_come_first(
    story: Story, proven: Project
) -> None:
    story.turn({"src/solo.txt": "a\n"})
    story.turn(role="supervisor", refused_orders=("run A again",))
    proven.run_phase("--step", "one", "--force")
    story.turn()
    found = retro(story.workspace, ID)
    assert found.totals.wasted_runs == 1
    assert found.totals.asked_again == 1
    assert found.turns[0].reran == ("one",)
    assert found.totals.trend == "worse"
    assert "asked for what was complete" in found.advice[0]
    assert "repeated what was proven" in found.advice[1]
    assert found.totals.dwell == {ID: 2}


def test_a_refused_brief_is_one_order_however_many_problems_it_had(story: Story) -> None:
    again = ("already-proven: input.md:3: A1", "already-proven: input.md:4: A2", "field: no focus")
    story.turn(role="supervisor", refused_orders=again)
    story.turn(role="supervisor", refused_orders=("pointer: input.md:9: moved",))
    found = retro(story.workspace, ID)
    assert [turn.asked_again for turn in found.turns] == [0, 1]
    assert found.totals.asked_again == 1


def test_failures_that_came_back_are_named(story: Story, proven: Project) -> None:
    story.turn({"src/one.txt": ""})
    proven.run_phase("--step", "one", expect=1)
    story.turn()
    proven.run_phase("--step", "one", expect=1)
    story.turn()
    block_by_hand(story.workspace, ID, "no beam")
    found = retro(story.workspace, ID)
    ((name, number),) = found.totals.signatures.items()
    assert (name.split()[0], number) == ("check", 2)
    assert any("came back 2 times" in text for text in found.advice)


def test_the_last_n_turns_of_all_focuses_or_of_one(story: Story) -> None:
    for count in range(3):
        story.turn({"docs/notes.md": str(count)})
        story.turn({"docs/other.md": str(count)}, focus="OTHER-2")
    assert [turn.number for turn in retro(story.workspace, None, 4).turns] == [6, 5, 4, 3]
    assert [turn.number for turn in retro(story.workspace, ID, 4).turns] == [5, 3, 1]


def test_turns_that_ended_badly_are_counted(story: Story) -> None:
    story.turn({"src/one.txt": "a\n"})
    story.turn(outcome="crashed")
    story.turn(outcome="timed_out")
    found = retro(story.workspace, ID)
    assert found.totals.unfinished == 2
    assert any("without being closed" in text for text in found.advice)


def test_a_good_run_of_turns_is_left_alone(story: Story) -> None:
    for count in range(4):
        story.turn({"src/one.txt": f"{count}\n"})
    found = retro(story.workspace, ID)
    assert found.advice == (
        "Nothing stands out: 4 of 4 turns made progress, and no run was repeated.",
    )


def test_the_command_prints_a_table_and_the_same_as_json(story: Story, project: Project) -> None:
    story.turn({"src/one.txt": "a\n"})
    code, out, _ = project.call("retro", ID)
    assert code == 0
    assert "00001  engineer  X-001" in out
    assert "1 of 1 turn made progress (100%), same" in out
    _, out, _ = project.call("retro", ID, "--json")
    raw: dict[str, Any] = json.loads(out)
    assert (raw["source"], raw["turns"][0]["number"]) == ("turns", 1)


SUMMARY = """\
### Turn Summary (2025-11-1{day}T024800Z)
{sentence}
Next: {next}
Artifacts: plans/active/OLD-1/reports/a/green/run_{day}.log

Checklist:
- Files touched: {touched}
- Tests run: none
- Artifacts updated: none
"""


def block(day: int, sentence: str, order: str, touched: str = "none") -> str:
    return SUMMARY.format(day=day, sentence=sentence, next=order, touched=touched)


def test_a_history_without_turns_is_told_from_its_summaries(repo: Repo) -> None:
    path = "plans/active/OLD-1/summary.md"
    blocks = [
        block(1, "Implemented the loader in src/load.py.", "run the selector and capture run.log"),
        block(2, "Ran the selector; run.log captured, all green and complete.", "Rerun run.log."),
        block(3, "Ran the selector again; run.log captured, green and complete.", "Nothing."),
    ]
    repo.write("src/load.py", "x = 1\n")
    repo.write(path, blocks[0])
    repo.commit("ENGINEER AUTO (iter=1): loader")
    repo.write(path, "\n".join(blocks[1::-1]))
    repo.commit("ENGINEER AUTO (iter=2): evidence")
    repo.write(path, "\n".join(blocks[::-1]))
    repo.commit("SUPERVISOR AUTO (iter=3): again")
    found = retro(Story(repo).workspace, None)
    assert found.source == "summaries"
    assert [turn.role for turn in found.turns] == ["supervisor", "engineer", "engineer"]
    assert [turn.progress for turn in found.turns] == [False, False, True]
    assert {turn.focus for turn in found.turns} == {"OLD-1"}
    assert all(turn.evidence == "git" for turn in found.turns)
    assert found.totals.dwell == {"OLD-1": 2}


def test_summaries_that_came_in_one_commit_are_turns_by_their_own_words(repo: Repo) -> None:
    blocks = [block(3, "Wrote notes.", "Go on."), block(1, "Fixed it.", "Go on.", "src/a.py")]
    repo.write("plans/active/OLD-1/summary.md", "\n".join(blocks))
    repo.write("plans/active/OLD-1/reports/a/summary.md", blocks[0])
    repo.commit("import")
    found = retro(Story(repo).workspace, None)
    assert [turn.evidence for turn in found.turns] == ["summary", "summary"]
    assert [turn.progress for turn in found.turns] == [False, True]


def test_nothing_to_look_back_at_is_said(repo: Repo) -> None:
    found = retro(Story(repo).workspace, None)
    assert (found.turns, found.advice) == ((), ("There is no turn to look back at.",))


def test_the_day_when_nobody_believed_the_clock_shows_in_its_summary(repo: Repo) -> None:
    fixture = SHARED / "fixtures/forward_parity_summary.md"
    if not fixture.is_file():
        pytest.skip("the shared fixtures are not here")
    repo.write("plans/active/FORWARD-1/summary.md", fixture.read_text("utf-8"))
    repo.commit("import")
    found = retro(Story(repo).workspace, None, 50)
    assert len(found.turns) >= 10
    assert found.totals.asked_again >= 3
    assert found.totals.backwards >= 3
    assert "asked for what was complete" in found.advice[0]


def test_a_row_stands_still_since_its_own_step_moved() -> None:
    def turn(number: int, **more: Any) -> TurnWork:
        return TurnWork(id=f"{number:026}", number=number, role="engineer", **more)

    turns = [
        turn(4, kinds=(("docs", 1),)),
        turn(3, touched=("src/b",), moved=("other",)),
        turn(2, reran=("mine",)),
        turn(1, gained=("mine",), moved=("mine",)),
    ]
    row = row_progress("mine", ("A1",), "stale", turns, 2)
    assert (row.turns, row.docs, row.reruns, row.other, row.over) == (3, 1, 1, 1, True)
    assert not row_progress("mine", ("A1",), "stale", turns, 3).over
    assert dwell_of(turns) == 1

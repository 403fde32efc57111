"""The loop: turns of two roles, each opened, checked, closed and committed."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests.planctl.functional.conftest import ID, Project
from tests.planctl.functional.loops import EDIT, PLANCTL, SAID, WORDS, Loops, agent

PROVE = ("planctl", f"run-phase {ID} A")
BRIEF = ("planctl", f"brief {ID}")
LIE = "All 12 tests passed in 3.1s. The file src/one.txt was changed. That is all."


@pytest.fixture
def loops(project: Project) -> Loops:
    return Loops(project)


def test_a_turn_is_opened_worked_on_closed_and_committed(loops: Loops) -> None:
    result = loops.engineer(EDIT, SAID)
    assert result["end"]["why"] == "turns"
    (record,) = loops.records()
    assert (record["number"], record["role"], record["outcome"]) == (1, "engineer", "closed")
    assert record["files"]["production"] == ["src/one.txt"]
    assert loops.project.repo.git("status", "--porcelain") == ""
    assert loops.subject().startswith("ENGINEER AUTO (prompt=main) (iter=00001): ")
    trailers = loops.project.repo.git("log", "-1", "--format=%(trailers)")
    assert f"Turn: 00001 {record['id']}" in trailers
    assert "Role: engineer" in trailers
    assert result["turns"][0]["commit"] == loops.project.repo.git("rev-parse", "HEAD")


def test_the_engineer_gets_the_brief_on_stdin_and_its_surroundings(loops: Loops) -> None:
    names = ["PLANCTL_ROLE", "PLANCTL_TURN", "PLANCTL_FOCUS", "HUB", "AUTHORITATIVE_CMDS_DOC"]
    told = "; ".join(f'echo "{name}=${{{name}}}"' for name in names)
    loops.engineer(("save", ".git/told"), ("sh", told), SAID)
    stdin = (loops.project.root / ".git/told").read_text("utf-8")
    brief = (loops.project.root / "input.md").read_text("utf-8")
    assert brief.strip() in stdin
    assert f"run-phase {ID} A" in brief
    assert "turn close" not in brief
    said = loops.log(1)
    assert "PLANCTL_ROLE=engineer\nPLANCTL_TURN=00001\nPLANCTL_FOCUS=X-001\n" in said
    hub = loops.project.hub.relative_to(loops.project.root)
    assert f"HUB={hub}\nAUTHORITATIVE_CMDS_DOC=\n" in said


def test_roles_alternate_and_the_loop_ends_when_all_is_proven(loops: Loops) -> None:
    result = loops.run(
        *("--focus", ID, "--supervisor", agent(BRIEF, SAID)),
        *("--engineer", agent(PROVE, ("summary", "Phase A was run as the brief says."))),
    )
    assert [turn["role"] for turn in result["turns"]][:2] == ["supervisor", "engineer"]
    assert result["end"]["why"] == "done"
    assert set(loops.project.verdicts().values()) == {"fresh"}
    rows = (loops.project.root / f"plans/active/{ID}/implementation.md").read_text("utf-8")
    assert rows.count("- [x]") == 3
    assert loops.project.repo.git("status", "--porcelain") == ""
    again = loops.run("--focus", ID, "--engineer", "exit 1")
    assert (again["end"]["why"], again["turns"]) == ("done", [])


def test_rows_that_went_stale_are_unticked_in_the_turn(loops: Loops) -> None:
    loops.project.run_phase()
    loops.project.repo.commit("evidence")
    loops.project.repo.write("src/two.txt", "other\n")
    loops.project.repo.commit("a change")
    loops.engineer(SAID)
    rows = loops.project.repo.git("show", f"HEAD:plans/active/{ID}/implementation.md")
    assert "- [x] A1" in rows
    assert "- [ ] A2" in rows


def test_without_a_focus_the_ledger_says_what_is_next_and_is_closed_at_the_end(
    loops: Loops,
) -> None:
    loops.project.call("init")
    loops.project.call("ledger", "set", ID, "status", "in_progress")
    loops.project.repo.commit("ledger")
    result = loops.run("--engineer", agent(PROVE, SAID), "-n", "5")
    assert result["end"] == {
        "why": "done",
        "text": "every item of the ledger is done",
        "way_out": result["end"]["way_out"],
    }
    _, out, _ = loops.project.call("ledger", "show", "--json")
    assert [item["status"] for item in json.loads(out)["items"]] == ["done"]


def test_a_brief_that_asks_for_what_is_proven_never_reaches_the_engineer(loops: Loops) -> None:
    loops.project.run_phase("--step", "solo")
    loops.project.repo.commit("evidence")
    again = "\\n".join(
        [
            "# Summary",
            "Collect fresh evidence for row A3 once more.",
            f"# Focus\n{ID}",
            "# Do Now",
            f"Run: `planctl run-phase {ID} A --step solo --force`",
            f"# Artifacts\n{loops.project.hub.relative_to(loops.project.root)}",
        ]
    )
    result = loops.run(
        *("--focus", ID, "-n", "2"),
        *("--supervisor", agent(("write", "input.md", again), SAID)),
        *("--engineer", agent(("save", ".git/told"), SAID)),
    )
    supervisor, engineer = result["turns"]
    assert supervisor["brief"] == "planctl"
    receipt = loops.project.receipts("solo")[0].name.partition("_")[0]
    refused = [line for line in supervisor["refused_orders"] if receipt in line]
    assert refused[0].startswith("already-proven: input.md:")
    assert loops.records()[0]["refused_orders"] == supervisor["refused_orders"]
    told = (loops.project.root / ".git/told").read_text("utf-8")
    assert "Collect fresh evidence" not in told
    assert "--step solo" not in told
    assert engineer["outcome"] == "closed"
    assert len(loops.project.receipts("solo")) == 1


def test_a_supervisor_is_told_what_was_refused_and_may_mend_it(loops: Loops) -> None:
    bad = ("first", "write", "input.md", "# Do Now\\nWork on something.\\n")
    mend = ("sh", "if grep -q Refused .git/planctl/loop/*_prompt.md; then touch .git/told; fi")
    good = ("sh", f"if test -e .git/told; then rm input.md; {PLANCTL} brief {ID}; fi")
    result = loops.run(
        *("--focus", ID, "-n", "1", "--supervisor", agent(bad, mend, good, SAID)),
        *("--engineer", "true"),
    )
    assert result["turns"][0]["refused_orders"]
    assert result["turns"][0]["brief"] == "planctl"
    assert "input.md: X-001, phase A" in loops.log(1, "supervisor")
    assert "Refused orders: do not give them again" in loops.prompt(1, "supervisor")


def test_a_refused_brief_does_not_stay_where_there_is_none_to_take_its_place(loops: Loops) -> None:
    bad = ("write", "input.md", f"# Focus\\n{ID}\\n# Do Now\\nRerun phase A once more.\\n")
    words = ("--supervisor", agent(PROVE, bad, ("summary", LIE)), "--engineer", "true")
    result = loops.run("--focus", ID, *words)
    assert result["turns"][0]["refused_orders"]
    assert result["turns"][0]["brief"] is None
    assert result["end"]["why"] == "done"
    assert not (loops.project.root / "input.md").exists()
    assert loops.project.repo.git("status", "--porcelain") == ""


def test_agents_that_say_nothing_are_not_started_again(loops: Loops) -> None:
    count = ("append", ".git/starts", "x")
    words = ("--supervisor", agent(count), "--engineer", agent(count, EDIT))
    supervisor, engineer = loops.run("--focus", ID, "-n", "2", *words)["turns"]
    assert (loops.project.root / ".git/starts").read_text() == "xx"
    assert (supervisor["brief"], supervisor["refused_orders"]) == ("planctl", [])
    assert (supervisor["outcome"], engineer["outcome"]) == ("closed", "closed")


def test_false_words_go_back_once_and_the_mended_ones_are_taken(loops: Loops) -> None:
    lie = ("first", "summary", LIE)
    mend = ("sh", "grep -q 'is refused' .git/planctl/loop/*_prompt.md && touch .git/mend; true")
    truth = ("sh", f"test ! -e .git/mend || echo '{WORDS}' > $PLANCTL_SUMMARY")
    result = loops.engineer(EDIT, lie, mend, truth)
    (record,) = loops.records()
    assert record["refused"] == []
    assert any("src/one.txt" in sentence for sentence in record["sentences"])
    assert "12 tests" in loops.prompt(1)
    assert result["turns"][0]["refused"] == []


def test_words_that_stay_false_are_struck_out_and_named(loops: Loops) -> None:
    result = loops.engineer(EDIT, ("summary", LIE))
    (record,) = loops.records()
    assert record["outcome"] == "closed"
    assert any("12" in item["sentence"] for item in record["refused"])
    assert not any("12" in sentence for sentence in record["sentences"])
    assert result["turns"][0]["refused"]
    summary = (loops.project.root / f"plans/active/{ID}/summary.md").read_text("utf-8")
    assert summary.startswith("### Turn Summary")


def test_an_agent_may_print_its_summary_instead(loops: Loops) -> None:
    block = f"noise\\n\\n### Turn Summary\\n{WORDS.replace(' Next:', chr(10) + 'Next:')}\\n"
    loops.engineer(EDIT, ("say", block))
    (record,) = loops.records()
    assert record["sentences"][0] == "The file src/one.txt was changed as the brief says."
    assert record["next"].startswith("look at the verdicts")


def test_for_a_silent_agent_planctl_says_only_what_it_saw(loops: Loops) -> None:
    loops.engineer(EDIT)
    (record,) = loops.records()
    assert "left no summary" in record["sentences"][0]
    assert "exit code 0" in " ".join(record["sentences"])


def test_a_crash_is_recorded_with_what_it_left(loops: Loops) -> None:
    loops.engineer(EDIT, ("die", "9"))
    (record,) = loops.records()
    assert record["outcome"] == "crashed"
    assert record["files"]["production"] == ["src/one.txt"]
    assert "exit code 9" in " ".join(record["sentences"])
    assert loops.project.repo.git("status", "--porcelain") == ""


def test_a_hung_agent_is_ended_with_all_it_started(loops: Loops) -> None:
    hang = ("sh", "sleep 600 & echo $! > .git/pid; sleep 600")
    began = time.monotonic()
    loops.engineer(EDIT, hang, words=("-n", "1", "--timeout", "1.5s"))
    assert time.monotonic() - began < 30
    (record,) = loops.records()
    assert record["outcome"] == "timed_out"
    pid = (loops.project.root / ".git/pid").read_text().strip()
    assert not _alive(pid)


def _alive(pid: str) -> bool:
    path = Path(f"/proc/{pid}/stat")
    return path.exists() and path.read_text().rpartition(")")[2].split()[0] not in ("Z", "X")


def test_garbage_drives_no_terminal_and_loses_no_turn(loops: Loops) -> None:
    code, _, err = loops.project.call(
        *("loop", "--focus", ID, "-n", "1", "--engineer", agent(("garbage", "200000")))
    )
    assert code == 0
    for text in (loops.log(1), err):
        assert [mark for mark in ("\x1b]", "\x1b[2J", "\x07", "\u202e") if mark in text] == []
    assert loops.records()[0]["outcome"] == "closed"


def test_a_log_that_would_fill_the_disk_is_cut(
    loops: Loops, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("planctl.ops.loop.agent._LOG_BYTES", 1 << 20)
    loops.engineer(("garbage", "10000000"), SAID)
    assert len(loops.log(1).encode()) < 1.1 * (1 << 20)
    assert "cut here" in loops.log(1)


def test_files_that_a_person_had_changed_are_left_alone(loops: Loops) -> None:
    root = loops.project.root
    loops.project.repo.write("src/two.txt", "mine\n")
    loops.project.repo.write("new.txt", "new\n")
    loops.project.repo.write("src/solo.txt", "staged\n")
    loops.project.repo.git("add", "src/solo.txt")
    before = loops.project.repo.git("status", "--porcelain")
    loops.engineer(EDIT, SAID)
    assert loops.project.repo.git("status", "--porcelain") == before
    assert (root / "src/two.txt").read_text() == "mine\n"
    touched = loops.project.repo.git("show", "--format=", "--name-only", "HEAD").split()
    assert not {"src/two.txt", "new.txt", "src/solo.txt"} & set(touched)
    assert "src/one.txt" in touched


def test_an_agent_may_close_the_turn_itself(loops: Loops) -> None:
    close = ("sh", f"{PLANCTL} turn close --message '{WORDS}'")
    result = loops.engineer(EDIT, close)
    (record,) = loops.records()
    assert record["sentences"][0] == "The file src/one.txt was changed as the brief says."
    assert result["turns"][0]["commit"] == loops.project.repo.git("rev-parse", "HEAD")
    assert loops.state()["turn"] is None


def test_an_agent_that_commits_itself_loses_nothing(loops: Loops) -> None:
    loops.engineer(EDIT, ("sh", "git add -A && git commit -qm mine"), SAID)
    (record,) = loops.records()
    assert record["files"]["production"] == ["src/one.txt"]
    assert len(record["commits"]) == 1


def test_an_agent_that_removes_the_open_turn_does_not_lose_it(loops: Loops) -> None:
    state = ".git/planctl/turn.json"
    for harm in (
        "rm -r .git/planctl",
        f"echo broken > {state}",
        f"rm {state}; mkdir {state}",
        f"ln -sf /dev/zero {state}",
    ):
        loops.engineer(EDIT, ("sh", harm), SAID)
    assert [record["number"] for record in loops.records()] == [1, 2, 3, 4]
    assert {record["outcome"] for record in loops.records()} == {"closed"}
    assert loops.state()["last_number"] == 4


@pytest.mark.parametrize("how", ["worktree", "commit", "delete", "invent"])
def test_evidence_that_an_agent_changed_is_as_it_was_again_and_named(
    loops: Loops, how: str
) -> None:
    loops.project.run_phase("--step", "solo")
    loops.project.repo.commit("evidence")
    receipt = loops.project.receipts("solo")[0]
    shown = receipt.relative_to(loops.project.root).as_posix()
    before = receipt.read_bytes()
    harm = {
        "worktree": f"sed -i s/0/1/3 {shown}",
        "commit": f"sed -i s/0/1/3 {shown}; git commit -qam forged",
        "delete": f"rm {shown}",
        "invent": f"sed s/0/1/3 {shown} > {shown.replace('solo', 'one')}",
    }[how]
    result = loops.engineer(EDIT, ("sh", harm), SAID)
    (turn,) = result["turns"]
    assert len(turn["evidence_changed"]) == 1
    assert receipt.read_bytes() == before
    assert len(list(receipt.parent.iterdir())) == 1
    assert loops.project.verdicts()["solo"] == "fresh"
    (record,) = loops.records()
    assert "src/one.txt" in record["files"]["production"]
    assert "changed by hand" in " ".join(record["sentences"])
    assert loops.project.repo.git("status", "--porcelain") == ""
    kept = list((loops.folder / "00001_engineer_changed").rglob("*.json"))
    assert len(kept) == (0 if how == "delete" else 1)

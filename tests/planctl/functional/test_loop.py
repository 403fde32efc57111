"""The loop: turns of two roles, each opened, checked, closed and committed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.planctl.functional.conftest import ID, Project
from tests.planctl.functional.loops import PLANCTL, WORDS, Loops, agent

EDIT = ("append", "src/one.txt", "more\\n")
SAID = ("summary", WORDS)
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
    assert any(receipt in line for line in supervisor["refused_orders"])
    assert loops.records()[0]["refused_orders"] == supervisor["refused_orders"]
    told = (loops.project.root / ".git/told").read_text("utf-8")
    assert "once more" not in told
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
    assert record["next"].startswith("run the phase")


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
        assert not {"\x1b]", "\x1b[2J", "\x07", "\u202e"} & {text[i : i + n] for n in (1, 2, 4)
                                                            for i in range(len(text))}  # fmt: skip
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


def test_an_agent_that_leaves_the_branch_stops_the_loop_and_its_turn_is_closed_later(
    loops: Loops,
) -> None:
    away = agent(EDIT, ("sh", "git switch -qc elsewhere"), SAID)
    code, out, err = loops.project.call("loop", "--focus", ID, "-n", "1", "--engineer", away)
    assert code == 4, out
    assert "HEAD is on `elsewhere`" in err
    assert "git switch main" in err
    assert loops.records() == []
    loops.project.repo.git("switch", "-q", "main")
    result = loops.engineer(SAID, words=("-n", "1"))
    assert [turn["number"] for turn in result["turns"]] == [1]
    assert loops.records()[0]["sentences"][0].startswith("The file src/one.txt")


@pytest.mark.parametrize(
    ("prepare", "said"),
    [
        ("git checkout -q --detach", "HEAD is detached"),
        ("git switch -qc other", "HEAD is on `other`"),
        ("git init -q", ""),
    ],
)
def test_the_branch_is_guarded(loops: Loops, prepare: str, said: str) -> None:
    subprocess.run(prepare, shell=True, check=True)
    words = ("loop", "--focus", ID, "-n", "1", "--branch", "main", "--engineer", agent(EDIT, SAID))
    code, _, err = loops.project.call(*words)
    assert code == (4 if said else 0)
    assert said in err
    assert len(loops.records()) == (0 if said else 1)


def test_a_merge_under_way_stops_it(loops: Loops) -> None:
    git = loops.project.repo.git
    git("switch", "-qc", "other")
    loops.project.repo.write("src/one.txt", "theirs\n")
    loops.project.repo.commit("theirs")
    git("switch", "-q", "main")
    loops.project.repo.write("src/one.txt", "ours\n")
    loops.project.repo.commit("ours")
    git("merge", "other", check=False)
    code, _, err = loops.project.call("loop", "--focus", ID, "--engineer", "true", "-n", "1")
    assert code == 4
    assert "a merge is under way" in err


def test_a_history_that_was_rewritten_meanwhile_stops_it(loops: Loops) -> None:
    reset = agent(("sh", "git reset -q --hard HEAD~1"), SAID)
    code, _, err = loops.project.call("loop", "--focus", ID, "-n", "1", "--engineer", reset)
    assert code == 4
    assert "no longer contains" in err


def test_commits_of_a_person_meanwhile_are_no_harm(loops: Loops) -> None:
    person = ("sh", "echo p > person.txt; git add person.txt; git commit -qm person person.txt")
    loops.engineer(EDIT, person, SAID)
    log = loops.project.repo.git("log", "--format=%s", "-2").splitlines()
    assert log[0].startswith("ENGINEER AUTO")
    assert log[1] == "person"


def test_an_open_turn_of_a_person_stops_it(loops: Loops) -> None:
    loops.project.call("turn", "open", ID)
    code, _, err = loops.project.call("loop", "--focus", ID, "--engineer", "true", "-n", "1")
    assert code == 4
    assert "planctl turn abandon" in err
    assert loops.records() == []


def test_an_engineer_that_fails_the_same_way_twice_blocks_the_focus(loops: Loops) -> None:
    cause = ("say", "RuntimeError: CUDA out of memory. Tried to allocate 2.00 GiB")
    result = loops.engineer(EDIT, cause, ("die", "1"), words=("-n", "20"), expect=1)
    assert (result["end"]["why"], len(result["turns"])) == ("blocked", 2)
    assert result["end"]["way_out"] == f"planctl unblock {ID}"
    (_, blocker) = sorted((loops.project.hub / "red").glob("blocked_*.md"))
    assert "cuda-out-of-memory" in blocker.read_text("utf-8")
    assert loops.project.repo.git("status", "--porcelain") == ""


def test_a_supervisor_that_fails_again_and_again_stops_it(loops: Loops) -> None:
    words = ("--supervisor", agent(("die", "3")), "--engineer", agent(EDIT, SAID))
    result = loops.run("--focus", ID, *words, expect=1)
    assert result["end"]["why"] == "failing"
    assert [turn["role"] for turn in result["turns"]] == ["supervisor", "engineer"] * 2 + [
        "supervisor"
    ]
    assert {turn["outcome"] for turn in result["turns"][1::2]} == {"closed"}


@pytest.mark.parametrize(
    ("word", "words"),
    [
        ("blocked", ("block", ID, "--reason", "no beam")),
        ("waiting", ("wait", ID, "--for", "beamtime", "--until", "2099-01-01")),
    ],
)
def test_a_focus_that_cannot_go_on_stops_it_with_the_way_out(
    loops: Loops, word: str, words: tuple[str, ...]
) -> None:
    loops.project.call("init")
    code, _, err = loops.project.call(*words)
    assert code == 0, err
    loops.project.repo.commit("state")
    result = loops.engineer(EDIT, expect=1)
    assert (result["end"]["why"], result["turns"]) == (word, [])
    assert "planctl " in result["end"]["way_out"]


def test_a_state_that_cannot_be_read_stops_it_and_is_never_reset(loops: Loops) -> None:
    loops.engineer(EDIT, SAID)
    path = loops.project.root / ".git/planctl/loop.json"
    path.write_text("{half")
    words = ("loop", "--focus", ID, "--engineer", agent(EDIT, SAID), "-n", "1")
    code, _, err = loops.project.call(*words)
    assert code == 4
    assert "loop.json" in err
    assert "--recover" in err
    assert path.read_text() == "{half"
    code, out, err = loops.project.call("loop", "--recover", "--json")
    assert code == 0, err
    found = json.loads(out)
    assert (found["last_number"], found["next_role"]) == (1, "supervisor")
    assert Path(found["kept"][0]).read_text() == "{half"
    assert loops.project.call(*words)[0] == 0
    assert [record["number"] for record in loops.records()] == [1, 2]


def test_a_dry_run_says_the_next_two_turns_and_writes_nothing(loops: Loops) -> None:
    def everything() -> dict[str, bytes]:
        files = (path for path in loops.project.root.rglob("*") if path.is_file())
        return {str(path): path.read_bytes() for path in files}

    before = everything()
    words = ("loop", "--dry-run", "--focus", ID, "--supervisor", "sup", "--engineer", "eng")
    code, out, _ = loops.project.call(*words)
    assert code == 0
    assert "turn 00001, supervisor on X-001\n  runs `sup`" in out
    assert "turn 00002, engineer on X-001\n  runs `eng`" in out
    assert everything() == before


def test_settings_come_from_planctl_toml_and_the_command_line_goes_before(loops: Loops) -> None:
    engineer = agent(EDIT, SAID)
    loops.project.repo.write(
        "planctl.toml",
        f"[loop]\nengineer = {json.dumps(engineer)}\nturns = 2\nfocus = '{ID}'\nprompt = 'night'\n"
        "subject = '{role} {iter}: {summary}'\n",
    )
    loops.project.repo.write("prompts/night_engineer.md", "Work at night.\n")
    loops.project.repo.commit("settings")
    result = loops.run("-n", "1")
    assert len(result["turns"]) == 1
    assert "Work at night." in loops.prompt(1)
    assert loops.subject().startswith("engineer 00001: The file src/one.txt")
    assert len(loops.run()["turns"]) == 2


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((), 2, "no engineer"),
        (("--engineer", "true", "--timeout", "soon"), 2, "`soon` is no duration"),
        (("--engineer", "true", "--prompt", "absent"), 2, "no prompt `absent`"),
        (("--engineer", "true", "--focus", "ABSENT"), 4, "no initiative `ABSENT`"),
        (("--engineer", " "), 2, "--engineer"),
    ],
)
def test_what_cannot_be_asked_is_refused(
    loops: Loops, words: tuple[str, ...], code: int, said: str
) -> None:
    found, _, err = loops.project.call("loop", *words)
    assert found == code, err
    assert said in err


def start(loops: Loops, *words: str) -> subprocess.Popen[str]:
    """Start a loop in a process of its own."""
    code = "import sys; from planctl.cli.app import run; sys.exit(run(sys.argv[1:]))"
    return subprocess.Popen(
        [sys.executable, "-c", code, "loop", "--focus", ID, *words],
        cwd=loops.project.root,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(path: Path) -> None:
    until = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < until, f"{path} did not appear"
        time.sleep(0.05)


HANG = agent(EDIT, ("sh", "touch .git/hangs; sleep 600"))


def test_a_killed_loop_is_followed_by_one_that_closes_its_turn(loops: Loops) -> None:
    hangs = loops.project.root / ".git/hangs"
    process = start(loops, "--engineer", HANG)
    wait_for(hangs)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert loops.records() == []
    result = loops.engineer(("append", "src/two.txt", "x\\n"), SAID, words=("-n", "2"))
    first, second = loops.records()
    assert (first["number"], first["outcome"]) == (1, "crashed")
    assert first["files"]["production"] == ["src/one.txt"]
    assert (second["number"], second["outcome"]) == (2, "closed")
    assert [turn["number"] for turn in result["turns"]] == [1, 2]


def test_while_a_loop_runs_a_second_one_is_refused(loops: Loops) -> None:
    process = start(loops, "--engineer", HANG)
    try:
        wait_for(loops.project.root / ".git/hangs")
        code, _, err = loops.project.call("loop", "--focus", ID, "--engineer", "true")
        assert code == 4
        assert f"process {process.pid}" in err
    finally:
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "interrupted" in out
    assert loops.records()[0]["outcome"] == "abandoned"
    assert loops.project.repo.git("status", "--porcelain") == ""

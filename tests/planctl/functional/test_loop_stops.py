"""Where a loop stops, what it says then, and how it goes on; also after it was killed."""

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
from tests.planctl.functional.loops import EDIT, SAID, Loops, agent


@pytest.fixture
def loops(project: Project) -> Loops:
    return Loops(project)


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


def test_a_ledger_that_is_not_committed_ends_it_with_its_turns_and_unblock_says_how_to_commit(
    loops: Loops,
) -> None:
    loops.project.call("init")
    loops.project.call("block", ID, "--reason", "no beam")
    loops.project.repo.commit("blocked")
    code, out, err = loops.project.call("unblock", ID, "--because", "beam is back")
    assert code == 0, err
    (commit,) = [line for line in out.splitlines() if line.startswith("to commit: ")]
    words = ("--focus", ID, "--engineer", agent(("planctl", f"run-phase {ID} A"), SAID))
    result = loops.run(*words, expect=1)
    assert (result["end"]["why"], len(result["turns"])) == ("uncommitted", 1)
    assert "docs/fix_plan.md" in result["end"]["way_out"]
    subprocess.run(commit.removeprefix("to commit: "), shell=True, check=True)
    assert loops.project.repo.git("status", "--porcelain") == ""
    assert loops.run(*words)["end"]["why"] == "done"


@pytest.mark.parametrize("words", [(), ("--dry-run",)])
def test_a_proven_focus_that_the_ledger_calls_blocked_is_not_done(
    loops: Loops, words: tuple[str, ...]
) -> None:
    loops.project.call("init")
    loops.project.run_phase()
    loops.project.call("block", ID, "--reason", "no beam")
    loops.project.repo.commit("proven and blocked")
    result = loops.run("--focus", ID, "--engineer", "true", *words, expect=1)
    assert (result["end"]["why"], result["turns"]) == ("blocked", [])
    assert result["end"]["way_out"] == f"planctl unblock {ID}"


@pytest.mark.parametrize("copy_too", [False, True])
def test_a_state_that_cannot_be_read_stops_it_and_is_never_reset(
    loops: Loops, copy_too: bool
) -> None:
    loops.engineer(EDIT, SAID)
    git = loops.project.root / ".git"
    damaged = [git / "planctl/loop.json", *([git / "planctl-loop.json"] if copy_too else [])]
    for path in damaged:
        path.write_text("{half")
    words = ("loop", "--focus", ID, "--engineer", agent(EDIT, SAID), "-n", "1")
    code, _, err = loops.project.call(*words)
    assert code == 4
    assert "loop.json" in err
    assert "--recover" in err
    assert damaged[0].read_text() == "{half"
    code, out, err = loops.project.call("loop", "--recover", "--json")
    assert code == 0, err
    found = json.loads(out)
    assert (found["last_number"], found["next_role"]) == (1, "supervisor")
    assert [Path(path).read_text() for path in found["kept"]] == ["{half"] * len(damaged)
    assert loops.project.call(*words)[0] == 0
    assert [record["number"] for record in loops.records()] == [1, 2]


def test_a_dry_run_says_the_next_two_turns_and_writes_nothing(loops: Loops) -> None:
    def everything() -> dict[str, bytes]:
        files = (path for path in loops.project.root.rglob("*") if path.is_file())
        return {str(path): path.read_bytes() for path in files}

    loops.project.run_phase("--step", "solo")
    loops.project.repo.commit("evidence")
    (loops.project.root / ".git/planctl/facts").unlink()
    before = everything()
    words = ("loop", "--dry-run", "--focus", ID, "--supervisor", "sup", "--engineer", "eng")
    code, out, _ = loops.project.call(*words)
    assert code == 0
    assert "turn 00001, supervisor on X-001\n  runs `sup`" in out
    assert "turn 00002, engineer on X-001\n  runs `eng`" in out
    assert everything() == before


def test_a_dry_run_and_the_run_after_it_use_the_same_brief(loops: Loops) -> None:
    loops.project.call("brief", ID)
    loops.project.repo.commit("brief")
    words = ("loop", "--focus", ID, "-n", "1", "--engineer", agent(EDIT, SAID))
    _, told, _ = loops.project.call(*words, "--dry-run")
    _, _, said = loops.project.call(*words)
    assert "planctl's own brief is used" in said
    assert "write planctl's own brief anew" in told
    assert "holds" not in told


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


def test_a_loop_whose_folder_is_cleared_before_it_is_killed_loses_no_turn(loops: Loops) -> None:
    clear = ("sh", "rm -rf .git/planctl; touch .git/hangs; sleep 600")
    process = start(loops, "--engineer", agent(EDIT, clear))
    wait_for(loops.project.root / ".git/hangs")
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    loops.engineer(EDIT, SAID, words=("-n", "2"))
    assert [(r["number"], r["outcome"]) for r in loops.records()] == [
        (1, "crashed"),
        (2, "closed"),
    ]


def test_while_a_loop_runs_a_second_one_is_refused(loops: Loops) -> None:
    process = start(loops, "--engineer", HANG)
    try:
        wait_for(loops.project.root / ".git/hangs")
        code, _, err = loops.project.call("loop", "--focus", ID, "--engineer", "true")
        assert code == 4
        assert f"process {process.pid}" in err
        words = ("--focus", ID, "--engineer", "true", "--dry-run")
        code, out, err = loops.project.call("loop", *words)
        assert (code, out) == (4, "")
        assert f"process {process.pid}" in err
    finally:
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "interrupted: a signal ended the loop" in out
    assert loops.records()[0]["outcome"] == "abandoned"
    assert loops.project.repo.git("status", "--porcelain") == ""

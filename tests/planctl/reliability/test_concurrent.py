"""Many planctl at once on one repository: nothing is lost, torn or named twice."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from planctl._files import is_temporary
from tests.planctl.functional.conftest import ID, Project
from tests.planctl.reliability.test_killed import assert_sound, receipts

MAIN = [sys.executable, "-c", "from planctl.cli.app import main; main()"]
BUSY = "another planctl is at work here"


def start(project: Project, *words: str) -> subprocess.Popen[str]:
    """Run planctl as its own process."""
    pipe = subprocess.PIPE
    return subprocess.Popen([*MAIN, *words], cwd=project.root, stdout=pipe, stderr=pipe, text=True)


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Wait for a process; return its exit code and what it said."""
    out, err = process.communicate(timeout=120)
    assert "bug" not in err, err
    return process.returncode, out, err


def attempts(project: Project) -> list[str]:
    """Return the notes in the ledger, oldest first."""
    place = project.root / "docs/fix_plan.md"
    text = place.read_text() if place.is_file() else ""
    return re.findall(r"^  - \S+Z note: (note \d+)$", text, re.MULTILINE)


def test_no_note_in_the_ledger_is_lost(project: Project) -> None:
    processes = [start(project, "ledger", "attempt", ID, f"note {i}") for i in range(6)]
    assert [ended(process)[0] for process in processes] == [0] * 6
    assert sorted(attempts(project)) == sorted(f"note {i}" for i in range(6))


@pytest.mark.slow
def test_hubs_that_are_made_at_once_are_all_there(project: Project) -> None:
    processes = [start(project, "hub", "new", ID, "--json") for _ in range(4)]
    found = [ended(process) for process in processes]
    assert [code for code, _, _ in found] == [0] * 4
    hubs = {json.loads(out)["hub"] for _, out, _ in found}
    assert len(hubs) == 4
    for hub in hubs:
        assert (project.hub.parents[1] / hub / "summary.md").is_file()
    code, _, err = project.call("verify", ID)
    assert code == 1, err


@pytest.mark.slow
def test_blockers_that_are_written_at_once_have_names_of_their_own(project: Project) -> None:
    words = ("block", ID, "--reason", "stuck")
    found = [ended(process) for process in [start(project, *words) for _ in range(4)]]
    assert [code for code, _, _ in found] == [0] * 4
    assert len(list((project.hub / "red").glob("blocked_*.md"))) == 4
    assert (project.root / "docs/fix_plan.md").read_text().count("blocked: stuck") == 4


def test_of_runs_that_start_at_once_one_goes_on_and_the_rest_say_so(project: Project) -> None:
    processes = [start(project, "run-phase", ID, "A") for _ in range(3)]
    found = [ended(process) for process in processes]
    codes = sorted(code for code, _, _ in found)
    assert codes[0] == 0
    assert set(codes) <= {0, 4}
    assert all(BUSY in err for code, _, err in found if code == 4)
    assert set(project.verdicts().values()) == {"fresh"}
    assert len(receipts(project)) == 3


ACTIONS = (
    ["verify", ID, "--json"],
    ["status", "--json"],
    ["ledger", "show", "--json"],
    ["why", "A1", "--json"],
    ["run-phase", ID, "A", "--json"],
    ["run-phase", ID, "A", "--force", "--step", "solo", "--json"],
    ["run", "--json", "--", "true"],
)


def storm(project: Project, seed: int, rounds: int, at_once: int) -> None:
    """Run random commands at once, round after round; everything must be whole after each."""
    random_ = random.Random(seed)
    assert project.call("init")[0] == 0
    notes: list[str] = []
    for _ in range(rounds):
        processes = []
        for _ in range(at_once):
            if random_.random() < 0.3:
                notes.append(f"note {len(notes)}")
                processes.append(start(project, "ledger", "attempt", ID, notes[-1]))
            else:
                processes.append(start(project, *random_.choice(ACTIONS)))
            time.sleep(random_.uniform(0, 0.2))
        for process in processes:
            code, out, err = ended(process)
            assert code in (0, 1) or (code == 4 and BUSY in err), (process.args, err)
            if code in (0, 1) and out.startswith(("{", "[")):
                json.loads(out)
        assert_sound(project)
        assert sorted(attempts(project)) == sorted(notes)
    project.call("run-phase", ID, "A")
    assert set(project.verdicts().values()) == {"fresh"}
    assert_told_once(project)


def assert_told_once(project: Project) -> None:
    """Every receipt of a phase is told of once; names differ; nothing temporary is left."""
    recorded = receipts(project)
    assert len({item.ulid for item in recorded.values()}) == len(recorded)
    assert len({item.log for item in recorded.values()}) == len(recorded)
    summary = (project.hub / "summary.md").read_text()
    told = [summary.count(f"(receipt {item.ulid})") for item in recorded.values()]
    assert max(told) == 1
    for item, times in zip(recorded.values(), told, strict=True):
        assert times == 1 or item.phase == "adhoc"
    below: Iterator[Path] = project.root.rglob("*")
    assert not [path for path in below if is_temporary(path.name)]


def test_a_small_storm_of_commands_leaves_everything_whole(project: Project) -> None:
    storm(project, seed=1, rounds=1, at_once=6)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(2, 8))
def test_a_storm_of_commands_leaves_everything_whole(project: Project, seed: int) -> None:
    storm(project, seed, rounds=5, at_once=6)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_killed_among_others_nothing_is_lost(project: Project) -> None:
    random_ = random.Random(0)
    for number in range(12):
        run = start(project, "run-phase", ID, "A", "--force")
        note = start(project, "ledger", "attempt", ID, f"note {number}")
        time.sleep(random_.uniform(0.4, 1.6))
        run.kill()
        run.communicate()
        assert ended(note)[0] == 0
        assert_sound(project)
    project.call("run-phase", ID, "A")
    assert set(project.verdicts().values()) == {"fresh"}
    assert sorted(attempts(project)) == sorted(f"note {i}" for i in range(12))
    assert_told_once(project)

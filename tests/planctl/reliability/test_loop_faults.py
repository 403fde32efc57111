"""A loop in which everything goes wrong: it ends in a valid state, with every turn and no double.

The agents crash, hang, print garbage, commit, lie, remove or bend planctl's files, leave the
branch, forge receipts. The loop itself is killed at random moments. A person commits meanwhile and
has files of their own in the tree. After each stop the test does what the message says, as a person
would, and goes on.
"""

from __future__ import annotations

import json
import os
import random
import shlex
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from planctl.models.loop import parse_state
from tests.planctl.conftest import Repo
from tests.planctl.functional.conftest import ID, Project
from tests.planctl.functional.loops import EDIT, SAID, agent
from tests.planctl.reliability.kill_points import run_until

CHAOS = Path(__file__).parents[1] / "functional" / "agents" / "chaos.py"
RUN = "import sys; from planctl.cli.app import run; sys.exit(run(sys.argv[1:]))"
SETTINGS = """\
[loop]
supervisor = {agent}
engineer = {agent}
focus = "X-001"
timeout = "{timeout}s"
failures = 1000
brief_retries = 1
[dwell]
tiers = [5000, 6000, 7000]
"""
MINE = "mine, and not committed\n"


@dataclass
class Storm:
    """Loops, the faults that meet them, and the person who puts things right."""

    project: Project
    journal: Path
    dice: random.Random
    killed: int = 0
    stops: list[str] = field(default_factory=list)

    @property
    def repo(self) -> Repo:
        return self.project.repo

    def turns(self) -> list[dict[str, Any]]:
        """Return every record there is, by number."""
        paths = sorted(self.project.root.glob("plans/active/*/turns/*.json"))
        return [json.loads(path.read_text("utf-8")) for path in paths]

    def run(self, turns: int, kill: bool) -> None:
        """Run a loop, perhaps only for a moment."""
        # Into files: a pipe that nobody reads would stop the loop.
        out, err = (self.journal.with_name(name).open("w+b") for name in ("out", "err"))
        process = subprocess.Popen(
            [sys.executable, "-c", RUN, "loop", "--json", "-n", str(turns)],
            cwd=self.project.root,
            stdout=out,
            stderr=err,
        )
        if kill:
            self._wait_for_changes(process, self.dice.randint(1, 14))
            time.sleep(self.dice.uniform(0, 0.4))
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                self.killed += 1
        code = process.wait(timeout=400)
        said, talk = (_content(stream) for stream in (out, err))
        assert code in (0, 1, 4, -9), talk.decode("utf-8", "replace")[-3000:]
        if code in (1, 4):
            found = json.loads(said)
            told = found["error"]["message"] if code == 4 else found["end"]["why"]
            self.stops.append(told)
            self.put_right(told)

    def _wait_for_changes(self, process: subprocess.Popen[bytes], times: int) -> None:
        """Wait until the loop has written its state so often, however busy the machine is."""
        state = self.project.root / ".git/planctl/loop.json"
        seen, last = 0, _stamp(state)
        while seen < times and process.poll() is None:
            time.sleep(0.01)
            now = _stamp(state)
            seen, last = seen + (now != last), now

    def put_right(self, told: str) -> None:
        """Do what the message says, as a person."""
        if "HEAD is" in told:
            # What the agent left uncommitted goes along.
            self.repo.git("switch", "-q", "main")
        elif "input.md" in told:
            self.repo.git("restore", "--", "input.md")
        elif told == "blocked":
            code, _, err = self.project.call("unblock", ID, "--because", "go on")
            assert code == 0, err
            self.repo.git("add", "plans", "docs/fix_plan.md")
            self.repo.git("commit", "-qm", "unblocked", "--", "plans", "docs/fix_plan.md")
        else:
            raise AssertionError(told)

    def journaled(self) -> list[dict[str, Any]]:
        """Return what the agents wrote down."""
        if not self.journal.exists():
            return []
        return [json.loads(line) for line in self.journal.read_text("utf-8").splitlines()]


def _content(stream: BinaryIO) -> bytes:
    stream.seek(0)
    with stream:
        return stream.read()


def _stamp(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


@pytest.fixture
def storm(project: Project, tmp_path: Path, request: pytest.FixtureRequest) -> Storm:
    seed = str(request.param)
    journal = tmp_path / "journal.jsonl"
    agent = shlex.join([sys.executable, str(CHAOS), str(journal), seed])
    project.run_phase()
    project.repo.write("planctl.toml", SETTINGS.format(agent=json.dumps(agent), timeout=3))
    project.repo.write("src/one.txt", "changed: the evidence of two steps is stale\n")
    project.repo.commit("settings and evidence")
    project.repo.write("docs/mine.md", MINE)
    return Storm(project, journal, random.Random(seed))


def weather(storm: Storm, turns: int) -> None:
    """Let it rage until there are so many turns, then end in peace."""
    until = time.monotonic() + 550
    while len(storm.turns()) < turns:
        assert time.monotonic() < until, f"{len(storm.turns())} turns: {storm.stops}"
        storm.run(storm.dice.randint(1, 6), kill=storm.dice.random() < 0.5)


def hold(storm: Storm) -> None:
    """Hold that nothing was lost and nothing doubled."""
    storm.run(1, kill=False)
    records = storm.turns()
    numbers = Counter(record["number"] for record in records)
    assert {number for number, times in numbers.items() if times > 1} == set()
    assert len({record["id"] for record in records}) == len(records)
    begun = {line["id"] for line in storm.journaled()}
    open_file = storm.project.root / ".git/planctl/turn.json"
    still = {json.loads(open_file.read_text())["id"]} if open_file.exists() else set()
    assert begun <= {record["id"] for record in records} | still
    state = parse_state((storm.project.root / ".git/planctl/loop.json").read_text(), "loop.json")
    assert state.last_number >= max(numbers)
    assert storm.repo.git("status", "--porcelain", "--", "plans") == ""
    assert (storm.project.root / "docs/mine.md").read_text() == MINE
    assert storm.repo.git("log", "--all", "--format=%h", "--", "docs/mine.md") == ""
    added = storm.repo.git(
        "log", "--diff-filter=A", "--format=", "--name-only", "--", f"plans/active/{ID}/turns"
    )
    paths = [path for path in added.splitlines() if path]
    assert len(paths) == len(set(paths)) == len(records)
    everything = storm.repo.git("log", "--all", "-p", "--format=", "--", "src")
    lost = [line for line in storm.journaled() if line.get("token", "") not in everything]
    assert lost == []
    code, _, err = storm.project.call("verify", ID, "--json")
    assert code in (0, 1), err
    assert storm.project.call("status")[0] == 0
    assert storm.project.call("ledger", "show", "--json")[0] in (0, 4)


@pytest.mark.parametrize("storm", ["short"], indirect=True)
def test_a_short_loop_of_faults_loses_no_turn(storm: Storm) -> None:
    weather(storm, 8)
    hold(storm)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("storm", ["one", "two"], indirect=True)
def test_fifty_turns_of_faults_lose_no_turn_and_double_no_number(storm: Storm) -> None:
    weather(storm, 50)
    hold(storm)
    faults = {line["fault"] for line in storm.journaled() if "fault" in line}
    assert len(faults) > 12
    assert storm.killed > 0


def killed_at(project: Project, points: range | list[int], words: list[str]) -> None:
    """Kill a loop at changes counted from its end; the next one must complete the turn."""
    for before_end in points:
        _, reached = run_until(0, words)
        status, _ = run_until(len(reached) - before_end, words)
        assert os.WIFSIGNALED(status)
        code, _, err = project.call(*words)
        assert code == 0, err
        paths = sorted(project.root.glob("plans/active/*/turns/*.json"))
        numbers = [json.loads(path.read_text("utf-8"))["number"] for path in paths]
        assert numbers == list(range(1, len(numbers) + 1)), f"{before_end} before the end"
        assert project.repo.git("status", "--porcelain") == "", f"{before_end} before the end"
        assert not (project.root / ".git/planctl/turn.json").exists()


LOOP = ["loop", "--focus", ID, "-n", "1", "--engineer", agent(EDIT, SAID)]


def test_a_loop_that_is_killed_while_it_closes_a_turn_is_completed(project: Project) -> None:
    killed_at(project, [8, 30], LOOP)


@pytest.mark.slow
def test_a_loop_is_completed_wherever_it_is_killed(project: Project) -> None:
    killed_at(project, range(2, 100, 7), LOOP)

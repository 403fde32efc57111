"""Shared fixtures: an isolated home and git, and real repositories in `tmp_path`."""

from __future__ import annotations

import datetime as dt
import os
import signal
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

if (
    signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    and threading.current_thread() is threading.main_thread()
):
    # A job in the background ignores Ctrl-C, and all that it starts; tests of Ctrl-C need it.
    signal.signal(signal.SIGINT, signal.default_int_handler)

GITCONFIG = """\
[user]
  name = Test Person
  email = person@example.org
[init]
  defaultBranch = main
[commit]
  gpgsign = false
[gc]
  auto = 0
"""


@pytest.fixture(autouse=True)
def isolated_home(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Give every test its own home and git configuration; nothing of the person's leaks in."""
    home = tmp_path_factory.mktemp("home")
    (home / ".gitconfig").write_text(GITCONFIG)
    for name in [name for name in os.environ if name.startswith(("GIT_", "PLANCTL_", "XDG_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(home / ".gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("TZ", "UTC")
    return home


@dataclass(frozen=True)
class Repo:
    """A real git repository for one test."""

    root: Path

    def git(self, *words: str, check: bool = True) -> str:
        """Run git here and return what it printed."""
        done = subprocess.run(
            ["git", *words], cwd=self.root, check=False, capture_output=True, text=True
        )
        if check and done.returncode != 0:
            raise AssertionError(f"git {' '.join(words)}: {done.stdout}{done.stderr}")
        return done.stdout.strip()

    def write(self, path: str, text: str) -> Path:
        """Write a file below the root, folders included."""
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, "utf-8")
        return place

    def commit(self, message: str = "change") -> str:
        """Commit everything there is and return the commit id."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def make_repo() -> Callable[[Path], Repo]:
    """Return a function that makes a repository with one commit in a folder."""

    def make(root: Path) -> Repo:
        root.mkdir(parents=True, exist_ok=True)
        repo = Repo(root)
        repo.git("init", "--quiet")
        repo.write("README.md", "A repository for a test.\n")
        repo.commit("first")
        return repo

    return make


@pytest.fixture
def repo(
    tmp_path: Path, make_repo: Callable[[Path], Repo], monkeypatch: pytest.MonkeyPatch
) -> Repo:
    """Return a fresh repository, which is also the working directory."""
    made = make_repo(tmp_path / "repo")
    monkeypatch.chdir(made.root)
    return made


@dataclass
class SteppingClock:
    """A clock that moves one second at every look, from a fixed start."""

    now: dt.datetime = dt.datetime(2025, 11, 14, 2, 48, 0, tzinfo=dt.UTC)

    def __call__(self) -> dt.datetime:
        """Return the time and move on."""
        self.now += dt.timedelta(seconds=1)
        return self.now


@pytest.fixture
def clock() -> SteppingClock:
    """Return a clock of the test's own."""
    return SteppingClock()


PLAN = """\
schema: planctl/plan/v1
id: X-001
title: A plan for a test
findings: [POLICY-001]
hub: 2025-11-14T024800Z/first
env: {{ OUT: out }}
phases:
{phases}"""


def phase(name: str, *steps: str, inputs: str = "src/**") -> str:
    """Return the YAML of a phase; each step as the body of a `{…}` mapping."""
    lines = [f"  {name}:", f"    title: Phase {name}", f'    inputs: ["{inputs}"]', "    steps:"]
    return "\n".join([*lines, *(f"      - {{ {step} }}" for step in steps)]) + "\n"


@pytest.fixture
def initiative(repo: Repo) -> Callable[..., Repo]:
    """Return a function that commits initiative X-001 with the given phases."""

    def make(*phases: str) -> Repo:
        repo.write("src/code.py", "answer = 42\n")
        repo.write(".gitignore", "out/\n")
        repo.write("plans/active/X-001/plan.yaml", PLAN.format(phases="".join(phases)))
        repo.commit("plan")
        return repo

    return make


HUB = "plans/active/X-001/reports/2025-11-14T024800Z/first"

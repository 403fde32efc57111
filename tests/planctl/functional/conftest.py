"""A small project under planctl, driven through its command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from planctl.cli.app import run
from tests.planctl.conftest import Repo

if TYPE_CHECKING:
    from tests.planctl.functional.liar import Engineer
    from tests.planctl.functional.signers import Signers

ID = "X-001"
PLAN = """\
schema: planctl/plan/v1
id: X-001
title: A small project
hub: 2025-11-13T000000Z/small
env: {{ OUT: out }}
phases:
  A:
    title: Everything
    gate: "{gate}"
    inputs: ["src/common.txt"]
    steps:
      - id: one
        rows: [A1]
        run: mkdir -p $OUT && cat src/one.txt > $OUT/one.txt && echo one is done
        log: cli/one.log
        inputs: [src/one.txt, src/common.txt]
        outputs: [$OUT/one.txt]
        collect:
          - {{ from: $OUT/one.txt, to: analysis/one.txt }}
        checks:
          - {{ log: cli/one.log, matches: "^one is done$" }}
          - {{ file: analysis/one.txt, min_bytes: 2 }}
      - id: two
        rows: [A2]
        needs: [one]
        run: cat $OUT/one.txt src/two.txt > $OUT/two.txt
        log: cli/two.log
        inputs: [src/two.txt]
        collect:
          - {{ from: $OUT/two.txt, to: analysis/two.txt }}
      - id: solo
        rows: [A3]
        run: echo solo
        log: green/solo.log
        inputs: [src/solo.txt]
"""
ROWS = "# Working plan\n\n- [ ] A1: one\n- [ ] A2: two\n- [ ] A3: solo\n"


@dataclass(frozen=True)
class Project:
    """A repository with one initiative and its command line."""

    repo: Repo
    capture: pytest.CaptureFixture[str]

    @property
    def root(self) -> Path:
        return self.repo.root

    @property
    def hub(self) -> Path:
        return self.root / "plans/active/X-001/reports/2025-11-13T000000Z/small"

    @property
    def plan_path(self) -> Path:
        return self.root / "plans/active/X-001/plan.yaml"

    def call(self, *words: str) -> tuple[int, str, str]:
        """Run planctl; return exit code, stdout and stderr."""
        self.capture.readouterr()
        code = run(list(words))
        out, err = self.capture.readouterr()
        return code, out, err

    def run_phase(self, *words: str, expect: int = 0) -> dict[str, Any]:
        """Run phase A and return its result."""
        code, out, err = self.call("run-phase", ID, "A", "--json", *words)
        assert code == expect, err
        result: dict[str, Any] = json.loads(out)
        return result

    def verdicts(self) -> dict[str, str]:
        """Return step → verdict; the exit code must agree."""
        code, out, err = self.call("verify", ID, "--json")
        assert code in (0, 1), err
        steps = json.loads(out)["steps"]
        found = {step["step"]: step["verdict"] for step in steps}
        assert code == (0 if set(found.values()) <= {"fresh", "waived"} else 1)
        return found

    def reason(self, step: str) -> str:
        """Return the deciding reason of a step."""
        _, out, _ = self.call("verify", ID, "--json")
        reasons = next(s["reasons"] for s in json.loads(out)["steps"] if s["step"] == step)
        return str(reasons[0])

    def receipts(self, step: str) -> list[Path]:
        """Return the receipt files of a step, oldest first."""
        return sorted((self.hub / "receipts").glob(f"*_{step}_*.json"))

    def edit(self, old: str, new: str) -> None:
        """Change the plan."""
        text = self.plan_path.read_text()
        assert old in text
        self.plan_path.write_text(text.replace(old, new, 1))


@pytest.fixture
def capture(capsys: pytest.CaptureFixture[str]) -> pytest.CaptureFixture[str]:
    return capsys


def write_project(repo: Repo) -> None:
    """Write sources, plan and working plan, and commit them."""
    for name in ("common", "one", "two", "solo"):
        repo.write(f"src/{name}.txt", f"{name}\n")
    repo.write("docs/notes.md", "notes\n")
    repo.write(".gitignore", "out/\n")
    gate = repo.commit("the fix")
    repo.write("plans/active/X-001/plan.yaml", PLAN.format(gate=gate))
    repo.write("plans/active/X-001/implementation.md", ROWS)
    repo.commit("the plan")


@pytest.fixture
def project(repo: Repo, capture: pytest.CaptureFixture[str]) -> Project:
    """Return a project that has never run."""
    write_project(repo)
    return Project(repo, capture)


@pytest.fixture
def proven(project: Project) -> Project:
    """Return a project whose phase has run, evidence committed."""
    project.run_phase()
    project.repo.commit("evidence")
    return project


@pytest.fixture
def at(
    monkeypatch: pytest.MonkeyPatch, capture: pytest.CaptureFixture[str]
) -> Callable[[Path], Project]:
    """Return a function that moves to another clone of the project."""

    def move(root: Path) -> Project:
        monkeypatch.chdir(root)
        return Project(Repo(root), capture)

    return move


@pytest.fixture
def signers(project: Project, isolated_home: Path, monkeypatch: pytest.MonkeyPatch) -> Signers:
    """Return people with keys around the project."""
    from tests.planctl.functional.signers import Signers as People

    return People(project, isolated_home, monkeypatch)


@pytest.fixture(scope="session")
def fit_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project with a proven phase, made once; tests work in copies of it."""
    from tests.planctl.conftest import GITCONFIG
    from tests.planctl.functional.liar import write_project

    home = tmp_path_factory.mktemp("fit-home")
    (home / ".gitconfig").write_text(GITCONFIG)
    root = home / "project"
    write_project(root, home)
    return root


@pytest.fixture
def engineer(
    fit_project: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capture: pytest.CaptureFixture[str],
) -> Engineer:
    """Return an engineer in a project whose phase A is proven and committed."""
    from tests.planctl.functional.liar import Engineer as Somebody
    from tests.planctl.functional.liar import copy_of

    repo = copy_of(fit_project, tmp_path / "project")
    monkeypatch.chdir(repo.root)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    return Somebody(repo, capture)

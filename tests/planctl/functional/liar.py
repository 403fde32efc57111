"""A small project with a proven phase, and an engineer in it who does not tell the truth."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from planctl.cli.app import run
from tests.planctl.conftest import Repo

ID = "FIT-001"
HUB = f"plans/active/{ID}/reports/2025-11-13T000000Z/fit"
PLAN = """\
schema: planctl/plan/v1
id: {id}
title: A fit
hub: 2025-11-13T000000Z/fit
env: {{ OUT: out }}
phases:
  A:
    title: The fit works
    gate: "{gate}"
    steps:
      - id: suite
        rows: [A1]
        kind: pytest
        run: python -m pytest tests/test_fit.py -p no:cacheprovider
        log: green/suite.log
        timeout: 1m
        inputs: ["src/**", "tests/**"]
      - id: fit
        rows: [A2]
        run: mkdir -p $OUT && python src/fit.py $OUT/fit.json
        log: cli/fit.log
        timeout: 1m
        inputs: ["src/**"]
        collect:
          - {{ from: $OUT/fit.json, to: analysis/fit.json }}
        checks:
          - {{ json: analysis/fit.json, path: residual, gt: 0, lt: 0.5 }}
  B:
    title: The fit is used
    steps:
      - id: use
        rows: [B1]
        run: python src/use.py
        log: cli/use.log
        timeout: 1m
        inputs: ["src/**"]
        checks:
          - {{ log: cli/use.log, matches: "^used$" }}
"""
ROWS = """\
# FIT-001: a fit

## Phase A: the fit works

- [x] A1: the tests of the fit pass
- [x] A2: a fit with a small residual

## Phase B: the fit is used

- [ ] B1: something uses it
"""
SOURCES = {
    "src/fit.py": """\
import json
import sys


def residual(values):
    return max(values) - min(values)


if __name__ == "__main__":
    with open(sys.argv[1], "w") as out:
        json.dump({"residual": residual([0.25, 0.375]), "steps": 12}, out)
    print("fit written")
""",
    "src/use.py": 'print("used")\n',
    "tests/test_fit.py": """\
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "src"))

from fit import residual


def test_the_residual_of_equal_values_is_zero():
    assert residual([1, 1]) == 0


def test_the_residual_is_the_span():
    assert residual([1, 3]) == 2
""",
    ".gitignore": "out/\n__pycache__/\nscratch/\n",
}


@dataclass(frozen=True)
class Answer:
    """What a command of planctl said."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        """Everything, on one line."""
        return " ".join(f"{self.out} {self.err}".split())

    def json(self) -> dict[str, Any]:
        """Return stdout as JSON."""
        found: dict[str, Any] = json.loads(self.out)
        return found


@dataclass(frozen=True)
class Engineer:
    """Somebody at work in the project."""

    repo: Repo
    capture: pytest.CaptureFixture[str]

    @property
    def root(self) -> Path:
        return self.repo.root

    @property
    def hub(self) -> Path:
        return self.root / HUB

    @property
    def plan(self) -> Path:
        return self.root / f"plans/active/{ID}/plan.yaml"

    def call(self, *words: str) -> Answer:
        """Run planctl."""
        self.capture.readouterr()
        code = run(list(words))
        return Answer(code, *self.capture.readouterr())

    def run_step(self, *words: str, phase: str = "A", expect: int = 0) -> None:
        """Run a phase, or a step of it."""
        answer = self.call("run-phase", ID, phase, *words)
        assert answer.code == expect, answer.said

    def edit(self, path: Path | str, old: str, new: str) -> None:
        """Change a file of the project."""
        place = self.root / path
        text = place.read_text("utf-8")
        assert old in text
        place.write_text(text.replace(old, new), "utf-8")

    def receipts(self, step: str) -> list[Path]:
        """Return the receipts of a step, oldest first."""
        return sorted((self.hub / "receipts").glob(f"*_{step}_*.json"))

    def suite(self) -> str:
        """Return how the last run of the tests ended, as pytest says it: `2 passed in 0.01s`."""
        logs = sorted(self.hub.glob("green/suite*.log"), key=lambda log: (len(log.name), log.name))
        lines = logs[-1].read_text("utf-8").splitlines()
        return next(line.strip("= ") for line in lines if " passed in " in line)

    def verify(self, *words: str) -> Answer:
        """Ask what is proven."""
        return self.call("verify", ID, *words)

    def verdict(self, step: str) -> str:
        """Return the verdict of a step."""
        steps: Sequence[dict[str, Any]] = self.verify("--json").json()["steps"]
        return str(next(item["verdict"] for item in steps if item["step"] == step))

    def open(self, role: str = "engineer") -> None:
        """Begin a turn."""
        answer = self.call("turn", "open", ID, "--role", role)
        assert answer.code == 0, answer.said

    def close(self, prose: str, *words: str) -> Answer:
        """End the turn with these sentences."""
        place = self.root / "out/turn.md"
        place.parent.mkdir(exist_ok=True)
        place.write_text(prose, "utf-8")
        return self.call("turn", "close", "--from-file", str(place), *words)


def write_project(root: Path, home: Path) -> None:
    """Write the project, run its phase A, and commit everything.

    Args:
        root: Where it goes.
        home: Home folder with a git configuration.
    """
    root.mkdir(parents=True)
    repo = Repo(root)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.setenv("HOME", str(home))
        patch.setenv("GIT_CONFIG_GLOBAL", str(home / ".gitconfig"))
        patch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        repo.git("init", "--quiet")
        for path, text in SOURCES.items():
            repo.write(path, text)
        gate = repo.commit("the fit")
        assert run(["init"]) == 0
        repo.write(f"plans/active/{ID}/plan.yaml", PLAN.format(id=ID, gate=gate))
        repo.write(f"plans/active/{ID}/implementation.md", ROWS)
        repo.commit("the plan")
        assert run(["run-phase", ID, "A"]) == 0
        repo.commit("evidence of phase A")


def copy_of(template: Path, root: Path) -> Repo:
    """Return a copy of a project; its index knows the copied files."""
    shutil.copytree(template, root, symlinks=True)
    repo = Repo(root)
    repo.git("status", "--short")
    return repo

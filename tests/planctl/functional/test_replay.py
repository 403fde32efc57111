"""Replay: recorded steps run again in a clean work tree, compared, and filed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

from tests.planctl.functional.conftest import Project


@pytest.fixture(autouse=True)
def own_temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let clean trees lie where the test can see them come and go."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


def replayed(project: Project, *words: str, expect: int = 0) -> dict[str, Any]:
    """Run `planctl replay` and return its result."""
    code, out, err = project.call("replay", "X-001", "--json", *words)
    assert code == expect, err + out
    result: dict[str, Any] = json.loads(out)
    return result


def one(project: Project, step: str, *words: str, expect: int = 0) -> dict[str, Any]:
    """Replay one step and return what became of it."""
    (found,) = replayed(project, "--step", step, *words, expect=expect)["steps"]
    return dict(found)


def step_of(project: Project, name: str) -> dict[str, Any]:
    """Return the verdict of a step."""
    _, out, _ = project.call("verify", "X-001", "--json")
    return next(dict(step) for step in json.loads(out)["steps"] if step["step"] == name)


def rewrite(project: Project, old: str, new: str) -> None:
    """Change the plan, run, and commit plan and evidence."""
    project.edit(old, new)
    project.repo.commit("plan")
    project.run_phase()
    project.repo.commit("evidence")


def test_what_is_deterministic_agrees_and_leaves_nothing_behind(
    proven: Project, own_temporary: Path
) -> None:
    result = replayed(proven, "--seed", "7")
    assert [step["outcome"] for step in result["steps"]] == ["agreed"] * 3
    assert result["seed"] == 7
    assert os.listdir(own_temporary) == []
    assert not list((proven.root / ".git/planctl/replay").iterdir())
    status = proven.repo.git("status", "--porcelain", "--untracked-files=all").splitlines()
    assert len(status) == 3
    assert all(f"{proven.hub.name}/replays/" in line for line in status)
    assert proven.repo.git("worktree", "list").count("\n") == 0

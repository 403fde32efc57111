"""`turn check` in a clone that lacks a part of the history."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.planctl.functional.liar import Engineer

WORDS = "Added a helper to the fit.\nNothing else was needed.\nNext: use it in phase B.\n"


@pytest.mark.parametrize("depth", [1, 2])
def test_a_shallow_clone_says_so_and_accuses_no_turn_at_its_depth(
    engineer: Engineer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, depth: int
) -> None:
    for number in range(3):
        engineer.open()
        engineer.repo.write(f"src/extra{number}.py", "extra = 1\n")
        assert engineer.close(WORDS).code == 0
    clone = tmp_path / "clone"
    url = Path(engineer.repo.root).as_uri()
    subprocess.run(["git", "clone", "-q", "--depth", str(depth), url, clone], check=True)
    monkeypatch.chdir(clone)
    answer = engineer.call("turn", "check")
    assert answer.code == 0, answer.said
    assert "this clone is shallow" in answer.said
    seen = json.loads(engineer.call("turn", "check", "--json").out)
    assert seen["findings"] == []
    assert seen["turns"] == depth - 1
    (clone / "x").write_text("x\n")
    subprocess.run(["git", "add", "x"], cwd=clone, check=True)
    message = "imitation\n\nTurn: 00009 01K9ZK3Q6V1M0Q8T3J1YB5T6RC\nRole: engineer\n"
    subprocess.run(["git", "commit", "-qm", message], cwd=clone, check=True)
    assert engineer.call("turn", "check").code == 1

"""Replay: recorded steps run again in a clean work tree, compared, and filed."""

from __future__ import annotations

import json
import os
import tempfile
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


def test_an_agreeing_replay_raises_the_tier_of_exactly_its_receipt(proven: Project) -> None:
    assert step_of(proven, "solo")["tier"] == "recorded"
    one(proven, "solo")
    assert step_of(proven, "solo")["tier"] == "replayed"
    assert step_of(proven, "one")["tier"] == "recorded"
    proven.run_phase("--step", "solo", "--force")
    assert step_of(proven, "solo")["tier"] == "recorded"


def test_the_commit_is_replayed_not_the_work_tree(proven: Project) -> None:
    (proven.root / "src/one.txt").write_text("edited afterwards\n")
    found = one(proven, "one")
    assert found["outcome"] == "agreed"
    assert found["replay"]["commit"] == found["replay"]["recorded_commit"]
    assert step_of(proven, "one")["verdict"] == "stale"


def test_a_file_that_only_the_work_tree_has_is_missed(project: Project) -> None:
    project.repo.write("untracked/extra.txt", "x\n")
    project.repo.write(".gitignore", "out/\nuntracked/\n")
    rewrite(project, "run: echo solo", "run: cat untracked/extra.txt")
    found = one(project, "solo", expect=1)
    assert found["outcome"] == "disagreed"
    assert "ended with 1" in found["reason"]
    step = step_of(project, "solo")
    assert (step["verdict"], step["tier"]) == ("fresh", "recorded")
    assert any("a replay did not agree: the command ended with 1" in w for w in step["warnings"])


def test_needed_outputs_are_copied_as_recorded_or_made_again(proven: Project) -> None:
    assert one(proven, "two")["replay"]["needs"] == {"one": "copied"}
    (proven.root / "out/one.txt").write_text("something else\n")
    assert one(proven, "two")["replay"]["needs"] == {"one": "replayed"}
    assert (proven.root / "out/one.txt").read_text() == "something else\n"


def test_other_bytes_disagree_and_the_first_json_path_is_named(project: Project) -> None:
    rewrite(
        project,
        "run: cat $OUT/one.txt src/two.txt > $OUT/two.txt",
        """run: 'mkdir -p $OUT; echo "{\\"a\\": [1, {\\"at\\": $(date +%s%N)}]}" > $OUT/two.txt'""",
    )
    found = one(project, "two", expect=1)
    (artifact,) = [a for a in found["replay"]["runs"][0]["artifacts"] if a["outcome"] != "log"]
    assert (artifact["outcome"], artifact["agrees"]) == ("differs", False)
    assert "first difference at a[1].at: " in artifact["text"]
    step = step_of(project, "two")
    assert step["tier"] == "recorded"
    assert any("score 0.00 in replays; `analysis/two.txt`" in text for text in step["warnings"])


NOISY = (
    """run: 'mkdir -p $OUT; echo "{\\"loss\\": 0.50$RANDOM, \\"wall\\": $RANDOM}" > $OUT/two.txt'"""
)


@pytest.mark.parametrize(
    ("check", "outcome", "text"),
    [
        ("path: loss, lt: 1", "within", "within the bounds of check `loss`"),
        ("path: loss, within: 0.1, of: {json: analysis/two.txt, path: loss}", "within", "of check"),
        ("path: wall, same_as: {json: analysis/two.txt, path: wall}", "differs", "`wall` was"),
        ("path: wall, finite: true", "differs", "first difference at loss"),
    ],
)
def test_a_check_says_which_differences_matter(
    project: Project, check: str, outcome: str, text: str
) -> None:
    line = "          - { from: $OUT/two.txt, to: analysis/two.txt }\n"
    project.edit(
        line, f"{line}        checks:\n          - {{ json: analysis/two.txt, {check} }}\n"
    )
    rewrite(project, "run: cat $OUT/one.txt src/two.txt > $OUT/two.txt", NOISY)
    found = one(project, "two", expect=0 if outcome == "within" else 1)
    (artifact,) = [a for a in found["replay"]["runs"][0]["artifacts"] if a["outcome"] != "log"]
    assert artifact["outcome"] == outcome
    assert text in artifact["text"]
    assert found["replay"]["score"] == 0

"""`planctl next-green`: the printed commands, run by a shell, make everything fresh."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.planctl.functional.conftest import ID, Project
from tests.planctl.functional.test_at import History

Script = Callable[[Project], str]


def way(project: Project, *words: str, expect: int = 1) -> dict[str, Any]:
    """Return what next-green says."""
    code, out, err = project.call("next-green", *words, "--json")
    assert code == expect, err
    result: dict[str, Any] = json.loads(out)
    return result


def commands(project: Project, *words: str) -> list[str]:
    """Return the commands of the way."""
    return [action["command"] for action in way(project, *words)["actions"]]


def kinds(project: Project, *words: str) -> list[str]:
    """Return the kinds of the actions."""
    return [action["kind"] for action in way(project, *words)["actions"]]


def follow(project: Project) -> str:
    """Do what next-green prints, each command as typed, and return it; all is fresh then.

    planctl's own commands run in this process, all others in a shell.
    """
    code, script, err = project.call("next-green")
    assert code == 1, err
    for line in script.splitlines():
        if line.startswith("planctl "):
            code, _, err = project.call(*shlex.split(line)[1:])
            assert code == 0, err
        elif not line.startswith("#"):
            subprocess.run(["bash", "-eu", "-c", line], cwd=project.root, check=True)
    return settled(project, script)


def follow_in_a_shell(project: Project) -> str:
    """Run what next-green prints as one shell script, and return it; all is fresh then."""
    code, script, err = project.call("next-green")
    assert code == 1, err
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-eu"],
        input=script,
        cwd=project.root,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, script + done.stderr
    return settled(project, script)


def settled(project: Project, script: str) -> str:
    """Require that all is fresh, and that nothing is left to do."""
    assert set(project.verdicts().values()) <= {"fresh", "waived"}, script
    assert way(project, expect=0)["actions"] == []
    return script


def test_all_fresh_needs_nothing(proven: Project) -> None:
    assert way(proven, expect=0) == {
        "actions": [],
        "rest": [],
        "blocked": [],
        "waived": [],
        "budget_s": None,
        "exact": True,
        "ok": True,
        "total_s": 0.0,
        "unknown": 0,
    }
    code, out, _ = proven.call("next-green")
    assert (code, out) == (0, "# everything is fresh or waived\n")


def test_a_project_that_never_ran_is_run_in_order(project: Project) -> None:
    result = way(project)
    assert [action["steps"] for action in result["actions"]] == [["one"], ["two"], ["solo"]]
    assert result["unknown"] == 3
    assert {action["basis"] for action in result["actions"]} == {"it never ran"}
    follow_in_a_shell(project)


def test_a_stale_parent_makes_its_children_run_and_nothing_else(proven: Project) -> None:
    proven.repo.write("src/one.txt", "another\n")
    proven.repo.commit("another")
    assert commands(proven) == [
        f"planctl run-phase {ID} A --step one",
        f"planctl run-phase {ID} A --step two",
    ]
    script = follow(proven)
    assert "median of 1 run]" in script


def test_uncommitted_inputs_are_committed_before_they_are_run_on(proven: Project) -> None:
    proven.repo.write("src/one.txt", "another\n")
    assert kinds(proven) == ["commit", "run", "run"]
    follow(proven)
    assert proven.repo.git("status", "--porcelain", "src") == ""


def test_a_dirty_step_costs_a_commit_and_no_run(project: Project) -> None:
    project.repo.write("src/solo.txt", "uncommitted\n")
    project.run_phase()
    assert project.verdicts()["solo"] == "dirty"
    assert kinds(project) == ["commit"]
    follow(project)


def test_a_changed_artifact_is_restored_and_not_made_again(proven: Project) -> None:
    (proven.hub / "analysis/one.txt").write_text("by hand\n")
    hub = proven.hub.relative_to(proven.root).as_posix()
    assert commands(proven) == [f"git checkout HEAD -- {hub}/analysis/one.txt"]
    follow(proven)


def test_what_was_committed_wrong_is_brought_back_from_an_earlier_commit(proven: Project) -> None:
    good = proven.repo.git("rev-parse", "HEAD")
    (proven.hub / "analysis/one.txt").write_text("by hand\n")
    proven.repo.commit("wrong")
    (command,) = commands(proven)
    assert command.startswith(f"git checkout {good[:12]} -- ")
    follow(proven)
    assert proven.repo.git("status", "--porcelain") == ""


def test_receipts_and_artifacts_that_are_gone_are_brought_back(proven: Project) -> None:
    for path in [*proven.receipts("one"), proven.hub / "cli/one.log", *proven.receipts("solo")]:
        path.unlink()
    proven.repo.commit("lost")
    assert kinds(proven) == ["restore"]
    follow(proven)


def test_an_overwritten_receipt_is_brought_back(proven: Project) -> None:
    proven.receipts("one")[0].write_text("{}")
    assert kinds(proven) == ["restore"]
    follow(proven)


def test_what_has_to_run_anyway_is_not_restored(proven: Project) -> None:
    (proven.hub / "green/solo.log").unlink()
    proven.repo.write("src/solo.txt", "another\n")
    proven.repo.commit("both")
    assert kinds(proven) == ["run"]
    follow(proven)


def test_only_what_a_mended_step_rests_on_is_restored(proven: Project) -> None:
    (proven.hub / "green/solo.log").unlink()
    proven.repo.write("src/solo.txt", "another\n")
    (proven.hub / "analysis/two.txt").write_text("by hand\n")
    proven.repo.git("commit", "--quiet", "--message", "solo", "src/solo.txt")
    restore, run = commands(proven)
    assert restore.endswith("/analysis/two.txt")
    assert "solo.log" not in restore
    assert run == f"planctl run-phase {ID} A --step solo"


def test_artifacts_git_never_had_are_made_again(project: Project) -> None:
    project.run_phase()
    (project.hub / "analysis/one.txt").write_text("by hand\n")
    assert kinds(project) == ["run", "run"]
    follow(project)


def test_a_fresh_step_whose_output_is_gone_runs_with_the_one_that_needs_it(
    proven: Project,
) -> None:
    (proven.root / "out/one.txt").unlink()
    proven.repo.write("src/two.txt", "another\n")
    proven.repo.commit("two")
    (action,) = way(proven)["actions"]
    assert action["steps"] == ["one", "two"]
    assert "it runs `one` too" in action["reason"]
    follow(proven)


def test_names_that_mean_something_to_a_shell_are_quoted(proven: Project) -> None:
    proven.edit("inputs: [src/solo.txt]", 'inputs: ["src/solo*"]')
    proven.repo.commit("plan")
    for name in ("solo $(touch pwned) 'x'.txt", "solo [a-b]*.txt", "solo; echo.txt"):
        proven.repo.write(f"src/{name}", "x\n")
    script = follow_in_a_shell(proven)
    assert "--literal-pathspecs" in script
    assert not (proven.root / "pwned").exists()


def test_a_project_without_a_hub_gets_one_first(project: Project) -> None:
    project.edit("hub: 2025-11-13T000000Z/small\n", "")
    assert kinds(project) == ["hub", "run", "run", "run"]
    project.repo.commit("no hub")
    follow(project)


def test_waived_steps_are_left_and_named(proven: Project) -> None:
    waiver = "id: solo\n        waive: { who: a person, why: it is late, until: 2099-02-01 }"
    proven.edit("id: solo", waiver)
    proven.repo.write("src/solo.txt", "another\n")
    proven.repo.commit("waived")
    result = way(proven, expect=0)
    assert result["waived"] == [f"{ID}/solo"]
    assert not result["actions"]


def test_what_cannot_run_is_said_with_what_stands_before_it(proven: Project) -> None:
    proven.edit(
        "inputs: [src/one.txt, src/common.txt]",
        "inputs: [src/one.txt, src/common.txt]\n        data: [out/scan.bin]",
    )
    proven.repo.commit("data")
    result = way(proven)
    assert [(item["step"], item["reason"]) for item in result["blocked"]] == [
        ("one", "data that is not on this machine: `out/scan.bin`"),
        ("two", "needs `one`, which cannot run"),
    ]
    assert not result["actions"]


def test_a_gate_that_head_lacks_blocks(proven: Project) -> None:
    git = proven.repo.git
    git("checkout", "--quiet", "-b", "side")
    proven.repo.write("docs/notes.md", "the fix\n")
    fix = proven.repo.commit("the fix")
    git("checkout", "--quiet", "main")
    old = next(line for line in proven.plan_path.read_text().splitlines() if "gate:" in line)
    proven.edit(old, f'    gate: "{fix}"')
    proven.repo.commit("another gate")
    result = way(proven)
    assert {item["step"] for item in result["blocked"]} == {"one", "two", "solo"}
    assert f"HEAD does not contain the gate `{fix}`" in result["blocked"][0]["reason"]


def test_the_budget_takes_what_proves_most_and_what_it_needs(project: Project) -> None:
    project.edit("        log: cli/one.log", "        log: cli/one.log\n        timeout: 40s")
    project.edit("        log: cli/two.log", "        log: cli/two.log\n        timeout: 5s")
    project.edit("        log: green/solo.log", "        log: green/solo.log\n        timeout: 41s")
    project.repo.commit("limits")

    def chosen(budget: str) -> list[str]:
        return [a["steps"][-1] for a in way(project, "--budget", budget)["actions"]]

    assert chosen("45s") == ["one", "two"]
    assert chosen("44s") == ["one"]
    assert chosen("2m") == ["one", "two", "solo"]
    assert chosen("4s") == []
    result = way(project, "--budget", "45s")
    assert [action["steps"] for action in result["rest"]] == [["solo"]]
    assert result["total_s"] == 45.0
    code, out, _ = project.call("next-green", "--budget", "45s")
    assert code == 1
    assert "# left out by the budget:" in out
    assert f"#   planctl run-phase {ID} A --step solo" in out


@pytest.mark.parametrize("budget", ["soon", "-5m", "0s"])
def test_a_budget_that_is_no_time_is_a_usage_error(project: Project, budget: str) -> None:
    code, _, err = project.call("next-green", "--budget", budget)
    assert code == 2
    assert "is no duration" in err


def test_durations_are_the_median_of_runs_that_passed(proven: Project) -> None:
    for text in ("b\n", "c\n"):
        proven.repo.write("src/solo.txt", text)
        proven.repo.commit(text)
        proven.run_phase("--step", "solo")
    proven.repo.write("src/solo.txt", "d\n")
    proven.repo.commit("d")
    (action,) = way(proven)["actions"]
    assert action["basis"] == "median of 3 runs"
    assert 0 <= action["duration_s"] < 10


@pytest.mark.parametrize(
    "seed", [20, *(pytest.param(n, marks=pytest.mark.slow) for n in range(21, 27))]
)
def test_the_way_leads_to_green_from_wherever_a_project_is(proven: Project, seed: int) -> None:
    history = History(proven, seed)
    for _ in range(4 if seed == 20 else 12):
        history.happens()
    history.do_edit_artifact()
    history.do_delete_evidence()
    history.do_run_dirty()
    if proven.call("verify", ID)[0] == 1:
        follow(proven)

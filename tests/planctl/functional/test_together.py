"""Verdicts on several initiatives at once are those of each alone, and cost git no more."""

from __future__ import annotations

import datetime as dt
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from planctl.models.verdict import VerifyReport
from planctl.ops.together import verify_all
from planctl.ops.verify import verify
from planctl.workspace import Workspace
from tests.planctl.functional.conftest import Project
from tests.planctl.functional.test_speed import settle, watched

NOW = dt.datetime(2100, 1, 1, tzinfo=dt.UTC)
NAMES = ("X-001", "X-002", "Y-001")


@pytest.fixture
def several(project: Project) -> Project:
    """Return a project of three proven initiatives, the second and third copies of the first."""
    active = project.plan_path.parents[1]
    for name in NAMES[1:]:
        shutil.copytree(active / "X-001", active / name)
        plan = active / name / "plan.yaml"
        plan.write_text(plan.read_text().replace("X-001", name))
    project.repo.commit("two more")
    for name in NAMES:
        code, out, err = project.call("run-phase", name, "A")
        assert code == 0, out + err
    project.repo.commit("evidence")
    settle(project)
    return project


def alone(project: Project, cache: bool) -> list[VerifyReport]:
    found = []
    for name in NAMES:
        workspace = Workspace.open(project.root, lambda: NOW)
        found.append(verify(workspace, workspace.load_plan(name), cache=cache))
    return found


def at_once(project: Project, cache: bool) -> list[VerifyReport]:
    workspace = Workspace.open(project.root, lambda: NOW)
    return verify_all(workspace, [workspace.load_plan(name) for name in NAMES], cache=cache)


def hub(project: Project, name: str) -> Path:
    return Path(str(project.hub).replace("X-001", name))


def nothing(project: Project) -> None:
    """Leave everything as it is."""


def an_artifact_edited(project: Project) -> None:
    (hub(project, "X-002") / "analysis/one.txt").write_text("ENO\n")


def a_receipt_gone(project: Project) -> None:
    next((hub(project, "Y-001") / "receipts").glob("*_one_*.json")).unlink()


def a_receipt_of_another(project: Project) -> None:
    found = next((hub(project, "X-001") / "receipts").glob("*_one_*.json"))
    shutil.copy(found, hub(project, "X-002") / "receipts")


def an_input_edited(project: Project) -> None:
    (project.root / "src/one.txt").write_text("changed\n")


def an_input_committed(project: Project) -> None:
    (project.root / "src/one.txt").write_text("changed\n")
    project.repo.commit("changes an input")


def reports_never_committed(project: Project) -> None:
    project.repo.git("rm", "-r", "-q", "--cached", "plans/active/X-002/reports")
    project.repo.git("commit", "-q", "-m", "evidence out of git")


def a_gate_elsewhere(project: Project) -> None:
    plan = project.plan_path.parents[1] / "Y-001/plan.yaml"
    plan.write_text(re.sub(r'gate: "\w+"', 'gate: "0123456789"', plan.read_text()))


@pytest.mark.parametrize(
    "harm",
    [
        nothing,
        an_artifact_edited,
        a_receipt_gone,
        a_receipt_of_another,
        an_input_edited,
        an_input_committed,
        reports_never_committed,
        a_gate_elsewhere,
    ],
)
def test_verdicts_at_once_are_those_of_each_alone(
    several: Project, harm: Callable[[Project], None]
) -> None:
    at_once(several, True)  # what is kept for later must not be what is told now
    harm(several)
    together = at_once(several, True)
    assert together == alone(several, True)
    assert together == at_once(several, True)
    assert at_once(several, False) == alone(several, False)
    if harm not in (nothing, reports_never_committed):
        assert not all(report.ok and not report.unproven for report in together)


def test_facts_of_one_way_serve_the_other(several: Project) -> None:
    at_once(several, True)
    opened, _ = watched(several, "verify", "X-001")
    assert [name for name in opened if not name.startswith("receipts/")] == []


@pytest.mark.parametrize("command", [["status"], ["verify"]])
def test_git_is_asked_as_often_for_three_initiatives_as_for_two(
    several: Project, command: list[str]
) -> None:
    watched(several, *command)
    three = watched(several, *command)[1]
    shutil.rmtree(several.plan_path.parents[1] / "Y-001")
    several.repo.commit("one less")
    two = watched(several, *command)[1]
    assert len(three) == len(two)
    assert len(three) < 16


def test_all_initiatives_are_told_in_order(several: Project) -> None:
    code, out, _ = several.call("verify", "--json")
    assert code == 0
    assert [report["initiative"] for report in json.loads(out)] == list(NAMES)


def test_a_phase_that_one_of_them_lacks_is_an_error(several: Project) -> None:
    workspace = Workspace.open(several.root)
    plans = [workspace.load_plan(name) for name in NAMES]
    with pytest.raises(Exception, match="has no phase `Q`"):
        verify_all(workspace, plans, "Q")

from __future__ import annotations

import json
import re

import pytest

from planctl.cli.app import run as planctl
from planctl.errors import PreconditionError, UsageError
from planctl.ops.hub import new_hub, slugged
from planctl.ops.scaffold import init, new
from planctl.workspace import HUB_FOLDERS, Workspace
from tests.planctl.conftest import Repo, SteppingClock


def test_init_writes_what_is_missing_and_says_so(repo: Repo) -> None:
    repo.write("docs/findings.md", "mine\n")
    repo.write(".gitignore", "*.log")
    done = init(Workspace.open())
    assert "docs/findings.md" in done.kept
    assert {"planctl.toml", "docs/fix_plan.md", "docs/TESTING_GUIDE.md"} <= set(done.written)
    assert done.extended == (".gitattributes", ".gitignore")
    assert (repo.root / "docs/findings.md").read_text() == "mine\n"
    assert (repo.root / ".gitignore").read_text().startswith("*.log\n")
    for name in done.written:
        assert (repo.root / name).is_file()


def test_init_a_second_time_changes_nothing(repo: Repo) -> None:
    init(Workspace.open())
    repo.commit("init")
    done = init(Workspace.open())
    assert (done.written, done.extended) == ((), ())
    assert repo.git("status", "--porcelain") == ""


def test_evidence_is_committed_although_the_project_ignores_logs(repo: Repo) -> None:
    repo.write(".gitignore", "*.log\n*.png\n")
    init(Workspace.open())
    log = "plans/active/X-001/reports/2025/x/cli/a.log"
    temporary = "plans/active/X-001/reports/2025/x/cli/.a.log.planctl-abc.tmp"
    assert repo.git("check-ignore", log, check=False) == ""
    assert repo.git("check-ignore", "other/a.log") == "other/a.log"
    assert repo.git("check-ignore", temporary) == temporary
    assert repo.git("check-ignore", temporary.replace("planctl-abc.", ""), check=False) == ""


def test_a_new_plan_runs_as_it_is(repo: Repo) -> None:
    assert planctl(["init"]) == 0
    assert planctl(["new", "x-1.F2", "--title", 'Say "yes": {{ no }} # 1']) == 0
    assert planctl(["hub", "new", "x-1.F2"]) == 0
    repo.commit("plan")
    assert planctl(["run-phase", "x-1.F2", "A"]) == 0
    repo.commit("evidence")
    assert planctl(["verify", "x-1.F2"]) == 0
    plan = Workspace.open().load_plan("x-1.F2")
    assert plan.title == 'Say "yes": {{ no }} # 1'


def test_a_new_plan_names_a_schema_that_is_there(repo: Repo) -> None:
    new(Workspace.open(), "X-001", "t")
    plan = repo.root / "plans/active/X-001/plan.yaml"
    named = re.search(r"\$schema=(\S+)", plan.read_text().splitlines()[0])
    assert named is not None
    assert "properties" in json.loads((plan.parent / named[1]).read_text())


def test_a_new_initiative_is_in_the_ledger(repo: Repo) -> None:
    new(Workspace.open(), "X-001", "Scale it")
    assert "## X-001 — Scale it" in (repo.root / "docs/fix_plan.md").read_text()


def test_an_initiative_that_is_there_is_not_touched(repo: Repo) -> None:
    new(Workspace.open(), "X-001", "t")
    repo.commit("plan")
    with pytest.raises(PreconditionError, match="is there already"):
        new(Workspace.open(), "X-001", "other")
    assert repo.git("status", "--porcelain") == ""


@pytest.mark.parametrize("name", ["../x", "a b", "", ".x", "a/b", "-x"])
def test_a_name_that_cannot_be_a_folder_is_refused(repo: Repo, name: str) -> None:
    with pytest.raises(UsageError, match="is no name"):
        new(Workspace.open(), name, "t")


def test_a_new_hub_has_its_folders_and_touches_one_line_of_the_plan(
    repo: Repo, clock: SteppingClock
) -> None:
    new(Workspace.open(), "X-001", "t")
    path = repo.root / "plans/active/X-001/plan.yaml"
    before = path.read_text().splitlines()
    made = new_hub(Workspace.open(clock=clock), "X-001", "Forward Parity!")
    assert made.hub == "2025-11-14T024801Z/forward_parity"
    assert {line for line in path.read_text().splitlines() if line not in before} == {
        f"hub: {made.hub}"
    }
    folder = repo.root / made.path
    assert sorted(HUB_FOLDERS) == sorted(item.name for item in folder.iterdir() if item.is_dir())
    assert (folder / "summary.md").is_file()
    assert "merge=union" in (repo.root / ".gitattributes").read_text()


def test_a_second_hub_of_the_same_second_gets_another_name(repo: Repo) -> None:
    new(Workspace.open(), "X-001", "t")
    still = SteppingClock()
    first = new_hub(Workspace.open(clock=still), "X-001", "a")
    again = new_hub(Workspace.open(clock=SteppingClock()), "X-001", "a")
    assert first.hub.endswith("/a")
    assert again.hub.endswith("/a_v2")


@pytest.mark.parametrize(("text", "slug"), [("X-001.F1", "x_001_f1"), ("ä!", "hub"), ("", "hub")])
def test_slugs_are_words(text: str, slug: str) -> None:
    assert slugged(text) == slug

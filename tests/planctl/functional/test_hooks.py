"""`planctl hooks` on real repositories: what a person has there stays, and commits are checked."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from planctl.models.hook_part import HookPart, has_part, without_part
from tests.planctl.conftest import Repo
from tests.planctl.functional.conftest import ID, Project

MINE = '#!/bin/sh\nset -eu\necho mine >> hook.log\nexec true "$@"\n'


def hooks(project: Project, word: str, expect: int = 0) -> dict[str, Any]:
    """Run `planctl hooks WORD` and return what it says."""
    code, out, err = project.call("hooks", word, "--json")
    assert code == expect, (out, err)
    said: dict[str, Any] = json.loads(out)
    assert said["ok"] == (code == 0) or word == "remove"
    return said


def commit(project: Project, message: str, env: dict[str, str] | None = None) -> str:
    """Commit what is staged; return what git and its hooks said."""
    words = ["git", "commit", "--message", message]
    done = subprocess.run(words, cwd=project.root, env=env, capture_output=True, text=True)
    return done.stdout + done.stderr


def place(project: Project) -> Path:
    return project.root / ".git/hooks/pre-commit"


def write_hook(project: Project, text: str, mode: int = 0o755) -> Path:
    path = place(project)
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def test_a_commit_takes_back_the_ticks_that_it_makes_false(proven: Project) -> None:
    hooks(proven, "install")
    working = "plans/active/X-001/implementation.md"
    assert "- [x] A3" in proven.repo.git("show", f"HEAD:{working}")
    proven.repo.write("src/solo.txt", "changed\n")
    proven.repo.git("commit", "--quiet", "--all", "--message", "a change")
    committed = proven.repo.git("show", f"HEAD:{working}")
    assert "- [ ] A3" in committed
    assert "- [x] A1" in committed
    assert proven.repo.git("status", "--porcelain") == ""


def test_a_persons_hook_still_runs_and_is_theirs_again_afterwards(proven: Project) -> None:
    path = write_hook(proven, MINE)
    hooks(proven, "install")
    assert path.read_text() != MINE
    assert path.read_text().startswith("#!/bin/sh\n# >>> planctl hooks")
    assert path.read_text().endswith(MINE.removeprefix("#!/bin/sh\n"))
    proven.repo.write("docs/notes.md", "more\n")
    proven.repo.commit("a change")
    assert (proven.root / "hook.log").read_text() == "mine\n"
    assert path.stat().st_mode & 0o777 == 0o755
    hooks(proven, "remove")
    assert path.read_text() == MINE


def test_again_changes_nothing_and_the_last_part_is_replaced(project: Project) -> None:
    assert hooks(project, "status", expect=1)["state"] == "absent"
    assert hooks(project, "install")["changed"]
    first = place(project).read_text()
    assert os.access(place(project), os.X_OK)
    assert not hooks(project, "install")["changed"]
    place(project).write_text(first.replace("sync --staged", "sync --all"))
    assert hooks(project, "status", expect=1)["state"] == "outdated"
    assert hooks(project, "install")["changed"]
    assert place(project).read_text() == first
    assert hooks(project, "status")["state"] == "installed"
    assert hooks(project, "remove")["state"] == "absent"
    assert not place(project).exists()
    assert not hooks(project, "remove")["changed"]


shell = st.sampled_from(
    ["#!/bin/sh\n", "#!/usr/bin/env bash\n", "#!/bin/bash -e\n", "#! /bin/zsh\n"]
)
lines = st.lists(st.sampled_from(["", "echo x\n", "\n", "# <<< x\n", "exit 0", "\r\n"])).map(
    "".join
)


@given(shell, lines)
def test_taking_out_undoes_putting_in(first: str, rest: str) -> None:
    script = first + rest
    part = HookPart("/some where/planctl")
    put = part.within(script)
    assert put is not None
    assert has_part(put)
    assert part.within(put) == put
    assert HookPart("/else").within(put) == HookPart("/else").within(script)
    assert without_part(put) == (None if script == "#!/bin/sh\n" else script)


@pytest.mark.parametrize(
    "text",
    [
        "#!/usr/bin/env python3\nprint('mine')\n",
        "echo without a first line that says what it is\n",
        "#!/bin/sh\r\necho x\r\n",
        "\x7fELF\x00",
    ],
)
def test_what_is_no_shell_script_is_left_and_the_lines_are_printed(
    project: Project, text: str
) -> None:
    path = write_hook(project, text)
    before = path.read_bytes()
    said = hooks(project, "install", expect=1)
    assert said["state"] == "not ours"
    assert "planctl sync --staged" in said["snippet"]
    assert path.read_bytes() == before


def test_a_hook_that_is_switched_off_stays_off(project: Project) -> None:
    path = write_hook(project, MINE, mode=0o644)
    assert "not executable" in hooks(project, "install", expect=1)["why"]
    assert path.read_text() == MINE
    assert path.stat().st_mode & 0o777 == 0o644


def test_a_link_is_left(project: Project, tmp_path: Path) -> None:
    shared = tmp_path / "shared-hook"
    shared.write_text(MINE)
    shared.chmod(0o755)
    place(project).parent.mkdir(exist_ok=True)
    place(project).symlink_to(shared)
    assert "symbolic link" in hooks(project, "install", expect=1)["why"]
    assert shared.read_text() == MINE
    assert place(project).is_symlink()


def test_a_folder_of_hooks_inside_the_repository_is_used(proven: Project) -> None:
    proven.repo.git("config", "core.hooksPath", ".githooks")
    assert hooks(proven, "install")["hook"] == ".githooks/pre-commit"
    assert not place(proven).exists()
    proven.repo.write("src/solo.txt", "changed\n")
    proven.repo.commit("a change")
    assert "- [ ] A3" in proven.repo.git("show", "HEAD:plans/active/X-001/implementation.md")


def test_a_folder_of_hooks_that_others_share_is_left(project: Project, tmp_path: Path) -> None:
    project.repo.git("config", "core.hooksPath", str(tmp_path / "everybodys"))
    assert "core.hooksPath" in hooks(project, "install", expect=1)["why"]
    assert not (tmp_path / "everybodys").exists()


MANAGERS = {
    "pre-commit": (".pre-commit-config.yaml", "repos:\n"),
    "lefthook": ("lefthook.yml", ""),
    "husky": (".husky/pre-commit", "npm test\n"),
}


@pytest.mark.parametrize("manager", MANAGERS)
def test_a_hook_manager_keeps_the_hooks_and_gets_lines_to_add(
    project: Project, manager: str
) -> None:
    path, text = MANAGERS[manager]
    project.repo.write(path, text)
    said = hooks(project, "install", expect=1)
    assert said["hook"] == path
    assert f"{manager} owns the hooks" in said["why"]
    assert (project.root / path).read_text() == text
    assert not place(project).exists()
    if path.endswith((".yaml", ".yml")):
        assert "planctl sync --staged" in str(yaml.safe_load(text + said["snippet"]))
    project.repo.write(path, text + said["snippet"])
    assert hooks(project, "status")["state"] == "installed"


def test_every_work_tree_of_a_clone_shares_the_hook(project: Project, tmp_path: Path) -> None:
    linked = tmp_path / "linked"
    project.repo.git("worktree", "add", "--quiet", str(linked))
    here = os.getcwd()
    os.chdir(linked)
    try:
        hooks(Project(Repo(linked), project.capture), "install")
    finally:
        os.chdir(here)
    assert place(project).is_file()
    assert hooks(project, "status")["state"] == "installed"


def test_without_planctl_the_commit_goes_on_and_says_so(project: Project) -> None:
    write_hook(project, HookPart("/nowhere/planctl").within(None) or "", 0o755)
    project.repo.write("docs/notes.md", "more\n")
    project.repo.git("add", "--all")
    said = commit(project, "x", env=dict(os.environ, PATH="/usr/bin:/bin"))
    assert "planctl is not here" in said
    assert project.repo.git("log", "-1", "--format=%s") == "x"


def test_the_merge_driver_comes_and_goes_with_the_hooks(project: Project) -> None:
    assert hooks(project, "install")["driver"]["installed"]
    assert "planctl" in project.repo.git("config", "merge.planctl-ledger.driver")
    project.repo.git("config", "--remove-section", "merge.planctl-ledger")
    assert not hooks(project, "status", expect=1)["driver"]["installed"]
    hooks(project, "install")
    hooks(project, "remove")
    assert project.repo.git("config", "merge.planctl-ledger.driver", check=False) == ""


def test_a_contradiction_in_the_ledger_is_told_and_stops_nobody(proven: Project) -> None:
    hooks(proven, "install")
    ledger = proven.root / "docs/fix_plan.md"
    text = ledger.read_text()
    assert "- Status: in_progress" in text
    ledger.write_text(text.replace("- Status: in_progress", "- Status: done"))
    proven.repo.write("src/solo.txt", "changed\n")
    proven.repo.git("add", "--all")
    said = commit(proven, "done")
    assert "X-001" in said
    assert "planctl: the commit goes on" in said
    assert proven.repo.git("log", "-1", "--format=%s") == "done"


def test_a_turn_is_closed_with_the_hook_in_place(project: Project) -> None:
    project.call("init")
    project.repo.commit("init")
    hooks(project, "install")
    assert project.call("turn", "open", ID, "--role", "engineer")[0] == 0
    project.run_phase()
    words = "Step solo ran and passed. Its log is `green/solo.log`. Nothing else was touched."
    code, out, err = project.call("turn", "close", "--message", words, "--next", "look at it")
    assert code == 0, out + err
    assert project.repo.git("status", "--porcelain") == ""
    working = project.repo.git("show", "HEAD:plans/active/X-001/implementation.md")
    assert "- [x] A3" in working
    assert project.call("sync", "--check")[0] == 0
    assert project.call("turn", "check")[0] == 0

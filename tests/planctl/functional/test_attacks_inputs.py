"""Attempts to run on one code and have another recorded; and repositories of unusual shape."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.planctl.functional.conftest import Project
from tests.planctl.functional.test_attacks import ALL_FRESH, warnings

At = Callable[[Path], Project]


def widen(project: Project, globs: str = "src/**") -> None:
    """Let `solo` depend on more than its one file."""
    project.edit("inputs: [src/solo.txt]", f'inputs: ["{globs}"]')


@pytest.mark.parametrize("flag", ["--assume-unchanged", "--skip-worktree"])
def test_an_edit_that_git_was_told_not_to_see_is_seen(proven: Project, flag: str) -> None:
    proven.repo.git("update-index", flag, "src/solo.txt")
    (proven.root / "src/solo.txt").write_text("hidden\n")
    assert proven.repo.git("status", "--porcelain") == ""
    assert proven.verdicts() == ALL_FRESH | {"solo": "stale"}
    proven.run_phase()
    assert proven.verdicts() == ALL_FRESH | {"solo": "dirty"}


def test_an_edit_behind_relaxed_stat_settings_is_seen(proven: Project) -> None:
    source = proven.root / "src/solo.txt"
    before = source.stat()
    for name, value in (("core.trustctime", "false"), ("core.checkStat", "minimal")):
        proven.repo.git("config", name, value)
    os.utime(source, (1_000_000_000, 1_000_000_000))
    proven.repo.git("update-index", "--refresh")
    time.sleep(1.1)  # git compares whole seconds
    source.write_text("SOLO\n")
    os.utime(source, (1_000_000_000, 1_000_000_000))
    assert source.stat().st_size == before.st_size
    assert proven.repo.git("status", "--porcelain", "src") == ""
    assert proven.verdicts() == ALL_FRESH | {"solo": "stale"}


def test_a_file_system_monitor_that_lies_is_not_asked(proven: Project, tmp_path: Path) -> None:
    hook = tmp_path / "monitor"
    hook.write_text("#!/bin/sh\nprintf 'token\\0'\n")
    hook.chmod(0o755)
    proven.repo.git("config", "core.fsmonitor", str(hook))
    proven.repo.git("update-index", "--fsmonitor")
    proven.repo.git("status", "--porcelain")
    (proven.root / "src/solo.txt").write_text("hidden from git\n")
    assert proven.repo.git("status", "--porcelain") == ""
    assert proven.verdicts() == ALL_FRESH | {"solo": "stale"}


def test_replaced_objects_and_grafts_do_not_rewrite_history(proven: Project) -> None:
    git = proven.repo.git
    recorded = git("rev-parse", "HEAD:src/solo.txt")
    (proven.root / "src/solo.txt").write_text("changed\n")
    changed = proven.repo.commit("change solo")
    assert proven.verdicts()["solo"] == "stale"
    git(
        "replace",
        git("rev-parse", f"{changed}^{{tree}}"),
        git("rev-parse", f"{changed}~1^{{tree}}"),
    )
    assert git("rev-parse", "HEAD:src/solo.txt") == recorded
    (proven.root / "src/solo.txt").write_text("solo\n")
    assert proven.verdicts()["solo"] == "dirty"
    # A gate on another branch, grafted under HEAD.
    gate = git("commit-tree", "-m", "a fix elsewhere", git("rev-parse", "HEAD^{tree}"))
    (proven.root / ".git/info").mkdir(exist_ok=True)
    (proven.root / ".git/info/grafts").write_text(f"{git('rev-parse', 'HEAD~2')} {gate}\n")
    proven.edit(proven.plan_path.read_text().split('gate: "')[1].split('"')[0], gate)
    assert git("merge-base", gate, "HEAD") == gate
    assert proven.reason("one").startswith("gate: ")


def test_git_variables_of_the_caller_do_not_lead_elsewhere(
    proven: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proven.repo.git("clone", "--quiet", str(proven.root), str(tmp_path / "clean"))
    (proven.root / "src/solo.txt").write_text("changed\n")
    for name, value in {
        "GIT_DIR": tmp_path / "clean/.git",
        "GIT_WORK_TREE": tmp_path / "clean",
        "GIT_INDEX_FILE": tmp_path / "clean/.git/index",
    }.items():
        monkeypatch.setenv(name, str(value))
        assert proven.verdicts() == ALL_FRESH | {"solo": "stale"}


def test_variables_that_change_commands_unseen_are_taken_out(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trap = tmp_path / "trap"
    trap.write_text("echo trapped; exit 0\n")
    monkeypatch.setenv("BASH_ENV", str(trap))
    monkeypatch.setenv("SHELLOPTS", "noexec")
    monkeypatch.setenv("BASH_FUNC_cat%%", "() { echo forged; }")
    monkeypatch.setenv("PYTEST_ADDOPTS", "--collect-only")
    monkeypatch.setenv("PYTHONOPTIMIZE", "2")
    project.edit("run: echo solo", "run: bash -c 'cat src/solo.txt' && env")
    project.run_phase()
    log = (project.hub / "green/solo.log").read_text()
    header, output = log.split("# --- output\n")
    assert output.startswith("solo\n")
    for name in ("BASH_ENV", "PYTEST_ADDOPTS", "PYTHONOPTIMIZE", "BASH_FUNC_cat%%"):
        assert f"#   {name}=(taken out)\n" in header
        assert f"\n{name}=" not in output
    assert (project.hub / "analysis/one.txt").read_text() == "one\n"


def test_an_ignored_file_among_the_inputs_is_named(project: Project) -> None:
    widen(project)
    (project.root / ".git/info").mkdir(exist_ok=True)
    (project.root / ".git/info/exclude").write_text("shadow.py\nhidden/\n__pycache__/\n")
    project.repo.write("src/shadow.py", "answer = 42\n")
    project.repo.write("src/hidden/code.py", "answer = 42\n")
    project.repo.write("src/__pycache__/code.pyc", "cache")
    assert project.repo.git("status", "--porcelain", "src") == ""
    project.run_phase()
    project.repo.commit("evidence")
    assert project.verdicts() == ALL_FRESH
    said = "`src/hidden/`, `src/shadow.py` among the inputs, but git ignores it"
    assert warnings(project, "solo").startswith(said)


def test_an_input_changed_and_changed_back_while_the_step_runs_is_named(project: Project) -> None:
    swap = "cp src/solo.txt out/keep && echo cheat > src/solo.txt && cp out/keep src/solo.txt"
    project.edit("run: echo solo", f"run: mkdir -p out && {swap}")
    project.run_phase()
    assert project.verdicts() == ALL_FRESH
    assert "`src/solo.txt` written while the step ran, and at its end as before" in warnings(
        project, "solo"
    )


def test_what_a_link_among_the_inputs_leads_to_counts(project: Project, tmp_path: Path) -> None:
    widen(project)
    outside = tmp_path / "outside.py"
    outside.write_text("answer = 42\n")
    (project.root / "src/link.py").symlink_to(outside)
    (project.root / "src/here.txt").symlink_to("solo.txt")
    (project.root / "src/nowhere").symlink_to("no/such/file")
    project.repo.commit("links")
    project.run_phase()
    assert project.verdicts() == ALL_FRESH
    outside.write_text("answer = 43\n")
    assert project.verdicts() == ALL_FRESH | {"solo": "stale"}
    assert "`src/link.py` by a change outside git" in project.reason("solo")
    outside.write_text("answer = 42\n")
    (project.root / "src/here.txt").unlink()
    (project.root / "src/here.txt").symlink_to("one.txt")
    assert project.verdicts() == ALL_FRESH | {"solo": "stale"}


def test_a_submodule_counts_with_its_commit_and_its_changes(
    project: Project, tmp_path: Path, make_repo: Callable[[Path], object]
) -> None:
    make_repo(tmp_path / "library")
    git = project.repo.git
    git(
        "-c",
        "protocol.file.allow=always",
        "submodule",
        "add",
        "-q",
        str(tmp_path / "library"),
        "src/lib",
    )
    git("config", "--file", ".gitmodules", "submodule.src/lib.ignore", "all")
    widen(project)
    project.repo.commit("a submodule")
    project.run_phase()
    assert project.verdicts() == ALL_FRESH
    (project.root / "src/lib/README.md").write_text("edited\n")
    assert git("status", "--porcelain", "src") == ""
    assert project.verdicts() == ALL_FRESH | {"solo": "stale"}
    project.run_phase()
    assert project.verdicts() == ALL_FRESH | {"solo": "dirty"}
    git("-C", "src/lib", "commit", "--quiet", "--all", "--message", "moved on")
    project.run_phase()
    assert project.verdicts() == ALL_FRESH | {"solo": "dirty"}
    git("add", "--force", "src/lib")
    project.repo.commit("as it ran")
    assert project.verdicts() == ALL_FRESH


def test_code_in_a_repository_of_its_own_among_the_inputs_is_an_input(
    proven: Project, make_repo: Callable[[Path], object]
) -> None:
    widen(proven)
    proven.run_phase()
    proven.repo.commit("evidence")
    make_repo(proven.root / "src/plugin")
    assert proven.verdicts() == ALL_FRESH | {"solo": "stale"}
    assert "`src/plugin` by an uncommitted change" in proven.reason("solo")


def test_an_executable_bit_and_a_renamed_case_are_changes(proven: Project) -> None:
    (proven.root / "src/solo.txt").chmod(0o755)
    assert proven.verdicts() == ALL_FRESH | {"solo": "stale"}
    (proven.root / "src/solo.txt").chmod(0o644)
    assert proven.verdicts() == ALL_FRESH
    proven.repo.git("mv", "src/solo.txt", "src/Solo.txt")
    proven.repo.commit("case")
    assert proven.verdicts() == ALL_FRESH | {"solo": "stale"}


@pytest.mark.parametrize("globs", ['["src/**", "!src/**"]', "[src/nothing/*]", "['!src/one.txt']"])
def test_inputs_that_match_nothing_prove_nothing(project: Project, globs: str) -> None:
    project.edit("inputs: [src/solo.txt]", f"inputs: {globs}")
    code, _, err = project.call("run-phase", "X-001", "A", "--step", "solo")
    assert code == 4
    assert "match" in err
    assert project.receipts("solo") == []


def test_inputs_that_match_nothing_any_more_are_stale(proven: Project) -> None:
    proven.repo.git("rm", "--quiet", "src/solo.txt")
    proven.repo.commit("gone")
    assert proven.verdicts() == ALL_FRESH | {"solo": "stale"}
    code, _, err = proven.call("run-phase", "X-001", "A")
    assert code == 4
    assert "input `src/solo.txt` matches no tracked or new file" in err


ODD_NAMES = ["with blank.txt", 'a "quote".txt', '"quoted".txt', "new\nline.txt", "back\\slash", "ümläut", "-dash", ":(glob)x", "cr\r"]  # fmt: skip  # noqa: E501


def test_odd_names_of_inputs_and_artifacts_work(project: Project, tmp_path: Path, at: At) -> None:
    widen(project)
    for name in ODD_NAMES:
        project.repo.write(f"src/{name}", "x\n")
    project.repo.commit("odd names")
    copy = "mkdir -p out/odd && cp -- src/*blank* src/*quote* src/uml* src/*slash out/odd"
    project.edit("run: echo solo", f"run: {copy.replace('uml', 'ü')}")
    project.edit(
        "log: green/solo.log",
        "log: green/solo.log\n        collect: [{ from: out/odd, to: analysis/odd }]",
    )
    project.run_phase()
    project.repo.commit("evidence")
    assert project.verdicts() == ALL_FRESH
    for name in ODD_NAMES:
        place = project.root / "src" / name
        place.write_text("changed\n")
        assert project.verdicts() == ALL_FRESH | {"solo": "stale"}, name
        place.write_text("x\n")
    project.repo.git("clone", "--quiet", str(project.root), str(tmp_path / "a clone"))
    assert at(tmp_path / "a clone").verdicts() == ALL_FRESH
    at(project.root)
    for name in ODD_NAMES:
        project.repo.write(f"src/{name}", "y\n")
    commit = project.repo.commit("all changed")
    answer = json.loads(project.call("why", "A3", "--json")[1])[0]
    moved = {ids["name"]: ids["moved_by"] for ids in answer["failing"][0]["ids"]}
    assert moved == {f"src/{name}": commit for name in ODD_NAMES}


def test_a_name_that_is_not_utf8_is_refused_as_input_and_shown_as_file(project: Project) -> None:
    Path(os.fsdecode(os.fsencode(project.root) + b"/src/caf\xe9.txt")).write_text("x")
    project.run_phase()
    widen(project)
    code, out, err = project.call("run-phase", "X-001", "A", "--json")
    assert code == 4
    assert "is not UTF-8" in err
    assert "is not UTF-8" in json.loads(out)["error"]["message"]
    Path(os.fsdecode(os.fsencode(project.hub) + b"/green/caf\xe9.log")).write_text("x")
    assert "caf\\xe9" in project.call("verify", "X-001")[1].replace("\\udce9", "\\xe9")
    assert project.verdicts()["one"] == "fresh"


def test_old_files_in_a_collected_folder_are_left_out_and_named(project: Project) -> None:
    project.edit("run: echo solo", "run: echo new > out/d/new.txt && touch out/d/below/two.txt")
    project.edit(
        "log: green/solo.log", "log: green/solo.log\n        collect: [{ from: out/d, to: cli/d }]"
    )
    project.repo.write("out/d/old.txt", "from yesterday\n")
    project.repo.write("out/d/below/two.txt", "touched\n")
    project.repo.write("out/d/below/three.txt", "old too\n")
    project.run_phase("--step", "solo")
    found = sorted(path.name for path in (project.hub / "cli/d").rglob("*.txt"))
    assert found == ["new.txt", "two.txt"]
    said = "older than the run and left out of `out/d`: `below/three.txt`, `old.txt`"
    assert said in warnings(project, "solo")
    # Nothing new in it at all: an old folder lying about.
    project.edit("echo new > out/d/new.txt && touch out/d/below/two.txt", "'true'")
    result = project.run_phase("--step", "solo", expect=1)
    assert "was there before the run" in result["steps"][0]["problems"][0]


def test_a_folder_that_cannot_be_copied_fails_the_step_and_leaves_nothing(
    project: Project,
) -> None:
    project.edit("run: echo solo", "run: mkdir -p out/d && echo 1 > out/d/a && mkfifo out/d/pipe")
    project.edit(
        "log: green/solo.log", "log: green/solo.log\n        collect: [{ from: out/d, to: cli/d }]"
    )
    result = project.run_phase("--step", "solo", expect=1)
    assert "`out/d` cannot be collected" in result["steps"][0]["problems"][0]
    assert not (project.hub / "cli/d").exists()
    assert not list(project.hub.rglob(".*"))


def test_collected_names_that_are_not_utf8_fail_the_step(project: Project) -> None:
    project.edit("run: echo solo", "run: mkdir -p out/d && echo 1 > $'out/d/caf\\xe9'")
    project.edit(
        "log: green/solo.log", "log: green/solo.log\n        collect: [{ from: out/d, to: cli/d }]"
    )
    result = project.run_phase("--step", "solo", expect=1)
    assert "holds a name no record can hold" in result["steps"][0]["problems"][0]


@pytest.mark.parametrize("how", ["shallow", "worktree", "detached", "sparse"])
def test_verdicts_in_clones_of_other_shapes(
    proven: Project, tmp_path: Path, at: At, how: str
) -> None:
    git = proven.repo.git
    proven.repo.write("docs/notes.md", "later\n")
    proven.repo.commit("later")
    place = tmp_path / "other"
    if how == "shallow":
        git("clone", "--quiet", "--depth", "1", f"file://{proven.root}", str(place))
    elif how == "worktree":
        git("worktree", "add", "--quiet", str(place))
    else:
        git("clone", "--quiet", str(proven.root), str(place))
    other = at(place)
    if how == "detached":
        other.repo.git("switch", "--quiet", "--detach")
    if how == "sparse":
        other.repo.git(
            "sparse-checkout",
            "set",
            "--no-cone",
            "/plans/",
            "/src/one.txt",
            "/src/common.txt",
            "/.*",
        )
        assert not (place / "src/solo.txt").exists()
    assert other.verdicts() == ALL_FRESH
    if how == "sparse":
        # A verdict may rest on what HEAD has; a run may not: the file is not there.
        code, _, err = other.call("run-phase", "X-001", "A", "--step", "solo", "--force")
        assert code == 4
        assert "input `src/solo.txt` matches no tracked or new file" in err
        return
    (place / "src/solo.txt").write_text("changed\n")
    assert other.verdicts() == ALL_FRESH | {"solo": "stale"}
    code, _, err = other.call("run-phase", "X-001", "A")
    if how == "shallow":
        assert code == 4
        assert "is not in this clone" in err
        return
    assert code == 0
    assert other.verdicts() == ALL_FRESH | {"solo": "dirty"}


def test_a_repository_with_sha256_objects(tmp_path: Path, at: At) -> None:
    from tests.planctl.conftest import Repo
    from tests.planctl.functional.conftest import write_project

    root = tmp_path / "sha256"
    subprocess.run(["git", "init", "--quiet", "--object-format=sha256", str(root)], check=True)
    write_project(Repo(root))
    project = at(root)
    (root / "src/link").symlink_to("solo.txt")
    widen(project)
    project.repo.commit("a link")
    project.run_phase()
    project.repo.commit("evidence")
    assert project.verdicts() == ALL_FRESH


def test_commits_with_odd_subjects_and_times_do_not_stop_a_verdict(proven: Project) -> None:
    git = proven.repo.git
    (proven.root / "src/solo.txt").write_text("changed\n")
    odd = proven.repo.commit("a \x01 subject\x01with marks")
    assert f"`src/solo.txt` by {odd[:8]}" in proven.reason("solo")
    (proven.root / "src/solo.txt").write_text("changed again\n")
    git("add", "--all")
    tree = git("write-tree")
    who = "A <a@b> 99999999999999 +0000"
    raw = f"tree {tree}\nparent {odd}\nauthor {who}\ncommitter {who}\n\nfar away\n"
    made = subprocess.run(
        ["git", "hash-object", "-t", "commit", "-w", "--stdin", "--literally"],
        cwd=proven.root, input=raw, capture_output=True, text=True, check=True,
    )  # fmt: skip
    git("reset", "--quiet", "--hard", made.stdout.strip())
    assert proven.verdicts()["solo"] == "stale"
    assert f"`src/solo.txt` by {made.stdout[:8]}" in proven.reason("solo")
    assert proven.call("verify", "--times")[0] == 1


def test_the_limits_are_true_what_is_no_declared_input_is_not_seen(proven: Project) -> None:
    """The sentence in `docs/reference/limits.md`: an input nobody declared stales nothing."""
    proven.repo.write("lib/undeclared.py", "changes everything\n")
    assert proven.verdicts() == ALL_FRESH


def test_the_limits_are_true_a_clean_filter_speaks_for_the_file(proven: Project) -> None:
    """The sentence in `docs/reference/limits.md`: git filters of this clone are believed."""
    proven.repo.git("config", "filter.lie.clean", "git show HEAD:%f")
    (proven.root / ".git/info").mkdir(exist_ok=True)
    (proven.root / ".git/info/attributes").write_text("src/solo.txt filter=lie\n")
    (proven.root / "src/solo.txt").write_text("edited\n")
    assert proven.verdicts() == ALL_FRESH

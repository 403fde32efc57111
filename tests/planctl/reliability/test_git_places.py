"""Repositories in odd places and states: each command has a verdict or says what is wrong."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.planctl.conftest import Repo
from tests.planctl.functional.conftest import ID, Project, write_project

At = Callable[[Path], Project]
FRESH = {"one": "fresh", "two": "fresh", "solo": "fresh"}
READING = (["verify", ID], ["verify", ID, "--times"], ["why", "A1"], ["status"], ["verify"])
ASKING = (["run-phase", ID, "A"], ["run", "--", "true"])
"""What writes, and asks git before it does."""
WRITING = (["run-phase", ID, "A"], ["ledger", "attempt", ID, "tried"], ["run", "--", "true"])


def refused(project: Project, says: str, *commands: list[str]) -> None:
    """Every command ends with 4 and says why, with a way out."""
    for words in commands or (*READING, *WRITING):
        code, out, err = project.call(*words)
        assert code == 4, (words, out, err)
        assert says in err, (words, err)


def clone(project: Project, to: Path, *options: str) -> Path:
    """Clone the project, as from a server."""
    project.repo.git("clone", "--quiet", *options, f"file://{project.root}", str(to))
    return to


def test_a_shallow_clone_has_the_verdicts_of_the_whole_one(
    proven: Project, tmp_path: Path, at: At
) -> None:
    shallow = at(clone(proven, tmp_path / "shallow", "--depth", "1"))
    assert shallow.verdicts() == FRESH
    for words in READING:
        assert shallow.call(*words)[0] == 0, words
    # The gate is not there: a run cannot know that it is contained.
    refused(shallow, "is not in this clone", ["run-phase", ID, "A", "--force"])


def test_a_detached_head_runs_and_records(proven: Project) -> None:
    proven.repo.git("checkout", "--quiet", "--detach")
    assert proven.verdicts() == FRESH
    proven.run_phase("--force")
    assert proven.verdicts() == FRESH


def test_a_repository_without_commits_says_so(repo: Repo, project: Project) -> None:
    shutil.rmtree(project.root / ".git")
    repo.git("init", "--quiet")
    code, out, err = project.call("verify", ID)
    assert code in (1, 4), err
    assert "never produced" in out or "no commit" in err
    refused(project, "the repository has no commit yet", ["run-phase", ID, "A"])


def test_outside_and_inside_of_git_itself(proven: Project, tmp_path: Path, at: At) -> None:
    refused(at(tmp_path), "is not inside a git repository")
    bare = at(clone(proven, tmp_path / "bare.git", "--bare"))
    refused(bare, "bare")
    inside = at(proven.root / ".git")
    code, _, err = inside.call("verify", ID)
    assert code in (0, 4), err


def test_a_submodule_is_a_repository_of_its_own(proven: Project, tmp_path: Path, at: At) -> None:
    outer = Repo(tmp_path / "outer")
    outer.root.mkdir()
    outer.git("init", "--quiet")
    allowed = ("-c", "protocol.file.allow=always")
    outer.git(*allowed, "submodule", "--quiet", "add", str(proven.root), "inner")
    outer.commit("inner")
    inner = at(outer.root / "inner")
    assert inner.verdicts() == FRESH
    inner.run_phase("--force", "--step", "solo")
    assert inner.verdicts() == FRESH


def test_a_submodule_among_the_inputs_counts_with_its_commit(
    project: Project, tmp_path: Path, make_repo: Callable[[Path], Repo]
) -> None:
    library = make_repo(tmp_path / "library")
    allowed = ("-c", "protocol.file.allow=always")
    project.repo.git(*allowed, "submodule", "--quiet", "add", str(library.root), "src/library")
    project.edit("inputs: [src/solo.txt]", 'inputs: ["src/library/**", src/library]')
    project.edit('"src/library/**", ', "")
    project.repo.commit("library")
    project.run_phase("--step", "solo")
    assert project.verdicts()["solo"] == "fresh"
    (project.root / "src/library/new.txt").write_text("x")
    assert project.verdicts()["solo"] == "stale"


def test_two_work_trees_run_at_once_and_their_evidence_merges(
    project: Project, tmp_path: Path, at: At
) -> None:
    project.repo.git("branch", "left")
    project.repo.git("branch", "right")
    trees = [tmp_path / "left", tmp_path / "right"]
    for tree in trees:
        project.repo.git("worktree", "add", "--quiet", str(tree), tree.name)
    main = [sys.executable, "-c", "from planctl.cli.app import main; main()", "run-phase", ID, "A"]
    ended: dict[str, int] = {}

    def run(tree: Path) -> None:
        done = subprocess.run(main, cwd=tree, check=False, capture_output=True)
        ended[tree.name] = done.returncode

    threads = [threading.Thread(target=run, args=(tree,)) for tree in trees]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ended == {"left": 0, "right": 0}
    for tree in trees:
        Repo(tree).commit("evidence")
        assert at(tree).verdicts() == FRESH
    names = [{path.name for path in (at(tree).hub / "receipts").iterdir()} for tree in trees]
    assert not names[0] & names[1]
    code, _, err = at(trees[0]).call("run-phase", ID, "A", "--step", "solo", "--force")
    assert code == 0, err
    assert (at(trees[0]).hub / "green/solo_v2.log").is_file()


def test_a_sparse_checkout_is_judged_by_what_the_commit_has(proven: Project) -> None:
    proven.repo.git("sparse-checkout", "set", "--no-cone", "/plans", "/docs", "/out")
    assert not (proven.root / "src/one.txt").exists()
    assert proven.verdicts() == FRESH
    refused(proven, "matches no tracked or new file", ["run-phase", ID, "A", "--force"])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_files_of_another_user_are_refused_with_gits_own_way_out(proven: Project) -> None:
    subprocess.run(["chown", "-R", "nobody", str(proven.root)], check=True)
    try:
        for words in (*READING, *ASKING):
            code, _, err = proven.call(*words)
            assert code == 4, (words, err)
            assert "dubious ownership" in err
            assert "no commit yet" not in err
            assert "hint: the files belong to another user" in err
    finally:
        subprocess.run(["chown", "-R", "root", str(proven.root)], check=True)
    assert proven.verdicts() == FRESH


def test_nobody_needs_a_name_to_run(proven: Project, isolated_home: Path) -> None:
    (isolated_home / ".gitconfig").write_text("")
    proven.run_phase("--force", "--step", "solo")
    assert proven.call("block", ID, "--reason", "stuck")[0] == 0
    assert proven.call("ledger", "attempt", ID, "tried")[0] == 0


def test_a_lock_of_git_holds_up_nothing(proven: Project) -> None:
    (proven.root / ".git/index.lock").write_text("")
    (proven.root / ".git/HEAD.lock").write_text("")
    assert proven.verdicts() == FRESH
    proven.run_phase("--force", "--step", "solo")
    assert proven.verdicts() == FRESH


def objects(project: Project) -> list[Path]:
    """Return the loose objects of a repository."""
    return [path for path in (project.root / ".git/objects").glob("??/*") if path.is_file()]


@pytest.mark.parametrize("every", [pytest.param(1, marks=pytest.mark.slow), 12])
def test_no_damage_to_gits_objects_ends_in_a_traceback(proven: Project, every: int) -> None:
    for path in objects(proven)[::every]:
        whole = path.read_bytes()
        path.chmod(0o644)
        for content in (b"", None):
            path.unlink()
            if content is not None:
                path.write_bytes(content)
            code, _, err = proven.call("verify", ID)
            assert code in (0, 1, 4), err
            assert (code == 4) == err.startswith("error: "), err
            assert "no commit yet" not in err
        path.write_bytes(whole)
    assert proven.verdicts() == FRESH


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("HEAD", ""),
        ("HEAD", "ref: refs/heads/nowhere\n"),
        ("HEAD", "garbage\n"),
        ("HEAD", "ref: refs/heads/../../../etc/passwd\n"),
        ("HEAD", "0" * 40 + "\n"),
        ("HEAD", "1" * 40 + "\n"),
        ("index", "garbage"),
        ("config", "[core\n"),
        ("config", "[core]\n\trepositoryformatversion = 99\n"),
        ("config", "[include]\n\tpath = config\n"),
        ("packed-refs", "garbage\n"),
        ("shallow", "garbage\n"),
    ],
)
def test_a_damaged_file_of_git_is_an_error_of_git(proven: Project, name: str, content: str) -> None:
    (proven.root / ".git" / name).write_text(content)
    for words in (*READING, *WRITING):
        code, _, err = proven.call(*words)
        assert code in (0, 1, 4), (words, err)
        assert "bug" not in err


def test_a_work_tree_whose_repository_is_gone(proven: Project, tmp_path: Path, at: At) -> None:
    proven.repo.git("worktree", "add", "--quiet", str(tmp_path / "tree"), "-b", "tree")
    shutil.rmtree(proven.root / ".git")
    refused(at(tmp_path / "tree"), "git")


def test_a_repository_of_sha256_ids(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, project: Project, at: At
) -> None:
    made = Repo(tmp_path / "sha256")
    made.root.mkdir()
    made.git("init", "--quiet", "--object-format=sha256")
    write_project(made)
    other = at(made.root)
    other.run_phase()
    assert other.verdicts() == FRESH
    made.commit("evidence")
    assert other.verdicts() == FRESH
    (made.root / "src/one.txt").write_text("changed\n")
    assert other.verdicts()["one"] == "stale"


def test_a_partial_clone_whose_server_is_gone_says_what_it_lacks(
    proven: Project, tmp_path: Path, at: At
) -> None:
    proven.repo.git("config", "uploadpack.allowFilter", "true")
    partial = at(clone(proven, tmp_path / "partial", "--filter=blob:none"))
    assert partial.verdicts() == FRESH
    proven.root.rename(tmp_path / "gone")
    assert partial.verdicts() == FRESH
    (receipt,) = partial.receipts("one")
    receipt.write_text("{}")
    for words in READING:
        code, out, err = partial.call(*words)
        assert code in (1, 4) or words == ["status"], (words, out, err)
        assert "bug" not in err


def test_without_git_every_command_says_that_it_is_missing(proven: Project, tmp_path: Path) -> None:
    python = sys.executable
    (tmp_path / "bin").mkdir()
    code = "from planctl.cli.app import main; main()"
    for words in (READING[0], READING[3], ASKING[0]):
        done = subprocess.run(
            [python, "-c", code, *words],
            cwd=proven.root,
            env={"PATH": str(tmp_path / "bin"), "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 4, (words, done.stderr)
        assert "`git` is not installed" in done.stderr
    done = subprocess.run([python, "-c", code, "--help"], env={"PATH": ""}, check=False, stdout=-3)
    assert done.returncode == 0


def test_a_branch_name_that_is_not_utf8_is_recorded_spelled_out(project: Project) -> None:
    name = os.fsdecode(b"caf\xe9")
    subprocess.run(["git", "checkout", "--quiet", "-b", name], cwd=project.root, check=True)
    project.run_phase("--step", "solo")
    assert project.verdicts()["solo"] == "fresh"


def test_commits_from_the_ends_of_time_are_no_reason_to_end(proven: Project) -> None:
    for stamp in ("@0 +0000", "@253402300799 +0000"):
        environment = {**os.environ, "GIT_COMMITTER_DATE": stamp, "GIT_AUTHOR_DATE": stamp}
        proven.repo.write("src/solo.txt", f"{stamp}\n")
        words = ["git", "commit", "--quiet", "--all", "-m", "odd"]
        subprocess.run(words, cwd=proven.root, env=environment, check=True)
        for command in READING[:2]:
            code, _, err = proven.call(*command)
            assert code in (0, 1), err

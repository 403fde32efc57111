"""Replay: recorded steps run again in a clean work tree, compared, and filed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.planctl.conftest import Repo
from tests.planctl.functional.conftest import Project, write_project


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


def test_the_seed_draws_the_same_sample_again(proven: Project) -> None:
    def drawn(*words: str) -> list[str]:
        result = replayed(proven, "--dry-run", *words)
        assert result["of"] == 3
        return [step["step"] for step in result["steps"]]

    assert len(drawn("--sample", "0.01", "--seed", "1")) == 1
    assert len(drawn("--sample", "0.5")) == 2
    first = drawn("--sample", "0.3", "--seed", "5")
    assert len(first) == 1
    assert drawn("--sample", "0.3", "--seed", "5") == first
    assert not list(proven.hub.glob("replays/*"))
    for wrong in ("0", "1.5", "-1"):
        assert proven.call("replay", "X-001", "--sample", wrong)[0] == 2


def test_uncommitted_inputs_are_replayed_once_a_commit_has_them(project: Project) -> None:
    (project.root / "src/solo.txt").write_text("uncommitted\n")
    project.run_phase("--step", "solo")
    found = one(project, "solo", expect=1)
    assert found["outcome"] == "not replayed"
    assert "uncommitted changes that no commit has: `src/solo.txt`" in found["reason"]
    head = project.repo.commit("as it ran")
    found = one(project, "solo")
    assert (found["outcome"], found["replay"]["commit"]) == ("agreed", head)
    assert found["replay"]["recorded_commit"] != head


def test_what_is_no_base_for_a_second_opinion_is_not_replayed(proven: Project) -> None:
    (proven.hub / "analysis/one.txt").write_text("by hand\n")
    found = one(proven, "one", expect=1)
    assert found["outcome"] == "not replayed"
    assert "content is not what the receipt recorded" in found["reason"]
    proven.repo.git("checkout", "--quiet", ".")
    proven.edit("run: echo solo", "run: exit 3")
    proven.run_phase("--step", "solo", expect=1)
    assert "its run failed" in one(proven, "solo", expect=1)["reason"]
    assert not list(proven.hub.glob("replays/*"))


def test_an_output_outside_the_repository_is_not_overwritten(
    project: Project, tmp_path: Path
) -> None:
    rewrite(project, "env: { OUT: out }", f"env: {{ OUT: {tmp_path}/elsewhere }}")
    before = (tmp_path / "elsewhere/one.txt").stat()
    found = one(project, "one", expect=1)
    assert "outside the repository" in found["reason"]
    assert (tmp_path / "elsewhere/one.txt").stat() == before


def test_data_is_brought_as_it_was_recorded_or_the_step_is_left(project: Project) -> None:
    project.repo.write("data/scan.txt", "numbers\n")
    project.repo.write(".gitignore", "out/\ndata/\n")
    project.edit("run: echo solo", "run: cat data/scan.txt && echo more >> data/scan.txt; true")
    rewrite(project, "log: green/solo.log", "log: green/solo.log\n        data: [data/scan.txt]")
    now = (project.root / "data/scan.txt").read_text()
    assert "`data/scan.txt` is not here as it was" in one(project, "solo", expect=1)["reason"]
    project.repo.write("data/scan.txt", "numbers\n")
    assert one(project, "solo")["outcome"] == "agreed"
    assert (project.root / "data/scan.txt").read_text() == "numbers\n" != now


def test_the_number_of_tests_must_be_as_recorded(project: Project) -> None:
    project.repo.write("count.txt", "14 passed in 0.10s\n")
    project.repo.write(".gitignore", "out/\nlocal/\n")
    project.repo.write("local/count.txt", "15 passed in 0.20s\n")
    rewrite(project, "run: echo solo", "run: cat local/count.txt 2>/dev/null || cat count.txt")
    found = one(project, "solo", expect=1)
    assert found["outcome"] == "disagreed"
    assert "`15 passed in 0.20s` recorded, `14 passed in 0.10s` now" in found["reason"]


def test_scores_name_what_is_not_deterministic(project: Project) -> None:
    project.edit("to: analysis/two.txt }", "to: analysis/two.txt }\n" + " " * 10 + MORE)
    rewrite(project, "> $OUT/two.txt", "> $OUT/two.txt; echo $RANDOM$RANDOM > $OUT/random.txt")
    found = one(project, "two", "--times", "2", expect=1)
    assert len(found["replay"]["runs"]) == 2
    assert found["replay"]["score"] == 0.5
    assert found["replay"]["nondeterministic"] == ["analysis/random.txt"]
    _, out, _ = project.call("replay", "X-001", "--step", "two")
    assert "two: not deterministic: analysis/random.txt" in out


MORE = "- { from: $OUT/random.txt, to: analysis/random.txt }"


def test_a_python_hash_seed_of_the_recorded_run_is_used_again(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONHASHSEED", "5")
    command = "mkdir -p $OUT; python -c 'print(hash(str(1)))' > $OUT/two.txt"
    rewrite(project, "run: cat $OUT/one.txt src/two.txt > $OUT/two.txt", f'run: "{command}"')
    monkeypatch.setenv("PYTHONHASHSEED", "6")
    assert one(project, "two")["outcome"] == "agreed"


def test_code_installed_from_the_work_tree_is_taken_from_the_clean_tree(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.repo.write("src/answer.py", "VALUE = 1\n")
    project.edit("run: echo solo", "run: cd docs && python -c 'import answer; print(answer.VALUE)'")
    monkeypatch.syspath_prepend(str(project.root / "src"))
    monkeypatch.setenv("PYTHONPATH", str(project.root / "src"))
    capture = "        checks: [{ log: green/solo.log, matches: '^1$' }]\n"
    rewrite(project, "        inputs: [src/solo.txt]\n", f"        inputs: [src/**]\n{capture}")
    (project.root / "src/answer.py").write_text("VALUE = 2\n")
    assert one(project, "solo")["outcome"] == "agreed"
    monkeypatch.delenv("PYTHONPATH")
    assert one(project, "solo")["outcome"] == "agreed"


def test_a_shallow_clone_says_which_commit_it_lacks(
    proven: Project, at: Callable[[Path], Project], tmp_path: Path
) -> None:
    clone = tmp_path / "clone"
    proven.repo.git("clone", "--quiet", "--depth", "1", f"file://{proven.root}", str(clone))
    commit = proven.repo.git("rev-parse", "HEAD~1")
    there = at(clone)
    found = one(there, "solo")
    assert found["replay"]["commit"] == proven.repo.git("rev-parse", "HEAD")
    assert found["replay"]["recorded_commit"] == commit
    there.repo.write("src/solo.txt", "changed\n")
    there.repo.commit("change")
    found = one(there, "solo", expect=1)
    assert found["reason"].startswith(f"commit `{commit[:12]}` is not in this clone")


def test_a_commit_that_no_branch_has_is_replayed(proven: Project) -> None:
    (first,) = proven.receipts("solo")
    proven.repo.git("checkout", "--quiet", "--orphan", "other")
    proven.repo.commit("history rewritten")
    proven.repo.git("branch", "--quiet", "-D", "main")
    found = one(proven, "solo")
    assert found["outcome"] == "agreed"
    assert found["receipt"].endswith(first.name)


def planctl(project: Project, *words: str) -> subprocess.Popen[bytes]:
    """Start planctl as a process of its own."""
    code = "import sys; from planctl.cli.app import run; sys.exit(run(sys.argv[1:]))"
    return subprocess.Popen(
        [sys.executable, "-c", code, *words],
        cwd=project.root,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    )


def wait_for(sign: Callable[[], bool]) -> None:
    for _ in range(600):
        if sign():
            return
        time.sleep(0.05)
    raise AssertionError("it did not happen within 30 s")


@pytest.fixture
def slow(project: Project) -> Project:
    """Return a project whose replay of `solo` goes on until it is ended."""
    project.repo.write(".gitignore", "out/\nlocal/\n")
    project.repo.write("local/done", "")
    rewrite(project, "run: echo solo", "run: 'touch started; [ -f local/done ] || sleep 60'")
    return project


def started(folder: Path) -> bool:
    return any(folder.rglob("started"))


@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
)
def test_an_interrupted_replay_leaves_nothing(
    slow: Project, own_temporary: Path, number: int
) -> None:
    process = planctl(slow, "replay", "X-001", "--step", "solo")
    wait_for(lambda: started(own_temporary))
    process.send_signal(number)
    assert process.wait(30) == 130
    assert os.listdir(own_temporary) == []
    assert not list((slow.root / ".git/planctl/replay").iterdir())
    assert not list(slow.hub.glob("replays/*"))


def test_what_a_killed_replay_leaves_is_removed_by_the_next(
    slow: Project, own_temporary: Path
) -> None:
    process = planctl(slow, "replay", "X-001", "--step", "solo")
    wait_for(lambda: started(own_temporary))
    other = own_temporary / "planctl-replay-of-somebody"
    other.mkdir()
    process.kill()
    process.wait(30)
    (left,) = [path for path in own_temporary.iterdir() if path != other]
    outside = slow.repo.write("outside/keep.txt", "x")
    (left / "link").symlink_to(outside.parent)
    (left / "locked").mkdir(mode=0o500)
    result = replayed(slow, "--step", "one")
    assert result["leftovers"] == [str(left)]
    assert os.listdir(own_temporary) == [other.name]
    assert outside.read_text() == "x"


def test_a_running_replay_is_no_leftover(slow: Project, own_temporary: Path) -> None:
    process = planctl(slow, "replay", "X-001", "--step", "solo")
    wait_for(lambda: started(own_temporary))
    try:
        assert replayed(slow, "--step", "one")["leftovers"] == []
        assert started(own_temporary)
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 130


def test_submodules_are_brought_at_their_commit(project: Project, tmp_path: Path) -> None:
    library = Repo(tmp_path / "library")
    library.root.mkdir()
    library.git("init", "--quiet")
    library.write("value.txt", "1\n")
    library.commit("first")
    add = ("-c", "protocol.file.allow=always", "submodule", "--quiet", "add")
    project.repo.git(*add, str(library.root), "library")
    project.edit("inputs: [src/solo.txt]", "inputs: [src/solo.txt, library]")
    rewrite(project, "run: echo solo", "run: cat library/value.txt")
    assert one(project, "solo")["outcome"] == "agreed"
    (project.root / "library").rename(tmp_path / "away")
    found = one(project, "solo", expect=1)
    assert found["outcome"] == "not replayed"


@pytest.mark.slow
def test_a_repository_with_sha256_ids_and_a_linked_work_tree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capture: pytest.CaptureFixture[str]
) -> None:
    made = Repo(tmp_path / "made")
    made.root.mkdir()
    made.git("init", "--quiet", "--object-format=sha256")
    write_project(made)
    linked = Project(Repo(tmp_path / "linked"), capture)
    made.git("worktree", "add", "--quiet", str(linked.root))
    monkeypatch.chdir(linked.root)
    linked.run_phase()
    linked.repo.commit("evidence")
    assert [step["outcome"] for step in replayed(linked)["steps"]] == ["agreed"] * 3


@pytest.mark.slow
def test_of_a_folder_of_many_files_the_list_says_which_one_differs(project: Project) -> None:
    command = "run: 'mkdir -p $OUT/many; for i in $(seq 70); do echo $i > $OUT/many/$i.txt; done"
    project.edit(
        "{ from: $OUT/two.txt, to: analysis/two.txt }", "{ from: $OUT/many, to: analysis/many }"
    )
    project.edit("run: cat $OUT/one.txt src/two.txt > $OUT/two.txt", f"{command}'")
    project.repo.commit("plan")
    project.run_phase()
    assert one(project, "two")["replay"]["score"] == 1
    rewrite(
        project,
        "> $OUT/many/$i.txt; done'",
        "> $OUT/many/$i.txt; done; date +%N > $OUT/many/42.txt'",
    )
    found = one(project, "two", expect=1)
    texts = {a["declared"]: a["text"] for a in found["replay"]["runs"][0]["artifacts"]}
    assert texts["analysis/many"].startswith("other content")
    assert "42.txt" in texts["analysis/many.sha256"]


def test_a_contract_that_changed_since_is_replayed_as_its_commit_has_it(proven: Project) -> None:
    proven.edit("run: echo solo", "run: echo something else")
    proven.repo.commit("another command")
    found = one(proven, "solo")
    assert (found["outcome"], found["replay"]["command"]) == ("agreed", "echo solo")

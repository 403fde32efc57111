"""What the commit of a turn takes, and what it leaves exactly as it was."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from planctl._git import Repository
from planctl.models.turn.prose import TurnProse
from planctl.ops.turn import close_turn, open_turn
from planctl.workspace import Workspace
from tests.planctl.functional.liar import HUB, ID, Engineer

WORDS = "Added a helper to the fit.\nNothing else was needed.\nNext: use it in phase B.\n"


def closed(engineer: Engineer, *words: str, prose: str = WORDS) -> dict[str, Any]:
    """Close the turn; it must work."""
    answer = engineer.close(prose, "--json", *words)
    assert answer.code == 0, answer.said
    return answer.json()


def in_head(engineer: Engineer, path: str) -> str:
    return engineer.repo.git("show", f"HEAD:{path}")


def test_words_record_ledger_and_evidence_are_one_commit_with_trailers(engineer: Engineer) -> None:
    base = engineer.repo.git("rev-parse", "HEAD")
    engineer.open()
    engineer.repo.write("src/extra.py", "extra = 1\n")
    engineer.run_step(phase="B")
    result = closed(engineer)
    assert engineer.repo.git("rev-list", f"{base}..HEAD").split() == [result["commit"]]
    files = set(engineer.repo.git("show", "--name-only", "--format=", "HEAD").split("\n"))
    assert {"src/extra.py", f"{HUB}/summary.md", "docs/fix_plan.md", result["path"]} <= files
    assert f"plans/active/{ID}/summary.md" in files
    (receipt,) = engineer.receipts("use")
    assert f"{HUB}/receipts/{receipt.name}" in files
    trailers = engineer.repo.git("log", "-1", "--format=%(trailers:only)").splitlines()
    record = result["record"]
    assert trailers == [
        f"Turn: 00001 {record['id']}",
        "Role: engineer",
        f"Focus: {ID}",
        f"Receipt: {receipt.name[:26]}",
    ]
    assert engineer.repo.git("status", "--short") == ""
    assert record["receipts"] == [receipt.name[:26]]
    assert json.loads(in_head(engineer, result["path"])) == record
    assert engineer.call("turn", "check").code == 0


def test_the_subject_says_role_number_summary_and_tests(engineer: Engineer) -> None:
    engineer.open()
    engineer.repo.write("src/extra.py", "extra = 1\n")
    engineer.run_step("--step", "suite")
    closed(engineer)
    subject = engineer.repo.git("log", "-1", "--format=%s")
    assert subject == "ENGINEER AUTO (iter=00001): Added a helper to the fit — tests: 2 passed"


def test_a_template_of_ones_own_names_prompt_and_focus(engineer: Engineer) -> None:
    engineer.repo.write("planctl.toml", '[turn]\nsubject = "{focus} {role} {prompt}: {summary}"\n')
    engineer.repo.commit("settings")
    workspace = Workspace.open()
    open_turn(workspace, "supervisor", ID)
    close_turn(Workspace.open(), TurnProse.parse(WORDS), prompt="main")
    said = engineer.repo.git("log", "-1", "--format=%s")
    assert said == f"{ID} supervisor main: Added a helper to the fit"


def test_what_somebody_staged_or_changed_before_stays_exactly_so(engineer: Engineer) -> None:
    engineer.repo.write("src/use.py", "print('staged')\n")
    engineer.repo.git("add", "src/use.py")
    engineer.repo.write("src/use.py", "print('and changed')\n")
    engineer.repo.write("notes.txt", "mine\n")
    engineer.repo.git("rm", "--cached", "--quiet", ".gitignore")
    engineer.open()
    before = engineer.repo.git("ls-files", "--stage"), engineer.repo.git("status", "--short")
    engineer.repo.write("src/extra.py", "extra = 1\n")
    result = closed(engineer)
    assert engineer.repo.git("show", ":src/use.py") == "print('staged')"
    assert (engineer.root / "src/use.py").read_text() == "print('and changed')\n"
    assert engineer.repo.git("status", "--short") == before[1]
    index = engineer.repo.git("ls-files", "--stage").splitlines()
    assert [line for line in before[0].splitlines() if line not in index] == [
        line for line in before[0].splitlines() if line.endswith(("summary.md", "docs/fix_plan.md"))
    ]
    assert "src/extra.py" in engineer.repo.git("show", "--name-only", "--format=", "HEAD")
    assert {item["path"] for item in result["record"]["skipped"]} == {
        *("src/use.py", "notes.txt", ".gitignore")
    }
    assert in_head(engineer, "src/use.py") == 'print("used")'


def test_own_changes_of_the_ledger_and_the_summary_stay_uncommitted(engineer: Engineer) -> None:
    for path in ("docs/fix_plan.md", f"plans/active/{ID}/summary.md"):
        place = engineer.root / path
        place.write_text(place.read_text() + "\nstaged words\n")
        engineer.repo.git("add", path)
        place.write_text(place.read_text() + "\nmy own words\n")
    engineer.open()
    result = closed(engineer)
    for path in ("docs/fix_plan.md", f"plans/active/{ID}/summary.md"):
        mark = result["record"]["id"]
        assert mark in in_head(engineer, path)
        assert "words" not in in_head(engineer, path).replace(WORDS, "")
        staged = engineer.repo.git("show", f":{path}")
        assert mark in staged
        assert "staged words" in staged
        assert "my own words" not in staged
        now = (engineer.root / path).read_text()
        assert now.count("my own words") == 1
        assert mark in now
        added = engineer.repo.git("diff", "--cached", "--", path)
        assert "+staged words" in added
        assert not [
            line
            for line in added.splitlines()
            if line.startswith("-") and line != "---" and not line.startswith("--- ")
        ]


def test_include_takes_along_what_was_there_before(engineer: Engineer) -> None:
    engineer.repo.write("lib/a.py", "a = 1\n")
    engineer.repo.write("lib/b.py", "b = 1\n")
    engineer.repo.write("c.py", "c = 1\n")
    engineer.open()
    closed(engineer, "--include", "lib")
    assert in_head(engineer, "lib/b.py") == "b = 1"
    assert engineer.repo.git("status", "--short") == "?? c.py"


def test_include_of_nothing_is_refused(engineer: Engineer) -> None:
    engineer.open()
    answer = engineer.close(WORDS, "--include", "nope")
    assert answer.code == 2
    assert "`--include nope` names nothing" in answer.said


def hook(engineer: Engineer, name: str, text: str) -> None:
    place = engineer.root / ".git/hooks" / name
    place.parent.mkdir(exist_ok=True)
    place.write_text(f"#!/bin/sh\n{text}\n")
    place.chmod(0o755)


def test_a_hook_that_refuses_leaves_everything_as_it_was(engineer: Engineer) -> None:
    engineer.open()
    engineer.repo.write("src/extra.py", "extra = 1\n")
    before = {
        path: (engineer.root / path).read_bytes()
        for path in ("docs/fix_plan.md", f"{HUB}/summary.md", f"plans/active/{ID}/summary.md")
    }
    index = engineer.repo.git("ls-files", "--stage")
    status = engineer.repo.git("status", "--short")
    head = engineer.repo.git("rev-parse", "HEAD")
    hook(engineer, "pre-commit", "echo 'style: extra.py is ugly' >&2; exit 1")
    answer = engineer.close(WORDS)
    assert answer.code == 4
    assert "style: extra.py is ugly" in answer.err
    assert engineer.repo.git("rev-parse", "HEAD") == head
    assert {path: (engineer.root / path).read_bytes() for path in before} == before
    assert engineer.repo.git("ls-files", "--stage") == index
    assert engineer.repo.git("status", "--short") == status
    (engineer.root / ".git/hooks/pre-commit").unlink()
    closed(engineer)
    assert engineer.repo.git("status", "--short") == ""


def test_hooks_see_just_what_is_committed(engineer: Engineer) -> None:
    engineer.repo.write("mine.txt", "mine\n")
    engineer.repo.git("add", "mine.txt")
    engineer.open()
    engineer.repo.write("src/extra.py", "extra = 1\n")
    hook(engineer, "pre-commit", "git diff --cached --name-only > seen.txt; cp seen.txt /dev/null")
    result = closed(engineer)
    seen = (engineer.root / "seen.txt").read_text().split("\n")
    assert "src/extra.py" in seen
    assert result["path"] in seen
    assert "mine.txt" not in seen


def test_a_hook_may_call_planctl(engineer: Engineer) -> None:
    engineer.open()
    import sys

    hook(
        engineer,
        "pre-commit",
        f"{sys.executable} -c 'from planctl.cli.app import main; main()' "
        f"ledger attempt {ID} 'said by a hook'",
    )
    closed(engineer)
    assert "said by a hook" in (engineer.root / "docs/fix_plan.md").read_text()


@pytest.mark.parametrize(
    ("prepare", "told"),
    [
        (["checkout", "--quiet", "--detach"], "HEAD is detached"),
        (["switch", "--quiet", "-c", "other"], "HEAD is on `other`"),
    ],
)
def test_a_head_that_is_elsewhere_is_refused(
    engineer: Engineer, prepare: list[str], told: str
) -> None:
    engineer.open()
    engineer.repo.git(*prepare)
    answer = engineer.close(WORDS)
    assert answer.code == 4
    assert told in answer.err
    assert not list((engineer.root / f"plans/active/{ID}").glob("turns/*"))


def test_a_merge_under_way_is_refused(engineer: Engineer) -> None:
    engineer.repo.git("switch", "--quiet", "-c", "other")
    engineer.repo.write("src/use.py", "print('other')\n")
    engineer.repo.commit("other")
    engineer.repo.git("switch", "--quiet", "main")
    engineer.repo.write("src/use.py", "print('main')\n")
    engineer.repo.commit("main")
    engineer.open()
    engineer.repo.git("merge", "other", check=False)
    answer = engineer.close(WORDS)
    assert answer.code == 4
    assert "in the middle of a merge" in answer.err


def test_a_reset_below_the_start_of_the_turn_is_refused(engineer: Engineer) -> None:
    engineer.open()
    engineer.repo.git("reset", "--quiet", "--hard", "HEAD~1")
    answer = engineer.close(WORDS)
    assert answer.code == 4
    assert "HEAD no longer contains" in answer.err


def test_a_repository_without_a_commit_or_a_name_is_told_so(
    engineer: Engineer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    engineer.open()
    (tmp_path / "empty").write_text("[user]\n  useConfigOnly = true\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "empty"))
    answer = engineer.close(WORDS)
    assert answer.code == 4
    assert "git does not know who you are" in answer.err
    engineer.repo.git("checkout", "--quiet", "--orphan", "fresh")
    assert "no commit yet" in engineer.call("turn", "open", ID).err


def test_a_commit_that_comes_in_between_is_kept(
    engineer: Engineer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody commits after the index was put together and before git commits it."""
    from planctl import _git_commit

    engineer.open()
    engineer.repo.write("src/extra.py", "extra = 1\n")
    real, done = _git_commit.run_git, []

    def late(place: Path, *words: str, **named: Any) -> bytes:
        if words[0] == "commit" and not done:
            done.append(1)
            environment = {k: v for k, v in os.environ.items() if k != "GIT_INDEX_FILE"}
            assert "GIT_INDEX_FILE" not in environment
            engineer.repo.write("theirs.txt", "theirs\n")
            engineer.repo.git("add", "theirs.txt")
            engineer.repo.git("commit", "--quiet", "-m", "theirs", "--", "theirs.txt")
        return real(place, *words, **named)

    monkeypatch.setattr(_git_commit, "run_git", late)
    result = closed(engineer)
    assert in_head(engineer, "theirs.txt") == "theirs"
    assert in_head(engineer, "src/extra.py") == "extra = 1"
    assert engineer.repo.git("rev-parse", "HEAD") == result["commit"]
    assert engineer.repo.git("log", "--format=%s", "-2").splitlines()[1] == "theirs"
    assert engineer.repo.git("status", "--short") == ""


def test_a_file_that_changes_while_it_is_judged_stops_the_closing(
    engineer: Engineer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from planctl.ops.turn import closing

    engineer.open()
    engineer.repo.write("src/extra.py", "extra = 1\n")
    real = closing.settled

    def meanwhile(*words: Any) -> Any:
        engineer.repo.write("src/extra.py", "extra = 2\n")
        return real(*words)

    monkeypatch.setattr(closing, "settled", meanwhile)
    answer = engineer.close(WORDS)
    assert answer.code == 4
    assert "`src/extra.py` changed while the turn was judged" in answer.err
    assert "AUTO" not in engineer.repo.git("log", "-1", "--format=%s")


def test_commits_made_in_the_turn_are_its_own_and_those_of_other_turns_are_not(
    engineer: Engineer,
) -> None:
    engineer.open()
    engineer.repo.write("src/extra.py", "extra = 1\n")
    own = engineer.repo.commit("a step of mine")
    engineer.repo.write("src/other.py", "other = 1\n")
    other = engineer.repo.commit("x\n\nTurn: 00077 01M83T695GF5XF4DRTKTJT0BT1")
    result = closed(engineer)
    assert result["record"]["commits"] == [own, other]
    assert result["record"]["files"]["production"] == ["src/extra.py"]


def test_links_secrets_large_and_denied_files_are_named_and_left_out(
    engineer: Engineer, monkeypatch: pytest.MonkeyPatch
) -> None:
    engineer.repo.write("planctl.toml", "[evidence]\nmax_file_bytes = 50000\n")
    plan = engineer.plan.read_text().replace("env: {", "secrets: [TOKEN]\nenv: {")
    engineer.plan.write_text(plan)
    engineer.repo.commit("settings")
    monkeypatch.setenv("TOKEN", "hunter2hunter2")
    engineer.open()
    engineer.repo.write("big.bin", "x" * 50_001)
    engineer.repo.write("deep/.env", "A=1\n")
    engineer.repo.write("said.txt", "the token is hunter2hunter2\n")
    os.symlink("/etc/hostname", engineer.root / "way.txt")
    os.symlink("src", engineer.root / "inside")
    os.symlink("suite.log", engineer.hub / "green/alias.log")
    result = closed(engineer)
    why = {item["path"]: item["why"] for item in result["record"]["skipped"]}
    assert set(why) == {*("big.bin", "deep/.env", "said.txt", "way.txt", f"{HUB}/green/alias.log")}
    assert "too large" in why["big.bin"]
    assert "deny" in why["deep/.env"]
    assert "secret `TOKEN`" in why["said.txt"]
    assert "out of the repository" in why["way.txt"]
    assert "Not committed: big.bin (too large" in result["block"]
    assert engineer.repo.git("ls-tree", "HEAD", "inside").startswith("120000")


def test_a_secret_in_the_words_is_taken_out(
    engineer: Engineer, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = engineer.plan.read_text().replace("env: {", "secrets: [TOKEN]\nenv: {")
    engineer.plan.write_text(plan)
    engineer.repo.commit("secret")
    monkeypatch.setenv("TOKEN", "hunter2hunter2")
    engineer.open()
    result = closed(engineer, prose=WORDS + "Used hunter2hunter2 for it.\n")
    assert "hunter2" not in json.dumps(result)
    assert "[redacted]" in result["block"]
    assert "hunter2" not in engineer.repo.git("log", "-1", "-p")


def test_ignored_evidence_is_named(engineer: Engineer) -> None:
    engineer.repo.write(".gitignore", "out/\n__pycache__/\nuse.log\n")
    engineer.repo.commit("ignore")
    engineer.open()
    engineer.run_step(phase="B")
    result = closed(engineer)
    why = {item["path"]: item["why"] for item in result["record"]["skipped"]}
    assert why == {f"{HUB}/cli/use.log": "git ignores it"}
    refused = engineer.call("turn", "open", ID)
    assert refused.code == 0


def test_the_turn_is_bounded_and_receipts_go_first(engineer: Engineer) -> None:
    engineer.repo.write("planctl.toml", "[evidence]\nmax_turn_bytes = 20000\n")
    engineer.repo.commit("settings")
    engineer.open()
    engineer.run_step(phase="B")
    engineer.repo.write("a.txt", "x" * 19_000)
    engineer.repo.write("b.txt", "x" * 10)
    result = closed(engineer)
    assert [item["path"] for item in result["record"]["skipped"]] == ["a.txt"]
    assert engineer.repo.git("ls-files", "b.txt", f"{HUB}/receipts") != ""


def test_a_linked_work_tree_has_turns_of_its_own(
    engineer: Engineer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engineer.open()
    engineer.repo.git("worktree", "add", "--quiet", "-b", "side", str(tmp_path / "side"))
    monkeypatch.chdir(tmp_path / "side")
    assert engineer.call("turn", "show").code == 1
    assert engineer.call("turn", "open", ID, "--role", "engineer").code == 0
    Path("src/side.py").write_text("side = 1\n")
    answer = engineer.close(WORDS)
    assert answer.code == 0, answer.said
    repo = Repository(Path.cwd())
    assert repo.branch == "side"
    assert not repo.changed_paths()
    monkeypatch.chdir(engineer.root)
    assert engineer.call("turn", "show").code == 0


@pytest.mark.parametrize("name", ["ü ñ.txt", 'quo"te.txt', "tab\tname.txt", "line\nend.txt"])
def test_odd_names_are_committed_as_they_are(engineer: Engineer, name: str) -> None:
    engineer.open()
    (engineer.root / name).write_text("x\n")
    closed(engineer)
    assert name in engineer.repo.git("-c", "core.quotePath=false", "ls-tree", "-z", "HEAD").replace(
        "\0", "\n"
    )
    assert engineer.repo.git("status", "--short") == ""


def test_a_name_that_is_no_utf8_is_committed_and_spelled_out(engineer: Engineer) -> None:
    engineer.open()
    place = os.fsencode(engineer.root) + b"/caf\xe9.txt"
    with open(place, "wb") as stream:
        stream.write(b"x\n")
    result = closed(engineer)
    assert result["record"]["files"]["production"] == ["caf\\udce9.txt"]
    assert engineer.repo.git("status", "--short") == ""


def test_a_removed_file_is_removed_by_the_commit(engineer: Engineer) -> None:
    engineer.open()
    (engineer.root / "src/use.py").unlink()
    closed(engineer)
    assert "src/use.py" not in engineer.repo.git("ls-files")
    assert engineer.repo.git("status", "--short") == ""


def test_without_commit_everything_is_written_and_the_message_is_shown(engineer: Engineer) -> None:
    engineer.open()
    result = closed(engineer, "--no-commit")
    assert result["commit"] is None
    assert (engineer.root / result["path"]).is_file()
    assert "ENGINEER AUTO" not in engineer.repo.git("log", "-1", "--format=%s")
    engineer.repo.git("add", "--all")
    engineer.repo.git("commit", "--quiet", "-m", result["message"])
    assert engineer.call("turn", "check").code == 0
    assert engineer.call("turn", "show").code == 1


def test_what_a_hook_changes_is_told_and_the_index_follows(engineer: Engineer) -> None:
    engineer.open()
    engineer.repo.write("src/extra.py", "extra = 1\n")
    hook(
        engineer,
        "pre-commit",
        "echo 'extra = 2' > src/extra.py; git add src/extra.py; echo y > new.txt; git add new.txt",
    )
    result = closed(engineer)
    assert "a hook changed what was judged: `new.txt`, `src/extra.py`" in result["notes"]
    assert in_head(engineer, "src/extra.py") == "extra = 2"
    assert engineer.repo.git("status", "--short") == ""


def test_an_archive_that_the_ledger_needed_goes_along(engineer: Engineer) -> None:
    engineer.repo.write("planctl.toml", "[ledger]\nmax_lines = 12\n")
    engineer.repo.commit("settings")
    engineer.open()
    for number in range(9):
        assert engineer.call("ledger", "attempt", ID, f"try {number}").code == 0
    closed(engineer)
    assert engineer.repo.git("status", "--short") == ""

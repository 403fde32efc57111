"""`planctl claims` on real repositories: every kind of claim, supported and not."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from planctl.cli.app import run
from planctl.models.prose.reading import parse_prose
from tests.planctl.conftest import Repo
from tests.planctl.functional.conftest import Project

SUMMARY = "plans/active/X-001/summary.md"
HUB = "plans/active/X-001/reports/2025-11-13T000000Z/first"
LOG = "tests/test_a.py ..\n\n===== 14 passed in 0.65s =====\n"


@dataclass
class Told:
    """A repository in which somebody tells what they did."""

    repo: Repo
    capture: pytest.CaptureFixture[str]
    blocks: list[str] = field(default_factory=list)

    def say(self, text: str, stamp: str = "2025-11-14T0300Z") -> None:
        """Put a turn on top of the summary."""
        self.blocks.insert(0, f"### Turn Summary ({stamp})\n{text}\nNext: more.\n")
        self.repo.write(SUMMARY, "\n".join(self.blocks))

    def commit(self, when: str = "2025-11-14T03:05:00Z") -> str:
        """Commit everything at a time."""
        self.repo.git("add", "--all")
        old = {name: os.environ.get(name) for name in ("GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE")}
        os.environ.update(GIT_AUTHOR_DATE=when, GIT_COMMITTER_DATE=when)
        try:
            self.repo.git("commit", "--quiet", "--allow-empty", "--message", "turn")
        finally:
            for name, value in old.items():
                os.environ.pop(name) if value is None else os.environ.update({name: value})
        return self.repo.git("rev-parse", "HEAD")

    def judged(self, *words: str) -> list[dict[str, Any]]:
        """Run `planctl claims`; the exit code must agree with what it says."""
        self.capture.readouterr()
        code = run(["claims", "--json", *(words or (SUMMARY,))])
        out, err = self.capture.readouterr()
        assert code in (0, 1), err
        report = json.loads(out)
        bad = any(c["answer"] in ("contradicted", "unsupported") for c in report["claims"])
        assert code == (1 if bad else 0)
        assert report["ok"] is not bad
        found: list[dict[str, Any]] = report["claims"]
        return found

    def answers(self, kind: str, *words: str) -> dict[str, str]:
        """Return claim → answer (and where a path was found)."""
        return {
            item["claim"]: f"{item['answer']} {item['found']}".strip()
            for item in self.judged(*words)
            if item["kind"] == kind
        }


@pytest.fixture
def told(repo: Repo, capsys: pytest.CaptureFixture[str]) -> Told:
    """Return a repository with a hub that has a log, a stats file and a note."""
    repo.write("src/code.py", "one\ntwo\nthree\n")
    repo.write(".gitignore", "scratch/\n*.npy\n")
    repo.write(f"{HUB}/green/pytest_suite.log", LOG)
    repo.write(f"{HUB}/analysis/stats.json", '{"runs": [{"var": 6.0888e-05}], "mean": 0.25}')
    repo.write(f"{HUB}/notes.md", "loss=0.5\nloss=0.25\n")
    return Told(repo, capsys)


def test_paths_are_judged_in_the_tree_of_their_commit(told: Told) -> None:
    told.say(
        f"Artifacts: {HUB}/{{notes.md,late.txt,never.txt}}, green/pytest_suite.log, "
        "scratch/x.log, data/raw.npy, code.py, .../first/notes.md, analysis/*.json, red/*.md, "
        "/tmp/x.log, red/blocked_<stamp>.md, cli/run.log (pending)"
    )
    told.commit()
    told.repo.write(f"{HUB}/late.txt", "late\n")
    told.commit("2025-11-14T03:10:00Z")
    assert told.answers("path") == {
        f"{HUB}/notes.md": "supported exists",
        f"{HUB}/late.txt": "unsupported later",
        f"{HUB}/never.txt": "unsupported never",
        "green/pytest_suite.log": "supported exists",
        "scratch/x.log": "unsupported ignored",
        "data/raw.npy": "unsupported ignored",
        "code.py": "supported deeper",
        "first/notes.md": "supported exists",
        "analysis/*.json": "supported exists",
        "red/*.md": "unsupported never",
        "/tmp/x.log": "not checkable",
        "red/blocked_<stamp>.md": "not checkable",
        "cli/run.log": "not checkable absent",
    }


def test_a_file_that_was_deleted_since_was_there_when_it_was_cited(told: Told) -> None:
    told.say(f"Artifacts: {HUB}/notes.md")
    told.commit()
    told.repo.git("rm", "-q", f"{HUB}/notes.md")
    told.commit("2025-11-14T03:10:00Z")
    assert told.answers("path") == {f"{HUB}/notes.md": "supported exists"}
    assert told.answers("path", "--now", SUMMARY) == {f"{HUB}/notes.md": "unsupported never"}
    told.say(f"Artifacts: {HUB}/notes.md", "2025-11-14T0312Z")
    told.commit("2025-11-14T03:12:00Z")
    found = [item for item in told.judged() if item["kind"] == "path"]
    assert [item["found"] for item in found] == ["gone", "exists"]


def test_what_is_not_committed_is_judged_in_the_work_tree(told: Told) -> None:
    told.commit()
    told.repo.write(f"{HUB}/new.txt", "new\n")
    (told.repo.root / HUB / "notes.md").unlink()
    told.say(f"Artifacts: {HUB}/{{new.txt,notes.md}}, scratch/x.log")
    told.repo.write("scratch/x.log", "x\n")
    found = {item["claim"]: (item["found"], item["commit"]) for item in told.judged()}
    assert found[f"{HUB}/new.txt"] == ("exists", "")
    assert found[f"{HUB}/notes.md"] == ("gone", "")
    assert found["scratch/x.log"] == ("ignored", "")


def test_a_mention_accuses_nobody_and_an_order_neither(told: Told) -> None:
    told.say("Looked for `docs/absent.md`.")
    text = (told.repo.root / SUMMARY).read_text()
    told.repo.write(SUMMARY, text.replace("Next: more.", "Next: write `docs/new.md:3`, 5 passed."))
    told.commit()
    assert set(told.answers("path").values()) == {"not checkable absent"}
    assert set(told.answers("test").values()) == {"not checkable"}


def test_cited_lines_must_be_there(told: Told) -> None:
    told.say("See `src/code.py:2-3`, `src/code.py:2-4` and `docs/absent.md:1`.")
    told.commit()
    assert told.answers("path") == {
        "src/code.py:2-3": "supported exists",
        "src/code.py:2-4": "contradicted exists",
        "docs/absent.md:1": "unsupported never",
    }


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("pytest GREEN (14/14, 0.65s)", "supported"),
        ("14 passed (0.65s)", "supported"),
        ("15 passed in 0.65s", "contradicted"),
        ("14 passed in 0.66s", "contradicted"),
        ("14 passed, 1 failed in 0.65s", "contradicted"),
    ],
)
def test_a_test_claim_needs_a_log_of_its_count_and_time(told: Told, text: str, answer: str) -> None:
    told.say(f"Ran it: {text}.\nArtifacts: {HUB}/green/pytest_suite.log")
    told.commit()
    assert list(told.answers("test").values()) == [answer]


def test_a_test_claim_without_any_log_is_unsupported(told: Told) -> None:
    (told.repo.root / HUB / "green/pytest_suite.log").unlink()
    told.say(f"Ran it: 14 passed in 0.65s.\nArtifacts: {HUB}/notes.md")
    told.commit()
    assert list(told.answers("test").values()) == ["unsupported"]


def test_a_log_that_says_suite_and_holds_one_test_supports_no_suite(told: Told) -> None:
    told.repo.write(f"{HUB}/green/pytest_suite.log", "== 1 passed in 0.65s ==\n")
    told.say(f"All 14 tests PASSED (0.65s).\nArtifacts: {HUB}/green/pytest_suite.log")
    told.commit()
    (found,) = [item for item in told.judged() if item["kind"] == "test"]
    assert found["answer"] == "contradicted"
    assert "1 passed in 0.65s" in found["why"]


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("var=6.09e-05", "supported"),
        ("var = 6.1×10⁻⁵", "supported"),
        ("var=7.00e-05", "contradicted"),
        ("a mean of 25%", "supported"),
        ("mean>=0.3", "contradicted"),
        ("mean=0.4", "contradicted"),
        ("loss=0.25", "supported"),
        ("unheard_of=3", "not checkable"),
    ],
)
def test_numbers_are_looked_up_in_the_artifacts(told: Told, text: str, answer: str) -> None:
    told.say(f"It gave {text}.\nArtifacts: {HUB}/analysis/stats.json, {HUB}/notes.md")
    told.commit()
    assert list(told.answers("number").values()) == [answer]


def test_commits_must_exist_and_have_touched_what_is_said(told: Told) -> None:
    told.commit()
    told.repo.write("src/code.py", "new\n")
    told.repo.write("docs/b.md", "new\n")
    change = told.commit("2025-11-14T03:01:00Z")[:9]
    told.say(
        f"Commit {change} landed.\nCommit {change} changed src/code.py.\n"
        f"Commit {change} touched only src/code.py.\n"
        f"Commit {change} touched only src/ + docs/b.md.\n"
        f"Commit {change} updated README.md.\nCommit 0123abc landed."
    )
    told.commit()
    found = [item["answer"] for item in told.judged() if item["kind"] == "commit"]
    assert found == [
        *("supported", "supported", "contradicted", "supported"),
        *("contradicted", "unsupported"),
    ]


@pytest.mark.parametrize(
    ("stamp", "answer"),
    [
        ("2025-11-14T0300Z", "supported"),
        ("20251114T024000Z", "supported"),
        ("2025-11-14", "supported"),
        ("2025-11-14 05:00", "supported"),
        ("2025-11-14T0230Z", "contradicted"),
        ("2025-11-14T0311Z", "contradicted"),
        ("2025-11-18", "contradicted"),
        ("2025-02-30", "contradicted"),
    ],
)
def test_headings_are_compared_with_the_commit_that_first_had_them(
    told: Told, stamp: str, answer: str
) -> None:
    told.say("Did it.", stamp)
    told.commit("2025-11-14T03:05:00Z")
    told.repo.write("docs/other.md", "x\n")
    told.commit("2025-12-24T00:00:00Z")
    assert told.answers("stamp") == {stamp: answer}


def test_each_line_of_a_ledger_is_judged_at_its_own_commit(told: Told) -> None:
    log = f"{HUB}/green/pytest_suite.log"
    lines = ["# Plan", "", "## X-001", f"- 14 passed in 0.65s ({log})"]
    told.repo.write("docs/fix_plan.md", "\n".join(lines) + "\n")
    told.commit()
    told.repo.write(log, "== 15 passed in 0.70s ==\n")
    lines.append(f"- 15 passed in 0.70s ({log})")
    told.repo.write("docs/fix_plan.md", "\n".join(lines) + "\n")
    told.commit("2025-11-14T03:10:00Z")
    found = told.answers("test", "docs/fix_plan.md")
    assert list(found.values()) == ["supported", "supported"]
    found = told.answers("test", "--now", "docs/fix_plan.md")
    assert list(found.values()) == ["contradicted", "supported"]


def test_a_heading_keeps_its_commit_when_its_text_is_edited(told: Told) -> None:
    told.say("Did it.")
    first = told.commit("2025-11-14T03:05:00Z")
    text = (told.repo.root / SUMMARY).read_text()
    told.repo.write(SUMMARY, text.replace("Did it.", "Did it well."))
    told.commit("2025-11-15T03:05:00Z")
    (found,) = [item for item in told.judged() if item["kind"] == "stamp"]
    assert found["answer"] == "supported"
    assert first[:8] in found["why"]


def test_the_work_tree_has_no_time_yet(told: Told) -> None:
    told.commit()
    told.say("Did it.", "2099-01-01T000000Z")
    told.say("Did it too.", "2025-11-14T0300Z")
    assert list(told.answers("stamp").values()) == ["not checkable", "contradicted"]


def test_of_commits_only_added_lines_are_judged(told: Told) -> None:
    told.say(f"Artifacts: {HUB}/absent.txt")
    first = told.commit()
    told.say(f"Artifacts: {HUB}/notes.md", "2025-11-14T0310Z")
    told.commit("2025-11-14T03:10:00Z")
    assert told.answers("path", f"{first}..HEAD") == {f"{HUB}/notes.md": "supported exists"}
    assert told.answers("path", first) == {f"{HUB}/absent.txt": "unsupported never"}
    assert len(told.answers("path", "HEAD~2..HEAD")) == 2


def test_without_a_target_every_summary_and_ledger_is_read(told: Told) -> None:
    told.say(f"Artifacts: {HUB}/notes.md")
    told.repo.write("docs/fix_plan.md", f"# Plan\n\n## X-001\n- Artifacts: {HUB}/absent.txt\n")
    told.repo.write("docs/other.md", "Artifacts: nothing/at/all.md\n")
    told.commit()
    found = told.judged("--all")
    assert {item["path"] for item in found} == {SUMMARY, "docs/fix_plan.md"}


def test_what_cannot_be_read_is_reported_and_the_rest_is_judged(told: Told) -> None:
    told.say(f"Artifacts: {HUB}/{{notes.md, analysis/stats.json")
    told.commit()
    found = told.judged()
    assert [item["answer"] for item in found if item["kind"] == "path"] == ["supported"] * 2
    assert [item["kind"] for item in found if item["answer"] == "unreadable"] == ["unreadable"]


@pytest.mark.parametrize(
    ("text", "answer", "why"),
    [
        ("GREEN (3/3, 1.00s)", "supported", "receipt"),
        ("GREEN (4/4, 1.00s)", "contradicted", "receipt"),
        ("FAILED (1 failed, 1.00s)", "contradicted", "ended with 0"),
    ],
)
def test_receipts_come_before_logs(project: Project, text: str, answer: str, why: str) -> None:
    command = "echo tests/test_solo.py::test_it && echo '== 3 passed in 1.00s =='"
    project.edit("run: echo solo", f"run: {command}")
    project.run_phase()
    hub = project.hub.relative_to(project.root).as_posix()
    log = project.hub / "green/other.log"
    log.write_text("== 4 passed in 2.00s ==\n")
    path = project.root / SUMMARY
    path.write_text(
        f"### Turn Summary\n`tests/test_solo.py::test_it` {text}.\n"
        f"Artifacts: {hub}/green/solo.log\n"
    )
    project.repo.commit("told")
    _, out, _ = project.call("claims", SUMMARY, "--json")
    (found,) = [item for item in json.loads(out)["claims"] if item["kind"] == "test"]
    assert (found["answer"], why in found["why"]) == (answer, True)


def test_turns_that_planctl_wrote_itself_hold(proven: Project) -> None:
    code, out, err = proven.call("claims", "--json")
    report = json.loads(out)
    assert code == 0, (err, [c for c in report["claims"] if c["answer"] != "supported"])
    assert report["turns"] >= 1


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("absent.md",), 2),
        (("README.md", "HEAD"), 2),
        (("no-such..HEAD",), 2),
        (("README.md",), 0),
        (("HEAD",), 0),
    ],
)
def test_targets_that_are_none(told: Told, words: tuple[str, ...], code: int) -> None:
    told.commit()
    assert run(["claims", *words]) == code
    assert "Traceback" not in told.capture.readouterr().err


def test_a_repository_without_commits_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Repo(tmp_path).git("init", "--quiet")
    monkeypatch.chdir(tmp_path)
    assert run(["claims"]) == 4


def test_a_shallow_clone_accuses_nobody_of_commits_it_lacks(
    told: Told, tmp_path: Path, at: Callable[[Path], Project]
) -> None:
    told.say("Commit 0123abc landed.")
    told.commit()
    clone = tmp_path / "clone"
    told.repo.git("clone", "--quiet", "--depth", "1", f"file://{told.repo.root}", str(clone))
    _, out, _ = at(clone).call("claims", SUMMARY, "--json")
    report = json.loads(out)
    assert [c["answer"] for c in report["claims"] if c["kind"] == "commit"] == ["not checkable"]
    assert "shallow" in report["notes"][0]


def test_names_cannot_drive_a_terminal(told: Told) -> None:
    told.say("Artifacts: hub/\x1b[31mred.md, \u202egnp.md")
    told.commit()
    run(["claims", "--all"])
    out = told.capture.readouterr().out
    assert "\x1b" not in out
    assert "\u202e" not in out


def test_the_table_counts_every_kind(told: Told) -> None:
    told.say(f"14 passed in 0.65s.\nArtifacts: {HUB}/absent.txt")
    told.commit()
    assert run(["claims", SUMMARY]) == 1
    out = told.capture.readouterr().out
    assert "1 turn summary" in out
    assert f"{SUMMARY}:3: path {HUB}/absent.txt [unsupported, never]" in out
    assert "14 passed" not in out


def test_a_turn_of_this_repository_is_read_by_the_parser_of_claims(proven: Project) -> None:
    text = (proven.root / "plans/active/X-001/summary.md").read_text()
    prose = parse_prose(text)
    assert not prose.unreadable
    assert prose.turns[0].field("Artifacts") is not None


@pytest.mark.parametrize("command", ["claims", "audit"])
def test_a_kind_that_nothing_has_is_refused(
    project: Project, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    code, out, err = project.call(command, "--kind", "nonsense")
    assert (code, out) == (2, "")
    assert "`--kind nonsense` is no kind" in err
    assert "there is `" in err

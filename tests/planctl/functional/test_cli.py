"""The command line: exit codes, hints, JSON on stdout and talk on stderr."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.planctl.functional.conftest import ID, Project


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("title: A small project", "titel: x", 3, "`titel`: unknown key"),
        ("needs: [one]", "needs: [two]", 23, "cycle: two → two"),
        ("log: cli/one.log", "log: /tmp/one.log", 15, "is absolute"),
        ("to: analysis/one.txt", "to: ../one.txt", 19, "climbs out with `..`"),
        ("rows: [A2]", "rows: [A9]", 24, "row `A9` is not in the checklist"),
        ("schema: planctl/plan/v1", "schema: [", 3, "is not YAML"),
    ],
)
def test_a_bad_plan_names_file_line_and_key(
    project: Project, old: str, new: str, line: int, says: str
) -> None:
    project.edit(old, new)
    for words in (("verify", "X-001"), ("run-phase", "X-001", "A"), ("status",)):
        code, out, err = project.call(*words)
        assert (code, out) == (4, "")
        assert f"plans/active/X-001/plan.yaml:{line}: " in err
        assert says in err


def test_an_empty_plan_says_what_to_do(project: Project) -> None:
    project.plan_path.write_text("")
    code, _, err = project.call("verify", "X-001")
    assert code == 4
    assert "plan.yaml:1: is empty" in err
    assert "hint: `planctl new ID` writes a first plan" in err


def test_errors_are_json_when_asked(project: Project) -> None:
    code, out, err = project.call("verify", "NOPE-1", "--json")
    assert code == 4
    error = json.loads(out)["error"]
    assert error["slug"] == "not-found"
    assert "`X-001`" in error["hint"]
    assert "error: no initiative `NOPE-1`" in err


@pytest.mark.parametrize(
    "words",
    [
        ("verify", "--nonsense"),
        ("nonsense",),
        ("run-phase", "X-001"),
        ("run-phase", "X-001", "A", "--jobs", "0"),
        ("verify", "X-001", "--set", "OUT"),
        ("run-phase", "X-001", "A", "--set", "OUT=elsewhere"),
        ("verify", "X-001", "--set", "NOPE=1"),
        ("schema", "nope"),
    ],
)
def test_wrong_usage_ends_with_2_and_nothing_on_stdout(
    project: Project, words: tuple[str, ...]
) -> None:
    code, out, err = project.call(*words)
    assert (code, out) == (2, "")
    assert err


def test_outside_a_repository_the_error_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from planctl.cli.app import run

    monkeypatch.chdir(tmp_path)
    assert run(["status"]) == 4
    assert "is not inside a git repository" in capsys.readouterr().err


def test_a_repository_without_commits_is_no_crash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import subprocess

    from planctl.cli.app import run

    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    monkeypatch.chdir(tmp_path)
    assert run(["new", "A-1", "--title", "First"]) == 0
    assert run(["hub", "new", "A-1"]) == 0
    assert run(["verify", "A-1"]) == 1
    assert run(["run-phase", "A-1", "A"]) == 4
    assert "has no commit yet" in capsys.readouterr().err


def test_why_prints_the_predicate_with_both_ids(proven: Project) -> None:
    assert proven.call("why", "A3")[0] == 0
    before = proven.repo.git("rev-parse", "HEAD:src/solo.txt")
    (proven.root / "src/solo.txt").write_text("changed\n")
    commit = proven.repo.commit("change")
    after = proven.repo.git("rev-parse", "HEAD:src/solo.txt")
    code, out, _ = proven.call("why", "A3")
    assert code == 1
    assert f"src/solo.txt: recorded {before}, now {after}  moved by {commit}" in out
    assert "restore: planctl run-phase X-001 A --step solo" in out
    path = f"{proven.hub.relative_to(proven.root)}/green/solo.log"
    for target in ("solo", path, "green/solo.log"):
        code, out, _ = proven.call("why", target, "--json")
        assert (code, json.loads(out)[0]["verdict"]) == (1, "stale")


def test_why_of_a_dirty_step_says_what_to_commit(project: Project) -> None:
    (project.root / "src/solo.txt").write_text("uncommitted\n")
    project.run_phase()
    _, out, _ = project.call("why", "A3")
    assert "restore: git add -- src/solo.txt && git commit -m " in out


def test_why_without_a_hub_says_how_to_get_one(project: Project) -> None:
    project.edit("hub: 2025-11-13T000000Z/small\n", "")
    _, out, _ = project.call("why", "A3")
    assert "restore: planctl hub new X-001" in out


def test_why_of_an_unknown_name_is_an_error(proven: Project) -> None:
    code, _, err = proven.call("why", "Z9")
    assert code == 4
    assert "`Z9` is no row, step or artifact" in err


def test_status_counts_what_is_proven_and_says_what_is_next(project: Project) -> None:
    code, out, _ = project.call("status", "--json")
    row = json.loads(out)[0]
    assert (code, row["proven"], row["steps"]) == (0, 0, 3)
    assert row["next"] == "planctl run-phase X-001 A"
    project.run_phase()
    assert json.loads(project.call("status", "--json")[1])[0]["proven"] == 3


def test_output_is_readable_without_a_terminal(proven: Project) -> None:
    code, out, _ = proven.call("verify")
    assert code == 0
    assert "\x1b" not in out
    assert re.search(r"^A  +one  +A1  +fresh", out, re.MULTILINE)
    assert "3 of 3 steps proven" in out


def test_a_table_is_drawn_where_a_terminal_is(
    proven: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    _, out, _ = proven.call("verify")
    shown = re.sub(r"\x1b\[[\d;]*m", "", out)
    assert shown != out
    assert re.search(r"A +│ one +│ A1 +│ fresh", shown)


def test_names_cannot_drive_a_terminal(proven: Project) -> None:
    (proven.hub / "green/\x1b[31mred\nline.log").write_text("x")
    _, out, _ = proven.call("verify")
    assert "\x1b" not in out
    assert "\\x1b[31mred" in out


def test_an_ad_hoc_command_is_recorded_and_its_exit_code_passed_through(proven: Project) -> None:
    words = ("run", "--id", "X-001", "--input", "src/solo.txt", "--", "sh", "-c", "echo hi; exit 5")
    code, out, err = proven.call(*words)
    assert code == 5
    assert "hi\n" in err
    log = proven.hub / "cli/sh_c.log"
    assert "log plans/active/X-001" in out
    assert "# exit: 5" in log.read_text()
    assert len(proven.receipts("run-sh_c")) == 1
    assert proven.verdicts() == {"one": "fresh", "two": "fresh", "solo": "fresh"}


def test_schema_describes_a_plan(project: Project) -> None:
    code, out, _ = project.call("schema", "plan")
    assert code == 0
    schema = json.loads(out)
    assert schema["additionalProperties"] is False
    assert {"id", "phases", "title", "schema"} <= set(schema["required"])


def test_status_counts_what_is_stale_and_says_what_is_blocked(proven: Project) -> None:
    proven.call("init")
    (proven.root / "src/one.txt").write_text("changed\n")
    row = json.loads(proven.call("status", "--json")[1])[0]
    assert (row["proven"], row["stale"], row["blocked"]) == (1, 2, False)
    proven.call("block", "X-001", "--reason", "the cluster is down")
    row = json.loads(proven.call("status", "--json")[1])[0]
    assert row["blocked"]
    line = next(line for line in proven.call("status")[1].splitlines() if "X-001" in line)
    assert re.search(r"  1/3  +2  +blocked  ", line)


def test_a_scratch_hub_is_named_and_its_other_values_too(project: Project) -> None:
    scratch = ("--scratch", "outputs/try")
    project.run_phase(*scratch, "--set", "OUT=out/elsewhere")
    code, out, _ = project.call("verify", ID, *scratch)
    assert code == 1
    assert "X-001 at" in out
    assert "scratch hub outputs/try" in out
    assert "a scratch hub was judged alone: it proves nothing for the plan" in out
    assert "to judge them with those: --set OUT=out/elsewhere" in out
    assert "plan.yaml" not in out
    report = json.loads(project.call("verify", ID, *scratch, "--json")[1])
    assert report["scratch"]
    assert "`OUT` was `out/elsewhere`, is `out`" in report["steps"][0]["reasons"][0]
    code, out, _ = project.call("verify", ID, *scratch, "--set", "OUT=out/elsewhere")
    assert code == 0
    assert "other values" not in out
    assert not json.loads(project.call("verify", ID, "--json")[1])["scratch"]

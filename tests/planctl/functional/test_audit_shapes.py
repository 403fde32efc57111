"""`planctl audit` on histories of every shape: merges, renames, cuts, odd names, nothing at all."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.fast_import import Content, History
from planctl.cli.app import run
from tests.planctl.conftest import Repo
from tests.planctl.functional.audit_story import HOME, LEDGER, START, stamp

SUMMARY = f"{HOME}/summary.md"
HUB = f"{HOME}/reports/{stamp(START)}/scan"
Audit = Callable[..., dict[str, Any]]


@pytest.fixture
def audit(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Audit:
    """Return a function that audits a repository and returns the JSON answer."""

    def look(root: Path, *words: str) -> dict[str, Any]:
        monkeypatch.chdir(root)
        code = run(["audit", "--json", *words])
        out, err = capsys.readouterr()
        assert code in (0, 1), err
        result: dict[str, Any] = json.loads(out)
        assert code == (0 if result["ok"] else 1)
        result["by"] = {item["key"]: (item["count"], item["of"]) for item in result["totals"]}
        return result

    return look


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path / "made")


def block(text: str, *artifacts: str, when: int = START) -> str:
    return f"### Turn Summary ({stamp(when)})\n{text}\nArtifacts: {', '.join(artifacts)}\n\n"


def findings(result: dict[str, Any], kind: str) -> list[tuple[str, str]]:
    return [(item["claim"], item["verdict"]) for item in result["findings"] if item["kind"] == kind]


def test_a_block_of_a_merged_branch_counts_once_at_the_commit_that_wrote_it(
    history: History, audit: Audit
) -> None:
    base = block("First.", f"{HUB}/a.log")
    first = history.commit({SUMMARY: base, f"{HUB}/a.log": "a\n"}, START)
    side = history.commit(
        {SUMMARY: block("Side.", f"{HUB}/side.log") + base}, START + 60, branch="side"
    )
    main = history.commit(
        {SUMMARY: base + block("Main.", f"{HUB}/main.log")}, START + 120, parents=[first]
    )
    both = block("Side.", f"{HUB}/side.log") + base + block("Main.", f"{HUB}/main.log")
    history.commit({SUMMARY: both}, START + 180, parents=[main, side])
    ids = history.close()
    result = audit(history.root)
    assert result["by"]["citations.absent"] == (2, 3)
    assert {
        item["commit"] for item in result["findings"] if item["kind"] == "citations.absent"
    } == {
        ids[side],
        ids[main],
    }


def test_what_a_merge_itself_writes_counts_at_the_merge(history: History, audit: Audit) -> None:
    first = history.commit({SUMMARY: block("First.", "README.md"), "README.md": "x\n"}, START)
    side = history.commit({"b.txt": "b\n"}, START + 60, branch="side")
    main = history.commit({"c.txt": "c\n"}, START + 60, parents=[first])
    third = history.commit({"d.txt": "d\n"}, START + 60, parents=[first], branch="third")
    own = block("Merged.", "b.txt", "c.txt", "d.txt", "gone.txt") + block("First.", "README.md")
    files: dict[str, Content] = {SUMMARY: own, "b.txt": "b\n", "d.txt": "d\n"}
    octopus = history.commit(files, START + 120, parents=[main, side, third])
    ids = history.close()
    result = audit(history.root)
    assert result["by"]["citations.absent"] == (1, 5)
    (found,) = [item for item in result["findings"] if item["kind"] == "citations.absent"]
    assert (found["commit"], found["claim"]) == (ids[octopus], "gone.txt")


def test_trees_of_branches_do_not_mix(history: History, audit: Audit) -> None:
    first = history.commit({"README.md": "x\n"}, START)
    side = history.commit({"only_side.log": "x\n"}, START + 60, branch="side")
    # On main the file of the other branch is not there yet, whatever was walked before.
    main = history.commit(
        {SUMMARY: block("Claims.", "only_side.log")}, START + 120, parents=[first]
    )
    files: dict[str, Content] = {"only_side.log": "x\n"}
    history.commit(files, START + 180, parents=[main, side])
    history.close()
    assert findings(audit(history.root), "citations.absent") == [("only_side.log", "next")]


def test_blocks_that_move_or_are_copied_are_not_new(history: History, audit: Audit) -> None:
    one = block("One.", f"{HUB}/gone.log")
    two = block("Two.", f"{HUB}/gone_too.log", when=START + 60)
    history.commit({SUMMARY: one}, START)
    history.commit({SUMMARY: two + one}, START + 60)
    history.commit({SUMMARY: two, "docs/archive/old_summary.md": one}, START + 120)
    history.commit({f"{HUB}/summary.md": two}, START + 180)
    history.commit({SUMMARY: None, f"{HOME}/summary_all.md": two}, START + 240)
    history.close()
    result = audit(history.root)
    assert result["by"]["citations.absent"] == (2, 2)
    assert result["by"]["names.headings"] == (0, 2)


def test_notes_that_move_to_another_ledger_are_not_new(history: History, audit: Audit) -> None:
    notes = [f"  * Attempt {n} of the scan. Artifacts: `{HUB}/gone_{n}.log`." for n in range(6)]
    head = "## [beam-drift] Drift\n- Status: done\n- Attempts:\n"
    history.commit({LEDGER: head + "\n".join(notes)}, START)
    files: dict[str, Content] = {
        LEDGER: head + "\n".join(notes[3:]),
        "docs/archive/fix_plan.md": head + "\n".join(notes[:3]),
    }
    history.commit(files, START + 60)
    history.close()
    assert audit(history.root)["by"]["citations.absent"] == (6, 6)


def test_an_artifact_counts_once_a_commit_however_often_it_is_cited(
    history: History, audit: Audit
) -> None:
    note = f"## [beam-drift] Drift\n  * Scanned. Artifacts: `{HUB}/gone.log`.\n"
    text = block("One.", f"{HUB}/gone.log") + block("Two.", f"{HUB}/gone.log", when=START + 60)
    history.commit({LEDGER: note, SUMMARY: text}, START)
    history.close()
    assert audit(history.root)["by"]["citations.absent"] == (1, 1)


def test_code_that_a_merge_brings_justifies_a_request(history: History, audit: Audit) -> None:
    table = f"{HUB}/table.json"
    done = f"### Turn Summary\nExecuted the scan; complete.\nArtifacts: {table}\n\n"
    ask = "### Turn Summary\nRead.\nNext: rerun the scan and capture `table.json`.\n\n"
    first = history.commit({"src/a.py": "one\n"}, START)
    side = history.commit({"src/a.py": "two\n"}, START + 60, branch="side")
    files: dict[str, Content] = {SUMMARY: done, table: "{}"}
    main = history.commit(files, START + 120, parents=[first])
    merged = history.commit({"src/a.py": "two\n"}, START + 180, parents=[main, side])
    again = ask.replace("Read.", "Read once more.")
    history.commit({SUMMARY: again + done}, START + 240, parents=[main], branch="unmerged")
    history.commit({SUMMARY: ask + done}, START + 300, parents=[merged])
    history.close()
    assert audit(history.root)["by"]["requests.repeated"] == (0, 1)
    assert audit(history.root, "unmerged")["by"]["requests.repeated"] == (1, 1)


def test_what_another_branch_completed_is_not_complete_here(history: History, audit: Audit) -> None:
    table = f"{HUB}/table.json"
    done = f"### Turn Summary\nExecuted the scan; complete.\nArtifacts: {table}\n\n"
    ask = "### Turn Summary\nRead.\nNext: rerun the scan and capture `table.json`.\n\n"
    first = history.commit({"README.md": "x\n"}, START)
    files: dict[str, Content] = {SUMMARY: done, table: "{}"}
    side = history.commit(files, START + 60, branch="side")
    main = history.commit({SUMMARY: ask}, START + 120, parents=[first])
    merged = history.commit({SUMMARY: ask + done, table: "{}"}, START + 180, parents=[main, side])
    again = ask.replace("Read.", "Read once more.")
    last = history.commit({SUMMARY: again + ask + done}, START + 240, parents=[merged])
    ids = history.close()
    result = audit(history.root)
    assert result["by"]["requests.repeated"] == (1, 2)
    (found,) = [item for item in result["findings"] if item["kind"] == "requests.repeated"]
    assert (found["commit"], found["verdict"]) == (ids[last], ids[side][:8])


def test_a_suite_of_many_tests_is_one(history: History, audit: Audit) -> None:
    files: dict[str, Content] = {
        f"{HUB}/green/full_suite.log": "==== 14 passed in 7.17s ====\n",
        f"{HUB}/green/suite_smoke.log": "==== 1 passed in 0.17s ====\n",
        f"{HUB}/cli/full.log": "no tests in here\n",
    }
    history.commit(files, START)
    history.close()
    result = audit(history.root)
    assert result["by"]["logs.suite"] == (1, 2)
    assert findings(result, "logs.suite") == [(f"{HUB}/green/suite_smoke.log", "1 test")]


def test_a_tail_that_several_hubs_have_accuses_nobody(history: History, audit: Audit) -> None:
    logs = {f"{HOME}/reports/{stamp(START)}/{name}/green/a.log": "$ run\n" for name in "xy"}
    files: dict[str, Content] = {**logs, SUMMARY: block("Both.", "green/a.log", "green/b.log")}
    history.commit(files, START)
    history.close()
    result = audit(history.root)
    assert result["by"]["citations.deeper"] == (1, 2)
    assert findings(result, "citations.absent") == [("green/b.log", "never")]


def test_an_edit_of_an_old_block_counts_only_its_new_line(history: History, audit: Audit) -> None:
    history.commit({SUMMARY: block("One.", "a.log", "b.log")}, START)
    text = block("One.", "a.log", "b.log").rstrip("\n") + "\nMore evidence.\n"
    history.commit({SUMMARY: text}, START + 60)
    history.close()
    assert audit(history.root)["by"]["citations.absent"] == (2, 2)


def test_a_hub_that_is_renamed_is_no_new_name_and_its_files_not_lost(
    history: History, audit: Audit
) -> None:
    old = f"plans/active/beam-drift/reports/{stamp(START)}"
    new = f"plans/archive/beam-drift/reports/{stamp(START)}"
    history.commit({f"{old}/a.log": "$ run a\n"}, START)
    files: dict[str, Content] = {f"{old}/a.log": None, f"{new}/a.log": "$ run a\n"}
    history.commit(files, START + 30 * 86_400)
    text = block("Archived.", f"{old}/a.log", when=START + 30 * 86_400)
    history.commit({"docs/summary.md": text}, START + 30 * 86_400)
    history.close()
    result = audit(history.root)
    assert result["by"]["names.hubs"] == (0, 1)
    assert findings(result, "citations.absent") == [(f"{old}/a.log", "earlier")]


def test_a_range_judges_its_commits_and_looks_on_to_head(history: History, audit: Audit) -> None:
    before = history.commit({SUMMARY: block("Before.", "before.log")}, START)
    told = block("Within.", "late.log", when=START + 60) + block("Before.", "before.log")
    within = history.commit({SUMMARY: told}, START + 60)
    after = history.commit({"x": "x\n"}, START + 120)
    history.commit({"late.log": "$ run\n"}, START + 180)
    ids = history.close()
    result = audit(history.root, f"{ids[before]}..{ids[within]}")
    assert result["commits"] == 1
    assert findings(result, "citations.absent") == [("late.log", "later")]
    assert audit(history.root, ids[before])["commits"] == 1
    assert audit(history.root, f"{ids[after]}..")["commits"] == 1


def test_a_range_knows_the_files_that_were_there_before_it(history: History, audit: Audit) -> None:
    first = history.commit({"old.log": "$ run\n", "docs/x.md": "x\n"}, START)
    history.commit({SUMMARY: block("Claims.", "old.log")}, START + 60)
    ids = history.close()
    assert audit(history.root, f"{ids[first]}..HEAD")["by"]["citations.absent"] == (0, 1)


def test_a_shallow_clone_says_so_and_accuses_nobody_of_what_it_cannot_see(
    history: History, audit: Audit, tmp_path: Path
) -> None:
    text = block("Old.", "gone.log")
    history.commit({SUMMARY: text, f"{HUB}/a.log": "$ run\n"}, START)
    history.commit({"x": "x\n"}, START + 40 * 86_400)
    history.commit({"y": "y\n"}, START + 40 * 86_400 + 60)
    history.close()
    clone = tmp_path / "clone"
    url = history.root.as_uri()
    subprocess.run(["git", "clone", "-q", "--depth", "2", url, clone], check=True)
    result = audit(clone)
    assert result["lower_bounds"]
    assert "shallow" in result["notes"][0]
    assert result["by"]["citations.cited"] == (0, None)
    assert result["by"]["names.hubs"] == (0, 0)
    assert not audit(history.root)["lower_bounds"]


def test_names_of_an_import_are_not_judged(history: History, audit: Audit) -> None:
    files: dict[str, Content] = {
        f"{HOME}/reports/{stamp(START - day * 86_400)}/a.log": "$ run\n" for day in range(5)
    }
    history.commit(files, START)
    history.close()
    result = audit(history.root)
    assert result["by"]["names.hubs"] == (0, 0)
    assert any("import" in note for note in result["notes"])


def test_names_without_zone_or_time_get_the_doubt(history: History, audit: Audit) -> None:
    history.commit({"README.md": "x\n"}, START)
    day = stamp(START)[:10]
    files: dict[str, Content] = {
        f"reports/{stamp(START + 9 * 3600).rstrip('Z')}/a.md": "x\n",
        f"docs/{day}-note.md": "x\n",
        "docs/1999-01-01-note.md": "x\n",
        "data/seed_20200101.txt": "x\n",
    }
    history.commit(files, START + 60)
    history.close()
    result = audit(history.root)
    assert result["by"]["names.hubs"] == (0, 1)
    assert findings(result, "names.files") == [("1999-01-01-note.md", "off")]


def test_names_of_any_bytes_are_read_and_shown(
    history: History, audit: Audit, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = b"docs/\xff\x1b[31m summary.md".decode("utf-8", "surrogateescape")
    files: dict[str, Content] = {
        odd: block("Odd.", "gone.log"),
        "docs/new\nline_summary.md": block("Odder.", "gone_too.log", when=START + 60),
        "docs/blob_summary.md": b"\x00\xff" + block("Bytes.", "none.log").encode(),
    }
    history.commit(files, START)
    history.close()
    assert audit(history.root)["by"]["citations.absent"] == (3, 3)
    assert run(["audit", "--all"]) == 1
    out = capsys.readouterr().out
    assert "\x1b[31m" not in out
    assert "\\x1b[31m" in out


def test_a_repository_without_prose_has_nothing_to_say(history: History, audit: Audit) -> None:
    history.commit({"src/a.c": "int main(void) { return 0; }\n"}, START)
    history.commit({}, START + 60)
    history.close()
    result = audit(history.root)
    assert result["ok"]
    assert (result["commits"], result["texts"]) == (2, 0)
    assert "no commit touches" in result["notes"][-1]


def test_other_layouts_are_named_on_the_command_line_or_in_the_settings(
    history: History, audit: Audit
) -> None:
    history.commit({"log/day_one.md": block("One.", "gone.log")}, START)
    history.close()
    assert audit(history.root)["texts"] == 0
    found = audit(history.root, "--summaries", "log/*.md")
    assert found["by"]["citations.absent"] == (1, 1)
    (history.root / "planctl.toml").write_text('[audit]\nsummaries = ["log/**"]\n')
    assert audit(history.root)["by"]["citations.absent"] == (1, 1)


def test_a_log_too_large_to_read_is_told(history: History, audit: Audit) -> None:
    history.commit({f"{HUB}/cli/huge.log": b"x" * (17 << 20)}, START)
    history.close()
    result = audit(history.root)
    assert result["by"]["logs.silent"] == (0, 0)
    assert any("not read: 1 log" in note for note in result["notes"])


def test_statuses_that_contradict_each_other_are_found_while_they_stand(
    history: History, audit: Audit
) -> None:
    ledger = "# Plan\n\n| ID | Title | Status |\n|---|---|---|\n| BEAM-001 | Beam | done |\n\n"
    section = "## [BEAM-001] Beam\n- Status: in_progress\n\n## [TILT-002] Tilt\n- Status: done\n"
    history.commit({LEDGER: ledger + section}, START)
    history.commit({LEDGER: ledger + section + "\nmore\n"}, START + 60)
    history.commit({LEDGER: ledger + section.replace("in_progress", "done")}, START + 120)
    history.commit({"docs/fix_plan.md.bak": "x\n", "old/fix_plan.md": section}, START + 180)
    history.close()
    result = audit(history.root)
    assert findings(result, "statuses.contradictory") == [("BEAM-001: done", "contradictory")] * 2
    assert result["by"]["statuses.commits"] == (3, 4)
    assert result["by"]["statuses.two_ledgers"] == (2, 2)


def test_plan_summary_and_ledger_speak_of_one_item(history: History, audit: Audit) -> None:
    turn = "### Turn Summary\nStatus: in progress\nArtifacts: none\n"
    files: dict[str, Content] = {
        LEDGER: "## [beam-drift] Drift\n- Status: done\n",
        f"{HOME}/implementation.md": "# Drift\n**Status:** Complete\n## Phase A\nStatus: open\n",
        SUMMARY: turn,
    }
    history.commit(files, START)
    history.commit({SUMMARY: "# Drift\n\n**Status:** in progress\n\n" + turn}, START + 60)
    history.close()
    result = audit(history.root)
    assert findings(result, "statuses.contradictory") == [("beam-drift: done", "contradictory")]
    assert result["by"]["statuses.commits"] == (1, 2)


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("Rerun the scan for A1, then run A2.", [("orders A1", "ticked")]),
        ("Mark A1 complete, then run the tilt for A2.", []),
        ("Run the tilt for A2.", []),
    ],
)
def test_a_ticked_row_that_is_ordered_again_is_found(
    order: str, expected: list[tuple[str, str]], history: History, audit: Audit
) -> None:
    plan = "# Beam\n\n- [x] A1: run the scan\n- [ ] A2: tilt\n"
    brief = f"**Focus:** [beam-drift]\n\n## Do Now\n\n- {order}\n"
    history.commit({f"{HOME}/implementation.md": plan, "input.md": brief}, START)
    history.close()
    assert findings(audit(history.root), "statuses.ordered_again") == expected


def test_a_brief_asks_again_and_counts_once_with_its_summary(
    history: History, audit: Audit
) -> None:
    table = f"{HUB}/table.json"
    done = f"### Turn Summary\nExecuted the scan; complete.\nArtifacts: {table}\n\n"
    ask = "### Turn Summary\nRead.\nNext: rerun the scan, capture `table.json`.\n\n"
    brief = "**Focus:** [beam-drift]\n\n## Do Now\n\n1. {} the scan for `table.json`.\n"
    history.commit({SUMMARY: done, table: "{}"}, START)
    alone = history.commit({"input.md": brief.format("Repeat")}, START + 60)
    both = {"input.md": brief.format("Re-run"), SUMMARY: ask + done}
    with_summary = history.commit(both, START + 120)
    new_work = brief.format("Fix the stage first, then rerun")
    history.commit({"input.md": new_work}, START + 180)
    ids = history.close()
    result = audit(history.root)
    assert result["by"]["requests.repeated"] == (2, 3)
    found = [item for item in result["findings"] if item["kind"] == "requests.repeated"]
    assert [item["commit"] for item in found] == [ids[alone], ids[with_summary]]


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({"src/a.py": "zero\none\ntwo\nthree\n"}, "moved"),
        ({"src/a.py": "one\nTWO\nthree\n"}, "changed"),
        ({"src/a.py": None}, "vanished"),
        ({"src/a.py": "one\ntwo\n3\n"}, None),
    ],
)
def test_pointers_hold_while_their_line_says_the_same(
    change: dict[str, Content], verdict: str | None, history: History, audit: Audit
) -> None:
    text = "### Turn Summary\nSee `src/a.py:2`.\nArtifacts: none\n"
    history.commit({"src/a.py": "one\ntwo\nthree\n", SUMMARY: text}, START)
    history.commit(change, START + 60)
    history.close()
    expected = [] if verdict is None else [("src/a.py:2", verdict)]
    assert findings(audit(history.root), "pointers") == expected


def test_a_pointer_beyond_the_end_was_never_right(history: History, audit: Audit) -> None:
    text = "### Turn Summary\nSee `src/a.py:20-30`.\nArtifacts: none\n"
    history.commit({"src/a.py": "one\n", SUMMARY: text}, START)
    history.close()
    assert findings(audit(history.root), "pointers") == [("src/a.py:20", "no such line")]


def test_a_test_claim_needs_count_and_time_in_its_hub(history: History, audit: Audit) -> None:
    other = f"{HOME}/reports/{stamp(START)}/other"
    files: dict[str, Content] = {
        f"{HUB}/green/pytest.log": "$ pytest\n==== 3 passed, 1 warning in 7.17s ====\n",
        f"{HUB}/green/another.log": "$ pytest\n==== 5 passed in 2.00s ====\n",
        f"{other}/green/pytest.log": "$ pytest\n==== 9 passed in 1.00s ====\n",
        SUMMARY: "\n".join(
            block(f"Tests: {claim}.", f"{HUB}/green/pytest.log", when=START + at)
            for at, claim in enumerate(
                ("3 passed in 7.17s", "3 passed (7.2s)", "3 passed in 7.18s", "4 passed in 7.17s")
            )
        ),
    }
    history.commit(files, START)
    history.close()
    result = audit(history.root)
    claims = [claim for claim, _ in findings(result, "tests.unmatched")]
    assert [claim.split()[0] + claim.split()[-1] for claim in claims] == ["37.18s", "47.17s"]
    assert result["by"]["tests.unmatched"] == (2, 4)


def test_notes_of_one_commit_each_mean_the_hub_on_their_own_line(
    history: History, audit: Audit
) -> None:
    files: dict[str, Content] = {}
    notes = ["## [beam-drift] Drift", "- Attempts:"]
    for number, name in enumerate(("one", "two"), 3):
        hub = f"{HOME}/reports/{stamp(START)}/{name}"
        files[f"{hub}/green/a.log"] = f"$ pytest\n==== {number} passed in {number}.00s ====\n"
        notes.append(f"  * {number} passed in {number}.00s. Artifacts: `{hub}/green/a.log`")
    history.commit(files | {LEDGER: "\n".join(notes)}, START)
    history.close()
    assert audit(history.root)["by"]["tests.unmatched"] == (0, 2)


def test_usage_and_missing_history_are_told_apart(
    repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["audit", "nowhere..HEAD"]) == 2
    assert "`nowhere`" in capsys.readouterr().err
    assert run(["audit", "HEAD", "--file", "x.md"]) == 2
    assert run(["audit", "--summaries", "/etc/*"]) == 2
    assert run(["audit", "--file", "absent.md"]) == 4
    (repo.root / "empty.md").write_text("nothing\n")
    assert run(["audit", "--file", "empty.md"]) == 4
    empty = tmp_path / "empty"
    subprocess.run(["git", "init", "-q", empty], check=True)
    monkeypatch.chdir(empty)
    assert run(["audit"]) == 4
    monkeypatch.chdir(tmp_path)
    assert run(["audit"]) == 4

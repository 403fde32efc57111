"""Sync: rows tick and untick themselves, and a commit carries what it proves."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.planctl.functional.conftest import ROWS, Project

WORKING = "plans/active/X-001/implementation.md"
RUN = "planctl run-phase X-001 A --step"


def rows(project: Project) -> list[str]:
    return (project.root / WORKING).read_text().splitlines()[2:]


def committed(project: Project) -> list[str]:
    return project.repo.git("show", f"HEAD:{WORKING}").splitlines()[2:]


def hooked(project: Project) -> None:
    """Let git run sync before each commit."""
    planctl = Path(sys.executable).with_name("planctl")
    hook = project.root / ".git/hooks/pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f'#!/bin/sh\nexec "{planctl}" sync --staged\n')
    hook.chmod(0o755)


def test_rows_tick_themselves_when_their_steps_have_run(project: Project) -> None:
    assert rows(project) == ["- [ ] A1: one", "- [ ] A2: two", "- [ ] A3: solo"]
    project.run_phase("--step", "one")
    assert rows(project) == ["- [x] A1: one", "- [ ] A2: two", "- [ ] A3: solo"]
    project.run_phase()
    assert rows(project) == ["- [x] A1: one", "- [x] A2: two", "- [x] A3: solo"]
    assert project.call("sync", "--check")[0] == 0


def test_ticking_a_row_makes_no_evidence_stale(project: Project) -> None:
    project.edit("inputs: [src/solo.txt]", f"inputs: [src/solo.txt, {WORKING}]")
    project.repo.commit("the working plan is an input")
    project.run_phase()
    assert rows(project)[2] == "- [x] A3: solo"
    assert set(project.verdicts().values()) == {"fresh"}
    project.repo.commit("evidence")
    assert set(project.verdicts().values()) == {"fresh"}
    assert project.call("at", "HEAD", "X-001")[0] == 0
    place = project.root / WORKING
    place.write_text(place.read_text().replace("solo", "solo, and more"))
    assert project.verdicts()["solo"] == "stale"


def test_a_stale_row_says_what_moved_and_what_brings_it_back(proven: Project) -> None:
    (proven.root / "src/solo.txt").write_text("other\n")
    code, out, _ = proven.call("sync", "--check")
    assert code == 1
    remark = f"<!-- planctl: stale since this change (src/solo.txt): {RUN} solo -->"
    assert out.splitlines() == [
        f"{WORKING}:5",
        "-- [x] A3: solo",
        f"+- [ ] A3: solo {remark}",
    ]
    assert rows(proven)[2] == "- [x] A3: solo"
    assert proven.call("sync")[0] == 0
    assert rows(proven)[2] == f"- [ ] A3: solo {remark}"
    assert proven.call("sync", "--check")[0] == 0


def test_the_commit_that_moved_an_input_is_named(proven: Project) -> None:
    (proven.root / "src/solo.txt").write_text("other\n")
    moved = proven.repo.commit("other")[:8]
    assert proven.call("sync", "X-001")[0] == 0
    assert f"stale since {moved} (src/solo.txt)" in rows(proven)[2]
    before = rows(proven)
    proven.repo.git("commit", "--quiet", "--amend", "--message", "another name", "--all")
    assert proven.call("sync", "--check")[0] == 0
    assert rows(proven) == before


def test_the_remark_goes_when_the_evidence_is_fresh_again(proven: Project) -> None:
    before = (proven.root / WORKING).read_bytes()
    (proven.root / "src/solo.txt").write_text("other\n")
    assert proven.call("sync")[0] == 0
    (proven.root / "src/solo.txt").write_text("solo\n")
    assert proven.call("sync")[0] == 0
    assert (proven.root / WORKING).read_bytes() == before
    (proven.root / "src/solo.txt").write_text("third\n")
    assert proven.call("sync")[0] == 0
    proven.run_phase()
    assert rows(proven)[2].startswith("- [ ] A3: solo <!-- planctl: dirty (src/solo.txt): ")
    proven.repo.commit("third")
    assert proven.call("sync")[0] == 0
    assert (proven.root / WORKING).read_bytes() == before


def test_the_command_of_a_remark_takes_it_away_even_if_nothing_has_to_run(proven: Project) -> None:
    before = (proven.root / WORKING).read_bytes()
    (proven.root / "src/solo.txt").write_text("other\n")
    assert proven.call("sync")[0] == 0
    (proven.root / "src/solo.txt").write_text("solo\n")
    proven.run_phase("--step", "solo")
    assert (proven.root / WORKING).read_bytes() == before


@pytest.mark.parametrize(
    ("break_it", "remark"),
    [
        ("artifact", "modified (analysis/one.txt): planctl next-green X-001"),
        ("lost", "missing (analysis/one.txt): planctl next-green X-001"),
        ("contract", f"stale (contract): {RUN} one"),
        ("input", f"stale since this change (src/one.txt): {RUN} one"),
    ],
)
def test_each_way_to_lose_a_proof_is_told(proven: Project, break_it: str, remark: str) -> None:
    if break_it == "artifact":
        (proven.hub / "analysis/one.txt").write_text("mine\n")
    elif break_it == "lost":
        (proven.hub / "analysis/one.txt").unlink()
    elif break_it == "contract":
        proven.edit("echo one is done", "echo one is done twice")
    else:
        (proven.root / "src/one.txt").write_text("other\n")
    assert proven.call("sync")[0] == 0
    assert rows(proven)[0] == f"- [ ] A1: one <!-- planctl: {remark} -->"
    assert rows(proven)[1].startswith("- [ ] A2: two <!-- planctl: stale (needs one):")


def test_a_row_that_was_never_run_and_is_ticked_is_told(project: Project) -> None:
    place = project.root / WORKING
    place.write_text(ROWS.replace("[ ] A1", "[x] A1"))
    assert project.call("sync")[0] == 0
    assert rows(project)[0] == f"- [ ] A1: one <!-- planctl: missing (no receipt): {RUN} one -->"
    assert rows(project)[1:] == ["- [ ] A2: two", "- [ ] A3: solo"]
    assert project.call("sync", "--check")[0] == 0


@pytest.mark.parametrize("name", ["a --> b", "<!-- a -->", "a\n- [x] A1: b", "\x1b[2J"])
def test_no_name_of_a_file_ends_the_remark(project: Project, name: str) -> None:
    project.edit("inputs: [src/solo.txt]", 'inputs: ["src/dir/**"]')
    place = project.root / "src/dir" / name
    place.parent.mkdir()
    place.write_text("one\n")
    project.repo.commit("a file")
    project.run_phase("--step", "solo")
    before = (project.root / WORKING).read_bytes()
    place.write_text("other\n")
    assert project.call("sync")[0] == 0
    assert project.call("sync", "--check")[0] == 0
    told = rows(project)
    assert len(told) == 3
    assert told[2].startswith("- [ ] A3: solo <!-- planctl: stale since this change (src/dir/")
    assert told[2].count("-->") == 1
    assert told[2].isprintable()
    place.write_text("one\n")
    assert project.call("sync")[0] == 0
    assert (project.root / WORKING).read_bytes() == before


def test_rows_without_a_step_are_their_authors(proven: Project) -> None:
    place = proven.root / WORKING
    place.write_text(place.read_text() + "- [x] B1: by hand\n- [ ] B2: not yet\n")
    assert proven.call("sync")[0] == 0
    assert rows(proven)[3:] == ["- [x] B1: by hand", "- [ ] B2: not yet"]


def test_a_row_of_two_steps_is_ticked_when_both_are_proven(project: Project) -> None:
    project.edit("rows: [A3]", "rows: [A1, A3]")
    project.repo.commit("two steps for A1")
    project.run_phase("--step", "one")
    assert rows(project)[0] == "- [ ] A1: one"
    project.run_phase("--step", "solo")
    assert rows(project)[0] == "- [x] A1: one"


def test_json_has_every_change(proven: Project) -> None:
    (proven.root / "src/solo.txt").write_text("other\n")
    code, out, _ = proven.call("sync", "--check", "--json")
    told = json.loads(out)
    assert (code, told["ok"], told["written"]) == (1, False, [])
    (change,) = told["changes"]
    assert (change["row"], change["verdict"], change["line"]) == ("A3", "stale", 5)


def test_a_working_plan_behind_a_link_out_of_the_repository_is_refused(proven: Project) -> None:
    place = proven.root / WORKING
    outside = proven.root.parent / "outside.md"
    outside.write_text(place.read_text().replace("[x]", "[ ]"))
    place.unlink()
    place.symlink_to(outside)
    assert proven.call("sync")[0] == 4
    assert "[x]" not in outside.read_text()


def test_a_commit_carries_the_rows_that_it_makes_stale(proven: Project) -> None:
    hooked(proven)
    (proven.root / "src/solo.txt").write_text("other\n")
    (proven.root / "src/one.txt").write_text("not staged\n")
    place = proven.root / WORKING
    place.write_text(place.read_text().replace("# Working plan", "# Not staged either"))
    proven.repo.git("add", "src/solo.txt")
    proven.repo.git("commit", "--quiet", "--message", "other")
    remark = f"<!-- planctl: stale since this change (src/solo.txt): {RUN} solo -->"
    assert committed(proven) == ["- [x] A1: one", "- [x] A2: two", f"- [ ] A3: solo {remark}"]
    assert "# Working plan" in proven.repo.git("show", f"HEAD:{WORKING}")
    assert place.read_text().startswith("# Not staged either\n")
    assert rows(proven) == committed(proven)
    assert proven.repo.git("diff", "--cached", "--name-only") == ""
    (proven.root / "src/one.txt").write_text("one\n")
    assert proven.call("sync", "--check")[0] == 0


def test_a_commit_carries_the_rows_that_it_proves(project: Project) -> None:
    project.run_phase()
    (project.root / WORKING).write_text(ROWS)
    hooked(project)
    project.repo.git("add", "plans")
    project.repo.git("commit", "--quiet", "--message", "evidence")
    assert committed(project) == ["- [x] A1: one", "- [x] A2: two", "- [x] A3: solo"]
    assert project.repo.git("status", "--porcelain", "--", WORKING) == ""


@pytest.mark.parametrize("words", [("--all",), ("--", "src/solo.txt")])
def test_commits_that_stage_by_themselves_carry_them_too(
    proven: Project, words: tuple[str, ...]
) -> None:
    hooked(proven)
    (proven.root / "src/solo.txt").write_text("other\n")
    proven.repo.git("commit", "--quiet", "--message", "other", *words)
    assert "stale since this change (src/solo.txt)" in committed(proven)[2]
    assert rows(proven) == committed(proven)


def test_a_commit_that_matters_to_no_row_changes_nothing(proven: Project) -> None:
    hooked(proven)
    place = proven.root / WORKING
    place.write_text(place.read_text().replace("[x] A3", "[ ] A3"))
    proven.repo.write("docs/notes.md", "other notes\n")
    proven.repo.git("add", "docs")
    proven.repo.git("commit", "--quiet", "--message", "notes")
    assert proven.repo.git("show", "--name-only", "--format=") == "docs/notes.md"
    assert rows(proven)[2] == "- [ ] A3: solo"


def test_staged_rows_are_only_checked_when_asked(proven: Project) -> None:
    (proven.root / "src/solo.txt").write_text("other\n")
    assert proven.call("sync", "--staged", "--check")[0] == 0
    proven.repo.git("add", "src/solo.txt")
    code, out, _ = proven.call("sync", "--staged", "--check")
    assert (code, out.splitlines()[0]) == (1, f"{WORKING}:5")
    assert rows(proven)[2] == "- [x] A3: solo"
    assert proven.call("sync", "--staged", "X-001")[0] == 2


def test_the_first_commit_of_all_can_be_looked_at(project: Project) -> None:
    project.run_phase()
    (project.root / WORKING).write_text(ROWS)
    project.repo.git("checkout", "--quiet", "--orphan", "new")
    project.edit('    gate: "', '    # gate: "')
    project.repo.git("add", "--all")
    assert project.call("sync", "--staged")[0] == 0
    staged = project.repo.git("show", f":{WORKING}").splitlines()[2:]
    assert [line[:5] for line in staged] == ["- [x]", "- [x]", "- [x]"]

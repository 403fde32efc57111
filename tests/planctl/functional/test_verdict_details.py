"""Verdicts in the cases between the plain ones: several receipts, needs, folders, artifacts."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from planctl.ops import receipts
from planctl.ops.record import Recorder
from tests.planctl.functional.conftest import Project
from tests.planctl.functional.test_attacks import ALL_FRESH, BUILD, _set, forge, payload, report

At = Callable[[Path], Project]
COMMIT = f"{BUILD}/resolvedDependencies/0"


def replaced(project: Project, step: str, change: Callable[[dict[str, Any]], None]) -> Path:
    """Put a forged receipt in the place of a step's only one, and out of git's memory."""
    (real,) = project.receipts(step)
    made = forge(real, change)
    real.unlink()
    project.repo.git("add", "--all")
    project.repo.git("commit", "--quiet", "--amend", "--message", "evidence")
    return made


def artifacts(project: Project, step: str) -> dict[str, str]:
    """Return hub-relative path → verdict of a step's artifacts."""
    found = next(item for item in report(project)["steps"] if item["step"] == step)
    return {item["path"].split("/small/")[1]: item["verdict"] for item in found["artifacts"]}


def folder_step(project: Project, files: int) -> None:
    """Let `solo` leave a folder of files."""
    project.edit(
        "run: echo solo",
        f"run: mkdir -p out/d && for i in $(seq {files}); do echo $i > out/d/$i.txt; done",
    )
    project.edit(
        "log: green/solo.log",
        "log: green/solo.log\n        collect: [{ from: out/d, to: analysis/d }]",
    )


def test_an_artifact_has_its_own_verdict_when_it_is_the_one(proven: Project) -> None:
    assert artifacts(proven, "one") == {"cli/one.log": "fresh", "analysis/one.txt": "fresh"}
    (proven.hub / "analysis/one.txt").write_text("flipped")
    assert artifacts(proven, "one") == {"cli/one.log": "fresh", "analysis/one.txt": "modified"}
    (proven.hub / "analysis/one.txt").unlink()
    assert artifacts(proven, "one") == {"cli/one.log": "fresh", "analysis/one.txt": "missing"}
    with (proven.hub / "cli/one.log").open("a") as log:
        log.write("# added\n")
    assert artifacts(proven, "one") == {"cli/one.log": "modified", "analysis/one.txt": "missing"}


def test_a_large_folder_is_one_artifact_and_all_of_it_counts(project: Project) -> None:
    folder_step(project, 70)
    project.run_phase()
    assert project.verdicts() == ALL_FRESH
    assert report(project)["unproven"] == []
    extra = project.hub / "analysis/d/extra.txt"
    extra.write_text("new")
    assert project.verdicts()["solo"] == "modified"
    extra.unlink()
    (project.hub / "analysis/d/33.txt").unlink()
    assert project.verdicts()["solo"] == "modified"


def test_what_no_plain_file_is_blocks_no_verdict(proven: Project) -> None:
    place = proven.hub / "analysis/one.txt"
    place.unlink()
    os.mkfifo(place)
    assert proven.verdicts()["one"] == "modified"
    place.unlink()
    place.symlink_to(proven.root / "src/one.txt")
    assert "now a symbolic link" in proven.call("why", "one")[1]


def test_a_log_of_another_commit_or_of_no_planctl_is_not_intact(proven: Project) -> None:
    other = proven.repo.git("rev-parse", "HEAD~2")
    replaced(proven, "solo", _set(f"{COMMIT}/digest/gitCommit", other))
    assert f"its log says commit `{proven.repo.git('rev-parse', 'HEAD~1')}`" in proven.reason(
        "solo"
    )
    (proven.hub / "cli/two.log").write_text("1 passed in 0.01s\n")
    assert "its log is none that planctl wrote" in proven.reason("two")


def test_a_failure_on_other_code_contradicts_nothing(proven: Project) -> None:
    proven.edit("run: echo solo", "run: grep solo src/solo.txt")
    proven.run_phase()
    (proven.root / "src/solo.txt").write_text("broken\n")
    proven.run_phase("--step", "solo", expect=1)
    assert proven.verdicts()["solo"] == "failed"
    assert proven.reason("solo").startswith("exit: the command ended with 1")
    (proven.root / "src/solo.txt").write_text("solo\n")
    assert proven.verdicts() == ALL_FRESH


def test_a_failure_before_a_success_contradicts_nothing(project: Project) -> None:
    project.edit("run: echo solo", "run: test -e out/there && echo solo")
    project.run_phase("--step", "solo", expect=1)
    project.repo.write("out/there", "")
    project.run_phase("--step", "solo")
    assert project.verdicts()["solo"] == "fresh"


def test_a_need_that_is_dirty_makes_dirty_and_one_that_is_gone_makes_stale(
    project: Project,
) -> None:
    (project.root / "src/one.txt").write_text("uncommitted\n")
    project.run_phase()
    assert project.verdicts() == {"one": "dirty", "two": "dirty", "solo": "fresh"}
    result = project.run_phase()
    assert {step["action"] for step in result["steps"]} == {"skipped"}
    project.receipts("one")[0].unlink()
    assert project.verdicts() == {"one": "unproven", "two": "stale", "solo": "fresh"}
    assert "is gone" in project.reason("two")


def test_a_check_may_ask_an_artifact_of_a_needed_step_and_of_no_other(project: Project) -> None:
    check = "checks: [{ file: analysis/one.txt }]"
    project.edit("inputs: [src/two.txt]", f"inputs: [src/two.txt]\n        {check}")
    project.run_phase()
    assert project.verdicts() == ALL_FRESH
    project.edit("inputs: [src/solo.txt]", f"inputs: [src/solo.txt]\n        {check}")
    result = project.run_phase("--step", "solo", expect=1)
    assert "was not recorded by this step or one it needs" in result["steps"][0]["problems"][0]


def test_what_planctl_writes_is_no_input_of_a_step_that_depends_on_everything(
    project: Project,
) -> None:
    project.edit("inputs: [src/solo.txt]", 'inputs: ["**"]')
    project.repo.commit("depends on everything")
    project.run_phase()
    assert not project.repo.git("ls-files", ".gitattributes")
    assert project.verdicts() == ALL_FRESH | {"solo": "dirty"}  # by .gitattributes, from before
    project.repo.commit("evidence, summaries, the ledger and .gitattributes")
    assert project.verdicts() == ALL_FRESH
    project.run_phase("--force")
    assert project.verdicts() == ALL_FRESH
    project.repo.write("docs/notes.md", "this one counts\n")
    assert project.verdicts() == ALL_FRESH | {"solo": "stale"}


def test_an_ad_hoc_run_is_no_step_the_plan_lost(proven: Project) -> None:
    assert proven.call("run", "--", "true")[0] == 0
    assert report(proven)["unproven"] == []


def test_a_receipt_of_another_initiative_in_this_hub_is_shown(proven: Project) -> None:
    path = f"{BUILD}/externalParameters/initiative"
    made = replaced(proven, "solo", _set(path, "Y-002"))
    found = {item["path"].rsplit("/")[-1]: item["text"] for item in report(proven)["unproven"]}
    assert found[made.name] == "receipt of `Y-002`, another initiative"


def test_in_a_clone_without_the_gate_the_run_must_have_seen_it(
    proven: Project, tmp_path: Path, at: At
) -> None:
    replaced(proven, "solo", _set(f"{COMMIT}/annotations/gateContained", False))
    assert proven.verdicts() == ALL_FRESH
    proven.repo.git(
        "clone", "--quiet", "--depth", "1", f"file://{proven.root}", str(tmp_path / "shallow")
    )
    shallow = at(tmp_path / "shallow")
    assert shallow.verdicts() == ALL_FRESH | {"solo": "stale"}
    assert "the receipt did not see it contained" in shallow.reason("solo")


def test_after_an_amend_an_input_edit_is_told_as_such_not_as_a_lost_gate(proven: Project) -> None:
    # The commit of the run is in this clone, but no longer in the history of HEAD.
    (proven.root / "src/solo.txt").write_text("first try\n")
    proven.repo.commit("a change")
    proven.run_phase()
    proven.repo.git("commit", "--quiet", "--amend", "--message", "a change, said better")
    proven.repo.commit("evidence")
    assert proven.verdicts() == ALL_FRESH
    (proven.root / "src/solo.txt").write_text("edited\n")
    assert proven.reason("solo").startswith("inputs: changed since the run")


def test_a_signature_added_to_a_receipt_leaves_it_intact(proven: Project) -> None:
    (receipt,) = proven.receipts("solo")
    envelope = json.loads(receipt.read_text())
    envelope["signatures"] = [{"keyid": "", "sig": "AAAA"}]
    receipt.write_text(json.dumps(envelope))
    assert proven.verdicts() == ALL_FRESH
    proven.repo.commit("signed")
    assert proven.verdicts() == ALL_FRESH


def test_a_receipt_that_is_a_link_is_not_intact(proven: Project, tmp_path: Path) -> None:
    (receipt,) = proven.receipts("solo")
    shutil.move(receipt, tmp_path / receipt.name)
    receipt.symlink_to(tmp_path / receipt.name)
    assert proven.verdicts()["solo"] == "modified"
    assert "is not a plain file" in proven.reason("solo")


def test_a_receipt_says_on_which_uncommitted_changes_it_ran(project: Project) -> None:
    (project.root / "src/solo.txt").write_text("uncommitted\n")
    diff = subprocess.run(
        ["git", "diff", "HEAD", "--", "src/solo.txt"],
        cwd=project.root,
        capture_output=True,
        check=True,
    ).stdout
    project.run_phase()
    for step, dirty, digest in (
        ("solo", ["src/solo.txt"], hashlib.sha256(diff).hexdigest()),
        ("one", [], None),
    ):
        build = payload(project.receipts(step)[0])["predicate"]["buildDefinition"]
        notes = build["resolvedDependencies"][0]["annotations"]
        assert (notes["dirty"], notes["diffSha256"]) == (dirty, digest)


def test_each_run_names_the_one_before_it(proven: Project) -> None:
    for _ in range(2):
        proven.run_phase("--step", "solo", "--force")
    paths = proven.receipts("solo")
    names = [
        [
            digest[:16]
            for digest in payload(path)["predicate"]["runDetails"]["planctl_run"]["previous"]
        ]
        for path in paths
    ]
    first, second, _ = (path.stem.rsplit("_", 1)[-1] for path in paths)
    assert names == [[], [first], [second]]


def test_data_outside_git_counts_where_it_is(project: Project) -> None:
    project.edit("inputs: [src/solo.txt]", "inputs: [src/solo.txt]\n        data: [out/scan.bin]")
    code, _, err = project.call("run-phase", "X-001", "A", "--step", "solo")
    assert code == 4
    assert "data file `out/scan.bin` is not there" in err
    scan = project.repo.write("out/scan.bin", "measured\n")
    project.run_phase()
    assert project.verdicts() == ALL_FRESH
    scan.write_text("measured!")
    assert project.verdicts() == ALL_FRESH | {"solo": "stale"}
    assert "`out/scan.bin` by a change outside git" in project.reason("solo")
    scan.unlink()
    assert project.verdicts() == ALL_FRESH


def test_what_is_not_there_after_the_run_is_named(project: Project) -> None:
    project.edit("cat src/one.txt > $OUT/one.txt", "true")
    result = project.run_phase(expect=1)
    assert result["steps"][0]["problems"][0] == "collect: `out/one.txt` is not there after the run"


def test_a_payload_under_a_name_that_fits_two_is_told_by_what_git_first_had(
    proven: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Two payloads with the same 16 digits cost 2^32 tries; here the name is taken for fitting.
    (receipt,) = proven.receipts("solo")
    made = forge(receipt, _set("predicate/runDetails/planctl_run/role", "judge"))
    shutil.move(made, receipt)
    monkeypatch.setattr(receipts, "file_name", lambda *_: receipt.name)
    proven.repo.commit("exchanged")
    assert "payload differs from what commit" in json.dumps(report(proven)["unproven"])
    assert proven.verdicts()["solo"] == "modified"


def test_a_run_that_failed_or_whose_inputs_moved_leaves_its_log_and_nothing_else(
    project: Project,
) -> None:
    project.edit("&& echo one is done", "&& exit 7")
    project.run_phase("--step", "one", expect=1)
    assert not (project.hub / "analysis/one.txt").exists()
    project.edit("&& exit 7", "&& echo one is done && echo moved >> src/common.txt")
    project.run_phase("--step", "one", expect=1)
    assert not (project.hub / "analysis/one.txt").exists()
    assert sorted(path.name for path in (project.hub / "cli").iterdir()) == [
        "one.log",
        "one_v2.log",
    ]


def test_commands_find_the_interpreter_that_planctl_runs_in(
    project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    other = tmp_path / "python"
    other.write_text("#!/bin/sh\necho another\n")
    other.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    project.edit("run: echo solo", "run: python -c 'import sys; print(sys.prefix)'")
    project.run_phase("--step", "solo")
    assert f"\n{sys.prefix}\n" in (project.hub / "green/solo.log").read_text()


def test_a_recorder_hands_out_what_it_knows_now_not_what_it_will_know() -> None:
    known: dict[str, Any] = {"a": object()}
    rest: Any = None
    recorder = Recorder(rest, rest, rest, rest, known, rest)
    seen = iter(recorder.receipts())
    known["b"] = object()
    assert len(list(seen)) == 1


def test_after_a_failure_nothing_more_is_started(project: Project) -> None:
    project.edit("&& echo one is done", "&& exit 7")
    for words in ((), ("--jobs", "1")):
        result = project.run_phase(*words, expect=1)
        actions = [(step["step"], step["action"]) for step in result["steps"]]
        assert actions == [("one", "ran"), ("two", "not reached"), ("solo", "not reached")]


def test_steps_that_may_run_at_once_wait_for_what_they_need(project: Project) -> None:
    project.edit("run: mkdir -p $OUT", "run: sleep 0.5 && mkdir -p $OUT")
    project.run_phase("--jobs", "3")
    assert (project.hub / "analysis/two.txt").read_text() == "one\ntwo\n"
    assert project.verdicts() == ALL_FRESH

"""What a receipt proves, on real repositories: the table of `docs/reference/verdicts.md`."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.planctl.functional.conftest import Project

ALL_FRESH = {"one": "fresh", "two": "fresh", "solo": "fresh"}


def test_a_phase_that_ran_is_fresh_and_is_skipped_next_time(proven: Project) -> None:
    assert proven.verdicts() == ALL_FRESH
    result = proven.run_phase()
    assert {step["action"] for step in result["steps"]} == {"skipped"}
    name = proven.receipts("one")[0].name
    assert name in result["steps"][0]["reason"]


def test_a_clone_with_other_mtimes_is_still_fresh(
    proven: Project, at: Callable[[Path], Project], tmp_path: Path
) -> None:
    proven.repo.git("gc", "--quiet", "--prune=now")
    proven.repo.git("clone", "--quiet", str(proven.root), str(tmp_path / "clone"))
    clone = at(tmp_path / "clone")
    subprocess.run(
        "find plans -type f -exec touch -d 2001-01-01 {} +", shell=True, cwd=clone.root, check=True
    )
    assert clone.verdicts() == ALL_FRESH


def test_an_input_edit_makes_just_its_step_stale(proven: Project) -> None:
    source = proven.root / "src/solo.txt"
    source.write_text("changed\n")
    assert proven.verdicts() == ALL_FRESH | {"solo": "stale"}
    assert "`src/solo.txt` by an uncommitted change" in proven.reason("solo")
    commit = proven.repo.commit("change solo")
    assert proven.verdicts() == ALL_FRESH | {"solo": "stale"}
    assert f"`src/solo.txt` by {commit[:8]}" in proven.reason("solo")
    source.write_text("solo\n")
    proven.repo.commit("revert")
    assert proven.verdicts() == ALL_FRESH


def test_a_new_and_a_deleted_input_count_as_changes(proven: Project) -> None:
    proven.edit("inputs: [src/solo.txt]", "inputs: [src/s*.txt]")
    proven.run_phase()
    proven.repo.commit("wider inputs")
    assert proven.verdicts() == ALL_FRESH
    extra = proven.repo.write("src/second.txt", "new")
    assert proven.verdicts()["solo"] == "stale"
    extra.unlink()
    (proven.root / "src/solo.txt").unlink()
    assert proven.verdicts()["solo"] == "stale"


def test_what_planctl_writes_while_turns_go_on_is_no_input(project: Project) -> None:
    own = {"input.md": "# Brief\n", "docs/archive/2026_fix_plan.md": "# Archive\n"}
    for path in own:
        project.repo.write(path, "before\n")
    project.repo.write("docs/other.md", "before\n")
    project.edit("inputs: [src/solo.txt]", 'inputs: ["src/solo.txt", "*.md", "docs/**"]')
    project.run_phase()
    project.repo.commit("evidence")
    for path, text in own.items():
        project.repo.write(path, text)
    assert project.verdicts() == ALL_FRESH
    project.repo.write("docs/other.md", "after\n")
    assert project.verdicts() == ALL_FRESH | {"solo": "stale"}


def test_an_input_of_a_needed_step_makes_the_needing_step_stale(proven: Project) -> None:
    (proven.root / "src/one.txt").write_text("changed\n")
    assert proven.verdicts() == {"one": "stale", "two": "stale", "solo": "fresh"}
    assert proven.reason("two").startswith("parents: needs `one`, which is stale")


def test_a_docs_commit_changes_nothing(proven: Project) -> None:
    proven.repo.write("docs/notes.md", "other notes\n")
    assert proven.verdicts() == ALL_FRESH
    proven.repo.commit("docs only")
    assert proven.verdicts() == ALL_FRESH


def test_one_flipped_byte_is_modified_and_a_deleted_artifact_missing(proven: Project) -> None:
    artifact = proven.hub / "analysis/one.txt"
    before = artifact.stat()
    content = bytearray(artifact.read_bytes())
    content[0] ^= 1
    artifact.write_bytes(bytes(content))
    os.utime(artifact, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert proven.verdicts()["one"] == "modified"
    proven.repo.commit("hide it")
    assert proven.verdicts()["one"] == "modified"
    artifact.unlink()
    assert proven.verdicts()["one"] == "missing"


def _rewrite(path: Path, change: Callable[[bytes], bytes]) -> bytes:
    envelope = json.loads(path.read_text())
    payload = change(base64.b64decode(envelope["payload"]))
    envelope["payload"] = base64.b64encode(payload).decode()
    path.write_text(json.dumps(envelope))
    return payload


def test_an_edited_receipt_is_not_intact(proven: Project) -> None:
    receipt = proven.receipts("solo")[0]
    _rewrite(receipt, lambda payload: payload.replace(b'"exitCode":0', b'"exitCode":00'[:12]))
    assert proven.verdicts() == ALL_FRESH
    _rewrite(receipt, lambda payload: payload.replace(b'"role":"person"', b'"role":"judge"'))
    assert proven.verdicts()["solo"] == "modified"
    assert "not intact" in proven.reason("solo")


def test_an_edited_receipt_with_a_fitting_name_is_not_what_git_first_committed(
    proven: Project,
) -> None:
    import hashlib

    receipt = proven.receipts("solo")[0]
    payload = _rewrite(receipt, lambda payload: payload.replace(b"person", b"judge1"))
    fitting = receipt.name.rsplit("_", 1)[0] + f"_{hashlib.sha256(payload).hexdigest()[:16]}.json"
    # A whole history rewritten under the old name: the name no longer carries the digest.
    assert proven.verdicts()["solo"] == "modified"
    receipt.rename(receipt.with_name(fitting))
    proven.repo.commit("forged")
    original = proven.repo.git("show", f"HEAD~1:{receipt.relative_to(proven.root)}")
    receipt.with_name(fitting).write_text(original + "\n")
    assert proven.verdicts()["solo"] == "modified"


def test_an_unreadable_receipt_is_reported_not_dropped(proven: Project) -> None:
    proven.receipts("solo")[0].write_text("{")
    assert proven.verdicts()["solo"] == "modified"
    said = proven.reason("solo")
    assert said.startswith("intact: the receipt is not intact: is not a DSSE envelope")
    _, out, _ = proven.call("verify", "X-001", "--json")
    assert any("not intact" in item["text"] for item in json.loads(out)["unproven"])


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("min_bytes: 2", "min_bytes: 1", "checks"),
        ("&& echo one is done", "&& echo one is done || true", "run"),
        ("outputs: [$OUT/one.txt]", "outputs: []", "outputs"),
        ("OUT: out", "OUT: other", None),
    ],
)
def test_a_contract_changed_after_the_run_is_stale(
    proven: Project, old: str, new: str, key: str | None
) -> None:
    proven.edit(old, new)
    assert proven.verdicts()["one"] == "stale"
    said = f"`plan.yaml` changed since the run: `{key}`"
    if key is None:
        said = "the run had other values of `env`: `OUT` was `out`, is `other`"
    assert proven.reason("one") == f"contract: {said}"


def test_wording_of_the_plan_is_no_contract(proven: Project) -> None:
    proven.edit("title: A small project", "title: A tiny project")
    assert proven.verdicts() == ALL_FRESH


def test_amend_rebase_and_squash_keep_the_proof(project: Project) -> None:
    git = project.repo.git
    git("switch", "--quiet", "--create", "topic")
    project.repo.write("src/solo.txt", "better\n")
    project.repo.commit("topic change")
    project.run_phase()
    project.repo.commit("evidence")
    git("commit", "--quiet", "--amend", "--message", "other words")
    assert project.verdicts() == ALL_FRESH
    git("switch", "--quiet", "main")
    project.repo.write("docs/notes.md", "meanwhile\n")
    project.repo.commit("meanwhile")
    git("switch", "--quiet", "topic")
    git("rebase", "--quiet", "main")
    assert project.verdicts() == ALL_FRESH
    git("switch", "--quiet", "main")
    git("merge", "--squash", "--quiet", "topic")
    project.repo.commit("squashed")
    git("branch", "--delete", "--force", "topic")
    git("reflog", "expire", "--expire=now", "--all")
    git("gc", "--quiet", "--prune=now")
    assert project.verdicts() == ALL_FRESH


def test_a_gate_that_is_not_contained_is_stale(proven: Project) -> None:
    git = proven.repo.git
    git("switch", "--quiet", "--create", "elsewhere")
    other = proven.repo.commit("a fix elsewhere")
    git("switch", "--quiet", "main")
    text = proven.plan_path.read_text()
    gate = text.split('gate: "')[1].split('"')[0]
    proven.edit(gate, other)
    assert set(proven.verdicts().values()) == {"stale"}
    assert proven.reason("one").startswith("gate: ")
    code, _, err = proven.call("run-phase", "X-001", "A")
    assert code == 4
    assert "does not contain the gate" in err
    proven.edit(other, "0123456789abcdef")
    assert proven.reason("one").startswith("gate: gate `0123456789abcdef` is not in this clone")


def test_a_gate_later_than_the_run_makes_it_stale_even_if_head_contains_it(
    proven: Project,
) -> None:
    proven.repo.write("src/solo.txt", "the real fix\n")
    later = proven.repo.commit("the real fix")
    gate = proven.plan_path.read_text().split('gate: "')[1].split('"')[0]
    proven.edit(gate, later)
    # `one` and `two` have the same inputs as HEAD, which contains the gate; `solo` has not.
    assert proven.verdicts() == ALL_FRESH | {"solo": "stale"}
    assert proven.reason("solo").startswith("gate: ")


def test_a_run_on_uncommitted_changes_is_dirty_until_they_are_committed(project: Project) -> None:
    (project.root / "src/solo.txt").write_text("uncommitted\n")
    project.run_phase()
    assert project.verdicts() == ALL_FRESH | {"solo": "dirty"}
    assert "`src/solo.txt`" in project.reason("solo")
    project.repo.commit("as it ran")
    assert project.verdicts() == ALL_FRESH


def test_a_run_on_uncommitted_changes_is_stale_if_others_are_committed(project: Project) -> None:
    (project.root / "src/solo.txt").write_text("uncommitted\n")
    project.run_phase()
    (project.root / "src/solo.txt").write_text("something else\n")
    project.repo.commit("something else")
    assert project.verdicts() == ALL_FRESH | {"solo": "stale"}


def test_an_old_file_lying_about_is_not_collected(project: Project) -> None:
    project.edit("cat src/one.txt > $OUT/one.txt &&", "true &&")
    (project.root / "out").mkdir()
    (project.root / "out/one.txt").write_text("from yesterday\n")
    result = project.run_phase(expect=1)
    assert result["steps"][0]["problems"] == [
        "collect: `out/one.txt` was there before the run and the run did not write it",
        "output: `out/one.txt` was there before the run and the run did not write it",
        "`analysis/one.txt`: "
        f"{project.hub.relative_to(project.root)}/analysis/one.txt: "
        "was not recorded by this step or one it needs",
    ]
    assert project.verdicts()["one"] == "failed"


def test_inputs_that_change_while_a_step_runs_prove_nothing(project: Project) -> None:
    change = "cp src/solo.txt out.keep && echo other > src/solo.txt && echo solo"
    project.edit("run: echo solo", f"run: {change}")
    result = project.run_phase("--step", "solo", expect=1)
    assert result["steps"][0]["problems"] == ["inputs: `src/solo.txt` changed while the step ran"]
    (project.root / "src/solo.txt").write_text("solo\n")
    assert project.verdicts()["solo"] == "failed"


def test_a_failing_command_is_failed_and_what_needs_it_is_not_reached(project: Project) -> None:
    project.edit("&& echo one is done", "&& echo oops && exit 7")
    result = project.run_phase("--step", "two", expect=1)
    assert [(s["step"], s["action"], s["exit_code"]) for s in result["steps"]] == [
        ("one", "ran", 7),
        ("two", "not reached", None),
    ]
    assert project.verdicts() == {"one": "failed", "two": "missing", "solo": "missing"}


def test_a_failing_check_is_failed(project: Project) -> None:
    project.edit("min_bytes: 2", "min_bytes: 2000")
    project.run_phase(expect=1)
    assert project.verdicts()["one"] == "failed"


def test_a_later_failure_of_the_same_code_contradicts_an_earlier_success(proven: Project) -> None:
    flag = proven.root / "out/flaky"
    proven.edit("run: echo solo", "run: test ! -e out/flaky && echo solo")
    proven.run_phase()
    assert proven.verdicts()["solo"] == "fresh"
    flag.write_text("")
    proven.run_phase("--step", "solo", "--force", expect=1)
    assert proven.verdicts()["solo"] == "failed"
    assert "a later run of the same code failed" in proven.reason("solo")
    flag.unlink()
    proven.run_phase("--step", "solo")
    assert proven.verdicts()["solo"] == "fresh"


def test_what_has_no_receipt_is_unproven_and_git_tells_what_it_knows(project: Project) -> None:
    project.repo.write(f"{project.hub.relative_to(project.root)}/green/solo.log", "1 passed\n")
    commit = project.repo.commit("a log from somewhere")
    assert project.verdicts() == {"one": "missing", "two": "missing", "solo": "unproven"}
    assert f"last changed by {commit[:8]}" in project.reason("solo")
    assert "which descends from the gate" in project.reason("solo")


def test_a_waiver_holds_until_its_day(project: Project) -> None:
    waive = "waive: { who: Ada, why: no microscope, until: 2999-01-01 }"
    project.edit("inputs: [src/solo.txt]", f"inputs: [src/solo.txt]\n        {waive}")
    assert project.verdicts()["solo"] == "waived"
    assert project.reason("solo") == "waived by Ada: no microscope (until 2999-01-01)"
    project.edit("2999-01-01", "2001-01-01")
    assert project.verdicts()["solo"] == "missing"


def test_outputs_missing_on_this_machine_are_made_again_before_they_are_needed(
    proven: Project,
) -> None:
    (proven.root / "out/one.txt").unlink()
    (proven.root / "src/two.txt").write_text("changed\n")
    result = proven.run_phase()
    ran = [step["step"] for step in result["steps"] if step["action"] == "ran"]
    assert ran == ["one", "two"]
    assert "which is not here as it was recorded" in result["steps"][0]["reason"]
    assert (proven.hub / "analysis/one_v2.txt").is_file()
    assert (proven.hub / "analysis/one.txt").read_text() == "one\n"


def test_force_runs_again_and_overwrites_nothing(proven: Project) -> None:
    before = {path: path.read_bytes() for path in proven.hub.rglob("*.txt") if path.is_file()}
    proven.run_phase("--force")
    for path, content in before.items():
        if "inventory" not in path.name:
            assert path.read_bytes() == content
    assert (proven.hub / "cli/one_v2.log").is_file()
    assert len(proven.receipts("one")) == 2


def test_a_scratch_run_leaves_the_evidence_untouched(proven: Project) -> None:
    before = proven.repo.git("status", "--porcelain")
    proven.run_phase("--scratch", "out/scratch", "--set", "OUT=out/other")
    assert proven.repo.git("status", "--porcelain") == before
    words = ("--scratch", "out/scratch", "--set", "OUT=out/other")
    code, out, _ = proven.call("verify", "X-001", "A", "--json", *words)
    assert code == 0
    assert {step["verdict"] for step in json.loads(out)["steps"]} == {"fresh"}
    assert proven.call("verify", "X-001", "A", "--scratch", "out/scratch")[0] == 1


def test_dry_run_runs_nothing(project: Project) -> None:
    result = project.run_phase("--dry-run")
    assert {step["action"] for step in result["steps"]} == {"would run"}
    assert not (project.root / "out").exists()
    assert not project.hub.exists()


def test_what_planctl_wrote_into_a_log_answers_no_check(project: Project) -> None:
    project.edit("run: echo solo", "run: 'true # all good'")
    check = 'checks: [{ log: green/solo.log, matches: "all good" }]'
    project.edit("inputs: [src/solo.txt]", f"inputs: [src/solo.txt]\n        {check}")
    project.run_phase("--step", "solo", expect=1)
    assert "all good" in (project.hub / "green/solo.log").read_text()
    assert project.verdicts()["solo"] == "failed"


def test_a_log_names_every_dirty_path_but_no_evidence(project: Project) -> None:
    project.repo.write("docs/notes.md", "edited\n")
    project.run_phase()
    log = (project.hub / "cli/two.log").read_text()
    dirty = log.split("# dirty: ")[1].split("# cwd")[0]
    assert dirty == "2 paths\n#   docs/notes.md\n#   .gitattributes\n"

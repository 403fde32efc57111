"""What `verify` says of adopted evidence: as it was, changed, gone; and of a forged record."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from tests.planctl.conftest import Repo
from tests.planctl.functional.conftest import Project
from tests.planctl.functional.test_adopt import adopted, built, fingerprint, gaps, verified


def test_an_adopted_file_that_changes_is_modified_and_one_that_goes_is_missing(
    repo: Repo, capture: Any
) -> None:
    project, target = built(repo, capture, "experiments")
    adopted(project, target)
    logs = repo.root / "experiments/run-03/logs"
    (logs / "train.log").write_text("Command: python train.py --lr 0.1\nbetter\n")
    (logs / "prompt.log").unlink()
    (logs / "silent.log").write_text("epoch 3\n")
    (logs / "dollar.log").unlink()
    (logs / "dollar.log").symlink_to("list.log")
    report = verified(project)
    found = {step["step"]: (step["verdict"], step["tier"]) for step in report["steps"]}
    assert found["train"] == ("modified", None)
    assert found["prompt"] == ("missing", None)
    assert found["dollar"] == ("modified", None)
    assert found["trace"] == ("unproven", "adopted")
    changed = [item["path"] for item in report["unproven"] if item["verdict"] == "modified"]
    assert changed == ["experiments/run-03/logs/silent.log"]
    again = adopted(project, target)
    assert sorted(text.rsplit(": ", 1)[0].rsplit("/", 1)[1] for text in again["changes"]) == [
        "dollar.log",
        "prompt.log",
        "silent.log",
        "train.log",
    ]
    assert again["written"] == []


def test_a_committed_change_of_an_adopted_file_is_modified_too(repo: Repo, capture: Any) -> None:
    project, target = built(repo, capture, "experiments")
    adopted(project, target)
    repo.commit("adopted")
    repo.write("experiments/run-03/logs/train.log", "Command: python train.py --lr 9\n")
    repo.commit("quietly")
    found = {step["step"]: step["verdict"] for step in verified(project)["steps"]}
    assert (found["train"], found["trace"]) == ("modified", "unproven")


def test_an_edited_record_does_not_make_evidence_old(repo: Repo, capture: Any) -> None:
    project, target = built(repo, capture, "experiments")
    answer = adopted(project, target)
    log = "experiments/run-03/logs/train.log"
    repo.write(log, "Command: python train.py --lr 0.1\nforged\n")
    blob = repo.git("hash-object", "-w", log)
    record = repo.root / "plans/active/run-03/adopted.json"
    raw = json.loads(record.read_text())
    (own,) = [item for item in raw["files"] if item["path"] == log]
    own |= {"sha256": hashlib.sha256((repo.root / log).read_bytes()).hexdigest(), "blob": blob}
    record.write_text(json.dumps(raw))
    found = {step["step"]: step for step in verified(project)["steps"]}
    assert (found["train"]["verdict"], found["train"]["tier"]) == ("modified", None)
    assert "the commit of the adoption does not" in found["train"]["reasons"][0]
    assert answer["steps"]


def test_a_record_written_anew_does_not_take_back_what_an_earlier_one_said(
    repo: Repo, capture: Any
) -> None:
    project, target = built(repo, capture, "experiments")
    adopted(project, target)
    repo.commit("adopted")
    repo.write("experiments/run-03/logs/train.log", "Command: python train.py --lr 0.1\nforged\n")
    repo.commit("quietly")
    for name in ("plan.yaml", "adopted.json"):
        (repo.root / "plans/active/run-03" / name).unlink()
    adopted(project, target)
    repo.commit("adopted again")
    found = {step["step"]: step for step in verified(project)["steps"]}
    assert found["train"]["verdict"] == "modified"
    assert "not what was adopted first" in found["train"]["reasons"][0]
    assert (found["trace"]["verdict"], found["trace"]["tier"]) == ("unproven", "adopted")


def test_a_record_that_is_gone_is_read_from_history(repo: Repo, capture: Any) -> None:
    project, target = built(repo, capture, "experiments")
    adopted(project, target)
    repo.commit("adopted")
    (repo.root / "plans/active/run-03/adopted.json").unlink()
    repo.write("experiments/run-03/logs/train.log", "Command: python train.py --lr 0.1\nforged\n")
    repo.commit("quietly")
    found = {step["step"]: step["verdict"] for step in verified(project)["steps"]}
    assert (found["train"], found["trace"]) == ("modified", "unproven")


@pytest.mark.parametrize("text", ["", "{", '{"schema": "planctl/adopted/v9"}', "[" * 100_000])
def test_a_record_that_cannot_be_read_is_an_error_that_names_it(
    repo: Repo, capture: Any, text: str
) -> None:
    project, target = built(repo, capture, "experiments")
    adopted(project, target)
    (repo.root / "plans/active/run-03/adopted.json").write_text(text)
    code, _, err = project.call("verify")
    assert code == 4
    assert "plans/active/run-03/adopted.json" in err


def test_what_git_does_not_have_gets_no_tier(repo: Repo, capture: Any) -> None:
    repo.write(".gitignore", "ignored/\n")
    repo.write("runs/ignored/logs/a.log", "$ python a.py\n")
    repo.write("runs/kept/logs/b.log", "$ python b.py\n")
    repo.commit("kept")
    repo.write("runs/kept/logs/new.log", "$ python new.py\n")
    repo.write("runs/kept/logs/b.log", "$ python b.py\nchanged since\n")
    project = Project(repo, capture)
    outside = adopted(project, "runs/ignored", "--id", "outside")
    assert gaps(outside, "outside git") == ["runs/ignored/logs"]
    kept = adopted(project, "runs/kept")
    assert gaps(kept, "outside git") == ["runs/kept/logs"]
    assert gaps(kept, "changed and not committed") == ["runs/kept/logs/b.log"]
    code, out, _ = project.call("verify", "--json")
    tiers = {step["tier"] for report in json.loads(out) for step in report["steps"]}
    assert (code, tiers) == (1, {None})


def test_git_history_and_the_gate_stand_beside_the_verdict(repo: Repo, capture: Any) -> None:
    project, target = built(repo, capture, "experiments")
    answer = adopted(project, target)
    gate = repo.commit("the fix")
    repo.write("experiments/run-03/logs/trace.log", "+ python3 train.py --lr 0.3\nagain\n")
    after = repo.commit("a later log")
    plan = repo.root / answer["plan_path"]
    plan.write_text(
        plan.read_text().replace(
            "# gate: a commit that the evidence must contain", f'gate: "{gate}"'
        )
    )
    reasons = {step["step"]: step["reasons"][0] for step in verified(project)["steps"]}
    assert f"which does not descend from the gate {gate[:8]}" in reasons["train"]
    assert f"{after[:8]}" in reasons["trace"]
    assert f"which descends from the gate {gate[:8]}" in reasons["trace"]


def test_adopted_evidence_makes_place_for_recorded_evidence(repo: Repo, capture: Any) -> None:
    repo.write("measure.py", "print('height 3')\n")
    repo.write("runs/fall/logs/measure.log", "$ python3 measure.py\nheight 3\n")
    repo.commit("as it was")
    project = Project(repo, capture)
    adopted(project, "runs/fall")
    before = fingerprint(repo.root / "runs")
    assert project.call("hub", "new", "fall")[0] == 0
    repo.commit("adopted")
    code, _, err = project.call("run-phase", "fall", "A")
    assert code == 0, err
    repo.commit("evidence")
    code, out, _ = project.call("verify", "--json")
    (step,) = json.loads(out)[0]["steps"]
    assert (code, step["verdict"], step["tier"]) == (0, "fresh", "recorded")
    assert fingerprint(repo.root / "runs") == before

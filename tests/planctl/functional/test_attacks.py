"""Attempts to get a green verdict without the work: receipts and artifacts forged or hidden.

What an unsigned receipt cannot show is said in `docs/reference/limits.md`; the last tests here hold
those sentences true.
"""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.planctl.functional.conftest import PLAN, Project

ALL_FRESH = {"one": "fresh", "two": "fresh", "solo": "fresh"}
OTHER = "plans/active/Y-002"


def payload(path: Path) -> dict[str, Any]:
    """Return the Statement in a receipt file."""
    found: dict[str, Any] = json.loads(base64.b64decode(json.loads(path.read_text())["payload"]))
    return found


def forge(path: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """Write a changed receipt beside the given one, under the name that fits its new payload."""
    statement = payload(path)
    change(statement)
    data = json.dumps(statement, sort_keys=True, separators=(",", ":")).encode()
    run = statement["predicate"]["runDetails"]["metadata"]["invocationId"]
    step = statement["predicate"]["buildDefinition"]["externalParameters"]["step"]
    forged = path.with_name(f"{run}_{step}_{hashlib.sha256(data).hexdigest()[:16]}.json")
    forged.write_text(envelope(data))
    return forged


def envelope(data: bytes) -> str:
    """Wrap a payload."""
    kind = "application/vnd.in-toto+json"
    coded = base64.b64encode(data).decode()
    return json.dumps({"payloadType": kind, "payload": coded, "signatures": []})


def params(statement: dict[str, Any]) -> dict[str, Any]:
    """Return what the run was asked for."""
    found: dict[str, Any] = statement["predicate"]["buildDefinition"]["externalParameters"]
    return found


def report(project: Project) -> dict[str, Any]:
    """Return the whole verdict."""
    found: dict[str, Any] = json.loads(project.call("verify", "X-001", "--json")[1])
    return found


def warnings(project: Project, step: str) -> str:
    """Return the warnings of a step as one text."""
    return "\n".join(
        next(item["warnings"] for item in report(project)["steps"] if item["step"] == step)
    )


def fail_later(project: Project) -> Path:
    """Let `solo` fail on the same code that it was proven with; return the failure's receipt."""
    project.edit("run: echo solo", "run: test ! -e out/flaky && echo solo")
    project.run_phase("--step", "solo")
    (project.root / "out/flaky").write_text("")
    project.run_phase("--step", "solo", "--force", expect=1)
    project.repo.commit("a success, then a failure")
    assert project.verdicts()["solo"] == "failed"
    return project.receipts("solo")[-1]


def test_another_steps_receipt_under_this_steps_name_proves_nothing(project: Project) -> None:
    project.run_phase("--step", "one")
    (source,) = project.receipts("one")
    shutil.copy(source, source.with_name(source.name.replace("_one_", "_solo_")))
    assert project.verdicts() == {"one": "fresh", "two": "missing", "solo": "missing"}
    assert "is called otherwise than" in json.dumps(report(project)["unproven"])


def test_a_copy_of_a_receipt_in_another_hub_counts_only_where_it_was_recorded(
    proven: Project,
) -> None:
    later = proven.hub.parents[1] / "2025-11-15T000000Z/later/receipts"
    later.mkdir(parents=True)
    for step in ("one", "two", "solo"):
        shutil.copy(proven.receipts(step)[0], later)
    assert proven.verdicts() == ALL_FRESH
    assert "does not count here" in warnings(proven, "one")


def test_a_receipt_of_another_initiative_proves_nothing_here(project: Project) -> None:
    root, write = project.root, project.repo.write
    gate = project.repo.git("rev-parse", "HEAD~1")
    text = PLAN.format(gate=gate).replace("X-001", "Y-002")
    write(f"{OTHER}/plan.yaml", text)
    shutil.copy(project.plan_path.with_name("implementation.md"), root / OTHER)
    project.repo.commit("a second initiative with the same steps")
    assert project.call("run-phase", "Y-002", "A")[0] == 0
    shutil.copytree(root / OTHER / "reports", project.plan_path.with_name("reports"))
    assert set(project.verdicts().values()) == {"unproven"}
    assert "Y-002" in json.dumps(report(project)["unproven"])
    # Told that it is of this initiative and hub after all, it is another payload: its log says no.

    def claim(statement: dict[str, Any]) -> None:
        params(statement).update(initiative="X-001", hub=project.hub.relative_to(root).as_posix())

    forge(project.receipts("solo")[0], claim)
    assert project.verdicts()["solo"] == "modified"
    assert "its log says step `Y-002 A/solo`" in project.reason("solo")


def test_a_log_that_contradicts_its_receipt_is_not_intact(project: Project) -> None:
    project.edit("run: echo solo", "run: echo solo && exit 3")
    project.run_phase("--step", "solo", expect=1)

    def pass_(statement: dict[str, Any]) -> None:
        statement["predicate"]["runDetails"]["planctl_run"]["exitCode"] = 0

    (real,) = project.receipts("solo")
    forge(real, pass_)
    real.unlink()
    assert project.verdicts()["solo"] == "modified"
    assert "its log says exit `3`, the receipt `0`" in project.reason("solo")


def test_a_log_edited_inside_and_hashed_anew_is_noticed_once_git_had_the_receipt(
    proven: Project,
) -> None:
    log = proven.hub / "cli/one.log"
    log.write_text(log.read_text().replace("one is done", "all is well"))

    def rehash(statement: dict[str, Any]) -> None:
        for subject in statement["subject"]:
            if subject["name"] == "cli/one.log":
                subject["digest"]["sha256"] = hashlib.sha256(log.read_bytes()).hexdigest()

    (real,) = proven.receipts("one")
    forge(real, rehash)
    real.unlink()
    assert f"receipt `{real.name}` is gone; commit" in warnings(proven, "one")
    proven.repo.commit("forged")
    assert f"receipt `{real.name}` is gone; commit" in warnings(proven, "one")


@pytest.mark.parametrize("committed", [True, False])
def test_a_deleted_failure_still_counts_when_git_had_it_and_else_leaves_a_gap(
    proven: Project, committed: bool
) -> None:
    failure = fail_later(proven)
    failure.unlink()
    if committed:
        proven.repo.commit("delete the failure")
        assert proven.verdicts()["solo"] == "failed"
        assert failure.name in proven.reason("solo")
        return
    proven.repo.git("reset", "--quiet", "--soft", "HEAD~1")  # the commit with the failure is gone
    assert proven.verdicts()["solo"] == "fresh"


def test_a_receipt_that_names_a_lost_one_says_so(proven: Project) -> None:
    proven.run_phase("--step", "solo", "--force")
    lost = proven.receipts("solo")[-1]
    proven.run_phase("--step", "solo", "--force")
    lost.unlink()
    proven.repo.commit("without the second run")
    assert proven.verdicts() == ALL_FRESH
    digest = lost.stem.rsplit("_", 1)[-1]
    assert f"an earlier receipt `{digest}` is gone, and git never had it" in warnings(
        proven, "solo"
    )


def test_damage_to_a_later_failure_does_not_take_it_back(proven: Project) -> None:
    failure = fail_later(proven)
    log = proven.hub / "green/solo_v3.log"
    log.write_text(log.read_text() + "x")
    assert proven.verdicts()["solo"] == "failed"
    log.unlink()
    assert proven.verdicts()["solo"] == "failed"

    def pass_(statement: dict[str, Any]) -> None:
        statement["predicate"]["runDetails"]["planctl_run"]["exitCode"] = 0

    edited = forge(failure, pass_)
    shutil.move(edited, failure)
    assert proven.verdicts()["solo"] == "failed"
    failure.write_text("{")
    assert proven.verdicts()["solo"] == "failed"


def test_runs_until_it_passes_are_counted(proven: Project) -> None:
    fail_later(proven)
    (proven.root / "out/flaky").unlink()
    proven.run_phase("--step", "solo")
    assert proven.verdicts() == ALL_FRESH
    assert "1 of 4 runs failed on the same code" in warnings(proven, "solo")


def test_every_receipt_deleted_is_missing_and_git_remembers_them(proven: Project) -> None:
    shutil.rmtree(proven.hub.parents[1])
    proven.repo.commit("start over")
    assert set(proven.verdicts().values()) == {"missing"}
    assert proven.reason("solo").startswith("present: the receipt itself is gone; commit ")


def test_a_step_or_plan_that_disappears_does_not_take_its_receipts_along(proven: Project) -> None:
    text = proven.plan_path.read_text()
    proven.plan_path.write_text(text.replace("id: solo", "id: lone"))
    assert proven.verdicts()["lone"] == "unproven"
    assert "step `solo` (passed), which the plan no longer has" in json.dumps(report(proven))
    proven.plan_path.rename(proven.plan_path.with_suffix(".yml"))
    code, _, err = proven.call("verify")
    assert code == 4
    assert "plans/active/X-001/plan.yaml: is gone, but the initiative has receipts" in err
    shutil.rmtree(proven.root / "plans")
    code, _, err = proven.call("verify")
    assert code == 4
    assert "no initiative under `plans/active/`" in err


@pytest.mark.parametrize("what", ["file", "folder", "log folder", "hub", "receipts"])
def test_evidence_behind_a_symbolic_link_is_no_evidence(
    proven: Project, tmp_path: Path, what: str
) -> None:
    place = {
        "file": proven.hub / "analysis/one.txt",
        "folder": proven.hub / "analysis",
        "log folder": proven.hub / "cli",
        "hub": proven.hub,
        "receipts": proven.hub / "receipts",
    }[what]
    shutil.move(place, tmp_path / "elsewhere")
    place.symlink_to(tmp_path / "elsewhere")
    if what == "hub":
        for words in (("verify", "X-001"), ("run-phase", "X-001", "A")):
            code, _, err = proven.call(*words)
            assert code == 4
            assert "lies behind a symbolic link" in err
        return
    assert proven.verdicts()["one"] == ("missing" if what == "receipts" else "modified")


def test_a_folder_in_the_place_of_an_artifact_is_modified(proven: Project) -> None:
    (proven.hub / "analysis/one.txt").unlink()
    (proven.hub / "analysis/one.txt/below").mkdir(parents=True)
    assert proven.verdicts()["one"] == "modified"


def test_an_invented_inventory_name_does_not_hide_a_file(proven: Project) -> None:
    (proven.hub / "analysis/artifact_inventory_2.json").write_text("{}")
    assert "artifact_inventory_2.json" in json.dumps(report(proven)["unproven"])


def _set(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(statement: dict[str, Any]) -> None:
        *parents, last = path.split("/")
        place: Any = statement
        for part in parents:
            place = place[int(part) if part.isdigit() else part]
        place[int(last) if last.isdigit() else last] = value

    return change


BUILD, RUN = "predicate/buildDefinition", "predicate/runDetails"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("subject/0/name", "../../../../../../../src/solo.txt"),
        ("subject/0/name", "/etc/passwd"),
        ("subject/0/name", "green/solo\0.log"),
        ("subject/0/digest/sha256", "0"),
        ("subject/0/annotations/kind", "device"),
        (f"{BUILD}/externalParameters/hub", "../elsewhere"),
        (f"{BUILD}/internalParameters/log", "/etc/passwd"),
        (f"{BUILD}/resolvedDependencies/0/digest/gitCommit", "HEAD"),
        (f"{BUILD}/resolvedDependencies/0/annotations/gate", "main"),
        (f"{RUN}/metadata/invocationId", "01"),
        (f"{RUN}/metadata/startedOn", "2025-11-14T02:48:00"),
        (f"{RUN}/planctl_run/previous", ["HEAD"]),
        (f"{RUN}/planctl_run/environment", float("nan")),
    ],
)
def test_a_receipt_with_a_hostile_field_is_refused_and_reported(
    project: Project, path: str, value: Any
) -> None:
    project.run_phase("--step", "solo")
    (real,) = project.receipts("solo")
    forged = forge(real, _set(path, value))
    real.unlink()
    assert project.verdicts()["solo"] in ("modified", "unproven")
    assert forged.name in json.dumps(report(project)["unproven"])
    assert project.call("run-phase", "X-001", "A")[0] == 0


HOSTILE = {
    "empty": b"",
    "nul": b"\0\0\0",
    "deep": b"[" * 200_000,
    "long number": b'{"payloadType": 1' + b"0" * 6000 + b"}",
    "twice": b'{"payloadType": "x", "payload": "", "payload": ""}',
    "utf-16": b"\xff\xfe",
    "deep inside": envelope(b"[" * 200_000).encode(),
    "twice inside": envelope(b'{"_type": 1, "_type": 2}').encode(),
    "null inside": envelope(b"null").encode(),
    "huge": b" " * 16_000_001,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_file_that_is_no_receipt_is_reported_and_stops_nothing(
    proven: Project, text: bytes
) -> None:
    place = proven.hub / "receipts/01ARZ3NDEKTSV4RRFFQ69G5FAV_solo_0123456789abcdef.json"
    place.write_bytes(text)
    assert proven.verdicts() == ALL_FRESH
    assert place.name in json.dumps(report(proven)["unproven"])
    assert proven.call("run-phase", "X-001", "A")[0] == 0


def test_a_key_that_stands_twice_in_a_payload_is_refused(project: Project) -> None:
    project.run_phase("--step", "solo")
    (real,) = project.receipts("solo")
    data = base64.b64decode(json.loads(real.read_text())["payload"])
    twice = data.replace(b'"exitCode":0', b'"exitCode":1,"exitCode":0')
    ulid = real.name.split("_")[0]
    real.unlink()
    name = f"{ulid}_solo_{hashlib.sha256(twice).hexdigest()[:16]}.json"
    real.with_name(name).write_text(envelope(twice))
    assert project.verdicts()["solo"] == "modified"
    assert "`exitCode` stands twice" in project.reason("solo")


def test_a_parent_of_another_step_is_no_parent(proven: Project) -> None:
    solo = hashlib.sha256(
        base64.b64decode(json.loads(proven.receipts("solo")[0].read_text())["payload"])
    ).hexdigest()

    def adopt(statement: dict[str, Any]) -> None:
        for item in statement["predicate"]["buildDefinition"]["resolvedDependencies"]:
            if item["annotations"].get("kind") == "receipt":
                item["digest"]["sha256"] = solo

    (real,) = proven.receipts("two")
    forge(real, adopt)
    real.unlink()
    proven.repo.git("rm", "--quiet", "--cached", str(real))
    proven.repo.git("commit", "--quiet", "--amend", "--message", "evidence")
    assert proven.verdicts() == {"one": "fresh", "two": "stale", "solo": "fresh"}
    assert "is of another step" in proven.reason("two")


def test_a_receipt_without_a_declared_artifact_misses_it(proven: Project) -> None:
    def forget(statement: dict[str, Any]) -> None:
        statement["subject"] = [s for s in statement["subject"] if s["name"] == "cli/one.log"]

    (real,) = proven.receipts("one")
    forge(real, forget)
    real.unlink()
    proven.repo.git("commit", "--quiet", "--all", "--amend", "--message", "evidence")
    assert proven.verdicts()["one"] == "missing"
    assert proven.reason("one") == "present: gone: `analysis/one.txt`"


def test_a_contract_digest_that_is_not_of_the_recorded_contract_is_no_proof(
    proven: Project,
) -> None:
    def swap(statement: dict[str, Any]) -> None:
        params(statement)["contract"]["run"] = "true"

    (real,) = proven.receipts("solo")
    forge(real, swap)
    real.unlink()
    proven.repo.git("commit", "--quiet", "--all", "--amend", "--message", "evidence")
    assert proven.verdicts()["solo"] == "stale"
    assert proven.reason("solo") == "contract: `plan.yaml` changed since the run: `run`"

    def swap_digest(statement: dict[str, Any]) -> None:
        params(statement)["contract"]["run"] = "echo solo"
        params(statement)["contractSha256"] = "0" * 64

    (edited,) = proven.receipts("solo")
    forge(edited, swap_digest)
    edited.unlink()
    proven.repo.git("commit", "--quiet", "--all", "--amend", "--message", "evidence")
    assert proven.reason("solo") == "contract: `plan.yaml` changed since the run: its digest"


def test_what_needs_a_waived_step_can_be_proven(project: Project) -> None:
    waive = "waive: { who: Ada, why: no microscope, until: 2999-01-01 }"
    project.edit("rows: [A1]", f"rows: [A1]\n        {waive}")
    project.edit("run: cat $OUT/one.txt src/two.txt", "run: mkdir -p $OUT && cat src/two.txt")
    project.run_phase()
    assert project.verdicts() == {"one": "waived", "two": "fresh", "solo": "fresh"}
    project.edit("2999-01-01", "2001-01-01")
    assert project.verdicts() == {"one": "missing", "two": "stale", "solo": "fresh"}
    assert project.reason("two") == "parents: needs `one`, which is missing: not recorded"


def test_a_waiver_of_centuries_is_pointed_out(project: Project) -> None:
    waive = "waive: { who: Ada, why: later, until: 2999-01-01 }"
    project.edit("inputs: [src/solo.txt]", f"inputs: [src/solo.txt]\n        {waive}")
    assert project.verdicts()["solo"] == "waived"
    assert "a waiver of years: Ada: later (until 2999-01-01)" in warnings(project, "solo")


def test_the_limits_are_true_a_complete_forgery_is_believed_until_it_is_signed(
    proven: Project,
) -> None:
    """The sentence in `docs/reference/limits.md`: who can write files can write a receipt."""

    def invent(statement: dict[str, Any]) -> None:
        metadata = statement["predicate"]["runDetails"]["metadata"]
        metadata["invocationId"] = metadata["invocationId"][:-1] + "0"
        statement["predicate"]["runDetails"]["planctl_run"]["role"] = "judge"

    (real,) = proven.receipts("solo")
    forge(real, invent)
    real.unlink()
    proven.repo.git("commit", "--quiet", "--all", "--amend", "--message", "history rewritten")
    assert proven.verdicts() == ALL_FRESH

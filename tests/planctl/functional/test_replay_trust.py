"""What replays are worth: later ones count, none can be lost, a forged one is not believed."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from planctl.models.plan.plan import canonical_json
from planctl.models.receipt import payload_digest
from tests.planctl.functional.conftest import Project


def replay(project: Project, expect: int = 0) -> Path:
    """Replay the step and return the file that was written."""
    before = set(project.hub.glob("replays/*"))
    code, out, err = project.call("replay", "X-001", "--step", "solo", "--json")
    assert code == expect, out + err
    (made,) = set(project.hub.glob("replays/*")) - before
    return made


def judged(project: Project) -> tuple[str, str | None, list[str]]:
    """Return verdict, tier and the warnings about replays."""
    _, out, _ = project.call("verify", "X-001", "--json")
    step = next(step for step in json.loads(out)["steps"] if step["step"] == "solo")
    return step["verdict"], step["tier"], [w for w in step["warnings"] if "replay" in w]


def statement(path: Path) -> dict[str, Any]:
    return dict(json.loads(base64.b64decode(json.loads(path.read_text())["payload"])))


def write(path: Path, changed: dict[str, Any]) -> Path:
    """Write a replay again, under the name that its payload asks for."""
    payload = canonical_json(changed)
    envelope = json.loads(path.read_text()) | {"payload": base64.b64encode(payload).decode()}
    path.unlink()
    name = path.name.rsplit("_", 1)[0] + f"_{payload_digest(payload)[:16]}.json"
    place = path.with_name(name)
    place.write_text(json.dumps(envelope))
    return place


@pytest.fixture
def flaky(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Return a project in which a replay of `solo` fails when FAIL is set."""
    project.edit("run: echo solo", """run: 'echo solo; [ -z "${FAIL:-}" ]'""")
    project.repo.commit("plan")
    project.run_phase()
    project.repo.commit("evidence")
    return project


def test_the_later_replay_counts_told_by_links(
    flaky: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIL", "1")
    first = replay(flaky, expect=1)
    verdict, tier, warnings = judged(flaky)
    assert (verdict, tier) == ("fresh", "recorded")
    assert f"a replay did not agree: the command ended with 1 ({first.name})" in warnings[0]
    monkeypatch.delenv("FAIL")
    second = replay(flaky)
    assert judged(flaky) == ("fresh", "replayed", [])
    first_digest = payload_digest(canonical_json(statement(first)))
    assert statement(second)["predicate"]["previous"] == [first_digest]
    monkeypatch.setenv("FAIL", "1")
    replay(flaky, expect=1)
    assert judged(flaky)[1] == "recorded"
    _, out, _ = flaky.call("why", "A3")
    assert "a replay did not agree" in out


def test_a_disagreeing_replay_that_git_had_cannot_be_deleted(
    flaky: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    replay(flaky)
    monkeypatch.setenv("FAIL", "1")
    against = replay(flaky, expect=1)
    flaky.repo.commit("replays")
    against.unlink()
    flaky.repo.commit("cleaned up")
    _, tier, warnings = judged(flaky)
    assert tier == "recorded"
    assert "the file is gone; commit" in warnings[0]


def test_an_agreeing_replay_counts_only_while_it_is_there(proven: Project) -> None:
    made = replay(proven)
    proven.repo.commit("replay")
    assert judged(proven)[1] == "replayed"
    made.unlink()
    assert judged(proven)[1] == "recorded"


def test_an_edited_replay_counts_as_git_first_had_it(
    flaky: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIL", "1")
    made = replay(flaky, expect=1)
    flaky.repo.commit("replay")
    content = statement(made)
    content["predicate"] |= {"agreed": True}
    text = json.loads(made.read_text())
    text["payload"] = base64.b64encode(canonical_json(content)).decode()
    made.write_text(json.dumps(text))
    _, tier, warnings = judged(flaky)
    assert tier == "recorded"
    assert "a replay did not agree" in warnings[0]


def forged_agreement(content: dict[str, Any]) -> None:
    """Say that all agreed, and leave the runs as they are."""
    content["predicate"] |= {"agreed": True}


def other_receipt(content: dict[str, Any]) -> None:
    content["subject"][0]["digest"]["sha256"] = "0" * 64


def other_artifact(content: dict[str, Any]) -> None:
    content["predicate"]["runs"][0]["artifacts"][0] |= {"recorded": "0" * 64}


def no_artifacts(content: dict[str, Any]) -> None:
    content["predicate"]["runs"][0]["artifacts"] = []


def other_step(content: dict[str, Any]) -> None:
    content["predicate"] |= {"step": "one"}


def other_hub(content: dict[str, Any]) -> None:
    content["predicate"] |= {"hub": "plans/active/X-001/reports/2025-11-13T000000Z/other"}


def other_type(content: dict[str, Any]) -> None:
    content["predicateType"] = "https://slsa.dev/provenance/v1"


def one_more_key(content: dict[str, Any]) -> None:
    content["predicate"] |= {"believeMe": True}


@pytest.mark.parametrize(
    "change",
    [
        other_receipt,
        other_artifact,
        *(
            pytest.param(item, marks=pytest.mark.slow)
            for item in (no_artifacts, other_step, other_hub, other_type, one_more_key)
        ),
    ],
)
def test_a_replay_of_something_else_raises_no_tier(proven: Project, change: Any) -> None:
    made = replay(proven)
    assert judged(proven)[1] == "replayed"
    content = statement(made)
    change(content)
    write(made, content)
    assert judged(proven)[1] == "recorded"


def test_a_replay_that_contradicts_itself_is_not_believed(
    flaky: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIL", "1")
    made = replay(flaky, expect=1)
    content = statement(made)
    forged_agreement(content)
    write(made, content)
    assert judged(flaky)[1] == "recorded"


def test_hostile_files_among_the_replays_are_passed_over(proven: Project) -> None:
    made = replay(proven)
    folder = made.parent
    (folder / "a.json").write_text("[" * 100_000)
    (folder / "b.json").write_bytes(b"\xff\x00")
    (folder / "c.json").symlink_to("/dev/zero")
    (folder / "d.json").mkdir()
    subprocess.run(["mkfifo", str(folder / "e.json")], check=True)
    assert judged(proven)[1] == "replayed"


def test_the_limits_are_true_an_unsigned_replay_can_be_written_by_hand(
    flaky: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIL", "1")
    made = replay(flaky, expect=1)
    content = statement(made)
    run = content["predicate"]["runs"][0]
    run |= {"problems": [], "exitCode": 0}
    forged_agreement(content)
    write(made, content)
    assert judged(flaky)[1] == "replayed"


def test_a_command_that_stands_in_no_plan_is_not_run(proven: Project, tmp_path: Path) -> None:
    (receipt,) = proven.receipts("solo")
    content = statement(receipt)
    parameters = content["predicate"]["buildDefinition"]["externalParameters"]
    parameters["contract"]["run"] = f"touch {tmp_path}/was-run; echo solo"
    parameters["contractSha256"] = payload_digest(canonical_json(parameters["contract"]))
    write(receipt, content)
    proven.repo.git("rm", "-r", "--quiet", "--cached", str(proven.hub / "receipts"))
    proven.repo.git("commit", "--quiet", "--amend", "--message", "evidence of another")
    code, out, _ = proven.call("replay", "X-001", "--step", "solo", "--json")
    (found,) = json.loads(out)["steps"]
    assert (code, found["outcome"]) == (1, "not replayed")
    assert "stands in no plan of git" in found["reason"]
    assert not (tmp_path / "was-run").exists()


def new_key(project: Project, name: str, role: str, tmp_path: Path) -> Path:
    """Make a key and trust it for a role."""
    key = tmp_path / name
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)]
    subprocess.run(command, check=True)
    signers = project.root / ".planctl/allowed_signers"
    signers.parent.mkdir(exist_ok=True)
    with signers.open("a") as stream:
        stream.write(f"{role} {key.with_suffix('.pub').read_text()}")
    return key


def test_under_other_role_only_a_replay_by_another_role_counts(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engineer = new_key(project, "engineer", "engineer", tmp_path)
    auditor = new_key(project, "auditor", "auditor", tmp_path)
    project.repo.write("planctl.toml", '[policy]\nrequire = "other-role"\n')
    project.repo.commit("trust")
    monkeypatch.setenv("PLANCTL_SIGNING_KEY", str(engineer))
    project.call("run-phase", "X-001", "A")
    project.repo.commit("evidence")
    replay(project)
    assert judged(project)[1] != "replayed"
    monkeypatch.setenv("PLANCTL_SIGNING_KEY", str(auditor))
    code, _, err = project.call("sign", "X-001", "A")
    assert code == 0, err
    assert judged(project)[:2] == ("fresh", "countersigned")
    made = replay(project)
    assert statement(made)["predicate"]["key"].startswith("SHA256:")
    assert judged(project)[:2] == ("fresh", "replayed")

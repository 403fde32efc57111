"""Signatures from recording to verdict: who signs, what a policy asks, how strong a proof is."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.planctl.functional.conftest import ID, Project
from tests.planctl.functional.signers import SIGNERS, Signers, answer, step_of

ALL_FRESH = {"one": "fresh", "two": "fresh", "solo": "fresh"}


def tiers(project: Project) -> set[str]:
    _, out, _ = project.call("verify", ID, "--json")
    return {step["tier"] for step in json.loads(out)["steps"]}


def test_without_a_key_receipts_are_recorded_and_nothing_else(project: Project) -> None:
    project.run_phase()
    assert project.verdicts() == ALL_FRESH
    assert tiers(project) == {"recorded"}
    assert answer(project, "solo") == "none is asked for, and there is none"
    assert json.loads(project.receipts("solo")[0].read_text())["signatures"] == []


def test_a_run_with_a_key_is_signed_and_names_the_key(project: Project, signers: Signers) -> None:
    key = signers.person("ada", "engineer")
    signers.be("ada")
    project.run_phase()
    signers.be(None)
    step = step_of(project, "solo")
    assert step["tier"] == "signed"
    assert step["signed_by"] == [f"`engineer` ({key.public.fingerprint})"]
    assert step["warnings"] == []
    shown = project.call("verify", ID)[1]
    assert "signed by `engineer`: 1 artifact" in shown


def test_a_command_run_alone_is_signed_too(project: Project, signers: Signers) -> None:
    key = signers.person("ada", "engineer")
    signers.be("ada")
    code, out, _ = project.call("run", "--json", "--", "true")
    assert code == 0
    envelope = json.loads((project.root / json.loads(out)["receipt"]).read_text())
    assert [item["keyid"] for item in envelope["signatures"]] == [key.public.keyid]


def test_the_key_does_not_reach_the_command(
    project: Project, signers: Signers, monkeypatch: pytest.MonkeyPatch
) -> None:
    signers.person("ada", "engineer", passphrase="open sesame")
    signers.be("ada")
    monkeypatch.setenv("PLANCTL_SIGNING_PASSPHRASE", "open sesame")
    project.edit("run: echo solo", "run: env")
    project.run_phase("--step", "solo")
    log = (project.hub / "green/solo.log").read_text()
    assert "open sesame" not in log
    assert str(signers.path("ada")) not in log
    assert step_of(project, "solo")["tier"] == "signed"


def test_a_key_that_is_configured_and_not_there_stops_the_run(
    project: Project, signers: Signers
) -> None:
    signers.be("nobody")
    code, _, err = project.call("run-phase", ID, "A")
    assert code == 4
    assert "the signing key cannot be read" in err
    assert not list(project.hub.glob("**/*.log"))
    assert not project.receipts("solo")


def test_planctl_toml_names_the_key_and_an_empty_variable_means_none(
    project: Project, signers: Signers, monkeypatch: pytest.MonkeyPatch
) -> None:
    signers.person("ada", "engineer")
    (project.root / "planctl.toml").write_text('[signing]\nkey = "~/.ssh/ada"\n')
    project.run_phase("--step", "solo")
    assert step_of(project, "solo")["tier"] == "signed"
    monkeypatch.setenv("PLANCTL_SIGNING_KEY", "")
    project.run_phase("--step", "one")
    assert step_of(project, "one")["tier"] == "recorded"


def test_signing_adds_to_the_envelope_and_leaves_the_payload(
    proven: Project, signers: Signers
) -> None:
    signers.person("ben", "supervisor")
    before = {path: json.loads(path.read_text()) for path in proven.hub.glob("receipts/*.json")}
    result = signers.sign("ben")
    assert {item["action"] for item in result["receipts"]} == {"signed"}
    assert result["roles"] == ["supervisor"]
    for path, old in before.items():
        new = json.loads(path.read_text())
        assert new["payload"] == old["payload"]
        assert len(new["signatures"]) == 1
    assert proven.verdicts() == ALL_FRESH
    assert tiers(proven) == {"signed"}


def test_one_key_signs_once(proven: Project, signers: Signers) -> None:
    signers.person("ben", "supervisor")
    signers.sign("ben")
    before = {path: path.read_bytes() for path in proven.hub.glob("receipts/*.json")}
    result = signers.sign("ben")
    assert {item["action"] for item in result["receipts"]} == {"already signed"}
    assert before == {path: path.read_bytes() for path in proven.hub.glob("receipts/*.json")}


def test_what_is_not_proven_is_not_signed(proven: Project, signers: Signers) -> None:
    signers.person("ben", "supervisor")
    proven.repo.write("src/solo.txt", "changed\n")
    result = signers.sign("ben", expect=1)
    said = {item["step"]: (item["action"], item["reason"]) for item in result["receipts"]}
    assert said["one"] == ("signed", "")
    assert said["solo"][0] == "refused"
    assert said["solo"][1].startswith("stale: inputs: changed since the run: `src/solo.txt`")


def test_a_failure_can_be_signed_by_its_receipt(proven: Project, signers: Signers) -> None:
    signers.person("ben", "supervisor")
    proven.edit("run: echo solo", "run: 'false'")
    proven.run_phase("--step", "solo", expect=1)
    receipt = proven.receipts("solo")[-1]
    result = signers.sign("ben", "--receipt", str(receipt.relative_to(proven.root)))
    assert [item["action"] for item in result["receipts"]] == ["signed"]


@pytest.mark.parametrize("what", ["artifact", "log gone"])
def test_a_receipt_that_is_not_whole_is_refused(
    what: str, proven: Project, signers: Signers
) -> None:
    signers.person("ben", "supervisor")
    if what == "artifact":
        (proven.hub / "analysis/one.txt").write_text("other\n")
    else:
        (proven.hub / "cli/one.log").unlink()
    receipt = proven.receipts("one")[0]
    before = receipt.read_bytes()
    result = signers.sign("ben", "--receipt", str(receipt), expect=1)
    (done,) = result["receipts"]
    assert done["action"] == "refused"
    assert done["reason"].startswith("intact: " if what == "artifact" else "present: ")
    assert receipt.read_bytes() == before


def test_a_file_that_is_no_receipt_is_refused(proven: Project, signers: Signers) -> None:
    signers.person("ben", "supervisor")
    signers.be("ben")
    for name in ("README.md", "nothing.json", "/etc/hostname"):
        code, _, err = proven.call("sign", "--receipt", name)
        assert code == 4
        assert "is no receipt" in err


def test_without_a_key_sign_says_how_to_get_one(proven: Project) -> None:
    code, _, err = proven.call("sign", ID)
    assert code == 4
    assert "no signing key is configured" in err
    assert "planctl keys new" in err


def test_a_role_other_than_the_authors_makes_the_proof_stronger(
    project: Project, signers: Signers
) -> None:
    signers.person("ada", "engineer")
    signers.person("ben", "supervisor")
    signers.be("ada")
    project.run_phase()
    signers.sign("ben")
    assert tiers(project) == {"countersigned"}


def test_two_keys_of_one_role_are_not_two_roles(project: Project, signers: Signers) -> None:
    signers.person("ada", "engineer")
    signers.person("eve", "engineer", "tester")
    signers.be("ada")
    project.run_phase("--step", "solo")
    signers.sign("eve", ID, "A", "--step", "solo")
    assert step_of(project, "solo")["tier"] == "signed"
    assert len(step_of(project, "solo")["signed_by"]) == 2


@pytest.mark.parametrize("principals", ["*", "eng*", "!ops,*", "e?gineer"])
def test_a_pattern_that_could_be_the_authors_role_is_not_another(
    principals: str, project: Project, signers: Signers
) -> None:
    signers.person("ada", "engineer")
    signers.person("any", principals)
    signers.be("ada")
    project.run_phase("--step", "solo")
    signers.sign("any", ID, "A", "--step", "solo")
    assert step_of(project, "solo")["tier"] == "signed"


@pytest.mark.parametrize("principals", ["sup*", "!engineer,*", "super?isor,ops"])
def test_a_pattern_that_leaves_the_authors_role_out_is_another(
    principals: str, project: Project, signers: Signers
) -> None:
    signers.person("ada", "engineer")
    signers.person("any", principals)
    signers.be("ada")
    project.run_phase("--step", "solo")
    signers.sign("any", ID, "A", "--step", "solo")
    assert step_of(project, "solo")["tier"] == "countersigned"


def test_who_ran_without_a_key_is_nobody_so_two_roles_must_sign(
    proven: Project, signers: Signers
) -> None:
    signers.ask("other-role")
    signers.person("ada", "engineer")
    signers.person("ben", "supervisor")
    signers.sign("ben")
    assert "recorded without a key" in answer(proven, "solo")
    assert step_of(proven, "solo")["verdict"] == "unproven"
    signers.sign("ada")
    assert proven.verdicts() == ALL_FRESH
    assert tiers(proven) == {"countersigned"}


def test_a_policy_makes_unsigned_evidence_unproven_until_somebody_signs(
    proven: Project, signers: Signers
) -> None:
    signers.ask("signed")
    signers.person("ben", "supervisor")
    assert proven.verdicts() == {"one": "unproven", "two": "unproven", "solo": "unproven"}
    assert proven.reason("solo") == (
        "signature: the policy asks for `signed` and no signature counts"
    )
    _, out, _ = proven.call("why", "solo")
    assert f"restore: planctl sign {ID} A --step solo" in out
    signers.sign("ben")
    assert proven.verdicts() == ALL_FRESH


def test_run_phase_does_not_run_again_what_only_lacks_a_signature(
    proven: Project, signers: Signers
) -> None:
    signers.ask("signed")
    result = proven.run_phase()
    assert {step["action"] for step in result["steps"]} == {"skipped"}
    assert "planctl sign" in result["steps"][0]["reason"]


def test_a_run_without_the_signature_that_is_asked_for_says_so(
    project: Project, signers: Signers
) -> None:
    signers.ask("signed")
    code, _, err = project.call("run-phase", ID, "A", "--step", "solo")
    assert code == 0
    assert f"recorded without a signature; the policy asks for `signed`: `planctl sign {ID}`" in err


def test_a_policy_holds_for_the_phase_it_names(proven: Project, signers: Signers) -> None:
    signers.ask("signed", A="recorded")
    assert proven.verdicts() == ALL_FRESH
    signers.ask("recorded", A="signed")
    assert set(proven.verdicts().values()) == {"unproven"}


def test_a_policy_for_a_phase_that_is_not_there_is_an_error(
    proven: Project, signers: Signers
) -> None:
    signers.ask("recorded", Z="signed")
    for words in (("verify", ID), ("run-phase", ID, "A")):
        code, _, err = proven.call(*words)
        assert code == 4
        assert 'planctl.toml: `policy.phases."X-001/Z"`' in err


def test_a_policy_may_ask_for_one_role(proven: Project, signers: Signers) -> None:
    text = '[policy.phases]\n"X-*/A" = { require = "signed", roles = ["ci"] }\n'
    (proven.root / "planctl.toml").write_text(text)
    signers.person("ben", "supervisor")
    signers.sign("ben")
    assert "asks for a signature by `ci`; signed by `supervisor`" in answer(proven, "solo")
    signers.person("robot", "ci")
    signers.sign("robot")
    assert proven.verdicts() == ALL_FRESH


def test_a_policy_made_weaker_after_the_run_shows(project: Project, signers: Signers) -> None:
    signers.ask("signed")
    signers.person("ada", "engineer")
    signers.be("ada")
    project.run_phase()
    signers.ask("recorded")
    assert project.verdicts() == ALL_FRESH
    (warning,) = step_of(project, "solo")["warnings"]
    assert warning == (
        "signature: the policy asked for `signed` when it ran, and now for `recorded`"
    )


def test_an_auditor_brings_keys_and_demands_from_outside(
    project: Project, signers: Signers, tmp_path: Path
) -> None:
    ada = signers.person("ada", "engineer")
    eve = signers.person("eve", "supervisor")
    signers.be("ada")
    project.run_phase()
    signers.sign("eve")
    assert tiers(project) == {"countersigned"}
    outside = tmp_path / "signers"
    outside.write_text(f"engineer {ada.public.line}\n")
    words = ("--allowed-signers", str(outside))
    step = step_of(project, "solo", *words)
    assert step["tier"] == "signed"
    assert f"key `{eve.public.keyid}` is not in `{outside}`: untrusted" in step["warnings"][0]
    assert project.call("verify", ID, *words, "--require", "signed")[0] == 0
    assert project.call("verify", ID, *words, "--require", "other-role")[0] == 1
    code, _, err = project.call("verify", ID, "--allowed-signers", str(tmp_path / "none"))
    assert code == 4
    assert "cannot be read" in err


def test_the_strictest_of_policy_and_auditor_counts(proven: Project, signers: Signers) -> None:
    signers.ask("signed")
    assert proven.call("verify", ID, "--require", "recorded")[0] == 1


def test_a_clone_judges_the_same(project: Project, signers: Signers, tmp_path: Path) -> None:
    signers.ask("other-role")
    signers.person("ada", "engineer")
    signers.person("ben", "supervisor")
    signers.be("ada")
    project.run_phase()
    project.repo.commit("recorded")
    signers.sign("ben")
    project.repo.commit("countersigned")
    subprocess.run(["git", "clone", "-q", project.root, tmp_path / "clone"], check=True)
    (tmp_path / "clone" / SIGNERS).read_text()
    signers.monkeypatch.chdir(tmp_path / "clone")
    assert project.verdicts() == ALL_FRESH


def test_evidence_of_a_need_in_another_phase_is_asked_for_its_signature(
    proven: Project, signers: Signers
) -> None:
    """`two` needs `one`: signing `two` alone leaves it on unsigned ground."""
    signers.ask("signed")
    signers.person("ben", "supervisor")
    signers.sign("ben", ID, "A", "--step", "two", expect=0)
    assert proven.verdicts()["two"] == "unproven"
    assert proven.reason("two").startswith("parents: needs `one`, which is unproven")


def test_who_signs_nothing_loads_no_cryptography(proven: Project) -> None:
    code = (
        "import sys; from planctl.cli.app import run; code = run(['verify']);"
        "print(code, sorted({'cryptography', 'bcrypt'} & {*sys.modules}), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=proven.root, capture_output=True, text=True, check=True
    )
    assert done.stderr.strip() == "0 []"


@pytest.mark.parametrize(
    ("how", "told"),
    [((), False), (("--compromised",), True), (("--from", "2020-01-01T00:00:00Z"), True)],
)
def test_a_run_says_that_its_key_counts_no_more(
    project: Project, signers: Signers, how: tuple[str, ...], told: bool
) -> None:
    ada = signers.person("ada", "engineer")
    if how:
        revoke = ("keys", "revoke", ada.public.fingerprint, *how, "--why", "lost")
        assert project.call(*revoke)[0] == 0
    signers.be("ada")
    code, _, err = project.call("run-phase", ID, "A", "--step", "solo")
    assert code == 0
    assert ("solo: signed with a key that is revoked or not valid now" in err) is told

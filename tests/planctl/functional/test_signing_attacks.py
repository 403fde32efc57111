"""Attempts to let a signature say what its holder did not: each has its own text."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from typing import Any

import pytest

from planctl._signing import generate
from planctl.models.signing.envelope import MAX_SIGNATURES
from tests.planctl.functional.conftest import ID, Project
from tests.planctl.functional.signers import (
    SIGNERS,
    Signers,
    answer,
    rewrite,
    signature,
    step_of,
)
from tests.planctl.functional.test_attacks import forge


def add(path: Path, *entries: dict[str, str]) -> None:
    """Put signatures into an envelope by hand."""
    rewrite(path, lambda envelope: envelope["signatures"].extend(entries))


def drop(path: Path) -> None:
    """Take every signature out of an envelope."""
    rewrite(path, lambda envelope: envelope["signatures"].clear())


@pytest.fixture
def signed(project: Project, signers: Signers) -> Project:
    """Return a project whose step `solo` Ada (engineer) ran and signed, under a policy."""
    signers.ask("signed")
    signers.person("ada", "engineer")
    signers.person("eve")
    signers.be("ada")
    project.run_phase("--step", "solo")
    signers.be(None)
    return project


def solo(project: Project) -> Path:
    return project.receipts("solo")[-1]


def test_a_signature_by_a_key_that_is_not_listed(signed: Project, signers: Signers) -> None:
    drop(solo(signed))
    eve = signers.keys["eve"]
    add(solo(signed), signature(eve, solo(signed)))
    assert step_of(signed, "solo")["verdict"] == "unproven"
    assert answer(signed, "solo").startswith(
        "the policy asks for `signed` and no signature counts; "
        f"key `{eve.public.keyid}` is not in `{SIGNERS}`: untrusted"
    )


def test_a_signature_under_a_trusted_keys_id(signed: Project, signers: Signers) -> None:
    drop(solo(signed))
    ada = signers.keys["ada"].public
    add(solo(signed), signature(signers.keys["eve"], solo(signed), ada.keyid))
    assert step_of(signed, "solo")["verdict"] == "unproven"
    assert f"key {ada.fingerprint} of `engineer`: its signature is over other bytes" in answer(
        signed, "solo"
    )


def test_a_trusted_key_under_an_id_nobody_has(signed: Project, signers: Signers) -> None:
    drop(solo(signed))
    add(solo(signed), signature(signers.keys["ada"], solo(signed), "0" * 64))
    assert "key `" + "0" * 64 + "` is not in" in answer(signed, "solo")


def test_a_fingerprint_is_as_good_an_id(signed: Project, signers: Signers) -> None:
    drop(solo(signed))
    ada = signers.keys["ada"]
    add(solo(signed), signature(ada, solo(signed), ada.public.fingerprint))
    assert step_of(signed, "solo")["verdict"] == "fresh"


def test_a_signature_taken_from_another_receipt(signed: Project, signers: Signers) -> None:
    signers.be("ada")
    signed.run_phase("--step", "one")
    (other,) = json.loads(signed.receipts("one")[0].read_text())["signatures"]
    drop(solo(signed))
    add(solo(signed), other)
    assert "its signature is over other bytes than this receipt's" in answer(signed, "solo")
    assert step_of(signed, "solo")["verdict"] == "unproven"


def test_a_changed_payload_keeps_no_signature(signed: Project) -> None:
    genuine = solo(signed)
    signatures = json.loads(genuine.read_text())["signatures"]

    def change(statement: dict[str, Any]) -> None:
        statement["predicate"]["runDetails"]["planctl_run"]["environment"]["host"] = "elsewhere"

    forged = forge(genuine, change)
    add(forged, *signatures)
    assert step_of(signed, "solo")["receipt"].endswith(genuine.name)
    genuine.unlink()
    assert step_of(signed, "solo")["verdict"] == "unproven"
    assert "its signature is over other bytes" in answer(signed, "solo")


def test_a_role_is_never_what_the_caller_says(
    project: Project, signers: Signers, monkeypatch: pytest.MonkeyPatch
) -> None:
    signers.person("ada", "engineer")
    signers.be("ada")
    monkeypatch.setenv("PLANCTL_ROLE", "supervisor")
    project.run_phase("--step", "solo")
    monkeypatch.delenv("PLANCTL_ROLE")
    step = step_of(project, "solo", "--require", "other-role")
    assert step["verdict"] == "unproven"
    assert "only the author's role signed" in step["reasons"][0]
    (warning,) = step_of(project, "solo")["warnings"]
    assert "the run said role `supervisor`; its key is of `engineer`" in warning


def test_one_person_cannot_be_two_by_running_without_a_key(
    project: Project, signers: Signers, monkeypatch: pytest.MonkeyPatch
) -> None:
    signers.person("ada", "engineer")
    monkeypatch.setenv("PLANCTL_ROLE", "supervisor")
    project.run_phase("--step", "solo")
    signers.sign("ada", ID, "A", "--step", "solo")
    assert step_of(project, "solo")["tier"] == "signed"
    assert step_of(project, "solo", "--require", "other-role")["verdict"] == "unproven"


def test_copies_of_one_signature_count_once(signed: Project, signers: Signers) -> None:
    ada = signers.keys["ada"]
    again = signature(ada, solo(signed))
    add(solo(signed), again, again, again | {"keyid": ada.public.fingerprint})
    assert len(step_of(signed, "solo")["signed_by"]) == 1
    assert step_of(signed, "solo", "--require", "other-role")["verdict"] == "unproven"


def test_a_bad_signature_beside_a_good_one_is_named(signed: Project, signers: Signers) -> None:
    add(solo(signed), signature(signers.keys["eve"], solo(signed)))
    step = step_of(signed, "solo")
    assert (step["verdict"], step["tier"]) == ("fresh", "signed")
    assert "untrusted" in step["warnings"][0]


def test_a_bad_signature_that_nobody_asked_for_is_a_warning(
    proven: Project, signers: Signers
) -> None:
    signers.person("eve")
    signers.sign("eve", ID, "A", "--step", "solo")
    step = step_of(proven, "solo")
    assert (step["verdict"], step["tier"]) == ("fresh", "recorded")
    assert step["warnings"][0].startswith("signature: key `")


def test_a_false_entry_under_my_id_does_not_keep_me_from_signing(
    proven: Project, signers: Signers
) -> None:
    ben = signers.person("ben", "supervisor")
    add(solo(proven), signature(generate(), solo(proven), ben.public.keyid))
    result = signers.sign("ben", ID, "A", "--step", "solo")
    assert result["receipts"][0]["action"] == "signed"
    assert len(json.loads(solo(proven).read_text())["signatures"]) == 1
    assert step_of(proven, "solo")["tier"] == "signed"


def test_a_signature_removed_that_git_had(proven: Project, signers: Signers) -> None:
    signers.ask("signed")
    ben = signers.person("ben", "supervisor")
    signers.sign("ben", ID, "A", "--step", "solo")
    commit = proven.repo.commit("signed")
    drop(solo(proven))
    told = (
        f"the signature of `supervisor` ({ben.public.fingerprint}) was removed; "
        f"commit {commit[:8]} had it"
    )
    for _ in range(2):  # in the work tree, and committed
        assert step_of(proven, "solo")["verdict"] == "unproven"
        assert told in answer(proven, "solo")
        proven.repo.commit("unsigned")
    signers.ask("recorded")
    step = step_of(proven, "solo")
    assert (step["verdict"], step["tier"]) == ("fresh", "recorded")
    assert told in step["warnings"][0]


def test_a_signature_removed_before_it_was_committed(signed: Project, signers: Signers) -> None:
    drop(solo(signed))
    ada = signers.keys["ada"].public
    assert f"the signature of key {ada.fingerprint}, made when it ran, was removed" in answer(
        signed, "solo"
    )
    assert step_of(signed, "solo")["verdict"] == "unproven"
    # Another's signature does not bring the author's back.
    signers.person("ben", "supervisor")
    signers.sign("ben", ID, "A", "--step", "solo")
    assert step_of(signed, "solo")["tier"] == "signed"
    assert step_of(signed, "solo", "--require", "other-role")["verdict"] == "unproven"
    # Of two roles one at least is not the author's, whoever that was.
    signers.person("eva", "reviewer")
    signers.sign("eva", ID, "A", "--step", "solo")
    assert step_of(signed, "solo", "--require", "other-role")["verdict"] == "fresh"


def test_roles_of_an_author_who_has_two_are_not_another(project: Project, signers: Signers) -> None:
    signers.person("ada", "engineer", "reviewer")
    signers.person("eva", "engineer")
    signers.person("eve", "reviewer")
    signers.be("ada")
    project.run_phase("--step", "solo")
    for name in ("eva", "eve"):
        signers.sign(name, ID, "A", "--step", "solo")
    assert step_of(project, "solo")["tier"] == "signed"


def test_a_signature_lost_in_a_merge_is_put_back_from_history(
    proven: Project, signers: Signers
) -> None:
    signers.person("ada", "engineer")
    signers.person("ben", "supervisor")
    proven.repo.commit("keys")
    proven.repo.git("switch", "-q", "-c", "side")
    signers.sign("ben")
    proven.repo.commit("ben")
    proven.repo.git("switch", "-q", "main")
    signers.sign("ada")
    proven.repo.commit("ada")
    proven.repo.git("merge", "-q", "side", check=False)
    proven.repo.git("checkout", "--ours", "plans")
    proven.repo.commit("merged")
    step = step_of(proven, "solo")
    assert step["tier"] == "signed"
    assert "the signature of `supervisor`" in step["warnings"][0]
    code, out, _ = proven.call("sign", "--restore", "--json")
    assert code == 0
    assert [item["reason"] for item in json.loads(out)["receipts"]] == ["1 signature"] * 3
    assert step_of(proven, "solo")["tier"] == "countersigned"
    assert step_of(proven, "solo")["warnings"] == []
    assert "was ever removed" in proven.call("sign", "--restore")[1]


def test_what_does_not_count_is_not_put_back(proven: Project, signers: Signers) -> None:
    signers.person("eve")
    signers.sign("eve", ID, "A", "--step", "solo")
    proven.repo.commit("junk")
    drop(solo(proven))
    code, out, _ = proven.call("sign", "--restore", "--json")
    assert (code, json.loads(out)["receipts"]) == (0, [])


def test_junk_that_was_cleaned_up_again_is_no_removed_signature(
    proven: Project, signers: Signers
) -> None:
    signers.person("eve")
    signers.sign("eve", ID, "A", "--step", "solo")
    proven.repo.commit("junk")
    drop(solo(proven))
    proven.repo.commit("junk removed")
    assert step_of(proven, "solo")["warnings"] == []


def test_a_revoked_key_counts_until_its_date(project: Project, signers: Signers) -> None:
    signers.ask("signed")
    ada = signers.person("ada", "engineer")
    signers.be("ada")
    project.run_phase("--step", "solo")
    commit = signers.commit_at("2031-11-14T10:00:00+00:00")
    revoke = ("keys", "revoke", ada.public.fingerprint, "--from")
    assert project.call(*revoke, "2031-11-14T10:00:01Z", "--why", "left")[0] == 0
    assert step_of(project, "solo")["verdict"] == "fresh"
    assert project.call(*revoke, "2031-11-14T09:59:59Z")[0] == 0
    assert step_of(project, "solo")["verdict"] == "unproven"
    assert (
        f"key {ada.public.fingerprint} of `engineer`: the key was revoked from "
        f"2031-11-14T09:59:59Z on; git first had this at 2031-11-14T10:00:00Z, "
        f"in commit {commit[:8]}"
    ) in answer(project, "solo")


@pytest.mark.parametrize(
    ("how", "said"),
    [
        (("--compromised",), "the key is revoked: nothing that it signs counts"),
        (("--from", "2020-01-01T00:00:00Z"), "what the key signs now does not count"),
    ],
)
def test_signing_with_a_revoked_key_says_that_it_counts_for_nothing(
    proven: Project, signers: Signers, how: tuple[str, ...], said: str
) -> None:
    ada = signers.person("ada", "engineer")
    assert proven.call("keys", "revoke", ada.public.fingerprint, *how, "--why", "lost")[0] == 0
    signers.be("ada")
    words = ("sign", ID, "A", "--step", "solo")
    _, _, err = proven.call(*words)
    assert f"warning: {said}" in err
    _, out, _ = proven.call(*words, "--json")
    assert (json.loads(out)["roles"], json.loads(out)["warning"][:15]) == ([], said[:15])


def test_of_an_exchanged_payload_no_signature_is_called_removed(
    proven: Project, signers: Signers
) -> None:
    signers.person("ada", "engineer")
    signers.person("ben", "supervisor")
    for name in ("ada", "ben"):
        signers.sign(name, ID, "A", "--step", "solo")
        proven.repo.commit(name)
    path = solo(proven)
    whole = json.loads(path.read_text())
    payload = base64.b64decode(whole["payload"]).replace(b'"exitCode":0', b'"exitCode":1')
    whole["payload"] = base64.b64encode(payload).decode()
    path.write_text(json.dumps(whole))
    step = step_of(proven, "solo")
    assert (step["verdict"], step["signed_by"]) == ("modified", [])
    assert "was removed" not in answer(proven, "solo")


def test_a_commit_dated_back_is_no_older_than_what_it_contains(
    project: Project, signers: Signers
) -> None:
    signers.ask("signed")
    signers.person("ada", "engineer", options='valid-before="20251114Z"')
    signers.commit_at("2025-11-20T00:00:00+00:00", "the key has ended")
    signers.be("ada")
    project.run_phase("--step", "solo")
    for message in ("dated back", "and again"):
        commit = signers.commit_at("2025-11-01T00:00:00+00:00", message)
    assert commit
    assert step_of(project, "solo")["verdict"] == "unproven"
    assert "the key was revoked from 2025-11-14T00:00:00Z on; git first had this at 2026" in answer(
        project, "solo"
    )


def test_a_signature_that_is_not_committed_is_made_now(project: Project, signers: Signers) -> None:
    signers.ask("signed")
    signers.person("ada", "engineer", options='valid-after="20301231Z"')
    signers.be("ada")
    project.run_phase("--step", "solo")
    assert "git first had this now: it is not committed" in answer(project, "solo")
    signers.commit_at("2031-01-01T00:00:00+00:00")
    assert step_of(project, "solo")["verdict"] == "fresh"


def test_a_later_commit_does_not_make_a_signature_younger(
    project: Project, signers: Signers
) -> None:
    signers.ask("signed")
    signers.person("ada", "engineer", options='valid-before="20311231Z"')
    signers.person("ben", "supervisor")
    signers.be("ada")
    project.run_phase("--step", "solo")
    signers.commit_at("2031-12-30T00:00:00+00:00")
    signers.sign("ben", ID, "A", "--step", "solo")
    signers.commit_at("2032-02-01T00:00:00+00:00")
    assert step_of(project, "solo")["tier"] == "countersigned"


def test_a_key_that_is_not_valid_yet(project: Project, signers: Signers) -> None:
    signers.ask("signed")
    ada = signers.person("ada", "engineer", options='valid-after="20311115Z"')
    signers.be("ada")
    project.run_phase("--step", "solo")
    commit = signers.commit_at("2031-11-14T10:00:00+00:00")
    assert (
        f"key {ada.public.fingerprint} of `engineer`: the key counts from 2031-11-15T00:00:00Z on; "
        f"git first had this at 2031-11-14T10:00:00Z, in commit {commit[:8]}"
    ) in answer(project, "solo")


def test_a_compromised_key_counts_never(project: Project, signers: Signers) -> None:
    signers.ask("signed")
    ada = signers.person("ada", "engineer")
    signers.be("ada")
    project.run_phase("--step", "solo")
    signers.commit_at("2025-11-14T10:00:00+00:00")
    assert project.call("keys", "revoke", str(signers.path("ada")), "--compromised")[0] == 0
    assert step_of(project, "solo")["verdict"] == "unproven"
    assert "the key is revoked; nothing it ever signed counts" in answer(project, "solo")
    assert ada.public.blob in (project.root / ".planctl/revoked_keys").read_text()


def test_a_key_for_another_namespace(project: Project, signers: Signers) -> None:
    signers.ask("signed")
    signers.person("ada", "engineer", options='namespaces="git,file"')
    signers.be("ada")
    project.run_phase("--step", "solo")
    assert "the key may sign in the namespaces `git`, `file` only, not in `planctl`" in answer(
        project, "solo"
    )
    assert step_of(project, "solo")["verdict"] == "unproven"


def test_ten_thousand_signatures_are_not_looked_at(signed: Project, signers: Signers) -> None:
    ada = signers.keys["ada"].public.keyid
    junk = [
        {"keyid": ada, "sig": base64.b64encode(number.to_bytes(64, "big")).decode()}
        for number in range(10_000)
    ]
    add(solo(signed), *junk)
    start = time.process_time()
    assert step_of(signed, "solo")["verdict"] == "modified"
    assert time.process_time() - start < 2
    assert "10,001 signatures, at most 64 can stand" in signed.reason("solo")


def test_as_many_as_can_stand_are_looked_at(signed: Project, signers: Signers) -> None:
    junk = [
        {"keyid": "x", "sig": base64.b64encode(bytes([number])).decode()}
        for number in range(MAX_SIGNATURES - 1)
    ]
    add(solo(signed), *junk)
    assert step_of(signed, "solo")["verdict"] == "fresh"
    signers.person("ben", "supervisor")
    signers.be("ben")
    code, _, err = signed.call("sign", ID, "A", "--step", "solo")
    assert code == 4
    assert "has 64 signatures already" in err


@pytest.mark.parametrize(
    "entry",
    [
        "text",
        None,
        {"keyid": "x"},
        {"keyid": 1, "sig": ""},
        {"keyid": "x", "sig": "not base64!"},
        {"keyid": "x" * 300, "sig": ""},
        {"keyid": "\x1b[31m", "sig": ""},
        {"keyid": "x", "sig": "A" * 5000},
        {"keyid": "x", "sig": ["QQ=="]},
    ],
)
def test_an_entry_that_is_no_signature_makes_no_envelope(entry: Any, signed: Project) -> None:
    rewrite(solo(signed), lambda envelope: envelope["signatures"].append(entry))
    code, out, err = signed.call("verify", ID, "--json")
    assert code == 1, err
    (step,) = (s for s in json.loads(out)["steps"] if s["step"] == "solo")
    assert step["verdict"] == "modified"
    assert "is not a DSSE envelope" in step["reasons"][0]


def test_a_wrong_passphrase_leaves_nothing_half_written(
    proven: Project, signers: Signers, monkeypatch: pytest.MonkeyPatch
) -> None:
    signers.person("ben", "supervisor", passphrase="right")
    signers.be("ben")
    before = {path: path.read_bytes() for path in proven.root.rglob("*") if path.is_file()}
    for word, text in (("wrong", "does not open the key"), ("", "there is no passphrase")):
        monkeypatch.setenv("PLANCTL_SIGNING_PASSPHRASE", word)
        code, out, err = proven.call("sign", ID)
        assert (code, out) == (4, "")
        assert text in err
        assert "wrong" not in err
        code, _, err = proven.call("run-phase", ID, "A", "--force")
        assert code == 4
    after = {path: path.read_bytes() for path in proven.root.rglob("*") if path.is_file()}
    assert before == after


def test_a_bad_line_trusts_nobody(signed: Project) -> None:
    place = signed.root / SIGNERS
    place.write_text(place.read_text() + "engineer ssh-rsa AAAAB3Nza\n")
    code, _, err = signed.call("verify", ID)
    assert code == 4
    assert f"{SIGNERS}:2: `ssh-rsa` is not `ssh-ed25519`" in err


@pytest.mark.parametrize("name", [SIGNERS, ".planctl/revoked_keys"])
def test_trust_behind_a_symbolic_link_is_refused(
    name: str, signed: Project, tmp_path: Path
) -> None:
    place = signed.root / name
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text(place.read_text() if place.exists() else "")
    place.unlink(missing_ok=True)
    place.symlink_to(elsewhere)
    code, _, err = signed.call("verify", ID)
    assert code == 4
    assert "lies behind a symbolic link" in err


def test_the_limits_are_true_who_may_write_may_trust_themselves(
    signed: Project, signers: Signers
) -> None:
    """Said in limits.md; goes red when the repository's own files are not believed any more."""
    drop(solo(signed))
    eve = signers.keys["eve"]
    add(solo(signed), signature(eve, solo(signed)))
    signers.trust(eve, "supervisor")
    assert step_of(signed, "solo")["verdict"] == "fresh"

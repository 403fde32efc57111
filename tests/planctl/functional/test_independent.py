"""Receipts before the eyes of others: DSSE, in-toto and SLSA as other implementations read them."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_ssh_public_key
from google.protobuf import json_format
from in_toto_attestation.predicates.provenance.v1 import provenance_pb2
from in_toto_attestation.v1 import resource_descriptor, statement, statement_pb2
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import SSlibKey

from planctl._signing import PrivateKey
from planctl.ops.collect import folder_digest
from tests.planctl.functional.conftest import ID, Project
from tests.planctl.functional.signers import Signers, rewrite

ROOT = Path(__file__).resolve().parents[3]
RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
URI = re.compile(r"[a-z][a-z0-9+.-]*:[A-Za-z0-9._~:/?#@!$&'()*+,;=%-]+")
HEX = {"sha256": 64, "dirHash": 64, "gitCommit": 40, "gitBlob": 40}


def sslib_key(key: PrivateKey) -> SSlibKey:
    """Return the key as securesystemslib makes it of a `.pub` file, with the id it gives."""
    return SSlibKey.from_crypto(load_ssh_public_key(key.public.line.encode()))


def envelope(path: Path) -> Envelope:
    return Envelope.from_dict(json.loads(path.read_text()))


def payload(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(envelope(path).payload)
    return found


@pytest.fixture
def signed(project: Project, signers: Signers) -> Project:
    """Return a project that Ada (engineer) ran and Ben (supervisor) countersigned."""
    signers.person("ada", "engineer")
    signers.person("ben", "supervisor", passphrase="secret")
    signers.be("ada")
    project.run_phase("--step", "one")
    signers.monkeypatch.setenv("PLANCTL_SIGNING_PASSPHRASE", "secret")
    signers.sign("ben", ID, "A", "--step", "one")
    return project


def test_securesystemslib_verifies_what_planctl_signed(signed: Project, signers: Signers) -> None:
    keys = [sslib_key(signers.keys[name]) for name in ("ada", "ben")]
    for path in signed.hub.glob("receipts/*.json"):
        assert set(envelope(path).verify(keys, threshold=2)) == {key.keyid for key in keys}


def test_securesystemslib_refuses_what_was_changed(signed: Project, signers: Signers) -> None:
    keys = [sslib_key(signers.keys["ada"])]
    path = signed.receipts("one")[0]

    def other_payload(raw: dict[str, Any]) -> None:
        text = base64.b64decode(raw["payload"]).replace(b'"exitCode":0', b'"exitCode":1')
        raw["payload"] = base64.b64encode(text).decode()

    rewrite(path, other_payload)
    with pytest.raises(VerificationError):
        envelope(path).verify(keys, threshold=1)


def test_securesystemslib_refuses_another_payload_type(signed: Project, signers: Signers) -> None:
    path = signed.receipts("one")[0]
    rewrite(path, lambda raw: raw.update(payloadType="text/plain"))
    with pytest.raises(VerificationError):
        envelope(path).verify([sslib_key(signers.keys["ada"])], threshold=1)


def test_planctl_accepts_what_securesystemslib_signed(proven: Project, signers: Signers) -> None:
    from securesystemslib.signer import CryptoSigner

    ada = signers.person("ada", "engineer")
    path = proven.receipts("solo")[0]
    found = envelope(path)
    private = ada._key  # the other library's own object
    found.sign(CryptoSigner(private, sslib_key(ada)))
    path.write_text(json.dumps(found.to_dict()))
    _, out, _ = proven.call("verify", ID, "--json")
    (step,) = (item for item in json.loads(out)["steps"] if item["step"] == "solo")
    assert (step["verdict"], step["tier"]) == ("fresh", "signed")


def test_the_statement_is_one_for_in_toto(signed: Project) -> None:
    for path in signed.hub.glob("receipts/*.json"):
        found = json_format.Parse(envelope(path).payload, statement_pb2.Statement())
        checked = statement.Statement.copy_from_pb(found)
        checked.validate()
        assert [item.name for item in found.subject] == [
            item["name"] for item in payload(path)["subject"]
        ]


def test_the_predicate_is_slsas_but_for_the_field_it_lets_vendors_add(signed: Project) -> None:
    """Extension fields are named `<vendor>_<field>`; nothing else is unknown to the schema."""
    for path in signed.hub.glob("receipts/*.json"):
        predicate = payload(path)["predicate"]
        own = [key for key in predicate["runDetails"] if key.startswith("planctl_")]
        assert own == ["planctl_run"]
        del predicate["runDetails"]["planctl_run"]
        found = json_format.ParseDict(predicate, provenance_pb2.Provenance())
        assert found.run_details.metadata.invocation_id == path.name.split("_")[0]
        assert found.run_details.metadata.started_on.seconds > 0
        assert found.build_definition.build_type == "planctl:run-step/v1"
        assert found.run_details.builder.id == "planctl:builder/local/v1"
        for item in found.build_definition.resolved_dependencies:
            resource_descriptor.ResourceDescriptor.copy_from_pb(item).validate()


def test_every_field_keeps_the_rules_of_the_specifications(signed: Project) -> None:
    for path in signed.hub.glob("receipts/*.json"):
        found = payload(path)
        build = found["predicate"]["buildDefinition"]
        run = found["predicate"]["runDetails"]
        assert URI.fullmatch(build["buildType"])
        assert URI.fullmatch(run["builder"]["id"])
        assert all(RFC3339.fullmatch(run["metadata"][key]) for key in ("startedOn", "finishedOn"))
        described = [*found["subject"], *build["resolvedDependencies"], *run["byproducts"]]
        for item in described:
            for name, digest in item["digest"].items():
                assert re.fullmatch(f"[0-9a-f]{{{HEX[name]}}}", digest)
        names = [item["name"] for item in found["subject"]]
        assert len(names) == len(set(names))


def test_git_knows_the_recorded_ids(signed: Project) -> None:
    build = payload(signed.receipts("one")[0])["predicate"]["buildDefinition"]
    commit, *inputs = build["resolvedDependencies"]
    assert signed.repo.git("cat-file", "-t", commit["digest"]["gitCommit"]) == "commit"
    blobs = [item for item in inputs if "gitBlob" in item["digest"]]
    assert blobs
    for item in blobs:
        assert signed.repo.git("hash-object", item["name"]) == item["digest"]["gitBlob"]


def test_a_folders_digest_is_in_totos_dirhash(tmp_path: Path) -> None:
    """The command is the one that in-toto's definition of `dirHash` gives."""
    folder = tmp_path / "folder"
    for name in ("b.txt", "a.txt", "A.txt", "sub/c d.txt", "sub.txt", "ü.txt", "sub-1/x"):
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(name)
    command = (
        "find . -type f -print0 | cut -z -c3- | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum"
    )
    told = subprocess.run(
        ["bash", "-c", command], cwd=folder, capture_output=True, text=True, check=True
    )
    assert folder_digest(folder) == told.stdout.split()[0]


def test_the_script_of_the_receipts_page_verifies(
    signed: Project, signers: Signers, tmp_path: Path
) -> None:
    page = (ROOT / "docs/reference/receipts.md").read_text()
    script = tmp_path / "check.py"
    script.write_text(page.split("```python\n")[1].split("```")[0])
    names = []
    for name in ("ada", "ben"):
        (tmp_path / f"{name}.pub").write_text(signers.keys[name].public.line + "\n")
        names.append(str(tmp_path / f"{name}.pub"))
    receipt = str(signed.receipts("one")[0])
    done = subprocess.run(
        [sys.executable, script, receipt, *names], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    ids = [signers.keys[name].public.keyid for name in ("ada", "ben")]
    assert done.stdout.splitlines() == [f"signed by {keyid}" for keyid in ids]
    stranger = tmp_path / "eve.pub"
    stranger.write_text(signers.person("eve").public.line)
    done = subprocess.run(
        [sys.executable, script, receipt, stranger], capture_output=True, text=True, check=False
    )
    assert done.returncode != 0


def test_the_id_of_a_key_can_be_computed_by_hand(signers: Signers) -> None:
    public = signers.person("ada").public
    text = '{"keytype":"ed25519","keyval":{"public":"' + public.raw.hex() + '"},"scheme":"ed25519"}'
    assert hashlib.sha256(text.encode()).hexdigest() == public.keyid


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="ssh-keygen is not installed")
@pytest.mark.parametrize("passphrase", ["", "with a blank"])
def test_a_key_of_ssh_keygen_signs_from_end_to_end(
    passphrase: str, project: Project, signers: Signers
) -> None:
    place = signers.path("theirs")
    place.parent.mkdir()
    words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-C", "a comment", "-f"]
    subprocess.run([*words, str(place)], check=True)
    code, _, err = project.call("keys", "trust", f"{place}.pub", "--role", "engineer")
    assert code == 0, err
    signers.be("theirs")
    signers.monkeypatch.setenv("PLANCTL_SIGNING_PASSPHRASE", passphrase)
    project.run_phase("--step", "solo")
    listed = subprocess.run(
        ["ssh-keygen", "-l", "-f", f"{place}.pub"], capture_output=True, text=True, check=True
    )
    _, out, _ = project.call("keys", "list", "--json")
    (key,) = json.loads(out)["keys"]
    assert key["fingerprint"] == listed.stdout.split()[1]
    assert key["yours"]
    assert (
        payload(project.receipts("solo")[0])["predicate"]["runDetails"]["planctl_run"]["key"]
        == (key["fingerprint"])
    )

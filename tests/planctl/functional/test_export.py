"""`planctl export`: evidence that outsiders can check with tools they have."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from planctl.models.inventory import machine_line
from tests.planctl.functional.conftest import ID, Project

HUB = "plans/active/X-001/reports/2025-11-13T000000Z/small"


def exported(project: Project, kind: str, folder: Path, expect: int = 0) -> dict[str, Any]:
    code, out, err = project.call("export", f"--{kind}", str(folder), "--json")
    assert code == expect, err
    result: dict[str, Any] = json.loads(out)
    return result


def checked(folder: Path) -> subprocess.CompletedProcess[str]:
    """Ask `sha256sum` about a copy of a bundle elsewhere."""
    elsewhere = folder.with_name(f"{folder.name} elsewhere")
    if elsewhere.exists():
        shutil.rmtree(elsewhere)
    shutil.copytree(folder, elsewhere, symlinks=True)
    return subprocess.run(
        ["sha256sum", "--check", "--strict", "SHA256SUMS"],
        cwd=elsewhere,
        capture_output=True,
        text=True,
    )


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_a_bundle_is_checked_by_sha256sum_alone(proven: Project, tmp_path: Path) -> None:
    result = exported(proven, "bundle", tmp_path / "out")
    assert result["ok"]
    done = checked(tmp_path / "out")
    assert done.returncode == 0, done.stderr
    names = {line.rsplit(": ", 1)[0] for line in done.stdout.splitlines()}
    assert names == set(contents(tmp_path / "out")) - {"SHA256SUMS"}
    assert {f"{HUB}/analysis/one.txt", f"{HUB}/cli/one.log", "INDEX.md"} < names
    assert {"plans/active/X-001/plan.yaml", "plans/active/X-001/implementation.md"} < names
    assert sum("/receipts/" in name for name in names) == 3


def test_one_changed_byte_in_a_bundle_is_found(proven: Project, tmp_path: Path) -> None:
    exported(proven, "bundle", tmp_path / "out")
    for path in sorted((tmp_path / "out").rglob("*")):
        if not path.is_file():
            continue
        before = path.read_bytes()
        path.write_bytes(bytes([before[0] ^ 1]) + before[1:])
        assert checked(tmp_path / "out").returncode != 0, path
        path.write_bytes(before)
    assert checked(tmp_path / "out").returncode == 0


@pytest.mark.parametrize("kind", ["bundle", "in-toto", "ro-crate"])
def test_equal_evidence_gives_equal_bytes(proven: Project, tmp_path: Path, kind: str) -> None:
    first = exported(proven, kind, tmp_path / "first")
    second = exported(proven, kind, tmp_path / "second")
    assert contents(tmp_path / "first") == contents(tmp_path / "second")
    assert first["files"] == second["files"]


@pytest.mark.parametrize("kind", ["bundle", "ro-crate"])
def test_a_modified_artifact_goes_out_as_it_is_and_is_named(
    proven: Project, tmp_path: Path, kind: str
) -> None:
    (proven.hub / "analysis/one.txt").write_text("forged\n")
    result = exported(proven, kind, tmp_path / "out", expect=1)
    assert [(item["path"], item["what"]) for item in result["troubles"]] == [
        (f"{HUB}/analysis/one.txt", "modified")
    ]
    assert (tmp_path / "out" / HUB / "analysis/one.txt").read_text() == "forged\n"
    code, out, _ = proven.call("export", f"--{kind}", str(tmp_path / "again"))
    assert code == 1
    assert f"modified: {HUB}/analysis/one.txt: recorded " in out
    if kind == "bundle":
        done = checked(tmp_path / "out")
        assert done.returncode != 0
        assert f"{HUB}/analysis/one.txt: FAILED" in done.stdout
        assert "**modified**" in (tmp_path / "out/INDEX.md").read_text()


def test_artifacts_of_a_receipt_that_does_not_hold_go_out_too(
    proven: Project, tmp_path: Path
) -> None:
    (receipt,) = proven.receipts("one")
    receipt.write_text("{")
    result = exported(proven, "bundle", tmp_path / "out", expect=1)
    assert [item["what"] for item in result["troubles"]] == ["not intact"]
    for name in ("analysis/one.txt", "cli/one.log"):
        assert (tmp_path / "out" / HUB / name).read_bytes() == (proven.hub / name).read_bytes()


def test_what_is_gone_is_named_and_fails_the_check(proven: Project, tmp_path: Path) -> None:
    (proven.hub / "analysis/one.txt").unlink()
    proven.receipts("solo")[0].unlink()
    result = exported(proven, "bundle", tmp_path / "out", expect=1)
    assert {item["what"] for item in result["troubles"]} == {"missing"}
    assert {item["path"].rsplit("/", 2)[-2] for item in result["troubles"]} == {
        "analysis",
        "receipts",
    }
    assert "analysis/one.txt: FAILED open or read" in checked(tmp_path / "out").stdout


@pytest.mark.parametrize("where", ["analysis/one.txt", "analysis"])
def test_symbolic_links_are_never_followed(proven: Project, tmp_path: Path, where: str) -> None:
    secret = tmp_path / "secret"
    target = proven.hub / where
    shutil.move(target, secret)
    target.symlink_to(secret)
    result = exported(proven, "bundle", tmp_path / "out", expect=1)
    assert (f"{HUB}/analysis/one.txt", "unreadable") in {
        (item["path"], item["what"]) for item in result["troubles"]
    }
    assert not (tmp_path / "out" / HUB / "analysis/one.txt").exists()


def test_odd_names_are_escaped_as_sha256sum_does(project: Project, tmp_path: Path) -> None:
    name = "a b\\c $(touch ran) 'q' ü.txt"
    project.edit("cat $OUT/one.txt src/two.txt > $OUT/two.txt", "mkdir -p $OUT/odd; python3 odd.py")
    project.edit(
        "{ from: $OUT/two.txt, to: analysis/two.txt }", "{ from: $OUT/odd, to: analysis/odd }"
    )
    project.repo.write("odd.py", f"open('out/odd/' + {name!r}, 'w').write('x')\n")
    project.repo.commit("odd names")
    project.run_phase()
    exported(project, "bundle", tmp_path / "out")
    assert (tmp_path / "out" / HUB / "analysis/odd" / name).read_text() == "x"
    done = checked(tmp_path / "out")
    assert done.returncode == 0, done.stderr
    exported(project, "ro-crate", tmp_path / "crate")
    assert not (project.root / "ran").exists()


@given(st.text(st.characters(exclude_characters="/\0", codec="utf-8"), min_size=1, max_size=8))
@settings(max_examples=30, deadline=None)
def test_sha256sum_reads_any_name_there_can_be(name: str) -> None:
    assume(name not in (".", ".."))
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / name).write_bytes(b"x")
        digest = hashlib.sha256(b"x").hexdigest()
        line = machine_line(digest, f"./{name}")
        done = subprocess.run(
            ["sha256sum", "--check", "--strict"], cwd=folder, input=os.fsencode(line), check=False
        )
    assert done.returncode == 0


def test_a_folder_of_many_files_is_checked_file_by_file(project: Project, tmp_path: Path) -> None:
    many = "mkdir -p $OUT/many; for i in $(seq 80); do echo $i > $OUT/many/$i.txt; done"
    project.edit("cat $OUT/one.txt src/two.txt > $OUT/two.txt", many)
    project.edit(
        "{ from: $OUT/two.txt, to: analysis/two.txt }", "{ from: $OUT/many, to: analysis/many }"
    )
    project.repo.commit("many")
    project.run_phase()
    exported(project, "bundle", tmp_path / "out")
    assert checked(tmp_path / "out").returncode == 0
    (project.hub / "analysis/many/7.txt").write_text("forged\n")
    (project.hub / "analysis/many/stray.txt").write_text("stray\n")
    result = exported(project, "bundle", tmp_path / "forged", expect=1)
    assert [item["path"].rsplit("/", 1)[-1] for item in result["troubles"]] == [
        "7.txt",
        "stray.txt",
    ]
    failed = [line for line in checked(tmp_path / "forged").stdout.splitlines() if "FAILED" in line]
    assert len(failed) == 2


@pytest.mark.parametrize("kind", ["bundle", "in-toto", "ro-crate"])
def test_an_export_never_overwrites(proven: Project, tmp_path: Path, kind: str) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine.txt").write_text("mine\n")
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("mine\n")
    for name, why in (("full", "is not empty"), ("file", "is no folder")):
        code, _, err = proven.call("export", f"--{kind}", str(tmp_path / name))
        assert code == 4
        assert why in err
    assert contents(tmp_path / "full") == {"mine.txt": b"mine\n"}
    assert proven.call("export", f"--{kind}", str(tmp_path / "empty"))[0] == 0


@pytest.mark.parametrize("where", [".git/out", "plans/active/out", "plans/active/X-001/reports/o"])
def test_an_export_does_not_go_among_the_evidence(proven: Project, where: str) -> None:
    before = proven.repo.git("status", "--porcelain", "--ignored")
    code, _, err = proven.call("export", "--bundle", where)
    assert code == 4
    assert "lies inside" in err
    assert proven.repo.git("status", "--porcelain", "--ignored") == before
    assert not (proven.root / ".git/out").exists()


def test_an_export_that_fails_leaves_nothing(
    proven: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("planctl.ops.export.bundle.written", full)
    code, _, err = proven.call("export", "--bundle", str(tmp_path / "new/out"))
    assert code == 4
    assert "No space left" in err
    assert [*(tmp_path / "new").iterdir()] == []


def test_one_kind_is_asked_for(proven: Project, tmp_path: Path) -> None:
    assert proven.call("export")[0] == 2
    both = ("--bundle", str(tmp_path / "a"), "--in-toto", str(tmp_path / "b"))
    assert proven.call("export", *both)[0] == 2
    code, _, err = proven.call("export", "NO-SUCH", "--bundle", str(tmp_path / "a"))
    assert (code, (tmp_path / "a").exists()) == (4, False)
    assert "NO-SUCH" in err


def test_in_toto_names_and_payloads_are_the_receipts(proven: Project, tmp_path: Path) -> None:
    result = exported(proven, "in-toto", tmp_path / "out")
    assert (result["receipts"], result["unsigned"]) == (3, 3)
    lines = (tmp_path / "out/X-001.intoto.jsonl").read_text().splitlines()
    receipts = [
        json.loads(path.read_text()) for s in ("one", "two", "solo") for path in proven.receipts(s)
    ]
    assert {item["payload"] for item in receipts} == {json.loads(line)["payload"] for line in lines}
    for step in ("one", "two", "solo"):
        single = json.loads((tmp_path / f"out/{ID}/{step}.json").read_text())
        assert single == json.loads(proven.receipts(step)[-1].read_text())


def test_in_toto_files_are_read_by_other_implementations(proven: Project, tmp_path: Path) -> None:
    dsse = pytest.importorskip("securesystemslib.dsse")
    statement = pytest.importorskip("in_toto_attestation.v1.statement")
    messages = pytest.importorskip("in_toto_attestation.v1.statement_pb2")
    json_format = pytest.importorskip("google.protobuf.json_format")
    exported(proven, "in-toto", tmp_path / "out")
    for line in (tmp_path / "out/X-001.intoto.jsonl").read_text().splitlines():
        envelope = dsse.Envelope.from_dict(json.loads(line))
        assert envelope.payload_type == "application/vnd.in-toto+json"
        message = messages.Statement()
        json_format.Parse(envelope.payload, message)
        found = statement.Statement.copy_from_pb(message)
        found.validate()
        assert len(found.pb.subject) >= 1


def test_a_forged_receipt_is_named_and_not_attested(proven: Project, tmp_path: Path) -> None:
    path = proven.receipts("solo")[0]
    raw = json.loads(path.read_text())
    payload = base64.b64decode(raw["payload"]).replace(b"echo solo", b"echo lies")
    path.write_text(json.dumps(raw | {"payload": base64.b64encode(payload).decode()}))
    result = exported(proven, "in-toto", tmp_path / "out", expect=1)
    assert [item["what"] for item in result["troubles"]] == ["not intact"]
    assert not (tmp_path / "out/X-001/solo.json").exists()
    assert len((tmp_path / "out/X-001.intoto.jsonl").read_text().splitlines()) == 2


def graph(folder: Path) -> dict[str, dict[str, Any]]:
    raw = json.loads((folder / "ro-crate-metadata.json").read_text())
    return {item["@id"]: item for item in raw["@graph"]}


def references(value: Any) -> list[str]:
    if isinstance(value, dict):
        if set(value) == {"@id"}:
            return [value["@id"]]
        return [name for item in value.values() for name in references(item)]
    return [n for item in value for n in references(item)] if isinstance(value, list) else []


def test_a_crate_says_what_each_run_read_and_made(proven: Project, tmp_path: Path) -> None:
    exported(proven, "ro-crate", tmp_path / "out")
    found = graph(tmp_path / "out")
    assert found["ro-crate-metadata.json"]["about"] == {"@id": "./"}
    root = found["./"]
    assert {"name", "description", "datePublished", "license", "hasPart"} <= set(root)
    runs = [item for item in found.values() if item["@type"] == "CreateAction"]
    assert len(runs) == 3
    one = next(item for item in runs if item["name"].endswith("/one"))
    assert [item["@id"] for item in one["result"]] == [
        f"{HUB}/cli/one.log",
        f"{HUB}/analysis/one.txt",
    ]
    assert found[one["instrument"]["@id"]]["text"].startswith("mkdir -p $OUT")
    assert {found[item["@id"]]["name"] for item in one["object"]} > {
        "src/one.txt",
        "src/common.txt",
    }
    agent = found[one["agent"]["@id"]]
    assert (agent["@type"], agent["name"]) == ("Person", "person")
    assert one["startTime"].endswith("+00:00")
    assert one["actionStatus"] == "http://schema.org/CompletedActionStatus"


def test_a_crate_is_closed_and_its_files_are_there(proven: Project, tmp_path: Path) -> None:
    exported(proven, "ro-crate", tmp_path / "out")
    found = graph(tmp_path / "out")
    outside = ("http://", "https://")
    named = {name for item in found.values() for name in references([*item.values()])}
    assert {name for name in named if name not in found and not name.startswith(outside)} == set()
    files = {item["@id"]: item["sha256"] for item in found.values() if item["@type"] == "File"}
    there = contents(tmp_path / "out")
    assert set(files) == set(there) - {"ro-crate-metadata.json"}
    for name, digest in files.items():
        assert hashlib.sha256(there[name]).hexdigest() == digest
    assert set(references(found["./"]["hasPart"])) == set(files)
    lists = [v for item in found.values() for v in item.values() if isinstance(v, list)]
    assert all(len(value) > 1 for value in lists)


def test_a_failed_run_is_a_failed_action(project: Project, tmp_path: Path) -> None:
    project.edit("run: echo solo", "run: echo solo; exit 7")
    project.repo.commit("it fails")
    project.run_phase(expect=1)
    exported(project, "ro-crate", tmp_path / "out")
    failed = [i for i in graph(tmp_path / "out").values() if "error" in i]
    assert [item["name"] for item in failed] == ["X-001 A/solo"]
    assert failed[0]["error"].startswith("exit code 7")


@pytest.mark.parametrize(
    ("files", "licence"),
    [
        ({}, "The repository states no licence."),
        ({"LICENSE": "All rights reserved.\n"}, {"@id": "LICENSE"}),
        (
            {"pyproject.toml": '[project]\nname = "x"\nlicense = "BSD-3-Clause"\n'},
            {"@id": "https://spdx.org/licenses/BSD-3-Clause"},
        ),
    ],
)
def test_a_crate_states_the_licence_if_the_repository_does(
    proven: Project, tmp_path: Path, files: dict[str, str], licence: object
) -> None:
    for name, text in files.items():
        proven.repo.write(name, text)
    proven.repo.commit("licence")
    exported(proven, "ro-crate", tmp_path / "out")
    assert graph(tmp_path / "out")["./"]["license"] == licence


def test_adopted_evidence_goes_out_as_it_was_adopted(project: Project, tmp_path: Path) -> None:
    repo = project.repo
    repo.write("runs/fall/logs/fall.log", "$ python3 fall.py\n9.81\n")
    repo.commit("before planctl")
    assert project.call("adopt", "runs/fall")[0] == 0
    assert project.call("export", "fall", "--bundle", str(tmp_path / "out"))[0] == 0
    assert "runs/fall/logs/fall.log: OK" in checked(tmp_path / "out").stdout
    assert "### Adopted" in (tmp_path / "out/INDEX.md").read_text()
    repo.write("runs/fall/logs/fall.log", "$ python3 fall.py\n9.82\n")
    code, out, _ = project.call("export", "fall", "--bundle", str(tmp_path / "forged"))
    assert code == 1
    assert "modified: runs/fall/logs/fall.log" in out
    assert "runs/fall/logs/fall.log: FAILED" in checked(tmp_path / "forged").stdout

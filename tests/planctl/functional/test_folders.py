"""Collected folders: file by file when small, one digest and a manifest when large."""

from __future__ import annotations

import hashlib
import json
import subprocess

import pytest

from tests.planctl.functional.conftest import Project

MAKE = "mkdir -p $OUT/d/sub && for i in $(seq {n}); do echo $i > $OUT/d/sub/$i.txt; done"
COLLECT = "inputs: [src/solo.txt]\n        collect: [{ from: $OUT/d, to: analysis/d }]"


@pytest.fixture
def with_folder(project: Project, request: pytest.FixtureRequest) -> Project:
    project.edit("run: echo solo", f"run: {MAKE.format(n=request.param)}")
    project.edit("inputs: [src/solo.txt]", COLLECT)
    project.run_phase("--step", "solo")
    return project


@pytest.mark.parametrize("with_folder", [3], indirect=True)
def test_a_small_folder_is_recorded_file_by_file(with_folder: Project) -> None:
    assert with_folder.verdicts()["solo"] == "fresh"
    (with_folder.hub / "analysis/d/sub/2.txt").write_text("two\n")
    assert with_folder.verdicts()["solo"] == "modified"
    assert "`analysis/d/sub/2.txt`" in with_folder.reason("solo")


@pytest.mark.parametrize("with_folder", [70], indirect=True)
def test_a_large_folder_has_one_digest_and_a_manifest_sha256sum_reads(
    with_folder: Project,
) -> None:
    folder = with_folder.hub / "analysis/d"
    manifest = with_folder.hub / "analysis/d.sha256"
    subprocess.run(["sha256sum", "--check", "--quiet", "../d.sha256"], cwd=folder, check=True)
    _, out, _ = with_folder.call("verify", "X-001", "--json")
    solo = next(step for step in json.loads(out)["steps"] if step["step"] == "solo")
    assert len(solo["artifacts"]) == 3
    digest = hashlib.sha256(manifest.read_bytes()).hexdigest()
    assert any(digest[:12] in item["text"] for item in solo["artifacts"])
    (folder / "sub/71.txt").write_text("one more\n")
    assert with_folder.verdicts()["solo"] == "modified"
    (folder / "sub/71.txt").unlink()
    assert with_folder.verdicts()["solo"] == "fresh"


@pytest.mark.parametrize("with_folder", [3], indirect=True)
def test_a_folder_collected_again_gets_a_name_of_its_own(with_folder: Project) -> None:
    (with_folder.root / "src/solo.txt").write_text("changed\n")
    with_folder.run_phase("--step", "solo")
    assert (with_folder.hub / "analysis/d_v2/sub/1.txt").is_file()
    assert with_folder.verdicts()["solo"] == "dirty"

"""Choosing where steps run, on a machine without a cluster."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from planctl.cli.app import run as planctl
from planctl.executors.slurm_node import EnvironmentChange
from tests.planctl.conftest import HUB, Repo, phase

Initiative = Callable[..., Repo]
SAY = "id: say, run: echo hi, log: cli/say.log"
ON_SLURM = ("run-phase", "X-001", "A", "--executor", "slurm")


@pytest.fixture
def no_slurm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Leave git in PATH and nothing of Slurm."""
    places = [Path(place) for place in os.environ["PATH"].split(os.pathsep)]
    git = next(place / "git" for place in places if (place / "git").exists())
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/git").symlink_to(git)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))


def test_without_slurm_nothing_is_run_and_the_way_out_is_named(
    initiative: Initiative, no_slurm: None, capsys: pytest.CaptureFixture[str]
) -> None:
    repo = initiative(phase("A", SAY))
    assert planctl([*ON_SLURM]) == 4
    said = capsys.readouterr().err
    assert "needs `sbatch`, which is not in PATH" in said
    assert "--executor local" in said
    assert not (repo.root / HUB / "cli").exists()


def test_a_cluster_that_does_not_answer_is_found_before_a_log_is_begun(
    initiative: Initiative,
    no_slurm: None,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("sbatch", "srun", "squeue", "scontrol", "scancel"):
        place = tmp_path / "bin" / name
        place.write_text("#!/bin/sh\nexit 1\n")
        place.chmod(0o755)
    repo = initiative(phase("A", SAY))
    assert planctl([*ON_SLURM]) == 4
    assert "Slurm does not answer `squeue`" in capsys.readouterr().err
    assert not (repo.root / HUB / "cli").exists()


def test_without_submitit_nothing_is_run_and_the_way_out_is_named(
    initiative: Initiative, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    repo = initiative(phase("A", SAY))
    monkeypatch.setitem(sys.modules, "submitit", None)
    assert planctl([*ON_SLURM]) == 4
    assert "pip install submitit" in capsys.readouterr().err
    assert not (repo.root / HUB / "cli").exists()


def test_what_would_run_is_told_without_a_cluster(
    initiative: Initiative, no_slurm: None, capsys: pytest.CaptureFixture[str]
) -> None:
    initiative(phase("A", SAY))
    assert planctl([*ON_SLURM, "--dry-run"]) == 0


@pytest.mark.parametrize("words", [ON_SLURM, ON_SLURM[:3]], ids=["slurm", "local"])
def test_a_wrong_setting_is_found_before_anything_runs(
    words: list[str], initiative: Initiative, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also before a local run: the same file holds the policy."""
    repo = initiative(phase("A", SAY))
    repo.write("planctl.toml", "[slurm]\nnonsense = 1\n")
    assert planctl([*words]) == 4
    assert "planctl.toml: `slurm.nonsense`: unknown key" in capsys.readouterr().err
    assert not (repo.root / HUB / "cli").exists()


def test_an_executor_that_is_none_is_a_usage_error(initiative: Initiative) -> None:
    initiative(phase("A", SAY))
    assert planctl(["run-phase", "X-001", "A", "--executor", "cloud"]) == 2


OURS = {"HOME": "/h", "TOKEN": "geheim", "PYTEST_ADDOPTS": "-x", "PATH": "/bin", "SLURM_JOBID": "1"}
WANTED = {"HOME": "/h", "TOKEN": "geheim", "PATH": "/v:/bin", "OUT": "out", "SLURM_JOBID": "1"}
CHANGE = EnvironmentChange.between(OURS, WANTED, ("LD_PRELOAD",))


def test_what_slurm_carries_itself_is_not_written_down() -> None:
    assert CHANGE.changed == {"PATH": "/v:/bin", "OUT": "out"}


def test_the_node_gives_the_wanted_environment_and_what_slurm_sets() -> None:
    node = OURS | {"SLURM_JOBID": "7", "SUBMITIT_FOLDER": "/x", "LD_PRELOAD": "/l.so", "GPU": "0"}
    got = CHANGE.apply(node | {"BASH_FUNC_ls%%": "() { :; }"})
    assert got == WANTED | {"SLURM_JOBID": "7", "GPU": "0"}


def test_names_that_slurm_kept_back_are_missed() -> None:
    assert CHANGE.missing(OURS) == []
    assert CHANGE.missing({"HOME": "/h", "PATH": "/bin"}) == ["TOKEN"]

"""Two branches each record runs; git joins them without a conflict and both stay proven."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from planctl.cli.app import run as planctl
from tests.planctl.conftest import HUB, Repo, phase

Initiative = Callable[..., Repo]
STEP_A = "id: alpha, run: echo alpha, log: cli/alpha.log"
STEP_B = "id: beta, run: echo beta, log: cli/beta.log"


def recorded_on_branches(repo: Repo, left: list[str], right: list[str]) -> None:
    """Record one run on each of two branches of the same commit, and merge them."""
    base = repo.git("rev-parse", "HEAD")
    for branch, words in (("left", left), ("right", right)):
        repo.git("checkout", "--quiet", "-b", branch, base)
        assert planctl(words) in (0, 1)
        repo.commit(f"evidence of {branch}")
    repo.git("checkout", "--quiet", "left")
    repo.git("merge", "--no-edit", "right")


def turns(path: Path) -> list[str]:
    return [part for part in path.read_text().split("### Turn Summary") if part.strip()]


def test_runs_of_different_phases_merge_and_both_verify(initiative: Initiative) -> None:
    repo = initiative(phase("A", STEP_A), phase("B", STEP_B))
    assert planctl(["init"]) == 0
    repo.commit("init")
    recorded_on_branches(repo, ["run-phase", "X-001", "A"], ["run-phase", "X-001", "B"])
    assert planctl(["verify", "X-001"]) == 0
    for place in (f"{HUB}/summary.md", "plans/active/X-001/summary.md"):
        blocks = turns(repo.root / place)
        assert len(blocks) == 2
        assert sorted("`alpha` passed" in block for block in blocks) == [False, True]
        for block in blocks:
            assert block.count("Next:") == 1
            assert block.count("Checklist:") == 1
            assert block.count("- Artifacts updated:") == 1
    ledger = (repo.root / "docs/fix_plan.md").read_text()
    assert "`alpha` passed" in ledger
    assert "`beta` passed" in ledger
    command = ["sha256sum", "--check", "--strict", "analysis/artifact_inventory.sha256"]
    done = subprocess.run(command, cwd=repo.root / HUB, check=False, capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stdout.count(": OK") == 2
    assert "<<<<" not in (repo.root / HUB / "analysis/artifact_inventory.txt").read_text()


def test_runs_of_the_same_step_merge_under_two_names(
    initiative: Initiative, capsys: pytest.CaptureFixture[str]
) -> None:
    repo = initiative(phase("A", STEP_A))
    assert planctl(["init"]) == 0
    repo.commit("init")
    words = ["run-phase", "X-001", "A"]
    recorded_on_branches(repo, words, words)
    assert planctl(["verify", "X-001"]) == 0
    logs = sorted(path.name for path in (repo.root / HUB / "cli").iterdir())
    assert logs == ["alpha.log", "alpha_v2.log"]
    assert len(list((repo.root / HUB / "receipts").iterdir())) == 2
    assert len(turns(repo.root / HUB / "summary.md")) == 2
    capsys.readouterr()
    assert planctl(["ledger", "show", "--json"]) == 0
    (item,) = json.loads(capsys.readouterr().out)["items"]
    assert len(item["attempts"]) == 2
    assert item["status"] == "in_progress"


def test_failures_of_the_same_step_merge_with_their_blockers(initiative: Initiative) -> None:
    repo = initiative(phase("A", "id: bad, run: echo no; exit 1, log: cli/bad.log".replace(
        "run: echo no; exit 1", "run: 'echo no; exit 1'")))  # fmt: skip
    words = ["run-phase", "X-001", "A"]
    recorded_on_branches(repo, words, words)
    assert len(list((repo.root / HUB / "red").iterdir())) == 2
    assert len(turns(repo.root / HUB / "summary.md")) == 2


def inventory_rows(repo: Repo) -> list[list[str]]:
    text = (repo.root / HUB / "analysis/artifact_inventory.txt").read_text()
    return [line.split() for line in text.splitlines() if not line.startswith("#")]


def latest_of(rows: list[list[str]], step: str) -> list[str]:
    return [row[3] for row in rows if row[0] == "latest" and step in row[3]]


def test_the_run_after_a_merge_writes_the_inventory_anew(initiative: Initiative) -> None:
    repo = initiative(phase("A", STEP_A), phase("B", STEP_B))
    assert planctl(["run-phase", "X-001", "A"]) == 0
    repo.commit("first evidence")
    words = ["run-phase", "X-001", "A", "--force"]
    recorded_on_branches(repo, words, words)
    assert planctl(["run-phase", "X-001", "B"]) == 0
    rows = inventory_rows(repo)
    assert [row[3] for row in rows] == sorted({row[3] for row in rows})
    # No receipt says which of the two branches' runs came later: both are the latest.
    assert latest_of(rows, "alpha") == ["cli/alpha_v2.log", "cli/alpha_v3.log"]
    assert planctl(words) == 0
    assert latest_of(inventory_rows(repo), "alpha") == ["cli/alpha_v4.log"]


def test_a_ledger_with_two_states_of_one_item_reads_as_the_cautious_one(
    initiative: Initiative, capsys: pytest.CaptureFixture[str]
) -> None:
    repo = initiative(phase("A", STEP_A))
    assert planctl(["ledger", "attempt", "X-001", "begun"]) == 0
    repo.commit("ledger")
    left = ["run-phase", "X-001", "A"]
    right = ["block", "X-001", "--reason", "no data"]
    recorded_on_branches(repo, left, right)
    capsys.readouterr()
    assert planctl(["ledger", "show", "--json"]) == 0
    (item,) = json.loads(capsys.readouterr().out)["items"]
    assert item["status"] == "blocked"
    assert len(item["attempts"]) == 3


def test_evidence_survives_a_clone_that_converts_line_ends(
    initiative: Initiative, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = initiative(phase("A", STEP_A))
    assert planctl(["init"]) == 0
    assert planctl(["run-phase", "X-001", "A"]) == 0
    repo.commit("evidence")
    clone = tmp_path / "clone"
    repo.git("clone", "--quiet", "--config", "core.autocrlf=true", ".", str(clone))
    log = f"{HUB}/cli/alpha.log"
    assert (clone / log).read_bytes() == (repo.root / log).read_bytes()
    monkeypatch.chdir(clone)
    assert planctl(["verify", "X-001"]) == 0

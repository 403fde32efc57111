"""The bad day, replayed: a supervisor whose clock runs ahead, an engineer who obeys."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest

from examples.desync import loops, repository
from examples.desync.__main__ import Replay, replay, table
from examples.desync.counting import Column, Refusals, count
from examples.desync.day import DAY, ENGINEER, SUPERVISOR
from planctl.cli.app import run
from tests.planctl.conftest import Repo

FIXTURE = Path(__file__).resolve().parents[4] / "shared" / "fixtures" / "forward_parity_summary.md"
FIRST_EVIDENCE = "2025-11-14T024800Z"


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Replay:
    """Return the day, replayed both ways."""
    return replay(tmp_path_factory.mktemp("day"))


@pytest.fixture
def plain_day(day: Replay) -> tuple[Repo, Path]:
    """Return the project after the day without planctl, and its journal."""
    return Repo(Path(day.folder) / "without"), Path(day.folder) / "without.journal"


@pytest.fixture
def good_day(day: Replay) -> tuple[Repo, Path]:
    """Return the project after the day with planctl, and its journal."""
    return Repo(Path(day.folder) / "with"), Path(day.folder) / "with.journal"


def events(journal: Path, what: str) -> list[dict[str, str]]:
    """Return what the journal says of one kind."""
    told = [json.loads(line) for line in journal.read_text("utf-8").splitlines()]
    return [event for event in told if event["what"] == what]


def test_without_planctl_the_day_goes_as_it_went(day: Replay) -> None:
    assert day.without == Column(
        supervisor_turns=11,
        requests=9,
        reached=9,
        engineer_turns=12,
        redundant_turns=11,
        runs=10,
        wasted_runs=9,
        values=10,
        rows=3,
    )


def test_with_planctl_the_phase_runs_once_and_nothing_is_wasted(day: Replay) -> None:
    assert day.with_planctl == Column(
        supervisor_turns=10,
        requests=9,
        reached=0,
        engineer_turns=10,
        redundant_turns=0,
        runs=1,
        wasted_runs=0,
        values=1,
        rows=12,
    )
    assert day.ok


def test_every_repeated_order_is_refused_with_receipt_and_commit(
    day: Replay, good_day: tuple[Repo, Path]
) -> None:
    repo, _ = good_day
    assert (day.refused.orders, day.refused.with_proof) == (9, 9)
    (receipt,) = (repo.root / repository.FOLDER).glob("reports/*/*/receipts/*_train_*.json")
    assert receipt.stem in day.refused.last
    commit = repo.git("log", "--format=%h", "--abbrev=8", "--diff-filter=A", "--", str(receipt))
    assert repo.git("rev-parse", "--short=8", f"{commit}~1") in day.refused.last


def test_no_order_for_what_is_proven_is_left_in_any_commit(good_day: tuple[Repo, Path]) -> None:
    repo, _ = good_day
    commits = repo.git("log", "--format=%H", "--reverse", "--", "input.md").split()
    orders = [repo.git("show", f"{commit}:input.md") for commit in commits]
    assert len(orders) == 10
    assert "Phase A" in orders[0]
    assert not [text for text in orders[1:] if "planctl:brief" not in text]


def test_each_turn_has_one_commit_and_one_record(good_day: tuple[Repo, Path]) -> None:
    repo, _ = good_day
    records = sorted((repo.root / repository.FOLDER / "turns").glob("*.json"))
    assert [int(path.name.split("_")[0]) for path in records] == list(range(1, 21))
    trailers = repo.git("log", "--format=%(trailers:key=Turn,valueonly)").split("\n")
    assert sorted(line.split()[0] for line in trailers if line) == [
        f"{number:05}" for number in range(1, 21)
    ]
    assert repo.git("status", "--porcelain") == ""


def test_all_is_proven_at_the_end(
    good_day: tuple[Repo, Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    repo, _ = good_day
    monkeypatch.chdir(repo.root)
    assert run(["verify"]) == 0
    assert "12 of 12 steps proven" in capsys.readouterr().out


def test_the_table_shows_both_columns(day: Replay) -> None:
    shown = table(day)
    assert re.search(r"orders for Phase A after it was complete +9 +9\n", shown)
    assert re.search(r"that added nothing +11 +0\n", shown)
    assert re.search(r"wasted +9 +0\n", shown)
    assert "refused 9 of 9 repeated orders, 9 of them with receipt and commit" in shown


@pytest.mark.parametrize(
    "change",
    [
        {"refused": Refusals(9, 8, "")},
        {"refused": Refusals(8, 8, "")},
        {"with_planctl": Column(10, 9, 1, 10, 1, 2, 1, 2, 12)},
    ],
)
def test_a_day_with_waste_or_without_reasons_is_no_good_day(
    day: Replay, change: dict[str, Any]
) -> None:
    assert not dataclasses.replace(day, **change).ok


def test_the_counts_are_of_what_happened(plain_day: tuple[Repo, Path]) -> None:
    repo, journal = plain_day
    authors = repo.git("log", "--format=%an").splitlines()
    assert authors.count(SUPERVISOR) == 11
    assert authors.count(ENGINEER) == 12
    asked = events(journal, "asks")
    assert len({event["brief"] for event in asked}) == len(asked) == 10
    assert len(events(journal, "train")) == len(events(journal, "test")) == 10


def test_no_code_changes_while_the_same_is_asked_for_again(plain_day: tuple[Repo, Path]) -> None:
    repo, _ = plain_day
    changed = repo.git("log", "--format=", "--name-only", "--", "src", "tests").split()
    first = repo.git("log", "--format=%H", "--grep", "The working plan").strip()
    later = repo.git("diff", "--name-only", first, "HEAD", "--", "src", "tests")
    assert changed
    assert later == ""


def test_a_supervisor_with_a_right_clock_asks_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DESYNC_DAYS_AHEAD", "0")
    repository.make(tmp_path / "project")
    loops.plain(tmp_path / "project", tmp_path / "journal", DAY[:5])
    assert count(tmp_path / "project", tmp_path / "journal").requests == 0


def test_the_audit_of_that_history_finds_orders_for_what_was_complete(
    plain_day: tuple[Repo, Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It reads words alone, so it finds most; the commands in a brief's fence are no words."""
    repo, _ = plain_day
    monkeypatch.chdir(repo.root)
    assert run(["audit", "--json"]) == 1
    findings = json.loads(capsys.readouterr().out)["findings"]
    again = [item["claim"] for item in findings if item["kind"] == "requests.repeated"]
    assert len(again) >= 6
    assert not any("Run Phase A" in claim for claim in again)
    assert any("Refresh the evidence of rows A1, A2 and A3" in claim for claim in again)


@pytest.mark.skipif(not FIXTURE.is_file(), reason="the shared fixture is not here")
def test_the_order_of_turns_is_that_of_the_real_day() -> None:
    text = FIXTURE.read_text("utf-8")
    stamps = re.findall(r"(?m)^### Turn Summary \((\S+)\)$", text)
    since = stamps.index(FIRST_EVIDENCE) + 1
    assert [stamp for _, stamp in DAY] == stamps[since::-1]
    # A turn of the supervisor is one that orders (`input.md`, the plan); an engineer's has run.
    blocks = dict(zip(stamps, re.split(r"(?m)^### Turn Summary \(", text)[1:], strict=False))
    for role, stamp in DAY:
        ran = re.search(r"(?m)^- Tests run: (?!none)", blocks[stamp]) is not None
        assert ran is (role == ENGINEER), stamp

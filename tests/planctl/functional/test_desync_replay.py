"""The bad day, replayed: a supervisor whose clock runs ahead, an engineer who obeys."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from examples.desync import loops, repository
from examples.desync.counting import Column, count
from examples.desync.day import DAY, ENGINEER, SUPERVISOR
from tests.planctl.conftest import Repo

FIXTURE = Path(__file__).resolve().parents[4] / "shared" / "fixtures" / "forward_parity_summary.md"
FIRST_EVIDENCE = "2025-11-14T024800Z"


@pytest.fixture(scope="module")
def plain_day(tmp_path_factory: pytest.TempPathFactory) -> tuple[Repo, Path]:
    """Return the project after a day without planctl, and its journal."""
    folder = tmp_path_factory.mktemp("plain")
    repository.make(folder / "project")
    loops.plain(folder / "project", folder / "journal")
    return Repo(folder / "project"), folder / "journal"


def events(journal: Path, what: str) -> list[dict[str, str]]:
    """Return what the journal says of one kind."""
    told = [json.loads(line) for line in journal.read_text("utf-8").splitlines()]
    return [event for event in told if event["what"] == what]


def test_without_planctl_the_day_goes_as_it_went(plain_day: tuple[Repo, Path]) -> None:
    repo, journal = plain_day
    assert count(repo.root, journal) == Column(
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

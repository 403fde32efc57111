"""Clocks and time zones decide nothing; what is impossible is flagged."""

from __future__ import annotations

import datetime as dt
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from planctl import workspace
from tests.planctl.functional.conftest import Project

ALL_FRESH = {"one": "fresh", "two": "fresh", "solo": "fresh"}
DAYS_4 = dt.timedelta(days=4)


@pytest.fixture
def shift(monkeypatch: pytest.MonkeyPatch) -> Callable[[dt.timedelta], None]:
    """Return a function that sets planctl's clock off by so much."""

    opened = workspace.Workspace.open.__func__  # type: ignore[attr-defined]

    def set_off(by: dt.timedelta) -> None:
        def clock() -> dt.datetime:
            return dt.datetime.now(dt.UTC).replace(microsecond=0) + by

        monkeypatch.setattr(
            workspace.Workspace,
            "open",
            classmethod(lambda cls, start=None: opened(cls, start, clock)),
        )

    return set_off


@pytest.fixture
def zone() -> Iterator[Callable[[str], None]]:
    """Return a function that sets the machine's time zone."""
    before = os.environ.get("TZ")

    def set_zone(name: str) -> None:
        os.environ["TZ"] = name
        time.tzset()

    yield set_zone
    set_zone(before or "UTC")


def _warnings(project: Project) -> str:
    _, out, _ = project.call("verify", "X-001", "--json")
    found = [w for step in json.loads(out)["steps"] for w in step["warnings"]]
    return " ".join(w for w in found if not w.startswith("PL"))  # lint on the small plan


@pytest.mark.parametrize("off", [-DAYS_4, DAYS_4])
def test_a_clock_four_days_off_gives_the_same_verdicts_and_is_flagged(
    project: Project, shift: Callable[[dt.timedelta], None], off: dt.timedelta
) -> None:
    shift(off)
    project.run_phase()
    project.repo.commit("evidence")
    assert project.verdicts() == ALL_FRESH
    shift(dt.timedelta())
    assert project.verdicts() == ALL_FRESH
    warnings = _warnings(project)
    assert ("in the future" in warnings) is (off > dt.timedelta())
    assert ("younger than its start" in warnings) is (off < dt.timedelta())
    (project.root / "src/solo.txt").write_text("changed\n")
    assert project.verdicts() == ALL_FRESH | {"solo": "stale"}


@pytest.mark.parametrize("name", ["PST8PDT", "UTC", "Asia/Tokyo"])
def test_time_zones_change_neither_stamps_nor_verdicts(
    project: Project, zone: Callable[[str], None], name: str
) -> None:
    zone(name)
    before = dt.datetime.now(dt.UTC).replace(microsecond=0)
    project.run_phase()
    after = dt.datetime.now(dt.UTC)
    log = (project.hub / "cli/one.log").read_text()
    spelled = log.split("# started: ")[1].split("\n")[0]
    started = dt.datetime.strptime(spelled, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=dt.UTC)
    assert before <= started <= after
    assert project.verdicts() == ALL_FRESH
    assert _warnings(project) == ""


def test_times_lists_every_time_beside_the_gates_and_names_contradictions(
    project: Project, shift: Callable[[dt.timedelta], None]
) -> None:
    shift(DAYS_4)
    project.run_phase()
    project.repo.commit("evidence")
    shift(dt.timedelta())
    code, out, _ = project.call("verify", "X-001", "A", "--times", "--json")
    assert code == 0
    rows = {row["path"]: row for row in json.loads(out)["times"]}
    row = next(value for path, value in rows.items() if path.endswith("cli/one.log"))
    sources = [item["source"] for item in row["times"]]
    assert sources[:6] == [
        "gate authored",
        "gate committed",
        "receipt start",
        "receipt end",
        "first commit",
        "last commit",
    ]
    assert {"content", "mtime"} <= set(sources)
    said = " ".join(row["contradictions"])
    assert "receipt start" in said
    assert "lies in the future" in said
    assert "is after the first commit" in said


def test_times_of_an_unproven_log_show_a_typed_stamp_that_cannot_be(project: Project) -> None:
    place = project.hub / "green/solo.log"
    place.parent.mkdir(parents=True)
    place.write_text("started 2099-11-18T00:00:00Z\n1 passed in 7.17s\n")
    project.repo.commit("typed")
    code, out, _ = project.call("verify", "X-001", "--times")
    assert code == 1
    assert "contradiction: content 2099-11-18 00:00Z lies in the future" in out


def test_mtime_is_never_evidence(project: Project, tmp_path: Path) -> None:
    project.run_phase()
    for path in project.hub.rglob("*"):
        os.utime(path, (4_000_000_000, 4_000_000_000))
    assert project.verdicts() == ALL_FRESH

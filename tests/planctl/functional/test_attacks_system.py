"""Attempts with time, room and rights: killed, concurrent, full, read-only; and hostile plans."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from planctl import workspace
from planctl.ops import record
from tests.planctl.functional.conftest import Project
from tests.planctl.functional.test_attacks import ALL_FRESH, payload, report, warnings

MAIN = [sys.executable, "-c", "from planctl.cli.app import main; main()"]


def start(project: Project, *words: str) -> subprocess.Popen[str]:
    """Run planctl as its own process."""
    return subprocess.Popen(
        [*MAIN, *words],
        cwd=project.root,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(path: Path) -> None:
    """Wait until a file is there."""
    until = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < until, "did not happen in time"
        time.sleep(0.02)


def test_killed_between_copy_and_receipt_leaves_files_that_prove_nothing(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(record, "write_receipt", die)
        assert project.call("run-phase", "X-001", "A", "--step", "one")[0] == 130
    assert (project.hub / "analysis/one.txt").is_file()
    assert project.verdicts()["one"] == "unproven"
    project.run_phase()
    assert project.verdicts() == ALL_FRESH
    loose = [item["path"].rsplit("small/")[-1] for item in report(project)["unproven"]]
    assert loose == ["cli/one.log", "analysis/one.txt"]


def test_a_plan_edited_while_it_runs_is_stale_by_contract(project: Project) -> None:
    weaken = "sed -i 's/min_bytes: 2/min_bytes: 1/' plans/active/X-001/plan.yaml\n"
    project.repo.write("weaken.sh", weaken)
    project.edit("&& echo one is done", "&& echo one is done && sh weaken.sh")
    project.run_phase()
    assert project.verdicts()["one"] == "stale"
    assert project.reason("one") == "contract: `plan.yaml` changed since the run: `checks`"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that sets what planctl's clock shows, look by look."""
    opened = workspace.Workspace.open.__func__  # type: ignore[attr-defined]

    def show(start: dt.datetime, step: dt.timedelta = dt.timedelta()) -> None:
        times: Iterator[dt.datetime] = (start + step * look for look in range(1_000_000))

        def tick() -> dt.datetime:
            return next(times)

        monkeypatch.setattr(
            workspace.Workspace,
            "open",
            classmethod(lambda cls, place=None: opened(cls, place, tick)),
        )

    return show


NOON = dt.datetime(2025, 11, 14, 12, tzinfo=dt.UTC)


def test_runs_within_one_second_keep_their_order(
    project: Project, clock: Callable[..., None]
) -> None:
    clock(NOON)
    for _ in range(6):
        project.run_phase("--step", "solo", "--force")
    paths = project.receipts("solo")
    runs = [payload(path)["predicate"]["runDetails"]["planctl_run"] for path in paths]
    digests = [path.stem.rsplit("_", 1)[-1] for path in paths]
    earlier = [[digest[:16] for digest in run["previous"]] for run in runs]
    assert earlier == [[], *([digest] for digest in digests[:-1])]


def test_a_clock_that_runs_backwards_is_flagged(
    project: Project, clock: Callable[..., None]
) -> None:
    clock(NOON, -dt.timedelta(seconds=1))
    project.run_phase()
    assert project.verdicts() == ALL_FRESH
    assert "it ended before it started" in warnings(project, "solo")


def test_a_clock_set_back_between_runs_does_not_change_which_run_came_last(
    project: Project, clock: Callable[..., None]
) -> None:
    project.edit("run: echo solo", "run: test ! -e out/flaky && echo solo")
    clock(NOON)
    project.run_phase()
    (project.root / "out/flaky").write_text("")
    clock(NOON + dt.timedelta(days=1))
    project.run_phase("--step", "solo", "--force", expect=1)
    (project.root / "out/flaky").unlink()
    clock(NOON - dt.timedelta(days=4))
    project.run_phase("--step", "solo")
    assert project.verdicts() == ALL_FRESH
    (project.root / "out/flaky").write_text("")
    clock(NOON - dt.timedelta(days=8))
    project.run_phase("--step", "solo", "--force", expect=1)
    assert project.verdicts()["solo"] == "failed"


def test_a_second_run_of_one_hub_is_turned_away_while_verify_answers(project: Project) -> None:
    project.edit(
        "run: echo solo",
        "run: mkdir -p out; touch out/begun; for i in $(seq 400); do test -e out/end && break; "
        "sleep 0.05; done",
    )
    first = start(project, "run-phase", "X-001", "A")
    try:
        wait_for(project.root / "out/begun")
        for words in (("run-phase", "X-001", "A"), ("run", "--", "true")):
            code, _, err = project.call(*words)
            assert code == 4
            assert "another planctl is at work here: `run-phase X-001 A`, process" in err
        assert project.verdicts() == {"one": "fresh", "two": "fresh", "solo": "unproven"}
    finally:
        (project.root / "out/end").write_text("")
        _, errors = first.communicate(timeout=30)
    assert first.returncode == 0, errors
    assert project.verdicts() == ALL_FRESH


def test_verify_while_a_phase_runs_never_reads_half_a_file(project: Project) -> None:
    churn = "for i in $(seq 60); do echo $i > scratch.$i; rm -f scratch.$((i - 3)); done; "
    project.edit("run: mkdir -p $OUT", f"run: {churn}mkdir -p $OUT")
    process = start(project, "run-phase", "X-001", "A")
    seen: list[str] = []
    while process.poll() is None:
        code, out, err = project.call("verify", "X-001", "--json")
        assert code in (0, 1), err
        seen.append(json.loads(out)["steps"][0]["verdict"])
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    assert set(seen) <= {"missing", "unproven", "fresh"}
    assert project.verdicts() == ALL_FRESH


def test_steps_that_run_at_once_record_each_other(project: Project) -> None:
    steps = "".join(
        f"      - {{ id: p{i}, run: echo {i}, log: cli/p{i}.log, inputs: [src/solo.txt] }}\n"
        for i in range(8)
    )
    project.plan_path.write_text(project.plan_path.read_text() + steps)
    project.run_phase("--jobs", "4")
    assert set(project.verdicts().values()) == {"fresh"}
    rows = (project.hub / "analysis/artifact_inventory.txt").read_text()
    assert all(f"cli/p{i}.log" in rows for i in range(8))


def test_a_file_in_the_place_of_a_folder_is_a_clear_error(project: Project) -> None:
    project.hub.mkdir(parents=True)
    (project.hub / "cli").write_text("in the way")
    code, _, err = project.call("run-phase", "X-001", "A")
    assert code == 4
    assert "cli" in err
    assert "hint: " in err
    assert project.receipts("one") == []


@pytest.fixture
def small_disk(project: Project) -> Iterator[Project]:
    """Return the project with its hub on a file system of 64 KiB."""
    project.hub.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(project.hub)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("only root can mount a small file system here")
    yield project
    subprocess.run(["umount", str(project.hub)], check=True)


def test_a_full_disk_is_a_clear_error_and_leaves_no_receipt(small_disk: Project) -> None:
    small_disk.edit("run: echo solo", "run: head -c 200000 /dev/zero")
    code, _, err = small_disk.call("run-phase", "X-001", "A", "--step", "solo")
    assert code == 4
    assert "No space left on device" in err
    assert small_disk.receipts("solo") == []
    assert not list(small_disk.hub.rglob(".*"))
    code, _, err = small_disk.call("verify", "X-001")
    assert code == 1, err


def test_a_read_only_hub_is_a_clear_error(small_disk: Project) -> None:
    remount = ["mount", "-o", "remount,ro", str(small_disk.hub)]
    subprocess.run(remount, check=True)
    code, _, err = small_disk.call("run-phase", "X-001", "A")
    assert code == 4
    assert "Read-only file system" in err
    assert small_disk.verdicts()["one"] == "missing"


def test_a_scratch_hub_among_the_evidence_is_refused(proven: Project, tmp_path: Path) -> None:
    for place in ("plans/active/X-001/reports/2025-11-16T000000Z/x", "plans/active", "."):
        code, _, err = proven.call("run-phase", "X-001", "A", "--scratch", place)
        assert code == 4
        assert "a scratch hub lies" in err
    (proven.root / "out/link").symlink_to(tmp_path)
    assert proven.call("run-phase", "X-001", "A", "--scratch", "out/link/hub")[0] == 4


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("hub: 2025-11-13T000000Z/small", "hub: ../Y-002/reports/a/b", "climbs out with `..`"),
        ("hub: 2025-11-13T000000Z/small", "hub: small", "is no hub"),
        ("hub: 2025-11-13T000000Z/small", "hub: ./small", "is no hub"),
        ("log: green/solo.log", "log: receipts/solo.log", "is written by planctl itself"),
        ("log: green/solo.log", "log: green/./solo.log", "empty part"),
        ("to: analysis/one.txt", "to: receipts/x.json", "is written by planctl itself"),
        ("to: analysis/one.txt", "to: summary.md", "is written by planctl itself"),
        ("env: { OUT: out }", "env: { OUT: out }\nsecrets: [OUT]", "stands in `env`"),
        ("file: analysis/one.txt, min_bytes: 2", "same: [a, a]", "always the same as itself"),
        ("title: A small project", "title: !!binary no", "is no tag:yaml.org,2002:binary"),
        ("title: A small project", "title: !!bool perhaps", "is no tag:yaml.org,2002:bool"),
        ("title: A small project", "title: !python/object x", "is no !python/object"),
        ("title: A small project", "title: [&a [x], *a]\nid: Y", "stands twice"),
        ("  A:\n", "  adhoc:\n", "a phase cannot be called `adhoc`"),
    ],
)
def test_a_hostile_plan_is_refused(project: Project, old: str, new: str, says: str) -> None:
    project.edit(old, new)
    code, out, err = project.call("verify", "X-001")
    assert (code, out) == (4, "")
    assert says in err
    assert "plan.yaml" in err


def test_a_plan_that_repeats_itself_without_end_is_refused_at_once(project: Project) -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 10)
    )
    for text in (bomb, "a: &a [*a, *a, *a]\n"):
        project.plan_path.write_text(text)
        began = time.process_time()
        code, _, err = project.call("verify", "X-001")
        assert code == 4
        assert "plan.yaml" in err
        assert time.process_time() - began < 5

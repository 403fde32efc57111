"""SIGKILL at every change a run makes, and at random moments: nothing is lost, all goes on."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from planctl._files import is_temporary
from planctl.models.ledger import document as ledger
from planctl.models.receipt import Receipt, parse_receipt
from planctl.models.signing.envelope import parse_envelope
from tests.planctl.functional.conftest import ID, Project
from tests.planctl.reliability.kill_points import run_until

pytestmark = pytest.mark.timeout(900)
MAIN = [sys.executable, "-c", "from planctl.cli.app import main; main()"]
RUN = ["run-phase", ID, "A"]
SHARES = 20
Fresh = Callable[[], Project]


@pytest.fixture
def fresh(project: Project, tmp_path: Path) -> Fresh:
    """Return a function that puts the project back to where nothing has run."""
    project.repo.write("src/fail.txt", "1\n")
    template = tmp_path / "template"
    shutil.copytree(project.root, template, symlinks=True)

    def again() -> Project:
        os.chdir(tmp_path)
        shutil.rmtree(project.root)
        shutil.copytree(template, project.root, symlinks=True)
        os.chdir(project.root)
        return project

    return again


def receipts(project: Project) -> dict[str, Receipt]:
    """Return file name → receipt; each must be readable, whole and named as its content says."""
    found = {}
    for path in sorted((project.hub / "receipts").glob("*.json")):
        payload = parse_envelope(path.read_bytes(), path.name).payload
        found[path.name] = parse_receipt(payload, path.name)
    return found


def assert_sound(project: Project) -> None:
    """Whatever is there was finished; `verify` has a verdict for it."""
    for name, receipt in receipts(project).items():
        log = (project.root / receipt.hub / receipt.log).read_text()
        assert f"# exit: {receipt.exit_code}" in log, name
        for subject in receipt.subjects:
            assert (project.root / receipt.hub / subject.name).is_file()
    assert set(project.verdicts().values()) <= {"fresh", "missing", "unproven", "failed"}
    text = (project.root / "docs/fix_plan.md").read_text() if _has_ledger(project) else ""
    ledger.parse(text, "docs/fix_plan.md")


def _has_ledger(project: Project) -> bool:
    return (project.root / "docs/fix_plan.md").is_file()


def assert_complete(project: Project) -> None:
    """Everything is proven, told once everywhere, and nothing half-written is left."""
    assert set(project.verdicts().values()) == {"fresh"}
    left = [path for path in project.root.rglob("*") if is_temporary(path.name)]
    assert not left
    recorded = receipts(project)
    summaries = (project.hub / "summary.md", project.hub.parents[2] / "summary.md")
    for place in (*summaries, project.root / "docs/fix_plan.md"):
        text = place.read_text()
        for receipt in recorded.values():
            told = text.count(f"(receipt {receipt.ulid})")
            assert told == 1, f"{place.name} tells of {receipt.step} {told} times"
    inventory = (project.hub / "analysis/artifact_inventory.txt").read_text()
    assert all(s.name in inventory for r in recorded.values() for s in r.subjects)
    check = ["sha256sum", "--check", "--quiet", "analysis/artifact_inventory.sha256"]
    subprocess.run(check, cwd=project.hub, check=True)


def survive(project: Project, words: list[str], point: int) -> str | None:
    """Kill a run at a point; return the point's name, or None when the run was over before."""
    status, reached = run_until(point, words)
    if len(reached) < point:
        assert os.waitstatus_to_exitcode(status) in (0, 1), reached
        return None
    assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL
    assert_sound(project)
    code, _, err = project.call(*RUN)
    assert code == 0, err
    assert_complete(project)
    return reached[-1]


def points(share: int) -> Iterator[int]:
    """Yield every `SHARES`-th number, from 1 + share."""
    number = share + 1
    while True:
        yield number
        number += SHARES


def test_the_points_are_those_of_a_run(fresh: Fresh) -> None:
    project = fresh()
    status, reached = run_until(0, RUN)
    assert os.waitstatus_to_exitcode(status) == 0
    assert len(reached) >= 214
    for seen in (r"open \.0\w{25}_one", r"open .*fix_plan\.md", "before fsync", "subprocess.Popen"):
        assert any(re.match(seen, name) for name in reached), seen
    assert_complete(project)


@pytest.mark.parametrize("share", [pytest.param(i, marks=pytest.mark.slow) for i in range(SHARES)])
def test_a_run_killed_at_any_change_goes_on(fresh: Fresh, share: int) -> None:
    for point in points(share):
        if survive(fresh(), RUN, point) is None:
            break


def test_a_run_killed_at_some_changes_goes_on(fresh: Fresh) -> None:
    survived = [survive(fresh(), RUN, point) for point in range(9, 214, 34)]
    assert None not in survived


@pytest.mark.slow
@pytest.mark.parametrize("share", range(0, SHARES, 2))
def test_a_failing_run_killed_at_any_change_goes_on(fresh: Fresh, share: int) -> None:
    for point in points(share):
        project = fresh()
        project.edit("run: echo solo", "run: grep -q 0 src/fail.txt && echo solo")
        status, reached = run_until(point, [*RUN, "--step", "solo"])
        if len(reached) < point:
            break
        assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL
        assert_sound(project)
        (project.root / "src/fail.txt").write_text("0\n")
        assert project.call(*RUN)[0] == 0
        assert set(project.verdicts().values()) == {"fresh"}


def kill_later(project: Project, delay_s: float, whole_group: bool) -> None:
    """Start a run as its own process and kill it, alone or with all it started."""
    process = subprocess.Popen(
        [*MAIN, *RUN], cwd=project.root, stderr=subprocess.DEVNULL, start_new_session=True
    )
    time.sleep(delay_s)
    if whole_group:
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_a_run_killed_at_a_random_moment_goes_on(fresh: Fresh, seed: int) -> None:
    random_ = random.Random(seed)
    began = time.monotonic()
    subprocess.run([*MAIN, *RUN], cwd=fresh().root, stderr=subprocess.DEVNULL, check=True)
    whole_s = time.monotonic() - began
    for _ in range(5):
        project = fresh()
        kill_later(project, random_.uniform(0.3, 1.0) * whole_s, random_.random() < 0.5)
        assert_sound(project)
        code, out, err = project.call(*RUN, "--json")
        assert code == 0, err
        assert json.loads(out)["ok"]
        assert_complete(project)

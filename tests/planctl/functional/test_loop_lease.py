"""The lease of a loop: one loop a work tree, whoever was there before and however it ended."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from planctl import clock as clocks
from planctl.errors import BadFileError, LockedError
from planctl.ops.loop import processes
from planctl.ops.loop.lease import Lease, is_alive, lease_path, leased, read_lease
from planctl.workspace import Workspace
from tests.planctl.conftest import Repo, SteppingClock

HOUR = 3600.0


@pytest.fixture
def workspace(repo: Repo, clock: SteppingClock) -> Workspace:
    return Workspace.open(repo.root, clock)


@contextmanager
def held(workspace: Workspace, said: list[str] | None = None) -> Iterator[Lease]:
    with leased(workspace, HOUR, (said if said is not None else []).append) as lease:
        yield lease


def rewrite(workspace: Workspace, **changes: Any) -> None:
    """Leave the lease of some other loop behind."""
    raw = json.loads(lease_path(workspace).read_text())
    lease_path(workspace).write_text(json.dumps(raw | changes))


def leave(workspace: Workspace, **changes: Any) -> None:
    with held(workspace):
        text = lease_path(workspace).read_text()
    lease_path(workspace).write_text(text)
    rewrite(workspace, **{"id": "another", **changes})


@pytest.fixture
def dead_pid() -> int:
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def test_the_lease_is_gone_after_the_loop(workspace: Workspace) -> None:
    with held(workspace) as lease:
        assert read_lease(workspace) == lease.record
        assert is_alive(lease.record)
    assert read_lease(workspace) is None


def test_a_living_loop_refuses_a_second_one(workspace: Workspace) -> None:
    with (
        held(workspace),
        pytest.raises(LockedError, match="another loop runs here"),
        held(workspace),
    ):
        pass


def test_a_living_loop_of_this_machine_refuses_though_its_lease_ran_out(
    workspace: Workspace, clock: SteppingClock
) -> None:
    with held(workspace):
        clock.now += dt.timedelta(days=2)
        with pytest.raises(LockedError, match="another loop runs here"), held(workspace):
            pass


def test_a_loop_that_was_killed_is_followed_at_once_with_a_message(
    workspace: Workspace, dead_pid: int
) -> None:
    leave(workspace, pid=dead_pid)
    said: list[str] = []
    with held(workspace, said):
        pass
    assert "its process is gone" in said[0]
    assert f"process {dead_pid}" in said[0]


def test_another_process_with_the_old_number_is_not_the_loop(workspace: Workspace) -> None:
    leave(workspace, started="1")
    said: list[str] = []
    with held(workspace, said):
        pass
    assert "its process is gone" in said[0]


def test_the_lease_of_another_machine_holds_until_it_runs_out(
    workspace: Workspace, clock: SteppingClock, dead_pid: int
) -> None:
    leave(workspace, machine="elsewhere", host="elsewhere", pid=dead_pid)
    with pytest.raises(LockedError, match="elsewhere") as refused, held(workspace):
        pass
    assert "wait until" in (refused.value.hint or "")
    clock.now += dt.timedelta(seconds=HOUR + 60)
    said: list[str] = []
    with held(workspace, said):
        pass
    assert "it ran out" in said[0]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b"null",
        b'{"schema": "planctl/lease/v2"}',
        b"[" * 100_000,
        b'{"pid": 1}',
    ],
)
def test_a_lease_that_cannot_be_read_stops_and_stays(workspace: Workspace, content: bytes) -> None:
    path = lease_path(workspace)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    with pytest.raises(BadFileError, match=r"loop\.lease") as refused, held(workspace):
        pass
    assert "--recover" in (refused.value.hint or "")
    assert path.read_bytes() == content


def test_a_lease_behind_a_pipe_does_not_hang(workspace: Workspace) -> None:
    path = lease_path(workspace)
    path.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(path)
    with pytest.raises(BadFileError, match="cannot be read"), held(workspace):
        pass


def test_a_loop_that_lost_its_lease_is_told_before_it_changes_anything(
    workspace: Workspace,
) -> None:
    with held(workspace) as lease:
        rewrite(workspace, id="another")
        with pytest.raises(LockedError, match="took over"):
            lease.check()
    assert json.loads(lease_path(workspace).read_text())["id"] == "another"


def test_a_lease_that_an_agent_removed_is_written_again(workspace: Workspace) -> None:
    with held(workspace) as lease:
        lease_path(workspace).unlink()
        lease.check()
        assert read_lease(workspace) == lease.record


def test_a_lease_is_renewed_while_its_loop_waits(repo: Repo) -> None:
    workspace = Workspace.open(repo.root)
    with leased(workspace, 5.0, lambda line: None) as lease:
        first = clocks.parse(lease.record.expires)
        # A renewal comes every quarter of the lease.
        for _ in range(200):
            there = read_lease(workspace)
            assert there is not None
            if clocks.parse(there.expires) > first:
                return
            time.sleep(0.05)
    raise AssertionError("was not renewed")


def test_a_process_is_told_from_a_later_one_of_its_number(dead_pid: int) -> None:
    own = processes.started(os.getpid())
    assert own == processes.started(os.getpid())
    with subprocess.Popen(["sleep", "60"]) as later:
        assert processes.started(later.pid) not in (None, own)
        later.kill()
    assert processes.started(dead_pid) is None
    assert processes.machine() == processes.machine()


def test_each_work_tree_has_a_lease_of_its_own(
    workspace: Workspace, repo: Repo, tmp_path: Path, clock: SteppingClock
) -> None:
    repo.git("worktree", "add", "-q", str(tmp_path / "other"), "-b", "other")
    other = Workspace.open(tmp_path / "other", clock)
    with held(workspace), held(other):
        assert lease_path(workspace) != lease_path(other)

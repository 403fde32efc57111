from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from planctl._lock import hold
from planctl.errors import LockedError

HOLDER = """
import pathlib, sys
from planctl._lock import hold
with hold(pathlib.Path(sys.argv[1]), "run-phase X-001 A", "2025-11-14T02:48:00Z"):
    print("held", flush=True)
    sys.stdin.read()
"""


def holder(path: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_held_lock_is_refused_and_names_its_holder(tmp_path: Path) -> None:
    path = tmp_path / "state" / "run.lock"
    with holder(path) as process:
        expected = rf"`run-phase X-001 A`, process {process.pid} on .*2025-11-14T02:48:00Z"
        with pytest.raises(LockedError, match=expected), hold(path, "mine", "now"):
            pass
        process.communicate("")
    with hold(path, "mine", "now"):
        assert path.exists()


def test_a_killed_holder_leaves_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "run.lock"
    with holder(path) as process:
        process.kill()
        process.wait()
    with hold(path, "mine", "now"):
        pass


def test_the_lock_is_freed_when_the_block_fails(tmp_path: Path) -> None:
    path = tmp_path / "run.lock"
    with pytest.raises(ValueError, match="broken"), hold(path, "mine", "now"):
        raise ValueError("broken")
    with hold(path, "mine", "now"):
        pass

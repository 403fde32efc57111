"""A disk without room, files that may not grow, folders nobody may write to: clear errors, nothing
half-written, and all goes on once there is room again."""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import planctl
from planctl._files import is_temporary
from planctl.cli.app import run
from planctl.ops import preflight
from tests.planctl.conftest import Repo
from tests.planctl.functional.conftest import ID, Project, write_project
from tests.planctl.reliability.test_killed import assert_complete, assert_sound

SIZE_KB = 4096
COMMANDS = {
    "ledger": ["ledger", "attempt", ID, "n" * 9000],
    "hub": ["hub", "new", ID],
    "block": ["block", ID, "--reason", "r" * 9000],
    "init": ["init"],
    "new": ["new", "Y-002"],
    "run-phase": ["run-phase", ID, "A"],
    "run": ["run", "--", "true"],
}


@pytest.fixture
def small(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capture: pytest.CaptureFixture[str],
) -> Iterator[Project]:
    """Return the project, with its git folder, on a disk of four megabytes."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_KB}k", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("only root can mount a small file system here")
    repo = Repo(disk / "repo")
    repo.root.mkdir()
    repo.git("init", "--quiet")
    write_project(repo)
    monkeypatch.chdir(repo.root)
    # What a run keeps free is another question: here it is the disk that says no.
    monkeypatch.setattr(preflight, "MIN_FREE_BYTES", 0)
    yield Project(repo, capture)
    os.chdir(tmp_path)
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def fill(project: Project, leave_kb: int) -> Path:
    """Fill the disk up to some kilobytes."""
    filler = project.root.parent / "filler"
    free = shutil.disk_usage(project.root).free - leave_kb * 1024
    filler.write_bytes(b"\0" * max(0, free))
    return filler


def snapshot(project: Project) -> dict[str, bytes]:
    """Return every file of the work tree, temporary ones included."""
    files = (path for path in project.root.rglob("*") if ".git" not in path.parts)
    return {str(path): path.read_bytes() for path in files if path.is_file()}


def assert_whole(project: Project) -> None:
    """No file is empty or cut that says it is whole; nothing temporary is left."""
    for path in project.root.rglob("*"):
        if ".git" in path.parts or not path.is_file():
            continue
        assert not is_temporary(path.name)
        if path.suffix == ".json":
            json.loads(path.read_bytes())
        if path.name == "plan.yaml":
            assert "\nphases:\n" in path.read_text()


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_a_command_without_room_says_so_and_works_once_there_is(small: Project, name: str) -> None:
    words = COMMANDS[name]
    before = snapshot(small)
    filler = fill(small, leave_kb=0)
    code, _, err = small.call(*words)
    assert (code, "No space left on device" in err) == (4, True), err
    assert "hint: " in err
    assert_whole(small)
    for path, content in before.items():
        assert Path(path).read_bytes() == content, path
    assert small.call("verify", ID)[0] == 1
    filler.unlink()
    assert small.call(*words)[0] == 0
    assert_whole(small)


@pytest.mark.parametrize(
    "leave_kb",
    [
        *(4, 60),
        *(pytest.param(kb, marks=pytest.mark.slow) for kb in range(8, 200, 12)),
    ],
)
def test_a_disk_that_fills_while_a_phase_runs(small: Project, leave_kb: int) -> None:
    room = f"$(( ($(df --output=avail . | tail -1) - {leave_kb}) ))"
    small.edit(
        "cat src/one.txt > $OUT/one.txt &&",
        "cat src/one.txt > $OUT/one.txt && "
        f"{{ test -e ../room || head -c {room}K /dev/zero > ../filler; }} &&",
    )
    code, _, err = small.call("run-phase", ID, "A")
    assert code in (0, 1, 4), err
    if code == 4:
        assert "No space left on device" in err
    assert_whole(small)
    assert_sound(small)
    (small.root.parent / "filler").unlink()
    (small.root.parent / "room").touch()
    code, _, err = small.call("run-phase", ID, "A")
    assert code == 0, err
    assert_complete(small)


def limited(project: Project, size: int, *words: str) -> subprocess.CompletedProcess[str]:
    """Run planctl where no file may grow beyond a size: no root is needed for that."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    return subprocess.run(
        [sys.executable, "-c", "from planctl.cli.app import main; main()", *words],
        cwd=project.root,
        capture_output=True,
        text=True,
        preexec_fn=limit,
        check=False,
    )


def test_a_file_that_may_not_grow_is_a_clear_error(project: Project) -> None:
    project.edit("run: echo solo", "run: seq 30000")
    for size in (3_000, 20_000):
        done = limited(project, size, "run-phase", ID, "A", "--step", "solo")
        assert done.returncode == 4, done.stderr
        assert "File too large" in done.stderr
        assert_whole(project)
        assert_sound(project)
        assert project.receipts("solo") == []
    done = limited(project, 3_000, "ledger", "attempt", ID, "n" * 5000)
    assert (done.returncode, "File too large" in done.stderr) == (4, True)
    project.run_phase()
    assert set(project.verdicts().values()) == {"fresh"}


def test_a_log_that_is_cut_by_the_disk_never_looks_whole(small: Project) -> None:
    small.edit("run: echo solo", "run: for i in $(seq 60); do head -c 100000 /dev/zero; done")
    code, _, err = small.call("run-phase", ID, "A", "--step", "solo")
    assert code == 4
    assert "No space left on device" in err
    assert b"# --- end" not in (small.hub / "green/solo.log").read_bytes()
    assert small.receipts("solo") == []


def as_nobody(*words: str) -> tuple[int, str]:
    """Run planctl, in a fork of this process, as a user whom rights bind."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        code = 70
        try:
            os.dup2(writing, 2)
            sys.stderr = os.fdopen(2, "w")
            sys.stdout = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
            os.setgid(65534)
            os.setuid(65534)
            code = run(list(words))
            sys.stderr.flush()
        finally:
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading) as told:
        said = told.read()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), said


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run as another user")
def test_a_repository_that_may_only_be_read_is_judged_and_not_changed(
    proven: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [folder for folder in proven.root.parents if "pytest-of" in str(folder)]
    for folder in (proven.root, *made):
        folder.chmod(0o755)
    # What is imported late could not be read by that user from everywhere.
    for module in pkgutil.walk_packages(planctl.__path__, "planctl."):
        importlib.import_module(module.name)
    settings = {"GLOBAL": os.devnull, "COUNT": "1", "KEY_0": "safe.directory", "VALUE_0": "*"}
    for name, value in settings.items():
        monkeypatch.setenv(f"GIT_CONFIG_{name}", value)
    before = snapshot(proven)
    code, err = as_nobody("verify", ID)
    assert code == 0, err
    for name in ("ledger", "hub", "block", "run-phase", "run"):
        words = [*COMMANDS[name], *(["--force"] if name == "run-phase" else [])]
        code, err = as_nobody(*words)
        assert (code, "Permission denied" in err) == (4, True), (words, err)
    assert snapshot(proven) == before


def test_folders_that_are_mounted_read_only_are_a_clear_error(small: Project) -> None:
    small.run_phase()
    disk = str(small.root.parent)
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    for name, words in COMMANDS.items():
        if name == "run-phase":
            words = [*words, "--force"]
        code, _, err = small.call(*words)
        assert (code, "Read-only file system" in err) == (4, True), (name, err)
    assert set(small.verdicts().values()) == {"fresh"}
    subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
    small.run_phase("--force")

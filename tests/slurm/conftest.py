"""A Slurm of the tests' own: one node on this machine, its files in a temporary folder."""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

# Slurm's tests work in the same kind of repository as all others of planctl.
from tests.planctl.conftest import (  # noqa: F401
    initiative,
    isolated_home,
    make_repo,
    repo,
)

CONF = """\
ClusterName=planctl
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock
CredType=cred/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
JobAcctGatherParams=OverMemoryKill
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SlurmdParameters=config_overrides
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0
ReturnToService=2
KillWait=2
NodeName={host} NodeAddr=127.0.0.1 CPUs=4 RealMemory=2000 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES DefMemPerNode=400 State=UP
"""
DAEMONS = ("munged", "slurmctld", "slurmd")
_START_S = 30.0


@dataclass(frozen=True)
class Cluster:
    """A running Slurm."""

    conf: Path

    def ask(self, *words: str) -> str:
        """Run one of Slurm's commands and return what it printed."""
        env = os.environ | {"SLURM_CONF": str(self.conf)}
        done = subprocess.run(words, capture_output=True, text=True, check=False, env=env)
        return done.stdout.strip()

    def jobs(self, name: str = "", state: str = "") -> list[str]:
        """Return the ids of jobs that are not over."""
        words = ["squeue", "--noheader", "--format", "%i"]
        words += ["--name", name] if name else []
        return self.ask(*words, *(["--states", state] if state else [])).split()


def _free_ports(number: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for item in sockets:
            item.bind(("127.0.0.1", 0))
        return [item.getsockname()[1] for item in sockets]


def _commands(folder: Path, host: str) -> list[list[str]]:
    places = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
    found = {name: shutil.which(name, path=places) for name in DAEMONS}
    absent = [name for name, place in found.items() if place is None]
    if absent:
        pytest.skip(f"`{absent[0]}` is not installed; `make slurm-packages` installs it")
    munged = [str(found["munged"]), "--foreground", "--force"]
    for option, name in (("key-file", "key"), ("socket", "sock"), ("pid-file", "pid")):
        munged.append(f"--{option}={folder}/munge.{name}")
    munged += [f"--log-file={folder}/munge.log", f"--seed-file={folder}/munge.seed"]
    return [
        munged,
        [str(found["slurmctld"]), "-D", "-i"],
        [str(found["slurmd"]), "-D", "-N", host],
    ]


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Start a Slurm and end it with the tests; skip where it cannot start."""
    folder = tmp_path_factory.mktemp("slurm")
    host = platform.node().split(".")[0]
    commands = _commands(folder, host)
    for name in ("state", "spool"):
        (folder / name).mkdir()
    (folder / "munge.key").write_bytes(os.urandom(128))
    (folder / "munge.key").chmod(0o400)
    conf = folder / "slurm.conf"
    user = subprocess.check_output(["id", "--user", "--name"], text=True).strip()
    conf.write_text(CONF.format(host=host, ports=_free_ports(2), folder=folder, user=user))
    cluster = Cluster(conf)
    env = os.environ | {"SLURM_CONF": str(conf)}
    started: list[subprocess.Popen[bytes]] = []
    try:
        with (folder / "daemons.log").open("wb") as log:
            for command in commands:
                started.append(subprocess.Popen(command, env=env, stdout=log, stderr=log))
        _wait_until_idle(cluster, started, folder)
        yield cluster
        cluster.ask("scancel", "--me")
        deadline = time.monotonic() + _START_S
        while cluster.jobs() and time.monotonic() < deadline:
            time.sleep(0.1)
    finally:
        for process in reversed(started):
            process.terminate()
            process.wait(timeout=30)


def _wait_until_idle(
    cluster: Cluster, daemons: list[subprocess.Popen[bytes]], folder: Path
) -> None:
    deadline = time.monotonic() + _START_S
    while "idle" not in cluster.ask("sinfo", "--noheader", "--format", "%T"):
        ended = [item.args for item in daemons if item.poll() is not None]
        if ended or time.monotonic() > deadline:
            logs = "".join(path.read_text("utf-8", "replace") for path in folder.glob("*.log"))
            pytest.skip(f"Slurm does not start here: {ended or 'no idle node'}: {logs[-600:]}")
        time.sleep(0.1)


@pytest.fixture(autouse=True)
def slurm(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """Let planctl and the tests talk to the tests' own Slurm, and to no other."""
    for name in [name for name in os.environ if name.startswith(("SLURM", "SBATCH"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SLURM_CONF", str(cluster.conf))
    return cluster

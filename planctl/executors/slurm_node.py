"""The half of the Slurm executor that runs on the node: the command, in its own process group."""

from __future__ import annotations

import os
import shlex
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from planctl._process import CANNOT_START, Ended, ShellCommand, Stop, run_shell
from planctl._redaction import Redactor
from planctl.executors.machine import describe_machine

_FUNCTIONS = "BASH_FUNC_"
# What the way to the command leaves in the environment: submitit's marks, and bash's own state.
_TRACES = ("SUBMITIT_",)
_SHELL_STATE = ("_", "SHLVL", "PWD", "OLDPWD")
_SHOWN = {
    "jobId": "SLURM_JOB_ID",
    "partition": "SLURM_JOB_PARTITION",
    "nodes": "SLURM_JOB_NODELIST",
    "cpusOnNode": "SLURM_CPUS_ON_NODE",
    "gpus": "SLURM_JOB_GPUS",
}


@dataclass(frozen=True)
class EnvironmentChange:
    """The way from the environment that Slurm passes on to the one that the command gets.

    No value that Slurm carries anyway is written to a file: a secret stays out of it.

    Attributes:
        changed: Name → value, where the command's differs from planctl's.
        removed: Names the command does not get.
        expected: Names that Slurm must have passed on.
    """

    changed: Mapping[str, str]
    removed: frozenset[str]
    expected: frozenset[str]

    @classmethod
    def between(
        cls, ours: Mapping[str, str], wanted: Mapping[str, str], dropped: tuple[str, ...]
    ) -> EnvironmentChange:
        """Compare planctl's environment with the one a command shall have."""
        changed = {name: value for name, value in wanted.items() if ours.get(name) != value}
        same = (name for name in wanted if name not in changed)
        return cls(
            changed,
            frozenset(name for name in ours if name not in wanted) | frozenset(dropped),
            frozenset(name for name in same if not name.startswith(("SLURM", "SBATCH_"))),
        )

    def missing(self, here: Mapping[str, str]) -> list[str]:
        """Return the expected names that are not here."""
        return sorted(self.expected - here.keys() - {*_SHELL_STATE})

    def apply(self, here: Mapping[str, str]) -> dict[str, str]:
        """Return the command's environment; what Slurm sets for the job stays."""
        kept = {name: value for name, value in here.items() if name not in self.removed}
        kept = {name: value for name, value in kept.items() if not name.startswith(_FUNCTIONS)}
        traceless = {n: value for n, value in kept.items() if not n.startswith(_TRACES)}
        return traceless | dict(self.changed)


@dataclass(frozen=True)
class NodeJob:
    """What the node is told.

    Attributes:
        secrets: Names of environment variables whose values must not show.
        setup: Lines for bash that prepare the environment.
        output: File that gets the command's output, secrets taken out.
    """

    command: str
    cwd: Path
    timeout_s: float | None
    grace_s: float
    environment: EnvironmentChange
    secrets: tuple[str, ...]
    setup: tuple[str, ...]
    output: Path


@dataclass(frozen=True)
class NodeResult:
    """What the node tells: how the command ended, and what it ran on."""

    ended: Ended
    place: dict[str, Any]


def run_on_node(job: NodeJob) -> NodeResult:
    """Run a job here, on the node; what it prints goes into the job's output file at once."""
    here = dict(os.environ)
    redactor = Redactor(here[name] for name in job.secrets if name in here)
    handle = os.open(job.output, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
    with os.fdopen(handle, "wb") as stream:

        def write(piece: bytes) -> None:
            stream.write(redactor.feed(piece))
            stream.flush()

        ended = _run(job, here, write)
        stream.write(redactor.close())
    told = {key: here[name] for key, name in _SHOWN.items() if name in here}
    return NodeResult(ended, describe_machine() | {"slurm": told})


def _run(job: NodeJob, here: dict[str, str], write: Callable[[bytes], None]) -> Ended:
    if missing := job.environment.missing(here):
        names = ", ".join(missing[:6])
        write(
            f"planctl: Slurm did not pass on all of the environment: {names} missing; "
            "is SBATCH_EXPORT set?\n".encode()
        )
        return Ended(CANNOT_START, False, False, 0.0, 0, False)
    env = job.environment.apply(here)
    began = time.monotonic()
    if job.setup:
        ended, env = _set_up(job, env, write)
        if ended.exit_code != 0:
            return ended
    left = None if job.timeout_s is None else job.timeout_s - (time.monotonic() - began)
    return run_shell(ShellCommand(job.command, job.cwd, env, left), write, Stop(), job.grace_s)


def _set_up(
    job: NodeJob, env: dict[str, str], write: Callable[[bytes], None]
) -> tuple[Ended, dict[str, str]]:
    """Run the setup lines; return how they ended and the environment they leave.

    What they print is shown only if they fail: nothing but the command's own output may answer
    for it.
    """
    printed: list[bytes] = []
    with tempfile.TemporaryDirectory(prefix="planctl-") as folder:
        left = Path(folder) / "environment"
        lines = "\n".join([*job.setup, f"env -0 > {shlex.quote(str(left))}"])
        command = ShellCommand(lines, job.cwd, env, job.timeout_s)
        ended = run_shell(command, printed.append, Stop(), job.grace_s)
        pairs = left.read_bytes().split(b"\0")[:-1] if left.exists() else []
    if ended.exit_code == 0 and not pairs:
        ended = Ended(CANNOT_START, False, False, ended.duration_s, 0, False)
    if ended.exit_code != 0:
        write(b"planctl: `slurm.setup` of planctl.toml failed:\n" + b"".join(printed))
        return ended, env
    after = dict(os.fsdecode(pair).split("=", 1) for pair in pairs)
    after = {name: value for name, value in after.items() if name not in _SHELL_STATE}
    shell = {name: env[name] for name in _SHELL_STATE if name in env}
    kept = {n: v for n, v in after.items() if n not in job.environment.removed}
    return ended, {n: v for n, v in kept.items() if not n.startswith(_FUNCTIONS)} | shell

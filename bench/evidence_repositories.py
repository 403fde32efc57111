"""Repositories full of evidence, recorded by planctl itself, for the benchmark of `verify`.

Nothing here writes a receipt, a log or an inventory by hand: steps are run by `planctl run-phase`,
and many receipts are written by the functions that `run-phase` writes them with.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from ulid import ULID

from planctl._files import sha256_file
from planctl._redaction import Redactor
from planctl.executors import JobResult
from planctl.models.plan.plan import Plan, Step, checks_of, contract_digest
from planctl.models.receipt import Receipt, Subject
from planctl.ops.checks import run_checks
from planctl.ops.collect import collect
from planctl.ops.receipts import intact_receipts, write_receipt
from planctl.ops.run_log import LogFile, LogHeader
from planctl.workspace import Workspace

PLANCTL = str(Path(sys.executable).with_name("planctl"))
ID = "BENCH-001"
HUB = "2025-11-14T024800Z/bench"
STEPS_OF_FOLDERS = 25
FILES_A_FOLDER = 64
_INPUTS = 20
_CONFIG = """\
[user]
  name = Bench
  email = bench@example.org
[init]
  defaultBranch = main
[commit]
  gpgsign = false
[gc]
  auto = 0
[core]
  looseCompression = 0
  fsync = none
"""
_PHASES = 10
_HEAD = """\
schema: planctl/plan/v1
id: {id}
title: A benchmark
hub: {hub}
env: {{ OUT: out }}
phases:
"""
_PLAN = f"""{_HEAD}\
  A:
    title: Everything
    gate: "{{gate}}"
    inputs: ["src/**", make_files.py]
    steps:
{{steps}}"""
# Writes files of some size, no two alike, into folders given as `folder:first:count`.
_MAKE_FILES = """\
import os, sys
size, folders = int(sys.argv[1]), sys.argv[2:]
for word in folders:
    folder, first, count = word.split(":")
    os.makedirs(folder, exist_ok=True)
    for number in range(int(first), int(first) + int(count)):
        head = f"artifact {number}\\n".encode()
        with open(f"{folder}/{number:06d}.bin", "wb") as stream:
            for start in range(0, size, 1 << 20):
                piece = min(size - start, 1 << 20)
                stream.write((head + bytes(range(256)) * (piece // 256 + 1))[:piece])
"""


_MEASURE = """\
import json, os, sys
os.makedirs(os.path.dirname(sys.argv[1]), exist_ok=True)
with open(sys.argv[1], "w") as stream:
    json.dump({"n": int(sys.argv[2])}, stream)
print("done")
"""


def environment(home: Path) -> dict[str, str]:
    """Return an environment in which git has no settings but those of the benchmark."""
    home.mkdir(parents=True, exist_ok=True)
    (home / ".gitconfig").write_text(_CONFIG)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return kept | {"HOME": str(home), "GIT_CONFIG_NOSYSTEM": "1", "TZ": "UTC"}


def many_files(root: Path, count: int, size: int, env: dict[str, str]) -> None:
    """Record `count` artifacts in folders of 64: each file is a subject of a receipt."""
    folders = -(-count // FILES_A_FOLDER)
    steps: list[str] = []
    for step in range(min(STEPS_OF_FOLDERS, folders)):
        made = [
            (f"d{number:05d}", first, min(FILES_A_FOLDER, count - first))
            for number in range(step, folders, STEPS_OF_FOLDERS)
            for first in (number * FILES_A_FOLDER,)
        ]
        steps.append(_step(f"make{step:03d}", size, made))
    _record(root, steps, env)


def one_folder(root: Path, count: int, size: int, env: dict[str, str]) -> None:
    """Record `count` artifacts in one folder: its digest and its manifest are the subjects."""
    _record(root, [_step("make", size, [("all", 0, count)])], env)


def _step(name: str, size: int, folders: Sequence[tuple[str, int, int]]) -> str:
    words = " ".join(f"$OUT/{folder}:{first}:{count}" for folder, first, count in folders)
    pairs = ", ".join(f"{{ from: $OUT/{item[0]}, to: analysis/{item[0]} }}" for item in folders)
    return (
        f"      - id: {name}\n        run: python make_files.py {size} {words}\n"
        f"        log: cli/{name}.log\n        collect: [{pairs}]\n"
    )


def _record(root: Path, steps: Sequence[str], env: dict[str, str]) -> None:
    prepare(root, steps, env)
    call(root, env, PLANCTL, "run-phase", ID, "A")
    commit(root, env, "evidence")


def prepare(root: Path, steps: Sequence[str], env: dict[str, str]) -> str:
    """Make a repository with inputs and a plan; return the gate's commit."""
    (root / "src").mkdir(parents=True)
    for number in range(_INPUTS):
        (root / f"src/module_{number:02d}.py").write_text(f"answer = {number}\n")
    (root / "make_files.py").write_text(_MAKE_FILES)
    (root / ".gitignore").write_text("out/\n")
    call(root, env, "git", "init", "--quiet")
    gate = commit(root, env, "the code")
    plan = root / "plans/active" / ID / "plan.yaml"
    plan.parent.mkdir(parents=True)
    plan.write_text(_PLAN.format(id=ID, hub=HUB, gate=gate, steps="".join(steps)))
    commit(root, env, "the plan")
    return gate


def commit(root: Path, env: dict[str, str], message: str) -> str:
    """Commit everything there is; return the commit."""
    # Straight into one pack: a hundred thousand loose objects take minutes to write and to remove.
    call(root, env, "git", "-c", "core.bigFileThreshold=512", "add", "--all")
    call(root, env, "git", "commit", "--quiet", "--message", message)
    return call(root, env, "git", "rev-parse", "HEAD").strip()


def call(root: Path, env: dict[str, str], *words: str) -> str:
    """Run a command that must succeed; return what it printed."""
    done = subprocess.run(words, cwd=root, env=env, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(words[:4])} … ended with {done.returncode}: {done.stderr}")
    return done.stdout


def many_receipts(root: Path, count: int, env: dict[str, str]) -> None:
    """Record `count` steps with a log, an artifact and a check each, in ten phases with gates.

    One step is run by `run-phase`; what it recorded is recorded for the others by the functions
    that it was recorded with, each with files of its own.
    """
    _prepare_phases(root, count, env)
    call(root, env, PLANCTL, "run-phase", ID, "P0", "--step", "s0000")
    workspace = Workspace.open(root)
    plan = workspace.load_plan(ID)
    (first,) = intact_receipts(workspace, plan, None)
    for phase, step in plan.steps():
        if step.id != first.receipt.step:
            record_like(workspace, plan, phase, step, first.receipt)
    commit(root, env, "evidence")


def _prepare_phases(root: Path, count: int, env: dict[str, str]) -> None:
    gate = prepare(root, (), env)
    (root / "measure.py").write_text(_MEASURE)
    phases: list[str] = []
    for phase in range(_PHASES):
        (root / f"src/fix_{phase}.py").write_text(f"fixed = {phase}\n")
        gate = commit(root, env, f"fix {phase}")
        steps = "".join(_small_step(number) for number in range(phase, count, _PHASES))
        head = f'  P{phase}:\n    title: Phase {phase}\n    gate: "{gate}"\n'
        phases.append(f'{head}    inputs: ["src/**", measure.py]\n    steps:\n{steps}')
    text = _HEAD.format(id=ID, hub=HUB) + "".join(phases)
    (root / "plans/active" / ID / "plan.yaml").write_text(text)
    commit(root, env, "the plan")


def _small_step(number: int) -> str:
    name = f"s{number:04d}"
    return (
        f"      - id: {name}\n        run: python measure.py $OUT/{name}.json {number}\n"
        f"        log: cli/{name}.log\n"
        f"        collect: [{{ from: $OUT/{name}.json, to: analysis/{name}.json }}]\n"
        f"        checks: [{{ json: analysis/{name}.json, path: n, ge: 0 }}]\n"
    )


def record_like(workspace: Workspace, plan: Plan, phase: str, step: Step, like: Receipt) -> None:
    """Record a step as another one was, with files of its own."""
    hub = workspace.hub(plan)
    name = step.id
    source = workspace.root / "out" / f"{name}.json"
    source.write_text(f'{{"n": {int(name[1:])}}}\n')
    got = collect(hub, step, plan.env, {}, frozenset())
    log = LogFile(hub.path / step.log, Redactor(()))
    command = step.run.replace("$OUT", "out")
    log.begin(
        LogHeader(
            step=f"{plan.id} {phase}/{name}",
            env=dict(like.env),
            command=step.run,
            expanded=command,
            commit=like.commit,
            branch=like.branch,
            dirty=(),
            cwd=".",
            started=like.started,
        )
    )
    log.write(b"done\n")
    log.finish(JobResult(0, False, False, like.started, like.finished, 0.0, 0))
    contract = plan.contract(phase, step)
    written = Subject(name=step.log, sha256=sha256_file(log.path), declared=step.log)
    new = {
        "ulid": str(ULID()),
        "phase": phase,
        "step": name,
        "command": command,
        "contract": contract,
        "contract_sha256": contract_digest(contract),
        "gate": plan.phases[phase].gate,
        "subjects": (written, *got.subjects),
        "log": step.log,
        "checks": run_checks(checks_of(step), lambda declared: hub.path / declared),
    }
    write_receipt(hub, like.model_copy(update=new))

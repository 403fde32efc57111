"""Steps on a real Slurm: what holds for local runs holds here, and nothing is left in the queue."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from planctl._process import Stop
from planctl.cli.app import run as planctl
from planctl.executors import Job
from planctl.executors.slurm import SlurmExecutor
from planctl.models.slurm_settings import SlurmSettings
from tests.planctl.conftest import HUB, Repo, phase
from tests.slurm.conftest import Cluster

pytestmark = pytest.mark.slurm
MAIN = [sys.executable, "-c", "from planctl.cli.app import main; main()"]
ON_SLURM = ("run-phase", "X-001", "A", "--executor", "slurm")
Initiative = Callable[..., Repo]
Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Return a function that starts planctl; what a failed test left running is killed."""
    started: list[subprocess.Popen[bytes]] = []

    def run(repo: Repo, *words: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [*MAIN, *words],
            cwd=repo.root,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


def wait_for(condition: Callable[[], object], seconds: float = 30.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "did not happen in time"
        time.sleep(0.05)


def alive(pid_file: Path) -> bool:
    try:
        text = Path(f"/proc/{pid_file.read_text().strip()}/stat").read_text()
    except FileNotFoundError:
        return False
    return text.rpartition(")")[2].split()[0] not in ("Z", "X")


def answered(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, Any, str]:
    capsys.readouterr()
    code = planctl([*words, "--json"])
    out, err = capsys.readouterr()
    return code, json.loads(out) if out else None, err


def run_details(repo: Repo, receipt: str) -> Any:
    envelope = json.loads((repo.root / receipt).read_text())
    return json.loads(base64.b64decode(envelope["payload"]))["predicate"]


def no_job_left(slurm: Cluster) -> bool:
    wait_for(lambda: not slurm.jobs(), 10)
    return True


def left_files(repo: Repo) -> list[Path]:
    found = (repo.root / ".git/planctl/slurm").rglob("*")
    return [path for path in found if path.suffix != ".lock"]


GOOD = (
    "id: good, run: 'echo from the node; mkdir -p out; echo $SLURM_JOB_ID > out/id.txt', "
    "log: cli/good.log, collect: [{from: $OUT/id.txt, to: analysis/id.txt}], "
    "checks: [{log: cli/good.log, matches: '^from the node$'}]"
)
SLOW = "id: slow, run: 'echo $$ > out_pid; echo begun; sleep 60', log: cli/slow.log"


def test_a_run_on_slurm_is_fresh_and_its_receipt_names_job_and_node(
    initiative: Initiative, slurm: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    repo = initiative(phase("A", GOOD))
    code, answer, said = answered(capsys, *ON_SLURM)
    assert code == 0
    assert "`planctl-X-001-good`" in said
    repo.commit("evidence")
    assert planctl(["verify", "X-001"]) == 0
    job_id = (repo.root / HUB / "analysis/id.txt").read_text().strip()
    predicate = run_details(repo, answer["steps"][0]["receipt"])
    assert predicate["buildDefinition"]["internalParameters"]["executor"] == "slurm"
    environment = predicate["runDetails"]["planctl_run"]["environment"]
    assert environment["slurm"]["jobId"] == job_id
    assert environment["slurm"]["nodes"] == environment["host"]
    log = (repo.root / HUB / "cli/good.log").read_text()
    assert "# --- output\nfrom the node\n# --- end\n# exit: 0\n" in log
    assert no_job_left(slurm)
    assert left_files(repo) == []


def test_a_failing_command_passes_its_code_through(
    initiative: Initiative, capsys: pytest.CaptureFixture[str]
) -> None:
    step = "id: bad, run: 'echo before; false | cat; (exit 7)', log: cli/bad.log"
    repo = initiative(phase("A", step.replace("false | cat; ", "")))
    code, answer, _ = answered(capsys, *ON_SLURM)
    assert (code, answer["steps"][0]["exit_code"]) == (1, 7)
    assert (repo.root / answer["steps"][0]["blocked"]).is_file()
    assert "before\n# --- end\n# exit: 7\n" in (repo.root / HUB / "cli/bad.log").read_text()


def test_a_time_limit_ends_the_job_with_124(
    initiative: Initiative, slurm: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    repo = initiative(phase("A", SLOW + ", timeout: 1s"))
    code, answer, _ = answered(capsys, *ON_SLURM)
    assert (code, answer["steps"][0]["exit_code"]) == (1, 124)
    assert slurm.jobs() == []
    assert not alive(repo.root / "out_pid")
    assert "# exit: 124 (time limit)" in (repo.root / HUB / "cli/slow.log").read_text()
    assert "Signature: timeout" in (repo.root / answer["steps"][0]["blocked"]).read_text()


def test_the_limit_of_slurm_itself_counts_as_a_time_limit(
    initiative: Initiative, slurm: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    repo = initiative(phase("A", SLOW.replace("sleep 60", "sleep 600")))
    repo.write("planctl.toml", "[slurm]\ntime_min = 1\n")
    code, answer, _ = answered(capsys, *ON_SLURM)
    assert (code, answer["steps"][0]["exit_code"]) == (1, 124)
    assert not alive(repo.root / "out_pid")
    assert "ran out of its time." in (repo.root / answer["steps"][0]["blocked"]).read_text()


def test_ctrl_c_cancels_the_job_keeps_the_log_and_writes_no_receipt(
    initiative: Initiative, start: Start, slurm: Cluster
) -> None:
    repo = initiative(phase("A", SLOW))
    process = start(repo, *ON_SLURM)
    log = repo.root / HUB / "cli/slow.log"
    wait_for(lambda: log.exists() and b"\nbegun\n" in log.read_bytes())
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert slurm.jobs() == []
    assert not alive(repo.root / "out_pid")
    assert "begun\n# --- end\n# exit: 130 (interrupted)" in log.read_text()
    assert list((repo.root / HUB).glob("receipts/*.json")) == []
    assert left_files(repo) == []


def test_ctrl_c_takes_a_waiting_job_out_of_the_queue(
    initiative: Initiative, start: Start, slurm: Cluster
) -> None:
    repo = initiative(phase("A", GOOD))
    repo.write("planctl.toml", '[slurm.sbatch]\nbegin = "now+1hour"\n')
    process = start(repo, *ON_SLURM)
    wait_for(lambda: slurm.jobs("planctl-X-001-good", "PENDING"))
    time.sleep(4)  # two looks at the queue
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said.count(b"waits in the queue: BeginTime") == 1
    assert slurm.jobs() == []


def test_output_is_shown_while_the_job_runs(
    initiative: Initiative, start: Start, slurm: Cluster
) -> None:
    step = "id: live, run: 'echo begun; until [ -e go ]; do sleep 0.1; done', log: cli/live.log"
    repo = initiative(phase("A", step))
    process = start(repo, *ON_SLURM)
    assert process.stderr is not None
    while b"begun" not in (line := process.stderr.readline()):
        assert line, "ended before it showed anything"
    assert slurm.jobs("planctl-X-001-live", "RUNNING")
    assert b"\nbegun\n" in (repo.root / HUB / "cli/live.log").read_bytes()
    repo.write("go", "")
    process.communicate(timeout=60)
    assert process.returncode == 0


def test_a_declared_secret_lies_in_no_file_and_is_not_shown(
    initiative: Initiative, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = (
        "id: say, run: 'echo key=$API_KEY; printf %s hunt; echo er2-x; "
        "until [ -e go ]; do sleep 0.1; done', log: cli/say.log"
    )
    repo = initiative(phase("A", step))
    plan = repo.root / "plans/active/X-001/plan.yaml"
    plan.write_text(plan.read_text().replace("phases:", "secrets: [API_KEY]\nphases:"))
    repo.commit("secret")
    monkeypatch.setenv("API_KEY", "hunter2-x")
    process = start(repo, *ON_SLURM)
    log = repo.root / HUB / "cli/say.log"
    wait_for(lambda: log.exists() and b"key=[redacted]\n[redacted]\n" in log.read_bytes())
    files = [path for path in repo.root.rglob("*") if path.is_file()]
    assert [path for path in files if path.name.endswith("_submitted.pkl")]
    assert not [path for path in files if b"hunter2-x" in path.read_bytes()]
    repo.write("go", "")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert b"hunter2-x" not in out + err
    files = [path for path in repo.root.rglob("*") if path.is_file()]
    assert not [path for path in files if b"hunter2-x" in path.read_bytes()]


def test_two_steps_run_side_by_side(
    initiative: Initiative, slurm: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    meet = "touch met{0}; for i in $(seq 300); do [ -e met{1} ] && exit 0; sleep 0.1; done; exit 1"
    steps = [
        f"id: s{i}, run: '{meet.format(i, 1 - i)}', log: cli/s{i}.log, timeout: 40s" for i in (0, 1)
    ]
    initiative(phase("A", *steps))
    code, answer, _ = answered(capsys, *ON_SLURM, "--jobs", "2")
    assert code == 0
    assert [step["exit_code"] for step in answer["steps"]] == [0, 0]
    assert no_job_left(slurm)


def test_a_job_that_slurm_refuses_is_a_precondition(
    initiative: Initiative, slurm: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    repo = initiative(phase("A", GOOD))
    repo.write("planctl.toml", '[slurm]\npartition = "nowhere"\n')
    code, _, said = answered(capsys, *ON_SLURM)
    assert code == 4
    assert "Slurm refused the job `planctl-X-001-good`" in said
    assert "invalid partition" in said
    assert "`[slurm]` in planctl.toml" in said
    assert "Slurm refused the job" in (repo.root / HUB / "cli/good.log").read_text()
    assert slurm.jobs() == []
    assert left_files(repo) == []


def test_a_job_of_a_killed_planctl_must_end_before_the_next_run(
    initiative: Initiative, start: Start, slurm: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    step = "id: keep, run: 'echo begun; if [ -e block ]; then sleep 60; fi', log: cli/keep.log"
    repo = initiative(phase("A", step))
    repo.write("block", "")
    process = start(repo, *ON_SLURM)
    wait_for(lambda: slurm.jobs("planctl-X-001-keep", "RUNNING"))
    process.kill()
    process.communicate()
    (job,) = slurm.jobs("planctl-X-001-keep")

    code, _, said = answered(capsys, *ON_SLURM)
    assert code == 4
    assert f"Slurm job {job} `planctl-X-001-keep` of an earlier planctl is still running" in said
    assert f"`scancel {job}`" in said
    assert "is still running" in (repo.root / HUB / "cli/keep_v2.log").read_text()

    slurm.ask("scancel", job)
    wait_for(lambda: not slurm.jobs())
    (repo.root / "block").unlink()
    assert answered(capsys, *ON_SLURM)[0] == 0
    assert left_files(repo) == []


def test_a_job_is_cancelled_when_planctl_fails_while_following_it(
    repo: Repo, slurm: Cluster
) -> None:
    def full(piece: bytes) -> None:
        raise OSError(28, "No space left on device")

    executor = SlurmExecutor(repo.root / "jobs", SlurmSettings(), lambda step, text: None)
    job = Job(
        "echo begun; sleep 60", repo.root, dict(os.environ), initiative="X-001", step="doomed"
    )
    with pytest.raises(OSError, match="No space left"):
        executor.run(job, full)
    assert no_job_left(slurm)


def test_a_job_killed_for_its_memory_says_so(
    initiative: Initiative, slurm: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    eat = 'python -c "import time; x = bytearray(500_000_000); print(len(x)); time.sleep(60)"'
    repo = initiative(phase("A", f"id: eat, run: '{eat}', log: cli/eat.log"))
    repo.write("planctl.toml", '[slurm]\nmem = "200M"\n')
    code, answer, _ = answered(capsys, *ON_SLURM)
    assert code == 1
    assert answer["steps"][0]["exit_code"] == 137
    assert "killed-by-kernel" in (repo.root / answer["steps"][0]["blocked"]).read_text()
    assert "memory" in (repo.root / HUB / "cli/eat.log").read_text().split("# --- output")[1]
    assert no_job_left(slurm)


def test_setup_prepares_the_environment_and_cannot_answer_for_the_command(
    initiative: Initiative, capsys: pytest.CaptureFixture[str]
) -> None:
    check = "checks: [{log: cli/say.log, matches: '^value=4 \\[$'}]"
    repo = initiative(phase("A", f"id: say, run: 'echo \"value=$FROM_SETUP [\"', "
                                 f"log: cli/say.log, {check}"))  # fmt: skip
    repo.write("planctl.toml", '[slurm]\nsetup = ["echo noise", "export FROM_SETUP=4"]\n')
    code, answer, _ = answered(capsys, *ON_SLURM)
    assert code == 0
    assert "noise" not in (repo.root / HUB / "cli/say.log").read_text()
    details = run_details(repo, answer["steps"][0]["receipt"])["runDetails"]["planctl_run"]
    shown = details["environment"]["slurm"]["settings"]
    assert shown == {"setup": ["echo noise", "export FROM_SETUP=4"]}


@pytest.mark.parametrize(("line", "code"), [("echo oh; (exit 3)", 3), ("exit 0", 126)])
def test_setup_that_fails_or_leaves_fails_the_step(
    initiative: Initiative, capsys: pytest.CaptureFixture[str], line: str, code: int
) -> None:
    repo = initiative(phase("A", GOOD))
    repo.write("planctl.toml", f'[slurm]\nsetup = ["{line}"]\n')
    _, answer, _ = answered(capsys, *ON_SLURM)
    assert answer["steps"][0]["exit_code"] == code
    log = (repo.root / HUB / "cli/good.log").read_text()
    assert "`slurm.setup` of planctl.toml failed" in log
    assert "from the node" not in log.split("# --- output")[1]


def test_the_command_gets_the_environment_of_a_local_run(
    initiative: Initiative, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_ADDOPTS", "--collect-only")
    monkeypatch.setenv("ODD", "a\nb = 'c' \"d\" ä")
    repo = initiative(phase("A", "id: env, run: 'env -0 > env_$WHERE', log: cli/env.log"))
    monkeypatch.setenv("WHERE", "local")
    assert planctl(["run-phase", "X-001", "A"]) == 0
    monkeypatch.setenv("WHERE", "slurm")
    assert planctl([*ON_SLURM, "--force"]) == 0

    def read(name: str) -> dict[str, str]:
        pairs = (repo.root / name).read_text().split("\0")[:-1]
        return dict(pair.split("=", 1) for pair in pairs)

    here, there = read("env_local"), read("env_slurm")
    assert "PYTEST_ADDOPTS" not in there
    passing = {"WHERE", "_", "SHLVL"}
    assert {n: v for n, v in there.items() if n in here and n not in passing} == {
        n: v for n, v in here.items() if n not in passing
    }
    strangers = {name for name in there.keys() - here.keys() if not name.startswith("SLURM")}
    assert not {name for name in strangers if name.startswith("SUBMITIT")}
    assert there["SLURM_JOB_NAME"] == "planctl-X-001-env"


def test_a_second_wish_to_end_does_not_wait_for_slurm(repo: Repo, slurm: Cluster) -> None:
    stop = Stop()

    def seen(piece: bytes) -> None:
        stop.request()
        stop.request()

    executor = SlurmExecutor(
        repo.root / "jobs", SlurmSettings(), lambda step, text: None, stop=stop
    )
    command = "trap '' TERM; echo begun; sleep 60"
    job = Job(command, repo.root, dict(os.environ), initiative="X-001", step="stubborn")
    began = time.monotonic()
    result = executor.run(job, seen)
    assert (result.exit_code, result.interrupted) == (130, True)
    assert time.monotonic() - began < 15
    assert no_job_left(slurm)

"""Runs as people start them: real commands, real git, killed and stopped for real."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from planctl.cli.app import run as planctl
from tests.planctl.conftest import HUB, Repo, phase

MAIN = [sys.executable, "-c", "from planctl.cli.app import main; main()"]
Initiative = Callable[..., Repo]


def start(repo: Repo, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*MAIN, *words],
        cwd=repo.root,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "did not happen in time"
        time.sleep(0.02)


def filled(path: Path) -> Callable[[], bool]:
    return lambda: path.is_file() and bool(path.read_text().strip())


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in ("Z", "X")


def answered(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, Any]:
    capsys.readouterr()
    code = planctl([*words, "--json"])
    return code, json.loads(capsys.readouterr().out)


def actions(answer: Any) -> dict[str, str]:
    return {step["step"]: step["action"] for step in answer["steps"]}


TWO_STEPS = (
    "id: first, run: 'mkdir -p out && echo one | tee out/one.txt', log: cli/first.log, "
    "collect: [{from: $OUT/one.txt, to: analysis/one.txt}], "
    "checks: [{log: cli/first.log, matches: '^one$'}]",
    "id: second, needs: [first], run: 'echo begun; sleep 0.1; echo $$ > out/begun; "
    "if [ -e out/slow ]; then sleep 60; fi; echo two > out/two.txt', log: cli/second.log, "
    "collect: [{from: $OUT/two.txt, to: analysis/two.txt}]",
)


def test_a_run_killed_with_signal_9_is_resumed_at_the_step_it_cut(
    initiative: Initiative, capsys: pytest.CaptureFixture[str]
) -> None:
    repo = initiative(phase("A", *TWO_STEPS))
    repo.write("out/slow", "")
    process = start(repo, "run-phase", "X-001", "A")
    wait_for(filled(repo.root / "out/begun"))
    process.kill()
    process.communicate()
    wait_for(lambda: not alive(int((repo.root / "out/begun").read_text())))
    (repo.root / "out/slow").unlink()
    killed = (repo.root / HUB / "cli/second.log").read_bytes()
    assert b"begun" in killed
    assert b"# --- end" not in killed

    code, answer = answered(capsys, "run-phase", "X-001", "A")

    assert code == 0
    assert actions(answer) == {"first": "skipped", "second": "ran"}
    assert (repo.root / HUB / "cli/second.log").read_bytes() == killed
    assert b"# exit: 0" in (repo.root / HUB / "cli/second_v2.log").read_bytes()
    below = [path.name for path in (repo.root / "plans").rglob("*")]
    assert not [name for name in below if name.endswith((".tmp", ".part"))]
    for receipt in (repo.root / HUB / "receipts").iterdir():
        json.loads(receipt.read_bytes())
    summary = (repo.root / HUB / "summary.md").read_text()
    assert "`first` passed" in summary
    assert "`second` passed" in summary
    repo.commit("evidence")
    assert planctl(["verify", "X-001"]) == 0


def test_half_written_files_of_a_killed_planctl_are_cleared_away(
    initiative: Initiative,
) -> None:
    repo = initiative(phase("A", *TWO_STEPS))
    repo.write(f"{HUB}/receipts/.01X_first_00.json.planctl-abc.tmp", '{"payloadTy')
    repo.write(f"{HUB}/analysis/.one.txt.planctl-123.part", "on")
    repo.write(f"{HUB}/analysis/.folder.planctl-9.part/deep/one.txt", "on")
    repo.write("docs/.fix_plan.md.planctl-abc.tmp", "on")
    repo.write("plans/active/X-001/.summary.md.planctl-abc.tmp", "on")
    assert planctl(["run-phase", "X-001", "A"]) == 0
    below = [path for folder in ("plans", "docs") for path in (repo.root / folder).rglob("*")]
    assert not [path for path in below if "planctl-" in path.name]


def test_a_hidden_file_of_somebody_else_is_never_cleared_away(initiative: Initiative) -> None:
    repo = initiative(phase("A", *TWO_STEPS))
    kept = repo.write(f"{HUB}/analysis/folder/.cache.tmp", "recorded once")
    assert planctl(["run-phase", "X-001", "A"]) == 0
    assert kept.read_text() == "recorded once"


def test_ctrl_c_kills_grandchildren_keeps_the_log_and_writes_no_receipt(
    initiative: Initiative,
) -> None:
    step = (
        "id: slow, run: '(echo $BASHPID > pid; exec sleep 60) & "
        "echo working; wait', log: cli/slow.log"
    )
    repo = initiative(phase("A", step))
    process = start(repo, "run-phase", "X-001", "A")
    wait_for(filled(repo.root / "pid"))
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "interrupted; 0 steps recorded before" in errors
    wait_for(lambda: not alive(int((repo.root / "pid").read_text())))
    log = (repo.root / HUB / "cli/slow.log").read_text()
    assert "working" in log
    assert "# exit: 130 (interrupted)" in log
    assert list((repo.root / HUB).glob("receipts/*.json")) == []
    assert list((repo.root / HUB).glob("red/*")) == []


def test_sigterm_ends_all_jobs_of_a_parallel_phase(initiative: Initiative) -> None:
    steps = [f"id: s{i}, run: 'echo $$ > pid{i}; sleep 60', log: cli/s{i}.log" for i in range(2)]
    repo = initiative(phase("A", *steps))
    process = start(repo, "run-phase", "X-001", "A", "--jobs", "2")
    wait_for(lambda: all(filled(repo.root / f"pid{i}")() for i in range(2)))
    process.terminate()
    process.communicate(timeout=30)
    assert process.returncode == 130
    assert not any(alive(int((repo.root / f"pid{i}").read_text())) for i in range(2))


def test_a_time_limit_ends_the_step_with_124_and_a_blocker(
    initiative: Initiative, capsys: pytest.CaptureFixture[str]
) -> None:
    step = "id: slow, run: 'echo epoch 3; sleep 60', log: cli/slow.log, timeout: 1s"
    repo = initiative(phase("A", step))
    code, answer = answered(capsys, "run-phase", "X-001", "A")
    assert code == 1
    assert answer["steps"][0]["exit_code"] == 124
    text = (repo.root / answer["steps"][0]["blocked"]).read_text()
    assert "Signature: timeout" in text
    assert "epoch 3" in text
    assert "planctl run-phase X-001 A --step slow" in text
    assert "# exit: 124 (time limit)" in (repo.root / HUB / "cli/slow.log").read_text()


def test_another_planctl_is_refused_and_the_holder_named(initiative: Initiative) -> None:
    repo = initiative(phase("A", "id: slow, run: 'echo > begun; sleep 60', log: cli/slow.log"))
    process = start(repo, "run-phase", "X-001", "A")
    wait_for((repo.root / "begun").exists)
    second = start(repo, "run-phase", "X-001", "A")
    _, errors = second.communicate(timeout=30)
    process.terminate()
    process.communicate(timeout=30)
    assert second.returncode == 4
    assert "run-phase X-001 A" in errors
    assert f"process {process.pid}" in errors


def test_a_forced_run_overwrites_nothing_and_the_inventory_says_which_is_latest(
    initiative: Initiative,
) -> None:
    repo = initiative(phase("A", *TWO_STEPS))
    hub = repo.root / HUB
    for _ in range(3):
        for name in ("one.txt", "two.txt"):
            (repo.root / "out" / name).unlink(missing_ok=True)
        before = {
            path: path.read_bytes()
            for folder in ("cli", "receipts")
            for path in hub.glob(f"{folder}/*")
        } | {path: path.read_bytes() for path in hub.glob("analysis/one*")}
        assert planctl(["run-phase", "X-001", "A", "--force"]) == 0
        assert {path: path.read_bytes() for path in before} == before
    assert sorted(path.name for path in (hub / "cli").iterdir()) == [
        "first.log",
        "first_v2.log",
        "first_v3.log",
        "second.log",
        "second_v2.log",
        "second_v3.log",
    ]
    rows = (hub / "analysis/artifact_inventory.txt").read_text().splitlines()
    states = {row.split()[3]: row.split()[0] for row in rows if not row.startswith("#")}
    assert states["analysis/one.txt"] == "older"
    assert states["analysis/one_v2.txt"] == "older"
    assert states["analysis/one_v3.txt"] == "latest"
    assert len(states) == 12


def test_sha256sum_checks_the_inventory_from_inside_the_hub(initiative: Initiative) -> None:
    folder = "for i in $(seq 70); do mkdir -p out/many/d; echo $i > out/many/d/$i.txt; done"
    odd = "id: odd, run: 'mkdir -p out/odd && touch \"out/odd/a b\" out/odd/ä', log: cli/odd.log, "
    many = f"id: many, run: '{folder}', log: cli/many.log, "
    repo = initiative(
        phase(
            "A",
            *TWO_STEPS,
            odd + "collect: [{from: $OUT/odd, to: analysis/odd}]",
            many + "collect: [{from: $OUT/many, to: analysis/many}]",
        )
    )
    assert planctl(["run-phase", "X-001", "A"]) == 0
    hub = repo.root / HUB
    command = ["sha256sum", "--check", "--strict", "analysis/artifact_inventory.sha256"]
    done = subprocess.run(command, cwd=hub, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(": OK") == 70 + 1 + 2 + 4 + 2
    (hub / "analysis/many/d/33.txt").write_text("changed")
    done = subprocess.run(command, cwd=hub, check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert "analysis/many/d/33.txt: FAILED" in done.stdout


def test_a_declared_secret_reaches_neither_log_nor_receipt_nor_terminal(
    initiative: Initiative, monkeypatch: pytest.MonkeyPatch, capfdbinary: Any
) -> None:
    steps = phase("A", "id: say, run: 'echo key=$API_KEY; printf %s hunt; echo er2-x', "
                       "log: cli/say.log")  # fmt: skip
    repo = initiative(steps)
    plan = repo.root / "plans/active/X-001/plan.yaml"
    plan.write_text(plan.read_text().replace("phases:", "secrets: [API_KEY]\nphases:"))
    repo.commit("secret")
    monkeypatch.setenv("API_KEY", "hunter2-x")
    assert planctl(["run-phase", "X-001", "A"]) == 0
    seen = capfdbinary.readouterr()
    assert b"hunter2-x" not in seen.out + seen.err
    log = (repo.root / HUB / "cli/say.log").read_text()
    assert "key=[redacted]\n[redacted]\n" in log
    tracked = [path for path in (repo.root / HUB).rglob("*") if path.is_file()]
    assert not [path for path in tracked if b"hunter2-x" in path.read_bytes()]


def test_the_log_says_what_ran_on_what_without_a_machine_path(initiative: Initiative) -> None:
    repo = initiative(phase("A", "id: say, run: echo $OUT, log: cli/say.log"))
    repo.write("src/code.py", "answer = 43\n")
    assert planctl(["run-phase", "X-001", "A"]) == 0
    log = (repo.root / HUB / "cli/say.log").read_text()
    header, rest = log.split("# --- output\n")
    assert f"HUB={HUB}" in header
    assert "OUT=out" in header
    assert "# command: echo $OUT" in header
    assert "# expanded: echo out" in header
    assert repo.git("rev-parse", "HEAD") in header
    assert "#   src/code.py\n" in header
    assert "# cwd: ." in header
    assert str(repo.root) not in log
    assert rest.startswith("out\n# --- end\n# exit: 0\n# duration: ")
    assert "# peak memory: " in rest


def test_summaries_and_ledger_keep_old_text_byte_for_byte(initiative: Initiative) -> None:
    repo = initiative(phase("A", *TWO_STEPS))
    odd = "Old text.\r\n\r\n### Not ours ###\n\ttabs, no line end \u00e9".encode() + b"\xff\xfe"
    places = [f"{HUB}/summary.md", "plans/active/X-001/summary.md", "docs/fix_plan.md"]
    for place in places:
        repo.write(place, "").write_bytes(odd)
    assert planctl(["run-phase", "X-001", "A"]) == 0
    hub_summary, own_summary, ledger = [(repo.root / place).read_bytes() for place in places]
    assert hub_summary.endswith(b"\n" + odd)
    assert own_summary.endswith(b"\n" + odd)
    assert ledger.startswith(odd)
    assert hub_summary.startswith(b"### Turn Summary (")
    once = ledger
    assert planctl(["ledger", "attempt", "X-001", "tried by hand"]) == 0
    now = (repo.root / "docs/fix_plan.md").read_bytes()
    (line,) = set(now.splitlines()) - set(once.splitlines())
    assert line.endswith(b"note: tried by hand")
    assert now.replace(line + b"\r\n", b"") == once


def test_a_phase_that_is_fresh_writes_nothing(initiative: Initiative) -> None:
    repo = initiative(phase("A", *TWO_STEPS))
    assert planctl(["run-phase", "X-001", "A"]) == 0
    repo.commit("evidence")
    assert planctl(["run-phase", "X-001", "A"]) == 0
    assert repo.git("status", "--porcelain") == ""


def test_the_same_failure_twice_blocks_the_focus_and_a_pass_lifts_it(
    initiative: Initiative, capsys: pytest.CaptureFixture[str]
) -> None:
    step = (
        "id: train, run: 'if [ -e out/ok ]; then echo fine; else "
        "echo RuntimeError: CUDA out of memory. Tried to allocate $RANDOM MiB >&2; exit 1; fi', "
        "log: cli/train.log"
    )
    repo = initiative(phase("A", step))
    repo.write("docs/findings.md", "| POLICY-001 | Torch is required | no fallback |\n")

    def status() -> str:
        answer = answered(capsys, "ledger", "show")[1]
        return str(answer["items"][0]["status"])

    code, first = answered(capsys, "run-phase", "X-001", "A")
    assert code == 1
    assert status() == "in_progress"
    text = (repo.root / first["steps"][0]["blocked"]).read_text()
    assert "Signature: cuda-out-of-memory" in text
    assert "(1 in a row)" in text
    assert "POLICY-001: Torch is required — no fallback" in text
    assert first["steps"][0]["receipt"] in text

    code, second = answered(capsys, "run-phase", "X-001", "A")
    assert code == 1
    assert status() == "blocked"
    text = (repo.root / second["steps"][0]["blocked"]).read_text()
    assert "(2 in a row)" in text
    assert "Attempts so far: 2" in text

    repo.write("out/ok", "")
    assert planctl(["run-phase", "X-001", "A"]) == 0
    assert status() == "in_progress"


def test_a_blocked_focus_is_free_again_when_the_bad_edit_is_taken_back(
    initiative: Initiative, capsys: pytest.CaptureFixture[str]
) -> None:
    repo = initiative(phase("A", "id: t, run: grep 42 src/code.py, log: cli/t.log", TWO_STEPS[0]))

    def status() -> str:
        return str(answered(capsys, "ledger", "show")[1]["items"][0]["status"])

    assert planctl(["run-phase", "X-001", "A"]) == 0
    repo.commit("evidence")
    repo.write("src/code.py", "answer = 43\n")
    assert planctl(["run-phase", "X-001", "A"]) == 1
    assert planctl(["run-phase", "X-001", "A", "--step", "t"]) == 1
    assert status() == "blocked"
    repo.git("checkout", "--quiet", "src")
    code, answer = answered(capsys, "run-phase", "X-001", "A", "--step", "t")
    assert (code, actions(answer)) == (0, {"t": "skipped"})
    assert status() == "in_progress"


def test_a_blocker_by_hand_is_not_lifted_by_a_run(
    initiative: Initiative, capsys: pytest.CaptureFixture[str]
) -> None:
    initiative(phase("A", *TWO_STEPS))
    assert planctl(["block", "X-001", "--reason", "wait for beam", "--step", "first"]) == 0
    assert planctl(["run-phase", "X-001", "A"]) == 0
    assert answered(capsys, "ledger", "show")[1]["items"][0]["status"] == "blocked"


def test_each_run_is_told_of_once(initiative: Initiative) -> None:
    repo = initiative(phase("A", *TWO_STEPS))
    assert planctl(["run-phase", "X-001", "A"]) == 0
    assert planctl(["run-phase", "X-001", "A", "--step", "first", "--force"]) == 0
    summary = (repo.root / HUB / "summary.md").read_text()
    ledger = (repo.root / "docs/fix_plan.md").read_text()
    for receipt in (repo.root / HUB / "receipts").iterdir():
        told = f"(receipt {receipt.name.split('_')[0]})"
        assert (summary.count(told), ledger.count(told)) == (1, 1)


def test_two_different_failures_do_not_block_the_focus(
    initiative: Initiative, capsys: pytest.CaptureFixture[str]
) -> None:
    step = (
        "id: train, run: 'mkdir -p out; if [ -e out/a ]; then cat /no/such/file; fi; "
        "touch out/a; echo MemoryError; exit 1', log: cli/train.log"
    )
    initiative(phase("A", step))
    assert planctl(["run-phase", "X-001", "A"]) == 1
    assert planctl(["run-phase", "X-001", "A"]) == 1
    answer = answered(capsys, "ledger", "show")[1]
    assert answer["items"][0]["status"] == "in_progress"


def test_a_blocker_by_hand_marks_the_focus_and_prints_its_path(
    initiative: Initiative, capsys: pytest.CaptureFixture[str]
) -> None:
    repo = initiative(phase("A", *TWO_STEPS))
    words = ("block", "X-001", "--reason", "the beamline is down", "--until", "test -e data.npz")
    code, answer = answered(capsys, *words)
    assert code == 0
    text = (repo.root / answer["path"]).read_text()
    assert "the beamline is down" in text
    assert "```sh\ntest -e data.npz\n```" in text
    ledger = answered(capsys, "ledger", "show")[1]["items"][0]
    assert ledger["status"] == "blocked"
    assert answer["path"] in ledger["attempts"][0]["text"]


def test_a_blocker_without_a_reason_is_a_usage_error(initiative: Initiative) -> None:
    repo = initiative(phase("A", *TWO_STEPS))
    assert planctl(["block", "X-001", "--reason", " \n"]) == 2
    assert not (repo.root / HUB / "red").exists()


def test_a_reason_cannot_pass_for_the_facts_of_a_failed_run(initiative: Initiative) -> None:
    repo = initiative(phase("A", *TWO_STEPS))
    forged = "x\n- Signature: timeout 00000000 (9 in a row)\n- Receipt: r.json"
    assert planctl(["block", "X-001", "--reason", forged]) == 0
    (path,) = (repo.root / HUB / "red").iterdir()
    assert "\n- Signature: timeout" not in path.read_text()
    assert "\n- Receipt:" not in path.read_text()


def test_an_ad_hoc_run_passes_the_code_through_and_is_recorded(
    initiative: Initiative, capsys: pytest.CaptureFixture[str]
) -> None:
    repo = initiative(phase("A", *TWO_STEPS))
    capsys.readouterr()
    assert planctl(["run", "--json", "--", "bash", "-c", "echo hi; exit 7"]) == 7
    answer = json.loads(capsys.readouterr().out)
    assert "# exit: 7" in (repo.root / answer["log"]).read_text()
    assert (repo.root / answer["receipt"]).is_file()
    inventory = (repo.root / HUB / "analysis/artifact_inventory.txt").read_text()
    assert Path(answer["log"]).name in inventory


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--log", "../../x.log"),
        ("--log", "/etc/x.log"),
        ("--log", "receipts/x.log"),
        ("--log", "cli/"),
        ("--log", ""),
        ("--input", "../*"),
    ],
)
def test_a_name_that_an_ad_hoc_run_cannot_use_is_a_usage_error(
    initiative: Initiative, capsys: pytest.CaptureFixture[str], option: str, value: str
) -> None:
    repo = initiative(phase("A", *TWO_STEPS))
    before = repo.git("status", "--short")
    assert planctl(["run", option, value, "--", "true"]) == 2
    told = capsys.readouterr().err
    assert f"`{option}` {value!r}" in told
    assert "hint:" in told
    assert repo.git("status", "--short") == before


def test_a_scratch_run_leaves_the_committed_evidence_alone(initiative: Initiative) -> None:
    repo = initiative(phase("A", *TWO_STEPS))
    assert planctl(["run-phase", "X-001", "A"]) == 0
    repo.commit("evidence")
    assert planctl(["run-phase", "X-001", "A", "--scratch", "out/hub", "--set", "OUT=out"]) == 0
    assert repo.git("status", "--porcelain") == ""
    assert (repo.root / "out/hub/cli/second.log").is_file()
    assert os.path.isfile(repo.root / "out/hub/analysis/artifact_inventory.sha256")

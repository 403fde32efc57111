from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from planctl._process import Ended, ShellCommand, Stop, run_shell, stop_on_signals


def run(
    text: str,
    cwd: Path,
    timeout_s: float | None = None,
    stop: Stop | None = None,
    grace_s: float = 0.3,
    env: dict[str, str] | None = None,
) -> tuple[Ended, bytes]:
    pieces: list[bytes] = []
    command = ShellCommand(text, cwd, dict(os.environ) if env is None else env, timeout_s)
    return run_shell(command, pieces.append, stop or Stop(), grace_s), b"".join(pieces)


def wait_for(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "did not happen in time"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in ("Z", "X")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("true", 0),
        ("exit 7", 7),
        ("false; echo not reached", 1),
        ("false | true", 1),
        ("echo $UNSET_NAME; echo not reached", 1),
        ("no-such-command-anywhere", 127),
        ("./plain.txt", 126),
        ("kill -KILL $$", 137),
    ],
)
def test_the_exit_code_is_the_shells(text: str, code: int, tmp_path: Path) -> None:
    (tmp_path / "plain.txt").write_text("no program")
    ended, output = run(text, tmp_path)
    assert ended.exit_code == code
    assert b"not reached" not in output


def test_stdout_and_stderr_come_in_order(tmp_path: Path) -> None:
    _, output = run("echo one; echo two >&2; echo three", tmp_path)
    assert output == b"one\ntwo\nthree\n"


def test_output_arrives_while_the_command_runs(tmp_path: Path) -> None:
    seen: list[float] = []
    command = ShellCommand("echo early; sleep 0.6", tmp_path, dict(os.environ))
    run_shell(command, lambda piece: seen.append(time.monotonic()), Stop())
    assert time.monotonic() - seen[0] > 0.4


def test_without_bash_the_code_is_127(tmp_path: Path) -> None:
    empty = tmp_path / "bin"
    empty.mkdir()
    ended, output = run("true", tmp_path, env={"PATH": str(empty)})
    assert ended.exit_code == 127
    assert b"bash: not found" in output


def test_a_time_limit_kills_grandchildren_that_ignore_the_signal(tmp_path: Path) -> None:
    stubborn = "(trap '' TERM; echo $BASHPID > pid; while :; do sleep 0.1; done) & wait"
    ended, _ = run(stubborn, tmp_path, timeout_s=0.5)
    assert (ended.exit_code, ended.timed_out) == (124, True)
    # SIGKILL was sent; the kernel carries it out when it gets round to it.
    wait_for(lambda: not alive(int((tmp_path / "pid").read_text())))


def test_a_command_may_end_itself_within_the_grace(tmp_path: Path) -> None:
    text = "trap 'echo saved; exit 3' TERM; while :; do sleep 0.05 || true; done"
    ended, output = run(text, tmp_path, timeout_s=0.3, grace_s=5)
    assert ended.exit_code == 124
    assert output.endswith(b"saved\n")
    assert ended.duration_s < 3


def test_a_stop_ends_the_whole_group(tmp_path: Path) -> None:
    stop = Stop()
    pids = tmp_path / "pid"

    def ask() -> None:
        wait_for(lambda: pids.exists() and bool(pids.read_text()))
        stop.request()

    thread = threading.Thread(target=ask)
    thread.start()
    ended, _ = run("(echo $BASHPID > pid; sleep 60; true) & wait", tmp_path, stop=stop)
    thread.join()
    assert (ended.exit_code, ended.interrupted) == (130, True)
    wait_for(lambda: not alive(int(pids.read_text())))


def test_what_outlives_the_command_is_killed_and_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("planctl._process._LINGER_S", 0.2)
    ended, output = run("sleep 60 & echo $! > pid; echo done", tmp_path)
    assert (ended.exit_code, ended.left_behind, output) == (0, True, b"done\n")
    # SIGKILL was sent; the kernel carries it out when it gets round to it.
    wait_for(lambda: not alive(int((tmp_path / "pid").read_text())))


def test_output_of_a_process_substitution_is_waited_for(tmp_path: Path) -> None:
    ended, output = run("echo words > >(sleep 0.3; cat)", tmp_path)
    assert (output, ended.left_behind) == (b"words\n", False)


def test_peak_memory_is_that_of_the_largest_process(tmp_path: Path) -> None:
    # Children inherit this process's high-water mark: the command must rise well above it.
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    size = own + 300_000_000
    ended, _ = run(f"{sys.executable} -c 'x = b\"y\" * {size}; print(len(x))'", tmp_path)
    assert size < ended.peak_memory_bytes < size + 200_000_000


def test_the_memory_of_a_small_command_is_not_taken_for_planctls(tmp_path: Path) -> None:
    assert run("true", tmp_path)[0].peak_memory_bytes == 0


def test_asked_twice_a_stop_kills_without_grace(tmp_path: Path) -> None:
    stop = Stop()
    stop.request()
    stop.request()
    ended, _ = run("trap '' TERM; sleep 60 || true; sleep 60", tmp_path, stop=stop, grace_s=60)
    assert (ended.exit_code, ended.duration_s < 10) == (130, True)


def test_an_error_while_writing_kills_the_command(tmp_path: Path) -> None:
    def full(piece: bytes) -> None:
        raise OSError(28, "No space left on device")

    command = ShellCommand("echo $$ > pid; echo out; sleep 60", tmp_path, dict(os.environ))
    with pytest.raises(OSError, match="No space left"):
        run_shell(command, full, Stop())
    # SIGKILL was sent; the kernel carries it out when it gets round to it.
    wait_for(lambda: not alive(int((tmp_path / "pid").read_text())))


def test_signals_ask_for_a_stop_and_are_given_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    stop = Stop()
    with stop_on_signals(stop):
        os.kill(os.getpid(), signal.SIGTERM)
        wait_for(lambda: stop.requested)
        assert not stop.urgent
        os.kill(os.getpid(), signal.SIGINT)
        wait_for(lambda: stop.urgent)
    assert signal.getsignal(signal.SIGTERM) is before


def test_an_ignored_hangup_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        stop = Stop()
        with stop_on_signals(stop):
            os.kill(os.getpid(), signal.SIGHUP)
        assert not stop.requested
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_function_in_the_environment_does_not_replace_a_command(tmp_path: Path) -> None:
    env = dict(os.environ) | {"BASH_FUNC_true%%": "() { echo forged; }", "SHELLOPTS": "xtrace"}
    _, output = run("true; echo done", tmp_path, env=env)
    assert output == b"done\n"


def test_killing_the_caller_with_signal_9_ends_the_commands_group(tmp_path: Path) -> None:
    script = (
        "import os, pathlib\n"
        "from planctl._process import ShellCommand, Stop, run_shell\n"
        "text = '(echo $BASHPID > pid; sleep 60; true) & wait'\n"
        "here = pathlib.Path.cwd()\n"
        "run_shell(ShellCommand(text, here, dict(os.environ)), print, Stop())\n"
    )
    caller = subprocess.Popen([sys.executable, "-c", script], cwd=tmp_path)
    pids = tmp_path / "pid"
    wait_for(lambda: pids.exists() and bool(pids.read_text()))
    caller.kill()
    caller.wait()
    wait_for(lambda: not alive(int(pids.read_text())))


def test_a_command_reads_the_file_that_it_is_given(tmp_path: Path) -> None:
    (tmp_path / "brief.md").write_text("do this\n")
    pieces: list[bytes] = []
    command = ShellCommand("cat", tmp_path, dict(os.environ), stdin=tmp_path / "brief.md")
    run_shell(command, pieces.append, Stop())
    assert b"".join(pieces) == b"do this\n"


def test_the_group_is_told_before_the_command_begins(tmp_path: Path) -> None:
    def refuse(group: int) -> None:
        assert alive(group)
        raise OSError("no room to write it down")

    command = ShellCommand("touch ran", tmp_path, dict(os.environ))
    with pytest.raises(OSError, match="no room"):
        run_shell(command, lambda piece: None, Stop(), on_start=refuse)
    assert not (tmp_path / "ran").exists()

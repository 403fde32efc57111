"""`planctl mcp` while something runs: progress, cancellation, and every way to end."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from tests.planctl.functional.conftest import ID, Project
from tests.planctl.functional.mcp_clients import MAIN, connected, error_of, talk

PHASE = {"initiative": ID, "phase": "A", "step": "solo"}
# A child of its own, so that ending the shell alone would not be enough.
LONG = "echo begun; echo $$ > out.pid; sleep 60 & wait"


@pytest.fixture
def endless(project: Project) -> Iterator[Project]:
    """Return a project whose step `solo` runs for a minute unless it is ended."""
    project.edit("run: echo solo", f"run: '{LONG}'")
    project.repo.write(".gitignore", "out/\nout.pid\n")
    project.repo.commit("a long step")
    yield project
    if _pid_file(project).exists() and _alive(_group(project)):
        os.killpg(_group(project), signal.SIGKILL)


def _pid_file(project: Project) -> Path:
    return project.root / "out.pid"


def _group(project: Project) -> int:
    return int(_pid_file(project).read_text())


def _alive(group: int) -> bool:
    listed = subprocess.run(["ps", "-eo", "pgid=,stat="], capture_output=True, text=True)
    rows = (line.split() for line in listed.stdout.splitlines())
    return any(int(row[0]) == group and row[1][0] != "Z" for row in rows)


def _eventually(holds: Any, seconds: float = 20) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if holds():
            return True
        time.sleep(0.05)
    return False


def _begun(project: Project) -> bool:
    return _pid_file(project).exists() and _pid_file(project).read_text().strip() != ""


def test_progress_tells_of_steps_and_of_the_last_line(project: Project) -> None:
    project.edit(
        "run: echo solo", r"""run: 'echo first; printf "\033[2Jnow\n"; sleep 2.6; echo end'"""
    )
    heard: list[tuple[float, str]] = []

    async def listen(progress: float, total: float | None, message: str | None) -> None:
        heard.append((progress, message or ""))

    async def say(client: Client) -> Any:
        given = {"initiative": ID, "phase": "A"}
        return await client.call_tool("run_phase", given, progress_callback=listen)

    answer = talk(project.root, say)
    assert answer.structured_content.get("ok"), answer
    messages = [message for _, message in heard]
    for step in ("one", "two", "solo"):
        assert any(text.startswith(f"{step}: runs") for text in messages)
        assert any(text.startswith(f"{step}: done") for text in messages)
    assert any(re.match(r"solo: \d s: \\x1b\[2Jnow", text) for text in messages), messages
    assert all(text.isprintable() for text in messages)
    elapsed = [seconds for seconds, _ in heard]
    assert elapsed == sorted(set(elapsed))


def test_the_server_answers_while_a_phase_runs(endless: Project) -> None:
    async def session() -> Any:
        async with connected(endless.root) as client:
            run = asyncio.create_task(client.call_tool("run_phase", PHASE))
            while not _begun(endless):
                await asyncio.sleep(0.05)
            status = await client.call_tool("status", {})
            tried = {"initiative": ID, "text": "beside it"}
            attempt = await client.call_tool("ledger_attempt", tried)
            second = await client.call_tool("run_phase", PHASE)
            assert not run.done()
            run.cancel()
            await asyncio.sleep(0)
            assert await asyncio.to_thread(_eventually, lambda: not _alive(_group(endless)))
            return status, attempt, second

    status, attempt, second = asyncio.run(asyncio.wait_for(session(), 60))
    assert not status.is_error
    assert not attempt.is_error
    assert error_of(second)["slug"] == "locked"


def test_a_cancelled_call_ends_the_process_group_and_leaves_no_receipt(endless: Project) -> None:
    async def session() -> Any:
        async with connected(endless.root) as client:
            run = asyncio.create_task(client.call_tool("run_phase", PHASE))
            while not _begun(endless):
                await asyncio.sleep(0.05)
            run.cancel()
            with pytest.raises(asyncio.CancelledError):
                await run
            assert await asyncio.to_thread(_eventually, lambda: not _alive(_group(endless)))
            endless.edit(LONG, "echo short")
            return await client.call_tool("run_phase", PHASE)

    again = asyncio.run(asyncio.wait_for(session(), 60))
    assert again.structured_content["ok"]
    assert len(endless.receipts("solo")) == 1
    logs = sorted(path.name for path in (endless.hub / "green").iterdir())
    assert logs == ["solo.log", "solo_v2.log"]


class Raw:
    """A server spoken to by hand, so that it can be left in every way."""

    def __init__(self, root: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, *MAIN],
            cwd=root,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.send(
            1,
            "initialize",
            {
                "protocolVersion": "2025-11-25",
                "capabilities": {},
                "clientInfo": {"name": "a test", "version": "1"},
            },
        )
        self.answer()
        self.write({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def write(self, message: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(message).encode() + b"\n")
        self.process.stdin.flush()

    def send(self, number: int, method: str, params: dict[str, Any]) -> None:
        self.write({"jsonrpc": "2.0", "id": number, "method": method, "params": params})

    def call(self, number: int, name: str, given: dict[str, Any]) -> None:
        self.send(number, "tools/call", {"name": name, "arguments": given})

    def answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    def end(self) -> tuple[int, bytes, bytes]:
        """Wait for the end; return exit code and what was still said."""
        out, err = self.process.communicate(timeout=30)
        return self.process.returncode, out, err


@pytest.fixture
def raw(project: Project) -> Iterator[Raw]:
    server = Raw(project.root)
    yield server
    server.process.kill()
    server.process.communicate()


def test_a_client_that_goes_away_ends_the_server_and_what_runs(endless: Project, raw: Raw) -> None:
    raw.call(2, "run_phase", PHASE)
    assert _eventually(lambda: _begun(endless))
    code, _, _ = raw.end()
    assert code == 0
    assert not _alive(_group(endless))
    assert not endless.receipts("solo")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_what_runs_and_then_the_server(
    endless: Project, raw: Raw, number: int
) -> None:
    raw.call(2, "run_phase", PHASE)
    assert _eventually(lambda: _begun(endless))
    # Its stdin stays open: nothing but the signal tells it to go.
    raw.process.send_signal(number)
    assert raw.process.wait(30) == -number
    assert not _alive(_group(endless))
    assert not endless.receipts("solo")


def test_a_killed_server_leaves_no_child(endless: Project, raw: Raw) -> None:
    raw.call(2, "run_phase", PHASE)
    assert _eventually(lambda: _begun(endless))
    raw.process.kill()
    assert _eventually(lambda: not _alive(_group(endless)))


def test_stdout_holds_the_protocol_and_nothing_else(project: Project, raw: Raw) -> None:
    for number, step in enumerate(("one", "two", "solo"), 2):
        raw.call(number, "run_phase", PHASE | {"step": step})
        answer = raw.answer()["result"]["structuredContent"]
        assert answer.get("ok"), answer
    assert raw.process.stdin is not None
    raw.process.stdin.write(b'no json\n{"jsonrpc": "2.0", "id": "\xff"}\n[]\n')
    raw.call(9, "status", {})
    assert raw.answer()["id"] == 9
    code, out, err = raw.end()
    assert (code, out) == (0, b"")
    assert b"Traceback" not in err
    assert b"one is done" in (project.hub / "cli/one.log").read_bytes()


def test_what_writes_is_finished_when_the_client_goes_away(project: Project, raw: Raw) -> None:
    for number in range(2, 5):
        raw.call(number, "ledger_attempt", {"initiative": ID, "text": f"try {number}"})
    assert raw.answer()["id"] == 2
    code, _, _ = raw.end()
    assert code == 0
    told = json.loads(project.call("ledger", "show", "--json")[1])["items"][0]["attempts"]
    # The second may have been under way; what only waited for its turn is not begun any more.
    assert [item["text"] for item in told] in (
        ["note: try 2"],
        ["note: try 2", "note: try 3"],
        ["note: try 2", "note: try 3", "note: try 4"],
    )
    assert not list((project.root / "docs").glob(".*.tmp"))


def test_a_repository_that_is_gone_is_an_error_and_not_the_end(project: Project, raw: Raw) -> None:
    (project.root / ".git").rename(project.root / "git.away")
    raw.call(2, "status", {})
    assert raw.answer()["result"]["structuredContent"]["error"]["slug"] == "git"
    raw.send(3, "resources/list", {})
    assert raw.answer()["error"]["data"]["slug"] == "git"
    (project.root / "git.away").rename(project.root / ".git")
    raw.call(4, "status", {})
    assert not raw.answer()["result"]["isError"]


def test_many_calls_leave_neither_processes_nor_open_files(project: Project, raw: Raw) -> None:
    def held() -> tuple[int, int]:
        children = Path(f"/proc/{raw.process.pid}/task/{raw.process.pid}/children")
        handles = list(Path(f"/proc/{raw.process.pid}/fd").iterdir())
        return len(children.read_text().split()), len(handles)

    if not Path("/proc/self/fd").is_dir():
        pytest.skip("needs /proc")
    for number in range(2, 12):
        raw.call(number, "verify", {"initiative": ID})
        raw.answer()
    before = held()
    for number in range(12, 52):
        raw.call(number, "verify", {"initiative": ID})
        raw.answer()
    assert held() <= (before[0] + 1, before[1] + 4)


def test_outside_a_repository_it_says_so_and_ends(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, *MAIN], cwd=tmp_path, capture_output=True, text=True, input=""
    )
    assert done.returncode == 4
    assert "is not inside a git repository" in done.stderr
    assert done.stdout == ""


def test_without_the_sdk_it_says_how_to_install_it(project: Project, tmp_path: Path) -> None:
    code = (
        "import importlib.util as u, sys; find = u.find_spec;"
        "u.find_spec = lambda name, *rest: None if name == 'mcp' else find(name, *rest);"
        "from planctl.cli.app import main; sys.argv = ['planctl', 'mcp']; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, input="")
    assert done.returncode == 4
    assert "`pip install '.[mcp]'` in a clone" in done.stderr

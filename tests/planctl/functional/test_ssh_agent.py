"""Keys that an SSH agent holds: signed with, never seen."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.planctl.functional.conftest import ID, Project
from tests.planctl.functional.signers import Signers, step_of

pytestmark = pytest.mark.skipif(
    not all(shutil.which(name) for name in ("ssh-agent", "ssh-add")),
    reason="ssh-agent is not installed",
)


@pytest.fixture
def agent(tmp_path: Path, signers: Signers) -> Iterator[Path]:
    """Run an agent; return its socket."""
    place = tmp_path / "agent"
    process = subprocess.Popen(
        ["ssh-agent", "-D", "-a", str(place)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while not place.exists():
        time.sleep(0.01)
    signers.monkeypatch.setenv("SSH_AUTH_SOCK", str(place))
    yield place
    process.terminate()
    process.wait(timeout=10)


def load(signers: Signers, name: str) -> None:
    """Give a person's key to the agent, and use it by its public half from now on."""
    subprocess.run(["ssh-add", "-q", str(signers.path(name))], check=True, capture_output=True)
    use(signers, name)


def use(signers: Signers, name: str) -> None:
    public = signers.path(name).with_suffix(".pub")
    public.write_text(signers.keys[name].public.line + "\n")
    signers.monkeypatch.setenv("PLANCTL_SIGNING_KEY", str(public))


def test_the_agent_signs_runs_and_receipts(project: Project, signers: Signers, agent: Path) -> None:
    signers.person("ada", "engineer")
    load(signers, "ada")
    signers.path("ada").unlink()
    project.run_phase("--step", "solo")
    assert step_of(project, "solo")["tier"] == "signed"
    signers.person("ben", "supervisor")
    load(signers, "ben")
    assert project.call("sign", ID, "A", "--step", "solo")[0] == 0
    assert step_of(project, "solo")["tier"] == "countersigned"
    assert "(yours)" in project.call("keys", "list")[1]


def test_a_key_the_agent_does_not_hold_stops_before_anything_runs(
    project: Project, signers: Signers, agent: Path
) -> None:
    key = signers.person("ada", "engineer").public
    use(signers, "ada")
    code, _, err = project.call("run-phase", ID, "A")
    assert code == 4
    assert f"SSH agent: does not hold the key {key.fingerprint}" in err
    assert not project.receipts("solo")


def test_without_an_agent_the_error_says_so(project: Project, signers: Signers) -> None:
    signers.person("ada", "engineer")
    use(signers, "ada")
    signers.monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    assert "SSH_AUTH_SOCK is not set" in project.call("run-phase", ID, "A")[2]
    signers.monkeypatch.setenv("SSH_AUTH_SOCK", "/no/such/socket")
    code, _, err = project.call("run-phase", ID, "A")
    assert code == 4
    assert "cannot be asked" in err


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\0\0\0\1\x05",
        b"\xff\xff\xff\xff",
        b"\0\0\0\5\x0c\xff\xff\xff\xff",
        b"\0\0\0\x09\x0c\0\0\0\1\xff\xff\xff\xff",
    ],
)
def test_an_agent_that_answers_nonsense_is_refused(
    answer: bytes, project: Project, signers: Signers, tmp_path: Path
) -> None:
    signers.person("ada", "engineer")
    use(signers, "ada")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "false"))
        server.listen()

        def serve() -> None:
            peer, _ = server.accept()
            with peer:
                peer.recv(100)
                peer.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        signers.monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "false"))
        code, _, err = project.call("run-phase", ID, "A")
        thread.join(timeout=10)
    assert code == 4
    assert "SSH agent" in err

"""`planctl keys`: keys made, listed, trusted and revoked, and what is never done with them."""

from __future__ import annotations

import json
import os
import pty
import select
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from planctl._signing import is_encrypted, load_private
from tests.planctl.functional.conftest import ID, Project
from tests.planctl.functional.signers import SIGNERS, Signers


def keys(project: Project) -> list[dict[str, object]]:
    code, out, err = project.call("keys", "list", "--json")
    assert code == 0, err
    found: list[dict[str, object]] = json.loads(out)["keys"]
    return found


def test_a_new_key_lies_outside_the_repository_for_its_owner_alone(
    project: Project, isolated_home: Path
) -> None:
    code, out, err = project.call("keys", "new", "--no-passphrase", "--comment", "me@here")
    assert code == 0, err
    private = isolated_home / ".ssh/planctl_ed25519"
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert stat.S_IMODE(private.parent.stat().st_mode) == 0o700
    key = load_private(private.read_bytes(), "key")
    public = private.with_name("planctl_ed25519.pub").read_text()
    assert public == f"{key.public.line} me@here\n"
    assert key.public.fingerprint in out
    assert not project.repo.git("status", "--porcelain")


def test_a_key_is_never_overwritten(project: Project, isolated_home: Path) -> None:
    project.call("keys", "new", "--no-passphrase")
    private = isolated_home / ".ssh/planctl_ed25519"
    before = private.read_bytes()
    code, _, err = project.call("keys", "new", "--no-passphrase")
    assert code == 4
    assert "is there already" in err
    # Nobody is asked for a passphrase in vain; here there is not even a terminal to ask on.
    assert "is there already" in project.call("keys", "new")[2]
    private.unlink()
    assert project.call("keys", "new", "--no-passphrase")[0] == 4  # the public half is there
    assert not private.exists()
    assert before


def test_a_key_does_not_go_into_a_work_tree(project: Project) -> None:
    code, _, err = project.call("keys", "new", "--no-passphrase", "--path", "sub/key")
    assert code == 2
    assert "a private key would be committed" in err
    assert not (project.root / "sub").exists()


def test_without_a_terminal_a_passphrase_is_not_left_out_in_silence(
    project: Project, isolated_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, _, err = project.call("keys", "new")
    assert code == 4
    assert "--no-passphrase" in err
    assert not (isolated_home / ".ssh").exists()
    monkeypatch.setenv("PLANCTL_SIGNING_PASSPHRASE", "secret")
    assert project.call("keys", "new")[0] == 0
    assert is_encrypted((isolated_home / ".ssh/planctl_ed25519").read_bytes())


def on_a_terminal(words: list[str], answers: list[str]) -> tuple[int, str]:
    """Run planctl on a terminal, answer its questions, return exit code and what was shown."""
    child, handle = pty.fork()
    if child == 0:
        program = "from planctl.cli.app import main; main()"
        os.execv(sys.executable, [sys.executable, "-c", program, *words])
    shown, waiting, end = b"", list(answers), time.monotonic() + 30
    while time.monotonic() < end:
        if not select.select([handle], [], [], 0.2)[0]:
            continue
        try:
            piece = os.read(handle, 4096)
        except OSError:
            break
        if not piece:
            break
        shown += piece
        if waiting and shown.endswith(b": "):
            os.write(handle, waiting.pop(0).encode() + b"\n")
    os.close(handle)  # who still asks now gets the end of the file
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), shown.decode()


def test_a_terminal_is_asked_and_shows_no_passphrase(
    proven: Project, signers: Signers, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, shown = on_a_terminal(["keys", "new"], ["hush hush", "hush hush"])
    assert code == 0, shown
    assert "hush" not in shown
    code, shown = on_a_terminal(["keys", "new", "--path", "~/.ssh/two"], ["hush", "hash"])
    assert code == 2
    assert "the two passphrases differ" in shown
    monkeypatch.setenv("PLANCTL_SIGNING_KEY", "~/.ssh/planctl_ed25519")
    code, shown = on_a_terminal(["sign", ID], ["hush hush"])
    assert code == 0, shown
    assert "signed" in shown
    code, shown = on_a_terminal(["sign", ID], ["wrong"])
    assert code == 4
    assert "does not open the key" in shown


def test_a_trusted_key_is_listed_for_planctl_alone(project: Project, signers: Signers) -> None:
    key = signers.person("ada").public
    words = ("keys", "trust", key.line, "--role", "engineer", "--role", "CI job")
    code, out, err = project.call(*words, "--valid-after", "2025-01-02")
    assert code == 0, err
    assert key.fingerprint in out
    line = (project.root / SIGNERS).read_text().splitlines()[-1]
    assert line == (
        f'"engineer,CI job" namespaces="planctl",valid-after="20250102000000Z" {key.line}'
    )
    (listed,) = keys(project)
    assert listed["roles"] == ["engineer", "CI job"]
    assert listed["state"] == "trusted"
    assert not listed["yours"]


def test_the_file_that_was_there_stays_byte_for_byte(project: Project, signers: Signers) -> None:
    first = signers.person("ada", "engineer", options='namespaces="git,planctl"').public
    place = project.root / SIGNERS
    place.write_text("# ours\n\n" + place.read_text().rstrip("\n"))
    before = place.read_text()
    second = signers.person("ben").public
    assert project.call("keys", "trust", second.line, "--role", "boss")[0] == 0
    assert place.read_text().startswith(before + "\n")
    assert [item["fingerprint"] for item in keys(project)] == [
        first.fingerprint,
        second.fingerprint,
    ]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--role", "*"), 2, "is no name of a role"),
        (("--role", "a,b"), 2, "is no name of a role"),
        (("--role", ""), 2, "is no name of a role"),
        (("--role", "a", "--valid-before", "soon"), 2, "`soon` is no time"),
        (
            ("--role", "a", "--valid-after", "2025-01-02", "--valid-before", "2025-01-01"),
            4,
            "not later than",
        ),
    ],
)
def test_what_cannot_be_trusted_changes_nothing(
    words: tuple[str, ...], code: int, said: str, project: Project, signers: Signers
) -> None:
    line = signers.person("ada").public.line
    done, _, err = project.call("keys", "trust", line, *words)
    assert done == code
    assert said in err
    assert not (project.root / SIGNERS).exists()


def test_a_key_with_the_role_already_or_revoked_is_not_trusted_again(
    project: Project, signers: Signers
) -> None:
    key = signers.person("ada", "engineer").public
    code, _, err = project.call("keys", "trust", key.line, "--role", "engineer")
    assert code == 4
    assert f"`{SIGNERS}:1` lists" in err
    assert project.call("keys", "trust", key.line, "--role", "tester")[0] == 0
    assert project.call("keys", "revoke", key.line, "--compromised", "--why", "stolen")[0] == 0
    assert {item["state"] for item in keys(project)} == {"revoked"}
    code, _, err = project.call("keys", "trust", key.line, "--role", "third")
    assert code == 4
    assert "is revoked" in err


def test_revoking_twice_writes_once(project: Project, signers: Signers) -> None:
    key = signers.person("ada", "engineer").public
    for _ in range(2):
        assert project.call("keys", "revoke", key.fingerprint, "--compromised")[0] == 0
    assert (project.root / ".planctl/revoked_keys").read_text().count("ssh-ed25519") == 1


def test_the_states_of_keys(project: Project, signers: Signers) -> None:
    signers.person("a", "a", options='valid-before="20250101Z"')
    signers.person("b", "b", options='valid-after="29990101Z"')
    signers.person("c", "c", options='namespaces="git"')
    signers.person("d", "d")
    signers.be("d")
    assert [(item["roles"], item["state"], item["yours"]) for item in keys(project)] == [
        (["a"], "ended", False),
        (["b"], "not yet", False),
        (["c"], "not for receipts", False),
        (["d"], "trusted", True),
    ]
    assert "signs here: " in project.call("keys", "list")[1]


def test_an_unknown_key_cannot_be_revoked(project: Project, signers: Signers) -> None:
    signers.person("ada", "engineer")
    code, _, err = project.call("keys", "revoke", "SHA256:" + "A" * 43)
    assert code == 4
    assert "does not list" in err
    code, _, err = project.call("keys", "revoke", "no/such/file.pub")
    assert code == 4
    assert "give the `.pub` file" in err
    assert project.call("keys", "revoke", "x", "--compromised", "--from", "2025-01-01")[0] == 2


def test_two_who_trust_at_once_lose_nothing(project: Project, signers: Signers) -> None:
    lines = [signers.person(f"p{number}").public.line for number in range(3)]
    program = "import sys; from planctl.cli.app import main; main()"
    running = [
        subprocess.Popen(
            [sys.executable, "-c", program, "keys", "trust", line, "--role", f"r{number}"],
            stdout=subprocess.DEVNULL,
        )
        for number, line in enumerate(lines)
    ]
    assert [process.wait(timeout=60) for process in running] == [0] * len(lines)
    assert len(keys(project)) == len(lines)

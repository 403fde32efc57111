"""Keys as OpenSSH writes them: read, written, named, refused."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from planctl._signing import (
    KeyFileError,
    PassphraseError,
    PublicKey,
    generate,
    is_encrypted,
    load_private,
    parse_public,
    public_of,
    read_private,
)

needs_ssh = pytest.mark.skipif(
    shutil.which("ssh-keygen") is None, reason="ssh-keygen is not installed"
)
# The example key of RFC 8709 is not ed25519's only spelling; this one was made once for the tests.
LINE = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBkHSzdzKF2ZbnowWqDq5frm+lJl6wwi2TfCYREFZnm0 me"
FINGERPRINT = "SHA256:jQQYfCnx66/mo9Ee8WL0bL6hfPbOFb0Tx3j3SeM+368"
KEYID = "07e4be2734d552c178838f5fb9b5ff7b75ecc9975adb979378ddc66cc2bcfeea"


def keygen(tmp_path: Path, *words: str, passphrase: str = "") -> Path:
    path = tmp_path / "key"
    command = ["ssh-keygen", "-q", "-N", passphrase, "-C", "x", "-f", str(path), *words]
    subprocess.run(command, check=True)
    return path


def test_a_public_line_is_read_and_named() -> None:
    key = parse_public(LINE, "key.pub")
    assert (key.fingerprint, key.keyid, key.comment) == (FINGERPRINT, KEYID, "me")
    assert key.line == LINE


def test_the_comment_is_no_part_of_a_key() -> None:
    assert parse_public(LINE, "a") == parse_public(f"{LINE} too", "b")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("ssh-rsa AAAAB3NzaC1yc2E= x", "`ssh-rsa` is not `ssh-ed25519`"),
        ("ecdsa-sha2-nistp256 AAAA x", "`ecdsa-sha2-nistp256` is not `ssh-ed25519`"),
        ("sk-ssh-ed25519@openssh.com AAAA", "is a key on a security token"),
        ("ssh-ed25519-cert-v01@openssh.com AAAA", "is a certificate"),
        ("ssh-ed25519 !!!!", "the key is no base64"),
        ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBkH", "the key is no ssh-ed25519 key"),
        ("ssh-ed25519", "the key is no ssh-ed25519 key"),
        ("", "`` is not `ssh-ed25519`"),
    ],
)
def test_another_key_is_refused_with_line_and_way_out(line: str, said: str) -> None:
    with pytest.raises(KeyFileError) as caught:
        parse_public(line, "signers", 7)
    assert caught.value.message.startswith("signers:7: ")
    assert said in caught.value.message


@pytest.mark.parametrize("passphrase", [b"", b"secret", "Grüße mit Leerzeichen".encode()])
def test_a_key_comes_back_as_it_was_written(passphrase: bytes) -> None:
    key = generate("me")
    text = key.text(passphrase)
    assert is_encrypted(text) == bool(passphrase)
    again = load_private(text, "key", passphrase or None)
    assert again.public == key.public == public_of(text)
    assert again.public.verifies(again.sign(b"message"), b"message")
    assert not again.public.verifies(again.sign(b"message"), b"other")


@pytest.mark.parametrize(("given", "said"), [(b"wrong", "does not open"), (None, "encrypted")])
def test_a_wrong_or_missing_passphrase_is_named(given: bytes | None, said: str) -> None:
    with pytest.raises(PassphraseError, match=said):
        load_private(generate().text(b"right"), "key", given)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"-----BEGIN RSA PRIVATE KEY-----\n",
        b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n",
        b"-----BEGIN OPENSSH PRIVATE KEY-----\n\xff\xfe\n-----END OPENSSH PRIVATE KEY-----\n",
        generate().text()[:200] + b"\n-----END OPENSSH PRIVATE KEY-----\n",
    ],
)
def test_what_is_no_key_is_refused(content: bytes) -> None:
    with pytest.raises(KeyFileError):
        load_private(content, "key", b"passphrase")
    assert not isinstance(public_of(content), str)


def test_a_signature_of_any_length_is_only_wrong() -> None:
    key = generate().public
    assert not any(key.verifies(b"x" * length, b"") for length in (0, 1, 63, 64, 65, 4096))


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_a_key_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key"
    path.write_bytes(generate().text())
    path.chmod(mode)
    with pytest.raises(KeyFileError, match="can be read by others"):
        read_private(path)


def test_no_private_part_is_shown() -> None:
    key = generate()
    secret = key.text().decode().split("\n")[3]
    assert secret not in repr(key)
    assert "_key" not in repr(key)


@needs_ssh
@pytest.mark.parametrize("passphrase", ["", "pass word"])
def test_a_key_of_ssh_keygen_is_read(tmp_path: Path, passphrase: str) -> None:
    path = keygen(tmp_path, "-t", "ed25519", passphrase=passphrase)
    key = load_private(read_private(path), str(path), passphrase.encode() or None)
    public = parse_public(path.with_suffix(".pub").read_text(), "key.pub")
    assert key.public == public == public_of(path.read_bytes())
    shown = subprocess.run(["ssh-keygen", "-lf", path], capture_output=True, text=True, check=True)
    assert shown.stdout.split()[1] == public.fingerprint


@needs_ssh
@pytest.mark.parametrize("passphrase", ["", "pass word"])
def test_ssh_keygen_reads_a_key_of_planctl(tmp_path: Path, passphrase: str) -> None:
    key = generate()
    path = tmp_path / "key"
    path.write_bytes(key.text(passphrase.encode()))
    path.chmod(0o600)
    shown = subprocess.run(
        ["ssh-keygen", "-y", "-P", passphrase, "-f", path],
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.split()[:2] == key.public.line.split()[:2]


@needs_ssh
@pytest.mark.parametrize("words", [("-t", "rsa", "-b", "2048"), ("-t", "ecdsa")])
def test_other_types_of_ssh_keygen_are_refused_by_name(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    path = keygen(tmp_path, *words)
    with pytest.raises(KeyFileError, match=r"is a key of type (RSA|EC), not ssh-ed25519"):
        load_private(read_private(path), str(path))
    with pytest.raises(KeyFileError, match="is not `ssh-ed25519`"):
        parse_public(path.with_suffix(".pub").read_text(), "key.pub")


def test_equal_keys_are_equal_and_hash_so() -> None:
    one = parse_public(LINE, "a")
    assert len({one, PublicKey(one.raw, "other"), PublicKey(b"\0" * 32)}) == 2

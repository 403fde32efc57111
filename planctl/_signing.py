"""Ed25519 keys as OpenSSH writes them, and raw signatures by them.

The heavy library is imported by the functions that need it: most commands see no key.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
import stat
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from planctl.errors import BadFileError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PrivateKey,
        Ed25519PublicKey,
    )

KEY_TYPE = "ssh-ed25519"
_PREFIX = len(KEY_TYPE).to_bytes(4, "big") + KEY_TYPE.encode() + (32).to_bytes(4, "big")
_OPENSSH = b"-----BEGIN OPENSSH PRIVATE KEY-----"
_MAGIC = b"openssh-key-v1\0"
_MAX_BYTES = 64_000
_MAKE = "`ssh-keygen -t ed25519` or `planctl keys new` makes one that can be used"


class KeyFileError(BadFileError):
    """A key that cannot be used."""

    slug = "bad-key"


class PassphraseError(KeyFileError):
    """The passphrase of a key is wrong or not given."""

    slug = "passphrase"


@dataclass(frozen=True)
class PublicKey:
    """The public half of a key.

    Attributes:
        raw: Its 32 bytes.
        comment: What stands behind it in its line; says nothing.
    """

    raw: bytes
    comment: str = field(default="", compare=False)

    @property
    def encoded(self) -> bytes:
        """The key as SSH spells it: type and bytes."""
        return _PREFIX + self.raw

    @property
    def blob(self) -> str:
        """The base64 part of its line."""
        return base64.b64encode(self.encoded).decode()

    @property
    def line(self) -> str:
        """The key as a line of a `.pub` file."""
        return " ".join(part for part in (KEY_TYPE, self.blob, self.comment) if part)

    @cached_property
    def fingerprint(self) -> str:
        """What `ssh-keygen -l` prints: `SHA256:` and 43 characters."""
        digest = hashlib.sha256(self.encoded).digest()
        return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")

    @cached_property
    def keyid(self) -> str:
        """The id that in-toto's libraries give this key: SHA-256 of its canonical JSON."""
        value = {"keytype": "ed25519", "keyval": {"public": self.raw.hex()}, "scheme": "ed25519"}
        canonical = json.dumps(value, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    @cached_property
    def _checker(self) -> Ed25519PublicKey:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        return Ed25519PublicKey.from_public_bytes(self.raw)

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Tell whether a signature is this key's over these bytes."""
        from cryptography.exceptions import InvalidSignature

        try:
            self._checker.verify(signature, message)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True)
class PrivateKey:
    """A key that can sign."""

    public: PublicKey
    _key: Ed25519PrivateKey = field(repr=False, compare=False)

    def sign(self, message: bytes) -> bytes:
        """Return the raw signature (64 bytes) over a message."""
        return self._key.sign(message)

    def text(self, passphrase: bytes = b"") -> bytes:
        """Return the key as OpenSSH's private key file, encrypted when a passphrase is given."""
        from cryptography.hazmat.primitives import serialization

        lock: serialization.KeySerializationEncryption = serialization.NoEncryption()
        if passphrase:
            lock = serialization.BestAvailableEncryption(passphrase)
        return self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, lock
        )


def generate(comment: str = "") -> PrivateKey:
    """Make a new key."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return _private(Ed25519PrivateKey.generate(), comment)


def _private(key: Ed25519PrivateKey, comment: str) -> PrivateKey:
    return PrivateKey(PublicKey(key.public_key().public_bytes_raw(), comment), key)


def parse_public(words: str, path: str, line: int | None = None) -> PublicKey:
    """Read `ssh-ed25519 AAAA… comment`.

    Args:
        words: The text from the key type on.
        path: File it stands in, for errors; `line` likewise.

    Raises:
        KeyFileError: Another type of key, or no key.
    """
    kind, _, rest = words.strip().partition(" ")
    blob, _, comment = rest.strip().partition(" ")
    if kind != KEY_TYPE:
        raise _other_type(kind, path, line)
    try:
        data = base64.b64decode(blob, validate=True)
    except (binascii.Error, ValueError) as error:
        raise KeyFileError(path, "the key is no base64", line=line) from error
    if not data.startswith(_PREFIX) or len(data) != len(_PREFIX) + 32:
        raise KeyFileError(path, f"the key is no {KEY_TYPE} key", line=line, hint=_MAKE)
    return PublicKey(data[len(_PREFIX) :], comment.strip())


def _other_type(kind: str, path: str, line: int | None) -> KeyFileError:
    shown = kind[:40] if kind.isprintable() else "unprintable"
    if kind.startswith("sk-"):
        return KeyFileError(
            path,
            f"`{shown}` is a key on a security token, which signs more than the bytes given to it",
            line=line,
            hint=_MAKE,
        )
    if "-cert-" in kind:
        return KeyFileError(path, f"`{shown}` is a certificate, not a key", line=line, hint=_MAKE)
    return KeyFileError(path, f"`{shown}` is not `{KEY_TYPE}`", line=line, hint=_MAKE)


def is_encrypted(content: bytes) -> bool:
    """Tell whether an OpenSSH private key asks for a passphrase."""
    parts = _header(content)
    return bool(parts) and parts[0] != b"none"


def public_of(content: bytes) -> PublicKey | None:
    """Return the public half of an OpenSSH private key; it stands there unencrypted.

    Returns:
        None when the content is none, or of another type of key.
    """
    parts = _header(content)
    if len(parts) < 4 or not parts[3].startswith(_PREFIX):
        return None
    return PublicKey(parts[3][len(_PREFIX) :][:32])


def _header(content: bytes) -> list[bytes]:
    """Return cipher, key derivation, its options and public key of an OpenSSH private key."""
    try:
        data = base64.b64decode(b"".join(content.strip().split(b"\n")[1:-1]))
    except binascii.Error:
        return []
    if not data.startswith(_MAGIC):
        return []
    rest, parts = data[len(_MAGIC) :], list[bytes]()
    for skipped in (0, 0, 0, 4):  # the number of keys stands before the first
        length = int.from_bytes(rest[skipped : skipped + 4], "big")
        parts.append(rest[skipped + 4 : skipped + 4 + length])
        rest = rest[skipped + 4 + length :]
    return parts


def read_private(path: Path) -> bytes:
    """Return the content of a private key file.

    Raises:
        KeyFileError: It is not there, no plain file, or others may read it.
    """
    shown = str(path)
    try:
        seen = path.stat()
        if not stat.S_ISREG(seen.st_mode) or seen.st_size > _MAX_BYTES:
            raise KeyFileError(shown, "is no private key file")
        if os.name == "posix" and seen.st_mode & 0o077:
            raise KeyFileError(
                shown,
                f"can be read by others (mode {seen.st_mode & 0o777:04o})",
                hint=f"`chmod 600 {shown}`, as ssh asks too",
            )
        return path.read_bytes()
    except OSError as error:
        raise KeyFileError(
            shown,
            f"the signing key cannot be read: {error.strerror}",
            hint="correct `signing.key` in planctl.toml, or set PLANCTL_SIGNING_KEY "
            "(empty: without a key)",
        ) from error


def load_private(content: bytes, path: str, passphrase: bytes | None = None) -> PrivateKey:
    """Read an OpenSSH private key.

    Args:
        content: The file's bytes.
        path: Its name, for errors.
        passphrase: For an encrypted key.

    Raises:
        PassphraseError: It is encrypted and the passphrase is wrong or missing.
        KeyFileError: Another format or type of key, or damaged.
    """
    if not content.lstrip().startswith(_OPENSSH):
        hint = f"`ssh-keygen -p -f {path}` rewrites a key in OpenSSH's own format"
        raise KeyFileError(path, "is no private key in OpenSSH's format", hint=hint)
    encrypted = is_encrypted(content)
    if encrypted and not passphrase:
        hint = "set PLANCTL_SIGNING_PASSPHRASE, or run this on a terminal, which will ask"
        raise PassphraseError(path, "the key is encrypted and there is no passphrase", hint=hint)
    return _private(_opened(content, path, passphrase if encrypted else None), "")


def _opened(content: bytes, path: str, passphrase: bytes | None) -> Ed25519PrivateKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_ssh_private_key

    try:
        key = load_ssh_private_key(content, passphrase)
    except UnsupportedAlgorithm as error:
        raise KeyFileError(path, f"cannot be read: {error}", hint=_MAKE) from error
    except (ValueError, TypeError) as error:
        if passphrase is not None:
            raise PassphraseError(path, "the passphrase does not open the key") from error
        raise KeyFileError(path, f"is damaged: {error}", hint=_MAKE) from error
    if not isinstance(key, Ed25519PrivateKey):
        kind = type(key).__name__.removesuffix("PrivateKey").lstrip("_")
        raise KeyFileError(path, f"is a key of type {kind}, not {KEY_TYPE}", hint=_MAKE)
    return key

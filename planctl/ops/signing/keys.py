"""Keys made and listed. Nothing secret is ever printed."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from planctl import clock
from planctl._signing import PublicKey, generate
from planctl.errors import PreconditionError, UsageError
from planctl.models.signing.allowed_signers import AllowedSigner, AllowedSigners
from planctl.ops.signing.signer import configured_key, key_path
from planctl.ops.signing.trust import disk_reader, load_signers
from planctl.workspace import Workspace

DEFAULT_PATH = "~/.ssh/planctl_ed25519"


@dataclass(frozen=True)
class NewKey:
    """A key that was made: where its halves lie, and its public line."""

    private: str
    public: str
    fingerprint: str
    line: str
    encrypted: bool


@dataclass(frozen=True)
class TrustedKey:
    """A line of `allowed_signers`.

    Attributes:
        state: `trusted`; or `revoked`, `ended`, `not yet`, `not for receipts`.
        yours: The key that is configured here.
    """

    roles: tuple[str, ...]
    fingerprint: str
    state: str
    line: int
    comment: str
    yours: bool
    valid_after: str | None = None
    valid_before: str | None = None


@dataclass(frozen=True)
class KeyList:
    """Who is trusted, and with which key this machine signs.

    Attributes:
        path: The file of trusted keys.
        signing: Path of the key that signs here, or None; `signing_key` is its fingerprint.
    """

    path: str
    keys: tuple[TrustedKey, ...]
    signing: str | None = None
    signing_key: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for `--json`."""
        return asdict(self)


def new_key(path: Path, comment: str, passphrase: Callable[[], bytes]) -> NewKey:
    """Make an ed25519 key pair; an existing file is never overwritten.

    Args:
        path: Where the private half goes; the public one gets `.pub`.
        comment: Stands behind the public key.
        passphrase: Gives what encrypts the private half, empty for none; asked only when the key
            can be made.

    Raises:
        UsageError: The place is inside a git work tree, or the comment is more than a line.
        PreconditionError: A file is there already.
    """
    path = Path.cwd() / path.expanduser()
    if not comment.isprintable():
        raise UsageError("the comment holds unprintable characters")
    inside = [folder for folder in path.parents if (folder / ".git").exists()]
    if inside:
        raise UsageError(
            f"`{path}` lies in the git work tree `{inside[0]}`: a private key would be committed",
            f"choose another place, such as {DEFAULT_PATH}",
        )
    public = path.with_name(path.name + ".pub")
    for place in (path, public):
        if os.path.lexists(place):
            raise PreconditionError(f"`{place}` is there already", "choose another `--path`")
    secret = passphrase()
    key = generate(comment)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write_new(path, key.text(secret), 0o600)
    _write_new(public, f"{key.public.line}\n".encode(), 0o644)
    fingerprint, line = key.public.fingerprint, key.public.line
    return NewKey(str(path), str(public), fingerprint, line, bool(secret))


def _write_new(path: Path, content: bytes, mode: int) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
    except BaseException:
        path.unlink()
        raise


def list_keys(workspace: Workspace) -> KeyList:
    """Return the trusted keys, with what each is worth now.

    Raises:
        BadFileError: A file that cannot be used; names the line.
    """
    signers = load_signers(disk_reader(workspace), workspace.settings().signing)
    path = key_path(workspace)
    own = configured_key(workspace)
    now = workspace.clock()
    return KeyList(
        path=signers.path,
        keys=tuple(_listed(signers, entry, now, own) for entry in signers.entries),
        signing=None if path is None else str(path),
        signing_key=None if own is None else own.fingerprint,
    )


def _listed(
    signers: AllowedSigners, entry: AllowedSigner, now: dt.datetime, own: PublicKey | None
) -> TrustedKey:
    return TrustedKey(
        roles=entry.principals,
        fingerprint=entry.key.fingerprint,
        state=_state(signers, entry, now),
        line=entry.line,
        comment=entry.key.comment,
        yours=entry.key == own,
        valid_after=None if entry.valid_after is None else clock.iso(entry.valid_after),
        valid_before=None if entry.valid_before is None else clock.iso(entry.valid_before),
    )


def _state(signers: AllowedSigners, entry: AllowedSigner, now: dt.datetime) -> str:
    if entry.key in signers.revoked:
        return "revoked"
    if not entry.for_receipts:
        return "not for receipts"
    if entry.valid_at(now):
        return "trusted"
    return "not yet" if entry.valid_after is not None and now < entry.valid_after else "ended"

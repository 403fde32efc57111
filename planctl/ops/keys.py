"""Keys: made, trusted, listed and revoked. Nothing secret is ever printed."""

from __future__ import annotations

import datetime as dt
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from planctl import clock
from planctl._files import atomic_write, behind_link, read_plain
from planctl._signing import (
    KEY_TYPE,
    KeyFileError,
    PublicKey,
    generate,
    parse_public,
    public_of,
    read_private,
)
from planctl.errors import NotFoundError, PreconditionError, UsageError
from planctl.models.allowed_signers import (
    AllowedSigner,
    AllowedSigners,
    AllowedSignersError,
    parse_allowed_signers,
    parse_revoked,
    parse_time,
)
from planctl.models.allowed_signers_edit import ended, entry_line, with_line
from planctl.models.name_patterns import is_pattern
from planctl.ops.signer import key_path
from planctl.ops.trust import disk_reader, load_signers
from planctl.ops.write_lock import write_lock
from planctl.workspace import Workspace

DEFAULT_PATH = "~/.ssh/planctl_ed25519"
_MAX_BYTES = 1_000_000


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


@dataclass(frozen=True)
class KeyChange:
    """What was written: the files, the key, and whose it is."""

    fingerprint: str
    roles: tuple[str, ...]
    written: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for `--json`."""
        return asdict(self)


def new_key(path: Path, comment: str, passphrase: bytes) -> NewKey:
    """Make an ed25519 key pair; an existing file is never overwritten.

    Args:
        path: Where the private half goes; the public one gets `.pub`.
        comment: Stands behind the public key.
        passphrase: Encrypts the private half; empty for none.

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
    key = generate(comment)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write_new(path, key.text(passphrase), 0o600)
    _write_new(public, f"{key.public.line}\n".encode(), 0o644)
    fingerprint, line = key.public.fingerprint, key.public.line
    return NewKey(str(path), str(public), fingerprint, line, bool(passphrase))


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
    own = None if path is None else public_of(read_private(path))
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


def trust_key(
    workspace: Workspace,
    key: str,
    roles: tuple[str, ...],
    after: str | None = None,
    before: str | None = None,
) -> KeyChange:
    """Add a line to the repository's file of trusted keys.

    Args:
        workspace: The repository.
        key: A `.pub` file, or the line in it.
        roles: What the key speaks for.
        after: From when on, or None; `before` until when. See `moment`.

    Raises:
        UsageError: A role or time that cannot be.
        KeyFileError: No such key, or of another type.
        PreconditionError: The key has one of the roles already, or is revoked.
    """
    public = _public(workspace, key)
    for role in roles:
        if not role or not role.isprintable() or set(role) & set(',"') or is_pattern(role):
            raise UsageError(f"`{role}` is no name of a role", "for example `--role supervisor`")
    settings = workspace.settings().signing
    line = entry_line(public, roles, moment(after), moment(before))
    with write_lock(workspace, "keys trust"):
        signers = load_signers(disk_reader(workspace), settings)
        if public in signers.revoked:
            raise PreconditionError(
                f"{public.fingerprint} is revoked in `{settings.revoked_keys}`", "use a new key"
            )
        for entry in signers.of(public.keyid):
            if set(roles) & set(entry.principals):
                where = f"`{settings.allowed_signers}:{entry.line}`"
                raise PreconditionError(
                    f"{where} lists {public.fingerprint} with such a role already",
                    "edit that line instead",
                )
        text = _text(workspace, settings.allowed_signers)
        changed = with_line(text, line)
        parse_allowed_signers(changed, settings.allowed_signers)
        atomic_write(workspace.root / settings.allowed_signers, changed)
    return KeyChange(public.fingerprint, roles, (settings.allowed_signers,))


def revoke_key(
    workspace: Workspace,
    key: str,
    when: str | None = None,
    why: str = "",
    compromised: bool = False,
) -> KeyChange:
    """Let a key count no more: from a time on, or (compromised) ever.

    Args:
        workspace: The repository.
        key: Its fingerprint, a `.pub` file, or the line in it.
        when: What git first has later does not count; now without it. See `moment`.
        why: Written beside the line.
        compromised: Somebody else has the key: nothing it ever signed counts.

    Raises:
        UsageError: A time or reason that cannot be.
        NotFoundError: The key is not listed.
    """
    if not why.isprintable():
        raise UsageError("the reason holds unprintable characters")
    start = moment(when) or workspace.clock()
    settings = workspace.settings().signing
    with write_lock(workspace, "keys revoke"):
        signers = load_signers(disk_reader(workspace), settings)
        public = _named(workspace, signers, key)
        roles = tuple(dict.fromkeys(r for e in signers.of(public.keyid) for r in e.principals))
        if compromised:
            name = settings.revoked_keys
            text = _text(workspace, name)
            if public not in parse_revoked(text, name):
                note = f"# revoked {clock.iso(workspace.clock())}" + (f": {why}" if why else "")
                text = with_line(
                    with_line(text or "# Keys that count no more.\n", note), public.line
                )
                atomic_write(workspace.root / name, text)
        else:
            name = settings.allowed_signers
            changed = ended(_text(workspace, name), name, public, start, why)
            parse_allowed_signers(changed, name)
            atomic_write(workspace.root / name, changed)
    return KeyChange(public.fingerprint, roles, (name,))


def _named(workspace: Workspace, signers: AllowedSigners, key: str) -> PublicKey:
    if not key.startswith("SHA256:"):
        return _public(workspace, key)
    entries = signers.of(key)
    if not entries:
        raise NotFoundError(
            f"`{signers.path}` does not list {key}", "`planctl keys list` shows what it lists"
        )
    return entries[0].key


def _public(workspace: Workspace, key: str) -> PublicKey:
    if key.startswith(KEY_TYPE):
        return parse_public(key, "the key given")
    path = Path.cwd() / Path(key).expanduser()
    try:
        content = read_plain(path, _MAX_BYTES)
    except OSError as error:
        hint = "give the `.pub` file, or the line in it"
        raise KeyFileError(key, f"cannot be read: {error.strerror}", hint=hint) from error
    found = public_of(content)
    if found is not None:
        return found
    return parse_public(content.decode("utf-8", "replace").split("\n", 1)[0], key)


def _text(workspace: Workspace, name: str) -> str:
    if behind_link(workspace.root, workspace.root / name):
        raise AllowedSignersError(name, "lies behind a symbolic link")
    content = disk_reader(workspace)(name)
    return "" if content is None else content.decode("utf-8")


def moment(text: str | None) -> dt.datetime | None:
    """Read a time given by a person: `2025-11-14`, `2025-11-14T02:48:00Z` or `20251114024800Z`.

    Raises:
        UsageError: None of these.
    """
    if text is None:
        return None
    try:
        if len(text) == 10 and text.count("-") == 2:
            return clock.parse(f"{text}T00:00Z")
        return clock.parse(text) if "T" in text else parse_time(text.rstrip("Z") + "Z")
    except ValueError as error:
        example = "for example 2025-11-14 or 2025-11-14T02:48:00Z (UTC)"
        raise UsageError(f"`{text}` is no time", example) from error

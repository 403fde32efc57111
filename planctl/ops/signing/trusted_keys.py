"""Keys trusted and revoked: changes of the repository's own lists."""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from planctl import clock
from planctl._files import atomic_write, read_plain
from planctl._signing import KEY_TYPE, KeyFileError, PublicKey, parse_public, public_of
from planctl.errors import NotFoundError, PreconditionError, UsageError
from planctl.models.signing.allowed_signers import (
    AllowedSigners,
    parse_allowed_signers,
    parse_revoked,
    parse_time,
)
from planctl.models.signing.allowed_signers_edit import ended, entry_line, with_line
from planctl.models.signing.name_patterns import is_pattern
from planctl.ops.signing.trust import disk_reader, load_signers
from planctl.ops.write_lock import write_lock
from planctl.workspace import Workspace

_MAX_BYTES = 1_000_000


@dataclass(frozen=True)
class KeyChange:
    """What was written: the files, the key, and whose it is."""

    fingerprint: str
    roles: tuple[str, ...]
    written: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for `--json`."""
        return asdict(self)


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

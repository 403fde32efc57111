"""Who signs here: the key of this person, runner or job, opened once."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from getpass import getpass
from pathlib import Path

from planctl import _ssh_agent
from planctl._files import read_plain
from planctl._signing import (
    KeyFileError,
    PrivateKey,
    PublicKey,
    is_encrypted,
    load_private,
    parse_public,
    public_of,
    read_private,
)
from planctl.errors import PreconditionError
from planctl.models.signing.envelope import Signature, pae
from planctl.workspace import Workspace

_MAX_BYTES = 64_000
KEY_VARIABLE = "PLANCTL_SIGNING_KEY"
PASSPHRASE_VARIABLE = "PLANCTL_SIGNING_PASSPHRASE"
SECRETS = (KEY_VARIABLE, PASSPHRASE_VARIABLE)
"""Taken out of the environment of every command that planctl runs."""


@dataclass(frozen=True)
class Signer:
    """A key ready to sign: opened here, or held by an SSH agent."""

    key: PrivateKey | _ssh_agent.AgentKey

    @property
    def public(self) -> PublicKey:
        """Its public half."""
        return self.key.public

    def sign(self, payload: bytes) -> Signature:
        """Sign a Statement as DSSE asks: the raw signature over its pre-authentication encoding."""
        return Signature(self.public.keyid, self.key.sign(pae(payload)))


def key_path(workspace: Workspace) -> Path | None:
    """Return where the signing key lies: `PLANCTL_SIGNING_KEY`, else `signing.key` of planctl.toml.

    An empty variable means: without a key. A `.pub` file means the key that an SSH agent holds.

    Raises:
        BadFileError: planctl.toml cannot be used.
    """
    named = os.environ.get(KEY_VARIABLE)
    if named is None:
        named = workspace.settings().signing.key
        start = workspace.root
    else:
        start = Path.cwd()
    return start / Path(named).expanduser() if named else None


def find_signer(workspace: Workspace) -> Signer | None:
    """Open the configured key, if one is; asks for its passphrase on a terminal.

    Raises:
        KeyFileError: It is configured and cannot be used: nothing is left unsigned in silence.
    """
    path = key_path(workspace)
    if path is None:
        return None
    if path.suffix == ".pub":
        return Signer(_ssh_agent.find(_public(path)))
    content = read_private(path)
    passphrase = _passphrase(path) if is_encrypted(content) else None
    return Signer(load_private(content, str(path), passphrase))


def configured_key(workspace: Workspace) -> PublicKey | None:
    """Return the public half of the configured key; nothing is opened and nobody is asked.

    Raises:
        KeyFileError: It is configured and cannot be read.
    """
    path = key_path(workspace)
    if path is None:
        return None
    return _public(path) if path.suffix == ".pub" else public_of(read_private(path))


def _public(path: Path) -> PublicKey:
    try:
        text = read_plain(path, _MAX_BYTES).decode("utf-8", "replace")
    except OSError as error:
        raise KeyFileError(str(path), f"cannot be read: {error.strerror}") from error
    return parse_public(text.split("\n", 1)[0], str(path))


def need_signer(workspace: Workspace) -> Signer:
    """Open the configured key.

    Raises:
        PreconditionError: None is configured.
        KeyFileError: It cannot be used.
    """
    found = find_signer(workspace)
    if found is None:
        raise PreconditionError(
            "no signing key is configured",
            f"`planctl keys new` makes one; name it in {KEY_VARIABLE} or as `signing.key` in "
            "planctl.toml",
        )
    return found


def _passphrase(path: Path) -> bytes | None:
    given = os.environ.get(PASSPHRASE_VARIABLE)
    if given is None and sys.stdin is not None and sys.stdin.isatty():
        given = getpass(f"passphrase of {path}: ", stream=sys.stderr)
    return None if given is None else given.encode()

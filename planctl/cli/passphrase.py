"""A new passphrase: from the environment or asked twice, never from the command line."""

from __future__ import annotations

import os
import sys
from getpass import getpass

from planctl.errors import PreconditionError, UsageError


def new_passphrase() -> bytes:
    """Return the passphrase of a key to be made; empty when a person leaves it so.

    Raises:
        PreconditionError: There is neither a terminal nor PLANCTL_SIGNING_PASSPHRASE.
        UsageError: The two words typed differ.
    """
    given = os.environ.get("PLANCTL_SIGNING_PASSPHRASE")
    if given:
        return given.encode()
    if sys.stdin is None or not sys.stdin.isatty():
        raise PreconditionError(
            "there is no terminal to ask for a passphrase",
            "set PLANCTL_SIGNING_PASSPHRASE, or say `--no-passphrase`",
        )
    first = getpass("passphrase (empty for none): ", stream=sys.stderr)
    if first != getpass("the same again: ", stream=sys.stderr):
        raise UsageError("the two passphrases differ")
    return first.encode()

"""Changes of an `allowed_signers` text; every other line stays byte for byte."""

from __future__ import annotations

import datetime as dt

from planctl._signing import PublicKey
from planctl.models.signing.allowed_signers import (
    AllowedSigner,
    AllowedSignersError,
    parse_allowed_signers,
    spell_time,
)

HEAD = """\
# Whose keys are trusted here: ROLE[,ROLE…] [OPTIONS] ssh-ed25519 KEY [comment]
# As ssh-keygen(1) describes under ALLOWED SIGNERS. `planctl keys trust` adds a line.
"""


def entry_line(
    key: PublicKey,
    roles: tuple[str, ...],
    after: dt.datetime | None = None,
    before: dt.datetime | None = None,
) -> str:
    """Return the line that trusts a key for receipts alone."""
    options = ['namespaces="planctl"']
    options += [f'valid-after="{spell_time(after)}"'] if after else []
    options += [f'valid-before="{spell_time(before)}"'] if before else []
    names = ",".join(roles)
    principals = f'"{names}"' if " " in names else names
    return f"{principals} {','.join(options)} {key.line}"


def with_line(text: str, line: str) -> str:
    """Return the text with a line more at its end."""
    start = text if text else HEAD
    return start + ("" if start.endswith("\n") else "\n") + line + "\n"


def ended(text: str, path: str, key: PublicKey, when: dt.datetime, why: str = "") -> str:
    """Return the text with every line of a key ending at a time.

    Args:
        text: An `allowed_signers` text that can be read.
        path: Its name, for errors.
        key: The key.
        when: What it signs later does not count; a line that ends earlier stays as it is.
        why: Written above, one line.

    Raises:
        AllowedSignersError: The key is not listed, or counts only from a later time on.
    """
    entries = [i for i in parse_allowed_signers(text, path).entries if i.key == key]
    if not entries:
        raise AllowedSignersError(path, f"does not list the key {key.fingerprint}")
    rows = text.split("\n")
    for entry in reversed(entries):
        if entry.valid_before is not None and entry.valid_before <= when:
            continue
        if entry.valid_after is not None and entry.valid_after >= when:
            hint = "take the line out, or revoke the key with `--compromised`"
            raise AllowedSignersError(
                path,
                f"the key counts from {entry.valid_after:%FT%TZ} on",
                line=entry.line,
                hint=hint,
            )
        note = f"# revoked from {when:%FT%TZ} on" + (f": {why}" if why else "")
        rows[entry.line - 1 : entry.line] = [note, _ending(entry, when)]
    return "\n".join(rows)


def _ending(entry: AllowedSigner, when: dt.datetime) -> str:
    names = ",".join(entry.principals)
    principals = f'"{names}"' if " " in names or "\t" in names else names
    options: list[str] = []
    if entry.namespaces is not None:
        options.append(f'namespaces="{",".join(entry.namespaces)}"')
    if entry.valid_after is not None:
        options.append(f'valid-after="{spell_time(entry.valid_after)}"')
    options.append(f'valid-before="{spell_time(when)}"')
    return f"{principals} {','.join(options)} {entry.key.line}"

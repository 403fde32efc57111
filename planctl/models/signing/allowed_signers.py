"""`allowed_signers`: whose keys are trusted, as ssh-keygen(1) describes the file.

A line is `PRINCIPALS [OPTIONS] ssh-ed25519 AAAA… [comment]`. The principals are roles.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from functools import cached_property

from planctl._signing import PublicKey, parse_public
from planctl.errors import BadFileError
from planctl.models.signing.name_patterns import covers

NAMESPACE = "planctl"
"""What `namespaces=` must take in for a key to count for receipts."""

_KEY_TYPE = re.compile(r"(?:ssh|ecdsa|sk-ssh|sk-ecdsa)-[A-Za-z0-9@.-]+(?: |$)")
_TIME = re.compile(r"(\d{4})(\d\d)(\d\d)(?:(\d\d)(\d\d)(\d\d)?)?(Z|UTC)?")
_MAX_BYTES = 1_000_000
_MAX_PRINCIPALS = 1_000


class AllowedSignersError(BadFileError):
    """A line of `allowed_signers` that cannot be used; nothing is trusted then."""

    slug = "bad-allowed-signers"


@dataclass(frozen=True)
class AllowedSigner:
    """One line: a key, the roles it speaks for, and when.

    Attributes:
        principals: Roles; patterns with `*`, `?` and `!` are allowed.
        namespaces: What the key may sign, or None for anything.
        valid_after: Earliest time of signing, or None; `valid_before` the latest.
    """

    line: int
    principals: tuple[str, ...]
    key: PublicKey
    namespaces: tuple[str, ...] | None = None
    valid_after: dt.datetime | None = None
    valid_before: dt.datetime | None = None

    @property
    def for_receipts(self) -> bool:
        """The key may sign receipts."""
        return self.namespaces is None or covers(self.namespaces, NAMESPACE)

    def valid_at(self, when: dt.datetime) -> bool:
        """Tell whether a signature made at a time counts."""
        after = self.valid_after is None or when >= self.valid_after
        return after and (self.valid_before is None or when <= self.valid_before)


@dataclass(frozen=True)
class AllowedSigners:
    """A whole file.

    Attributes:
        path: Where it was read, for texts.
        revoked: Keys that count no more, whenever they signed.
    """

    path: str
    entries: tuple[AllowedSigner, ...] = ()
    revoked: frozenset[PublicKey] = frozenset()

    @cached_property
    def _by_id(self) -> dict[str, tuple[AllowedSigner, ...]]:
        found: dict[str, tuple[AllowedSigner, ...]] = {}
        for entry in self.entries:
            for name in (entry.key.keyid, entry.key.fingerprint):
                found[name] = (*found.get(name, ()), entry)
        return found

    def of(self, keyid: str) -> tuple[AllowedSigner, ...]:
        """Return the lines of the key with an id (in-toto's, or its fingerprint)."""
        return self._by_id.get(keyid, ())


def parse_allowed_signers(
    text: str, path: str, revoked: frozenset[PublicKey] = frozenset()
) -> AllowedSigners:
    """Read an `allowed_signers` file.

    Args:
        text: Its content.
        path: Its name, for errors.
        revoked: From `parse_revoked`.

    Raises:
        AllowedSignersError: A line that cannot be used, with its number.
        KeyFileError: A key of another type, with its line.
    """
    if len(text) > _MAX_BYTES:
        raise AllowedSignersError(path, f"is larger than {_MAX_BYTES:,} bytes")
    lines = _lines(text)
    return AllowedSigners(path, tuple(_entry(row, path, number) for number, row in lines), revoked)


def parse_revoked(text: str, path: str) -> frozenset[PublicKey]:
    """Read a list of revoked keys: a public key a line, as `ssh-keygen -Y verify -r` takes it.

    Raises:
        KeyFileError: A line that is no ed25519 key.
    """
    if text.startswith("SSHKRL"):
        hint = "write the public keys, one a line"
        raise AllowedSignersError(path, "is a binary revocation list", hint=hint)
    return frozenset(parse_public(row, path, number) for number, row in _lines(text))


def _lines(text: str) -> list[tuple[int, str]]:
    rows = ((number, row.strip(" \t\r")) for number, row in enumerate(text.split("\n"), 1))
    return [(number, row) for number, row in rows if row and not row.startswith("#")]


def _entry(row: str, path: str, number: int) -> AllowedSigner:
    def fail(detail: str, hint: str | None = None) -> AllowedSignersError:
        return AllowedSignersError(path, detail, line=number, hint=hint)

    try:
        if _KEY_TYPE.match(row):
            raise fail("starts with the key; whose it is stands before it", "ROLE ssh-ed25519 …")
        first, rest = _word(row)
        options, key = ("", rest) if _KEY_TYPE.match(rest) else _word(rest)
        principals = tuple(item for item in _dequoted(first).split(",") if item)
        if not principals or not rest:
            hint = "a line is: ROLE[,ROLE…] [OPTIONS] ssh-ed25519 AAAA… [comment]"
            raise fail("has no principals or no key", hint)
        if len(principals) > _MAX_PRINCIPALS or not first.isprintable():
            raise fail("its principals are too many, or unprintable")
        chosen = _options(options)
        if "cert-authority" in chosen:
            raise fail(
                "`cert-authority` is not supported: receipts are signed by keys, not certificates",
                "list the key of each signer on a line of its own",
            )
        return AllowedSigner(
            line=number,
            principals=principals,
            key=parse_public(key, path, number),
            namespaces=_names(chosen.get("namespaces")),
            **_validity(chosen),
        )
    except ValueError as error:
        raise fail(str(error)) from error


def _names(listed: str | None) -> tuple[str, ...] | None:
    return None if listed is None else tuple(item for item in listed.split(",") if item)


def _word(text: str) -> tuple[str, str]:
    """Cut the first word off a line; blanks within double quotes belong to it."""
    quoted = False
    for place, char in enumerate(text):
        if char == '"' and text[place - 1 : place] != "\\":
            quoted = not quoted
        elif char in " \t" and not quoted:
            return text[:place], text[place:].lstrip(" \t")
    if quoted:
        raise ValueError("a double quote is not closed")
    return text, ""


def _dequoted(word: str) -> str:
    return word[1:-1] if len(word) > 1 and word[0] == word[-1] == '"' else word


def _options(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for item in _split(text):
        name, sign, value = item.partition("=")
        name = name.lower()
        if name not in ("cert-authority", "namespaces", "valid-after", "valid-before"):
            raise ValueError(f"unknown option `{item[:60]}`")
        if name in found:
            raise ValueError(f"option `{name}` stands twice")
        plain = name == "cert-authority"
        if plain != (not sign) or (not plain and (len(value) < 2 or _dequoted(value) == value)):
            form = name if plain else f'{name}="…"'
            raise ValueError(f"option `{item[:60]}` must be written `{form}`")
        found[name] = _dequoted(value).replace('\\"', '"')
    return found


def _split(text: str) -> list[str]:
    """Split options at the commas that stand outside double quotes."""
    parts, quoted = [""], False
    for place, char in enumerate(text):
        if char == '"' and text[place - 1 : place] != "\\":
            quoted = not quoted
        if char == "," and not quoted:
            parts.append("")
        else:
            parts[-1] += char
    return parts if text else []


def _validity(options: dict[str, str]) -> dict[str, dt.datetime]:
    found = {
        name.replace("-", "_"): parse_time(options[name])
        for name in ("valid-after", "valid-before")
        if name in options
    }
    if len(found) == 2 and found["valid_before"] <= found["valid_after"]:
        raise ValueError("`valid-before` is not later than `valid-after`")
    return found


def parse_time(text: str) -> dt.datetime:
    """Read `YYYYMMDD[HHMM[SS]][Z]`: UTC with `Z`, else this machine's time zone, as OpenSSH does.

    Raises:
        ValueError: Not such a time.
    """
    match = _TIME.fullmatch(text)
    if match is None:
        raise ValueError(f"`{text[:40]}` is no time: YYYYMMDD[HHMM[SS]][Z] is asked for")
    *parts, zone = match.groups()
    numbers = [int(part or 0) for part in parts]
    try:
        when = dt.datetime(*numbers)  # type: ignore[arg-type]
        return when.replace(tzinfo=dt.UTC) if zone else when.astimezone(dt.UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"`{text}` is no time: {error}") from error


def spell_time(when: dt.datetime) -> str:
    """Write a time as `allowed_signers` has it, in UTC: `20251114024800Z`."""
    return when.astimezone(dt.UTC).strftime("%Y%m%d%H%M%SZ")

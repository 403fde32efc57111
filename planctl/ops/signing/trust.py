"""Trust: which signatures of a receipt count, whose they are, and why the others do not."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from planctl._files import behind_link, read_plain
from planctl._git import Commit, Repository
from planctl._git_history import earliest_times
from planctl._signing import PublicKey
from planctl.errors import BadFileError, ReceiptError
from planctl.models.plan.plan import Plan
from planctl.models.receipt import payload_digest
from planctl.models.settings import Settings
from planctl.models.signing.allowed_signers import (
    NAMESPACE,
    AllowedSigner,
    AllowedSigners,
    AllowedSignersError,
    parse_allowed_signers,
    parse_revoked,
)
from planctl.models.signing.envelope import Signature, pae, parse_envelope
from planctl.models.signing.policy import Policy, Requirement, SigningSettings
from planctl.models.signing.signed import Judged
from planctl.ops.receipts import LoadedReceipt
from planctl.workspace import SETTINGS, Workspace

_MAX_BYTES = 1_000_000
_LAST = 253_402_300_799  # 9999-12-31T23:59:59Z


@dataclass(frozen=True)
class Auditor:
    """What somebody outside the repository asks for, whatever its own files say.

    Attributes:
        allowed_signers: A file of trusted keys that replaces the repository's.
        require: What every phase must carry at least.
    """

    allowed_signers: Path | None = None
    require: Requirement = Requirement.RECORDED


class Trust:
    """The trusted keys of a repository, or an auditor's.

    Args:
        signers: The keys.
        now: The time of signatures that are not committed yet.
        made: When a commit was made; by default, what it says of itself.
    """

    def __init__(
        self,
        signers: AllowedSigners,
        now: dt.datetime,
        made: Callable[[Commit], dt.datetime] = lambda commit: commit.committed,
    ) -> None:
        self.signers = signers
        self._now = now
        self._made = made

    def judge(
        self, signatures: Iterable[Signature], payload: bytes, past: Past
    ) -> tuple[Judged, ...]:
        """Look at the signatures over a payload; copies of one signature count once.

        Args:
            signatures: As they stand in the envelope.
            payload: What they should be over.
            past: When git first had them.
        """
        message = pae(payload)
        return tuple(self._one(item, message, past) for item in dict.fromkeys(signatures))

    def _one(self, signature: Signature, message: bytes, past: Past) -> Judged:
        entries = self.signers.of(signature.keyid)
        since = past.since(signature)
        commit = None if since is None else since.id
        if not entries:
            text = f"key `{signature.keyid[:80]}` is not in `{self.signers.path}`: untrusted"
            return Judged(signature.keyid, False, text, commit=commit)
        key, roles = entries[0].key, _roles(entries)
        problem = self._problem(entries, signature, message, since)
        if problem is not None:
            text = f"key {key.fingerprint} of {_quoted(roles)}: {problem}"
            return Judged(signature.keyid, False, text, key, roles, commit)
        roles = _roles(item for item in self._usable(entries) if self._in_time(item, since))
        text = f"{_quoted(roles)} ({key.fingerprint})"
        return Judged(signature.keyid, True, text, key, roles, commit)

    def _problem(
        self,
        entries: tuple[AllowedSigner, ...],
        signature: Signature,
        message: bytes,
        since: Commit | None,
    ) -> str | None:
        key = entries[0].key
        if not key.verifies(signature.sig, message):
            return "its signature is over other bytes than this receipt's"
        if key in self.signers.revoked:
            return "the key is revoked; nothing it ever signed counts"
        usable = self._usable(entries)
        if not usable:
            allowed = [name for entry in entries for name in entry.namespaces or ()]
            return (
                f"the key may sign in the namespaces {_quoted(allowed)} only, not in `{NAMESPACE}`"
            )
        if any(self._in_time(entry, since) for entry in usable):
            return None
        return _out_of_time(usable[-1], self._when(since), since)

    def _usable(self, entries: tuple[AllowedSigner, ...]) -> tuple[AllowedSigner, ...]:
        return tuple(entry for entry in entries if entry.for_receipts)

    def _in_time(self, entry: AllowedSigner, since: Commit | None) -> bool:
        # Most keys count at any time; history is asked for the others alone.
        always = entry.valid_after is None and entry.valid_before is None
        return always or entry.valid_at(self._when(since))

    def _when(self, since: Commit | None) -> dt.datetime:
        return self._now if since is None else self._made(since)


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _roles(entries: Iterable[AllowedSigner]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(role for entry in entries for role in entry.principals))


def _out_of_time(entry: AllowedSigner, when: dt.datetime, since: Commit | None) -> str:
    """Say why a key did not count at the time of signing.

    A signature carries no time that its maker could not choose. What is known is when git first
    had it; one that is not committed was made now.
    """
    first = f"at {when:%FT%TZ}, in commit {since.id[:8]}" if since else "now: it is not committed"
    if entry.valid_after is not None and when < entry.valid_after:
        return f"the key counts from {entry.valid_after:%FT%TZ} on; git first had this {first}"
    assert entry.valid_before is not None
    return f"the key was revoked from {entry.valid_before:%FT%TZ} on; git first had this {first}"


def commit_clock(repo: Repository) -> Callable[[Commit], dt.datetime]:
    """Return when a commit was made: never before what it contains; history is walked once."""
    known: dict[str, int] = {}

    def made(commit: Commit) -> dt.datetime:
        if not known:
            known.update(earliest_times(repo))
        seconds = known.get(commit.id)
        if seconds is None:
            return commit.committed
        return max(commit.committed, dt.datetime.fromtimestamp(min(seconds, _LAST), dt.UTC))

    return made


class Past:
    """What the history of one receipt's file says of its signatures.

    Args:
        versions: (commit, signatures) of the same payload, oldest first.
        payload: The payload, when one of the versions was signed.
    """

    def __init__(
        self,
        versions: Iterable[tuple[Commit, tuple[Signature, ...]]] = (),
        payload: bytes = b"",
    ) -> None:
        self.payload = payload
        self._since: dict[Signature, Commit] = {}
        for commit, signatures in versions:
            for signature in signatures:
                self._since.setdefault(signature, commit)

    def since(self, signature: Signature) -> Commit | None:
        """Return the commit that first held a signature, or None."""
        return self._since.get(signature)

    def removed(self, now: Iterable[Signature]) -> tuple[Signature, ...]:
        """Return the signatures git once had that are not among those of now."""
        there = set(now)
        return tuple(item for item in self._since if item not in there)


def pasts(repo: Repository, loaded: Iterable[LoadedReceipt]) -> dict[str, Past]:
    """Return the past of every receipt that was ever signed, by path; one question to git for all.

    Args:
        repo: The repository.
        loaded: The receipts; most never change, and the commit that added them says it all.
    """
    found: dict[str, Past] = {}
    moved: list[LoadedReceipt] = []
    for item in loaded:
        if item.added is None or item.stored is None:
            continue
        if item.changed or item.added.later:
            moved.append(item)
        elif item.signatures:
            found[item.path] = Past([(item.added.commit, item.signatures)], item.payload)
    blobs = repo.blobs(
        version.blob for item in moved if item.added for version in (item.added, *item.added.later)
    )
    return found | {item.path: _past(item, blobs) for item in moved}


def _past(item: LoadedReceipt, blobs: dict[str, bytes]) -> Past:
    assert item.added is not None
    assert item.stored is not None
    versions: list[tuple[Commit, tuple[Signature, ...]]] = []
    payload = item.payload
    for version in (item.added, *reversed(item.added.later)):
        try:
            envelope = parse_envelope(blobs.get(version.blob, b""), item.path)
        except ReceiptError:
            continue  # what is no envelope holds no signature
        if payload_digest(envelope.payload) == item.stored.payload_sha256:
            payload = envelope.payload
            versions.append((version.commit, envelope.signatures))
    return Past(versions, payload)


Reader = Callable[[str], bytes | None]
"""From a repository-relative path to its bytes, or None when nothing is there."""


def disk_reader(workspace: Workspace) -> Reader:
    """Return how the files of the work tree are read; nothing behind a link is believed."""

    def read(name: str) -> bytes | None:
        place = workspace.root / name
        if not os.path.lexists(place):
            return None
        if behind_link(workspace.root, place):
            hint = "make it a file of its own"
            raise AllowedSignersError(name, "lies behind a symbolic link", hint=hint)
        return _bytes(place, name)

    return read


def policy_of(workspace: Workspace, plan: Plan, settings: Settings) -> Policy:
    """Return the repository's policy.

    Raises:
        BadFileError: A line of the policy names nothing.
    """
    policy = settings.policy
    if not policy.phases:
        return policy
    lost = policy.strangers([*workspace.initiatives(), plan.id], plan.id, list(plan.phases))
    if lost:
        raise BadFileError(
            SETTINGS,
            "there is no such initiative or phase; the line would protect nothing",
            key=f'policy.phases."{lost[0]}"',
            hint="correct it, or take it out",
        )
    return policy


def load_signers(
    read: Reader, settings: SigningSettings, instead: Path | None = None
) -> AllowedSigners:
    """Read the trusted keys; without a file nobody is trusted.

    Args:
        read: How files of the repository are read.
        settings: Where they lie.
        instead: A file that replaces the repository's; it must be there.

    Raises:
        BadFileError: A file that cannot be used; names the line.
    """
    content = read(settings.revoked_keys)
    revoked = frozenset[PublicKey]()
    if content is not None:
        revoked = parse_revoked(_text(content, settings.revoked_keys), settings.revoked_keys)
    shown = settings.allowed_signers if instead is None else str(instead)
    content = read(shown) if instead is None else _bytes(instead, shown)
    return parse_allowed_signers(_text(content or b"", shown), shown, revoked)


def _bytes(path: Path, shown: str) -> bytes:
    try:
        return read_plain(path, _MAX_BYTES)
    except OSError as error:
        raise AllowedSignersError(shown, f"cannot be read: {error.strerror or error}") from error


def _text(content: bytes, shown: str) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise AllowedSignersError(shown, f"is not UTF-8 at byte {error.start}") from error

"""Receipts on disk: written once, read back, compared with what git first committed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from planctl._files import atomic_write, behind_link, git_blob_id
from planctl._git import Added, Repository
from planctl.errors import ReceiptError
from planctl.models import strict_json
from planctl.models.plan.plan import Plan
from planctl.models.receipt import (
    Receipt,
    StoredReceipt,
    file_name,
    parse_receipt,
    payload_bytes,
    payload_digest,
)
from planctl.models.signing.envelope import MAX_BYTES, Signature, envelope_text, parse_envelope
from planctl.ops.facts import Facts, fact, rules
from planctl.ops.signing.signer import Signer
from planctl.workspace import Hub, Workspace

EVIDENCE = ("*/*/receipts/*.json", "*/*/replays/*.json")
"""Where records lie below the folder of an initiative's hubs; one walk tells of both."""


@dataclass(frozen=True)
class LoadedReceipt:
    """A receipt file as found, or as git first had it.

    Attributes:
        path: Repository-relative path.
        stored: The receipt; what git first committed when the file is no longer that. None when
            neither can be read.
        broken: Why it is not intact, or None.
        gone: What became of a file that git had and that is not there, or None.
        signatures: What stands in its envelope; nothing is known of them yet.
        payload: What they are over; empty without signatures.
        added: Where git has it from, and what later commits made of it.
        changed: The file is not what git first had; perhaps signatures came to it.
    """

    path: str
    stored: StoredReceipt | None
    broken: str | None = None
    gone: str | None = None
    signatures: tuple[Signature, ...] = ()
    payload: bytes = field(default=b"", repr=False)
    added: Added | None = field(default=None, repr=False)
    changed: bool = False

    @property
    def holds(self) -> bool:
        """It is there as it was written."""
        return self.stored is not None and self.broken is None and self.gone is None


def write_receipt(
    hub: Hub,
    receipt: Receipt,
    signer: Signer | None = None,
    before: Callable[[StoredReceipt], None] | None = None,
) -> StoredReceipt:
    """Write a receipt into its hub; its payload is never changed again.

    Args:
        hub: Where it belongs.
        receipt: What was seen.
        signer: Signs it, if there is a key.
        before: Is told of it before it is written.

    Returns:
        The receipt with its path and payload digest.
    """
    payload = payload_bytes(receipt)
    digest = payload_digest(payload)
    path = hub.receipts / file_name(receipt, digest)
    signatures = () if signer is None else (signer.sign(payload),)
    name = path.relative_to(hub.root).as_posix()
    stored = StoredReceipt(path=name, payload_sha256=digest, receipt=receipt)
    if before is not None:
        before(stored)
    atomic_write(path, envelope_text(payload, signatures))
    return stored


class Shelf:
    """Where receipt files come from: the disk, here.

    Args:
        workspace: The repository.
        hubs: The hubs whose receipts count.
        facts: What earlier runs have seen of payloads.
    """

    facts: Facts | None = None
    known: dict[tuple[str, bytes], object] | None = None

    def __init__(self, workspace: Workspace, hubs: list[Hub], facts: Facts | None = None) -> None:
        self._root = workspace.root
        self.known = workspace.known
        self._hubs = hubs
        self.facts = facts

    def hubs(self) -> dict[str, str | None]:
        """Return hub → why its receipts cannot be believed, or None."""
        linked = "its folder lies behind a symbolic link"
        return {
            hub.name: linked if behind_link(hub.root, hub.receipts) else None for hub in self._hubs
        }

    def paths(self, hub: str) -> list[str]:
        """Return the repository-relative paths of a hub's receipts."""
        found = (self._root / hub / "receipts").glob("*.json")
        return sorted(path.relative_to(self._root).as_posix() for path in found)

    def content(self, path: str) -> bytes:
        """Return the bytes of a receipt.

        Raises:
            ReceiptError: No plain file, or too large.
        """
        return _read(self._root / path, path)

    def blob(self, path: str) -> str:
        """Return the git blob id of a receipt as it lies there."""
        return git_blob_id(self._root / path)

    def lies(self, path: str) -> bool:
        """Tell whether anything is there under that path."""
        return os.path.lexists(self._root / path)

    def load(self, hub: str, path: str) -> LoadedReceipt:
        """Read one receipt of a hub."""
        return _one(self, hub, path)


def recorded(workspace: Workspace, plan: Plan) -> dict[str, Added]:
    """Return where each receipt and replay of a plan first entered history."""
    below = workspace.relative(workspace.reports(plan))
    return workspace.repo.first_added([f"{below}/{name}" for name in EVIDENCE], globs=True)


def receipts_of(
    workspace: Workspace,
    plan: Plan,
    hub: Hub | None,
    facts: Facts | None = None,
    added: dict[str, Added] | None = None,
) -> list[LoadedReceipt]:
    """Return the receipts that count for a plan: of a scratch hub alone, else of all its hubs.

    A receipt is intact when it lies in the hub it names, its file's name carries its payload's
    digest, and its payload is the one git first committed under that name. A receipt that git once
    had is never lost: deleted or overwritten, it is read from history.

    Args:
        workspace: The repository.
        plan: The plan.
        hub: A scratch hub, or None.
        facts: What earlier runs have seen of payloads.
        added: What `recorded` would return, when that is known.

    Returns:
        Oldest first by planctl's clock.
    """
    if hub is not None and hub.scratch:
        return load(Shelf(workspace, [hub], facts), workspace.repo, {})
    added = recorded(workspace, plan) if added is None else added
    own = {path: first for path, first in added.items() if "/receipts/" in path}
    return load(Shelf(workspace, workspace.hubs(plan), facts), workspace.repo, own)


def intact_receipts(workspace: Workspace, plan: Plan, hub: Hub | None) -> list[StoredReceipt]:
    """Return those receipts of a plan that are there as they were written."""
    loaded = receipts_of(workspace, plan, hub)
    return [item.stored for item in loaded if item.stored is not None and item.holds]


def load(shelf: Shelf, repo: Repository, added: dict[str, Added]) -> list[LoadedReceipt]:
    """Read every receipt of a shelf, and those that git once had.

    Args:
        shelf: Where they lie.
        repo: Where git's first versions come from.
        added: Where each receipt first entered history.
    """
    found: list[LoadedReceipt] = []
    hubs = shelf.hubs()
    for hub, problem in hubs.items():
        if problem is not None:
            found.append(LoadedReceipt(f"{hub}/receipts", None, problem))
            continue
        found += [shelf.load(hub, path) for path in shelf.paths(hub)]
    there = {item.path for item in found}
    found += [
        LoadedReceipt(path, None, gone=f"commit {first.commit.id[:8]} added it", added=first)
        for path, first in added.items()
        # What is only there through a link is not what git had.
        if path not in there and (hubs.get(_hub_of(path)) or not shelf.lies(path))
    ]
    found = [_with_past(shelf, item, added.get(item.path)) for item in found]
    blobs = repo.blobs(item.added.blob for item in found if item.changed and item.added)
    found = [
        _compared(item, item.added, blobs) if item.changed and item.added else item
        for item in found
    ]
    return sorted(found, key=lambda item: item.path.rpartition("/")[2])


def _hub_of(path: str) -> str:
    return path.rpartition("/receipts/")[0]


def _one(shelf: Shelf, hub: str, path: str) -> LoadedReceipt:
    try:
        content = shelf.content(path)
        key = (path, hashlib.sha256(content).digest())
        known = None if shelf.known is None else shelf.known.get(key)
        if isinstance(known, LoadedReceipt):
            return known
        found = _parsed(content, path, shelf.facts)
    except ReceiptError as error:
        return LoadedReceipt(path, None, error.message.removeprefix(f"{path}: "))
    assert found.stored is not None
    found = replace(found, broken=_misplaced(hub, path, found.stored))
    if shelf.known is not None:
        shelf.known[key] = found
    return found


def _parsed(content: bytes, shown: str, facts: Facts | None = None) -> LoadedReceipt:
    envelope = parse_envelope(content, shown)
    digest = payload_digest(envelope.payload)
    known = fact("json", rules(strict_json), digest)
    receipt = parse_receipt(envelope.payload, shown, strict=facts is None or known not in facts)
    if facts is not None:
        facts.add(known)
    stored = StoredReceipt(path=shown, payload_sha256=digest, receipt=receipt)
    payload = envelope.payload if envelope.signatures else b""
    return LoadedReceipt(shown, stored, signatures=envelope.signatures, payload=payload)


def _with_past(shelf: Shelf, item: LoadedReceipt, first: Added | None) -> LoadedReceipt:
    if first is None:
        return item
    changed = not item.holds or shelf.blob(item.path) != first.blob
    return replace(item, added=first, changed=changed)


def _compared(item: LoadedReceipt, first: Added, blobs: dict[str, bytes]) -> LoadedReceipt:
    """Return a receipt whose file is not what git first had, told by that."""
    content = blobs.get(first.blob, b"")
    try:
        payload = parse_envelope(content, item.path).payload
        # Another file is still the same receipt if only signatures came to it.
        if item.stored and item.stored.payload_sha256 == payload_digest(payload):
            return item
        original = _parsed(content, item.path)
    except ReceiptError:
        return item
    differs = f"payload differs from what commit {first.commit.id[:8]} first added"
    broken = item.broken or (None if item.gone else differs)
    return replace(original, broken=broken, gone=item.gone, added=first, changed=True)


def _read(path: Path, shown: str) -> bytes:
    if path.is_symlink() or not path.is_file():
        raise ReceiptError(shown, "is not a plain file")
    if os.path.getsize(path) > MAX_BYTES:
        raise ReceiptError(shown, f"is larger than {MAX_BYTES:,} bytes")
    return path.read_bytes()


def _misplaced(hub: str, path: str, stored: StoredReceipt) -> str | None:
    wanted = file_name(stored.receipt, stored.payload_sha256)
    if path.rpartition("/")[2] != wanted:
        named, digest = Path(path).stem.rsplit("_", 1)[-1], stored.payload_sha256[:16]
        if named == digest:
            return f"it is called otherwise than `{wanted}`, as its payload says"
        return f"payload is {digest} but the name says `{named}`"
    if stored.receipt.hub != hub:
        return f"it was recorded in `{stored.receipt.hub}` and does not count here"
    return None


def tips(receipts: list[StoredReceipt]) -> tuple[str, ...]:
    """Return the payload digests that no other receipt of the list names as `previous`."""
    named = {digest for item in receipts for digest in item.receipt.previous}
    return tuple(sorted({item.payload_sha256 for item in receipts} - named))

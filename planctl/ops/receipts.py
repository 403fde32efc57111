"""Receipts on disk: written once, read back, compared with what git first committed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from planctl._files import atomic_write, behind_link, git_blob_id
from planctl._git import Added
from planctl.errors import ReceiptError
from planctl.models.envelope import MAX_BYTES, envelope_text, parse_envelope
from planctl.models.plan import Plan
from planctl.models.receipt import (
    Receipt,
    StoredReceipt,
    file_name,
    parse_receipt,
    payload_bytes,
    payload_digest,
)
from planctl.workspace import Hub, Workspace


@dataclass(frozen=True)
class LoadedReceipt:
    """A receipt file as found, or as git first had it.

    Attributes:
        path: Repository-relative path.
        stored: The receipt; what git first committed when the file is no longer that. None when
            neither can be read.
        broken: Why it is not intact, or None.
        gone: What became of a file that git had and that is not there, or None.
    """

    path: str
    stored: StoredReceipt | None
    broken: str | None = None
    gone: str | None = None

    @property
    def holds(self) -> bool:
        """It is there as it was written."""
        return self.stored is not None and self.broken is None and self.gone is None


def write_receipt(hub: Hub, receipt: Receipt) -> StoredReceipt:
    """Write a receipt into its hub; the file is never changed again.

    Returns:
        The receipt with its path and payload digest.
    """
    payload = payload_bytes(receipt)
    digest = payload_digest(payload)
    path = hub.receipts / file_name(receipt, digest)
    atomic_write(path, envelope_text(payload))
    name = path.relative_to(hub.root).as_posix()
    return StoredReceipt(path=name, payload_sha256=digest, receipt=receipt)


def receipts_of(workspace: Workspace, plan: Plan, hub: Hub | None) -> list[LoadedReceipt]:
    """Return the receipts that count for a plan: of a scratch hub alone, else of all its hubs.

    A receipt is intact when it lies in the hub it names, its file's name carries its payload's
    digest, and its payload is the one git first committed under that name. A receipt that git once
    had is never lost: deleted or overwritten, it is read from history.

    Returns:
        Oldest first by planctl's clock.
    """
    if hub is not None and hub.scratch:
        return _load([hub], workspace, {})
    below = f"{workspace.relative(workspace.reports(plan))}/*/*/receipts/*.json"
    return _load(workspace.hubs(plan), workspace, workspace.repo.first_added([below], globs=True))


def intact_receipts(workspace: Workspace, plan: Plan, hub: Hub | None) -> list[StoredReceipt]:
    """Return those receipts of a plan that are there as they were written."""
    loaded = receipts_of(workspace, plan, hub)
    return [item.stored for item in loaded if item.stored is not None and item.holds]


def _load(hubs: list[Hub], workspace: Workspace, added: dict[str, Added]) -> list[LoadedReceipt]:
    found: list[LoadedReceipt] = []
    for hub in hubs:
        if behind_link(hub.root, hub.receipts):
            shown = workspace.relative(hub.receipts)
            found.append(LoadedReceipt(shown, None, "its folder lies behind a symbolic link"))
            continue
        found += [_one(hub, path) for path in sorted(hub.receipts.glob("*.json"))]
    there = {item.path for item in found}
    found += [
        LoadedReceipt(path, None, gone=f"commit {first.commit.id[:8]} added it")
        for path, first in added.items()
        if path not in there and not os.path.lexists(workspace.root / path)
    ]
    changed = {item.path: added[item.path] for item in found if _changed(workspace, item, added)}
    blobs = workspace.repo.blobs(first.blob for first in changed.values())
    found = [
        _compared(item, changed[item.path], blobs) if item.path in changed else item
        for item in found
    ]
    return sorted(found, key=lambda item: Path(item.path).name)


def _one(hub: Hub, path: Path) -> LoadedReceipt:
    shown = path.relative_to(hub.root).as_posix()
    try:
        content = _read(path, shown)
        stored = _parsed(content, shown)
    except ReceiptError as error:
        return LoadedReceipt(shown, None, error.message.removeprefix(f"{shown}: "))
    return LoadedReceipt(shown, stored, _misplaced(hub, path, stored))


def _parsed(content: bytes, shown: str) -> StoredReceipt:
    payload = parse_envelope(content, shown).payload
    receipt = parse_receipt(payload, shown)
    return StoredReceipt(path=shown, payload_sha256=payload_digest(payload), receipt=receipt)


def _changed(workspace: Workspace, item: LoadedReceipt, added: dict[str, Added]) -> bool:
    first = added.get(item.path)
    if first is None:
        return False
    return not item.holds or git_blob_id(workspace.root / item.path) != first.blob


def _compared(item: LoadedReceipt, first: Added, blobs: dict[str, bytes]) -> LoadedReceipt:
    """Return a receipt whose file is not what git first had, told by that."""
    try:
        original = _parsed(blobs.get(first.blob, b""), item.path)
    except ReceiptError:
        return item
    # Another file is still the same receipt if only signatures came to it.
    if item.stored is not None and item.stored.payload_sha256 == original.payload_sha256:
        return item
    differs = f"payload differs from what commit {first.commit.id[:8]} first added"
    broken = item.broken or (None if item.gone else differs)
    return LoadedReceipt(item.path, original, broken, item.gone)


def _read(path: Path, shown: str) -> bytes:
    if path.is_symlink() or not path.is_file():
        raise ReceiptError(shown, "is not a plain file")
    if os.path.getsize(path) > MAX_BYTES:
        raise ReceiptError(shown, f"is larger than {MAX_BYTES:,} bytes")
    return path.read_bytes()


def _misplaced(hub: Hub, path: Path, stored: StoredReceipt) -> str | None:
    if path.name != file_name(stored.receipt, stored.payload_sha256):
        named = path.stem.rsplit("_", 1)[-1]
        return f"payload is {stored.payload_sha256[:16]} but the name says `{named}`"
    if stored.receipt.hub != hub.name:
        return f"it was recorded in `{stored.receipt.hub}` and does not count here"
    return None


def tips(receipts: list[StoredReceipt]) -> tuple[str, ...]:
    """Return the payload digests that no other receipt of the list names as `previous`."""
    named = {digest for item in receipts for digest in item.receipt.previous}
    return tuple(sorted({item.payload_sha256 for item in receipts} - named))

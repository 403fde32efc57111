"""Receipts on disk: written once, read back, compared with what git first committed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from planctl._files import atomic_write, git_blob_id
from planctl._git import Added
from planctl.errors import GitError, ReceiptError
from planctl.models.plan import Plan
from planctl.models.receipt import (
    MAX_BYTES,
    Receipt,
    StoredReceipt,
    envelope_payload,
    envelope_text,
    file_name,
    parse_receipt,
    payload_bytes,
    payload_digest,
)
from planctl.workspace import Hub, Workspace


@dataclass(frozen=True)
class LoadedReceipt:
    """A receipt file as found.

    Attributes:
        path: Repository-relative path.
        stored: The receipt, or None when it cannot be read.
        broken: Why it is not intact, or None.
    """

    path: str
    stored: StoredReceipt | None
    broken: str | None


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


def load_receipts(workspace: Workspace, hubs: list[Hub]) -> list[LoadedReceipt]:
    """Read every receipt of some hubs, oldest first by planctl's clock.

    A receipt is intact when its name carries its payload's digest and its payload is the one
    git first committed under that name.
    """
    paths = [path for hub in hubs for path in sorted(hub.receipts.glob("*.json"))]
    if not paths:
        return []
    folders = sorted({path.parent.relative_to(workspace.root).as_posix() for path in paths})
    added = workspace.repo.first_added(folders)
    loaded = [_load(workspace, path, added) for path in paths]
    return sorted(loaded, key=lambda item: Path(item.path).name)


def _load(workspace: Workspace, path: Path, added: dict[str, Added]) -> LoadedReceipt:
    shown = workspace.relative(path)
    try:
        content = _read(path, shown)
        payload = envelope_payload(content, shown)
        receipt = parse_receipt(payload, shown)
    except ReceiptError as error:
        return LoadedReceipt(shown, None, error.message.removeprefix(f"{shown}: "))
    digest = payload_digest(payload)
    stored = StoredReceipt(path=shown, payload_sha256=digest, receipt=receipt)
    broken = _name_problem(path, receipt, digest)
    # The same blob as first committed needs no further look; signatures may come later.
    if broken is None and shown in added and git_blob_id(path) != added[shown].blob:
        broken = _history_problem(workspace, shown, payload, added[shown])
    return LoadedReceipt(shown, stored, broken)


def _read(path: Path, shown: str) -> bytes:
    if path.is_symlink() or not path.is_file():
        raise ReceiptError(shown, "is not a plain file")
    if os.path.getsize(path) > MAX_BYTES:
        raise ReceiptError(shown, f"is larger than {MAX_BYTES:,} bytes")
    return path.read_bytes()


def _name_problem(path: Path, receipt: Receipt, digest: str) -> str | None:
    expected = file_name(receipt, digest)
    if path.name == expected:
        return None
    return f"payload is {digest[:16]} but the name says `{path.stem.rsplit('_', 1)[-1]}`"


def _history_problem(workspace: Workspace, shown: str, payload: bytes, first: Added) -> str | None:
    try:
        original = envelope_payload(workspace.repo.blob(first.blob), shown)
    except (ReceiptError, GitError) as error:
        return f"what commit {first.commit.id[:8]} added cannot be read: {error}"
    if original == payload:
        return None
    return f"payload differs from what commit {first.commit.id[:8]} first added"


def receipts_of(workspace: Workspace, plan: Plan, hub: Hub | None) -> list[LoadedReceipt]:
    """Return the receipts that count for a plan: of a scratch hub alone, else of all its hubs."""
    if hub is not None and hub.scratch:
        return load_receipts(workspace, [hub])
    return load_receipts(workspace, workspace.hubs(plan))


def tips(receipts: list[StoredReceipt]) -> tuple[str, ...]:
    """Return the payload digests that no other receipt of the list names as `previous`."""
    named = {digest for item in receipts for digest in item.receipt.previous}
    return tuple(sorted({item.payload_sha256 for item in receipts} - named))

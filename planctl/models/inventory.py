"""The artifact inventory of a hub: what lies there, told from the receipts alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from planctl.models.receipt import StoredReceipt

HUMAN = "analysis/artifact_inventory.txt"
MACHINE = "analysis/artifact_inventory.sha256"


@dataclass(frozen=True)
class InventoryRow:
    """One artifact.

    Attributes:
        name: Hub-relative path.
        latest: No later run recorded the same declared artifact.
        size: Bytes, or None when the file is gone.
    """

    name: str
    sha256: str
    step: str
    ulid: str
    latest: bool
    kind: str = "file"
    size: int | None = None


def rows(receipts: Iterable[StoredReceipt]) -> list[InventoryRow]:
    """Return a row for every artifact of some receipts, sorted by name; sizes unknown yet."""
    stored = sorted(receipts, key=lambda item: (item.receipt.ulid, item.payload_sha256))
    replaced = _replaced(stored)
    found = [
        InventoryRow(
            name=subject.name,
            sha256=subject.sha256,
            step=item.receipt.step,
            ulid=item.receipt.ulid,
            latest=(item.payload_sha256, subject.declared) not in replaced,
            kind=subject.kind,
        )
        for item in stored
        for subject in item.receipt.subjects
    ]
    return sorted(found, key=lambda row: row.name)


def _replaced(stored: list[StoredReceipt]) -> set[tuple[str, str]]:
    """Return (payload digest, declared artifact) of what a later run recorded again.

    Later is told by `previous`, never by a clock. Runs of two branches are both the latest.
    """
    by_digest = {item.payload_sha256: item.receipt for item in stored}
    names = {digest: {s.declared for s in own.subjects} for digest, own in by_digest.items()}
    replaced: set[tuple[str, str]] = set()
    for digest, receipt in by_digest.items():
        seen: set[str] = set()
        before = [(earlier, names[digest]) for earlier in receipt.previous]
        while before:
            earlier, declared = before.pop()
            known = by_digest.get(earlier)
            if earlier in seen or known is None or known.step != receipt.step:
                continue
            seen.add(earlier)
            replaced |= {(earlier, name) for name in declared}
            # What the earlier run recorded too, it replaces itself in those before it.
            left = declared - names[earlier]
            before += [(one, left) for one in known.previous if left]
    return replaced


def human_text(hub: str, inventory: Iterable[InventoryRow]) -> str:
    """Spell the inventory for people, one line an artifact.

    Args:
        hub: Repository-relative path of the hub.
        inventory: Rows with their sizes.
    """
    lines = [
        f"# Artifacts of {hub}",
        "# Derived by planctl from receipts/; the next recorded run writes it anew.",
        "# state   bytes sha256 artifact step receipt",
    ]
    for row in inventory:
        state = "latest" if row.latest else "older "
        size = "gone" if row.size is None else str(row.size)
        name = row.name + ("/" if row.kind != "file" else "")
        lines.append(f"{state} {size:>9} {row.sha256} {name} {row.step} {row.ulid}")
    return "\n".join(lines) + "\n"


def machine_line(sha256: str, name: str) -> str:
    """Spell one line for `sha256sum --check`, odd names escaped as that program does."""
    escaped = name.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
    return f"{'' if escaped == name else chr(92)}{sha256}  {escaped}\n"

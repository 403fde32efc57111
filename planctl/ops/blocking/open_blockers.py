"""Blockers that nobody has resolved: what stands in the way of an initiative now."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from planctl._files import open_plain
from planctl.models.blocker import BlockerFacts, facts, resolved_by
from planctl.workspace import ACTIVE, Hub, Workspace

_MAX_BYTES = 1_000_000


@dataclass(frozen=True)
class OpenBlocker:
    """A blocker file that still holds.

    Attributes:
        path: Repository-relative.
        facts: What it says.
    """

    path: str
    facts: BlockerFacts

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for `--json`."""
        return {"path": self.path} | vars(self.facts) | {"kind": self.facts.kind}


def open_blockers(workspace: Workspace, initiative: str) -> tuple[OpenBlocker, ...]:
    """Return the blockers of an initiative that still hold, newest first.

    One is over when a record (`red/unblocked_…`) says so, or when the step it names has passed
    since. Files that planctl did not write are no blockers.
    """
    reports = workspace.root / ACTIVE / initiative / "reports"
    texts = {path: start_of(path) for path in _plain(reports, "blocked")}
    if not texts:
        return ()
    resolved = resolved_blockers(workspace, initiative)
    found: list[OpenBlocker] = []
    for path, text in texts.items():
        told, shown = facts(text), workspace.relative(path)
        if told is not None and shown not in resolved:
            found.append(OpenBlocker(shown, told))
    found = [item for item in found if not _passed_since(workspace, initiative, item.facts)]
    return tuple(sorted(found, key=lambda item: Path(item.path).name, reverse=True))


def resolved_blockers(workspace: Workspace, initiative: str) -> frozenset[str]:
    """Return the repository-relative paths of blockers that records say are over."""
    reports = workspace.root / ACTIVE / initiative / "reports"
    records = (start_of(path) for path in _plain(reports, "unblocked"))
    return frozenset(path for text in records for path in resolved_by(text))


def start_of(path: Path) -> str:
    """Return the text of a file; of one that is far too large for a blocker, its start."""
    with open_plain(path) as stream:
        return stream.read(_MAX_BYTES).decode("utf-8", "replace").replace("\r\n", "\n")


def _plain(reports: Path, word: str) -> list[Path]:
    return [path for path in reports.glob(f"*/*/red/{word}_*.md") if path.is_file()]


def _passed_since(workspace: Workspace, initiative: str, told: BlockerFacts) -> bool:
    """Tell whether a step has a receipt of success that is later than the blocker's."""
    if told.receipt is None or told.step is None:
        return False
    from planctl.ops.receipts import Shelf

    since = Path(told.receipt).name
    reports = workspace.root / ACTIVE / initiative / "reports"
    later = (path for path in reports.glob(f"*/*/receipts/*_{told.step}_*.json"))
    for path in sorted((p for p in later if p.name > since), key=lambda p: p.name, reverse=True):
        hub = Hub(workspace.root, path.parent.parent)
        loaded = Shelf(workspace, [hub]).load(hub.name, workspace.relative(path))
        if loaded.holds and loaded.stored is not None:
            receipt = loaded.stored.receipt
            if receipt.step == told.step and receipt.ok:
                return True
    return False

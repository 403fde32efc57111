"""Pointers `path:line`: does the newest commit still have there what the citing one meant?"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from planctl._git_history import BlobReader
from planctl.models.audit import AuditFinding, AuditTotal
from planctl.models.claims.paths import resolve
from planctl.ops.audit.scene import End, Part, Scene, bases

_LARGEST = 4 << 20
_KEPT = 64
_TEXT = {
    "moved": "the line stands elsewhere now",
    "changed": "the line says something else now",
    "vanished": "the file is gone",
    "no such line": "the file never had so many lines at the commit that cites it",
}


@dataclass(frozen=True)
class _Pointer:
    commit: str
    path: str
    line: int
    text: str
    target: str
    blob: str
    first: int


class Pointers:
    """Compares the lines that summaries and ledgers point at."""

    def __init__(self) -> None:
        self._pointers: list[_Pointer] = []

    def visit(self, scene: Scene) -> None:
        """Take up the pointers of a commit whose files are there."""
        seen: set[tuple[str, int]] = set()
        for written in scene.told("summary", "ledger"):
            for claim in written.block.paths:
                if not claim.lines or not written.new(claim.line):
                    continue
                placed = resolve(claim, scene.step.index, bases(written, claim.line))
                blob = scene.step.tree.get(placed.path or "")
                if blob is None:
                    continue
                for first, _ in claim.lines:
                    if (placed.path, first) in seen:
                        continue
                    seen.add((placed.path, first))
                    where = (scene.commit, written.text.path, claim.line)
                    self._pointers.append(
                        _Pointer(*where, f"{claim.path}:{first}", placed.path, blob, first)
                    )

    def finish(self, end: End) -> Part:
        """Compare each pointer's line then and now."""
        lines = _Lines(end.blobs)
        verdicts = [(item, _verdict(item, end, lines)) for item in self._pointers]
        bad = [(item, verdict) for item, verdict in verdicts if verdict]
        whole, key = len(self._pointers), "pointers"
        totals = [AuditTotal(key, "pointers `path:line` that rotted", len(bad), whole)]
        for verdict, text in _TEXT.items():
            number = sum(found == verdict for _, found in bad)
            name = f"{key}.{verdict.replace(' ', '_')}"
            totals.append(AuditTotal(name, f"of these: {text}", number, whole, key))
        findings = (
            AuditFinding(key, item.commit, item.path, item.line, item.text, verdict, _TEXT[verdict])
            for item, verdict in bad
        )
        return Part(tuple(totals), tuple(findings))


class _Lines:
    """The lines of blobs, the last few kept."""

    def __init__(self, blobs: BlobReader) -> None:
        self._blobs = blobs
        self._kept: OrderedDict[str, list[str]] = OrderedDict()

    def of(self, blob: str) -> list[str] | None:
        """Return a blob's lines; None for what is too large, or no text."""
        if blob not in self._kept:
            data = self._blobs.read(blob, _LARGEST)
            if data is None or b"\0" in data[:4096]:
                return None
            self._kept[blob] = [
                line.strip() for line in data.decode("utf-8", "replace").split("\n")
            ]
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return self._kept[blob]


def _verdict(item: _Pointer, end: End, lines: _Lines) -> str:
    """Return what became of a pointer; nothing when it still holds or cannot be told."""
    then = lines.of(item.blob)
    if then is None:
        return ""
    if item.first > len(then) or item.first < 1:
        return "no such line"
    blob = end.tree.get(item.target)
    if blob is None:
        return "vanished"
    now = then if blob == item.blob else lines.of(blob)
    if now is None:
        return ""
    meant = then[item.first - 1]
    if item.first <= len(now) and now[item.first - 1] == meant:
        return ""
    return "moved" if meant and now.count(meant) == 1 else "changed"

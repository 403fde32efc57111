"""Stamps in names and headings against the commit that first added them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from planctl._git_history import HistoryCommit
from planctl._text import count
from planctl.clock import find_stamps, iso
from planctl.models.audit import AuditFinding, AuditTotal
from planctl.ops.audit.scene import End, Part, Scene
from planctl.ops.audit.trees import Step

SLACK = dt.timedelta(minutes=30)
_CLOCK = dt.timedelta(minutes=2)
# A time without a zone may lie so far from UTC.
_ZONES = dt.timedelta(hours=14)
_SPREAD = dt.timedelta(hours=24)
_LASTS = {
    "second": dt.timedelta(0),
    "minute": dt.timedelta(seconds=59),
    "day": dt.timedelta(hours=23, minutes=59, seconds=59),
}
_KINDS = {
    "hubs": "hub names",
    "blockers": "blocker names",
    "logs": "log names",
    "files": "other file names",
    "headings": "block headings",
}


@dataclass(frozen=True)
class _Named:
    kind: str
    commit: str
    committed: dt.datetime
    path: str
    line: int | None
    text: str
    first: dt.datetime
    last: dt.datetime
    zone_known: bool

    @property
    def off(self) -> dt.timedelta:
        """How far the name's time lies from its commit; 0 when it can be that moment."""
        off = max(self.first - self.committed, self.committed - self.last, dt.timedelta())
        return off if self.zone_known else max(off - _ZONES, dt.timedelta())

    @property
    def ahead(self) -> bool:
        """Whether the name tells a time after its commit."""
        return self.off > _CLOCK and self.first > self.committed


class Names:
    """Compares names and headings with the committer's time."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._named: list[_Named] = []
        self._imported = 0

    def visit(self, scene: Scene) -> None:
        """Take up the names and headings that a commit brings."""
        found = list(self._names(scene.step))
        root = not scene.step.commit.parents
        if root and _many_days(found):
            # A repository that starts with years of evidence was imported: its first commit
            # says nothing about when the evidence was named.
            self._imported += len(found)
            return
        if scene.judged and not scene.step.cut:
            self._named += found
            self._named += _headings(scene)

    def _names(self, step: Step) -> Iterator[_Named]:
        moved = _moved(step)
        for change in step.own_changes():
            if change.new is None or change.old is not None:
                continue
            *folders, name = change.path.split("/")
            for at, part in enumerate((*folders, name), 1):
                prefix = "/".join(change.path.split("/")[:at])
                if prefix in self._known or not any(char.isdigit() for char in part):
                    continue
                self._known.add(prefix)
                if part not in moved.get(change.new, ()):
                    kind = "hubs" if at <= len(folders) else _kind(change.path)
                    yield from _named(kind, step.commit, prefix, None, part)

    def finish(self, end: End) -> Part:
        """Count those that are off."""
        totals: list[AuditTotal] = []
        for kind, label in _KINDS.items():
            among = [item for item in self._named if item.kind == kind]
            totals += _totals(kind, label, among)
        findings = tuple(_finding(item) for item in self._named if item.off > SLACK or item.ahead)
        notes = (
            (f"not judged: {count(self._imported, 'name')} of the first commit, an import",)
            if self._imported
            else ()
        )
        return Part(tuple(totals), findings, notes)


def _totals(kind: str, label: str, among: list[_Named]) -> Iterable[AuditTotal]:
    off = sum(item.off > SLACK for item in among)
    ahead = sum(item.ahead for item in among)
    either = sum(item.off > SLACK or item.ahead for item in among)
    key = f"names.{kind}"
    yield AuditTotal(key, f"{label} more than 30 min off or in the future", either, len(among))
    yield AuditTotal(f"{key}.off", "of these: more than 30 min off", off, len(among), key)
    yield AuditTotal(f"{key}.future", "of these: later than their commit", ahead, len(among), key)


def _moved(step: Step) -> dict[str, set[str]]:
    """Return, for contents that left a path in this commit, the parts of that path."""
    found: dict[str, set[str]] = {}
    for change in step.commit.changes:
        if change.new is None and change.old is not None:
            found.setdefault(change.old, set()).update(change.path.split("/"))
    return found


def _named(
    kind: str, commit: HistoryCommit, path: str, line: int | None, text: str
) -> Iterator[_Named]:
    """Yield what a name or heading says of its time, when it says one."""
    for stamp in find_stamps(text)[:1]:
        # Eight digits may be any number: a seed, a size.
        if stamp.when is not None and not (stamp.precision == "day" and stamp.text.isdigit()):
            last = stamp.until or stamp.when + _LASTS[stamp.precision]
            where = (kind, commit.id, commit.committed, path, line, text)
            yield _Named(*where, stamp.when, last, stamp.zone_known)


def _kind(path: str) -> str:
    name = path.rsplit("/", 1)[-1].lower()
    if name.startswith("blocked") or "/red/" in path:
        return "blockers"
    return "logs" if name.endswith((".log", ".out", ".err")) else "files"


def _many_days(found: list[_Named]) -> bool:
    times = [item.first for item in found]
    return bool(times) and max(times) - min(times) > _SPREAD


def _headings(scene: Scene) -> Iterator[_Named]:
    seen: set[str] = set()
    for written in scene.told("summary", "ledger"):
        block = written.block
        # The same block in the hub's summary and in the initiative's is one.
        if not block.turn or not written.new(block.line) or block.heading in seen:
            continue
        seen.add(block.heading)
        path, line = written.text.path, block.line
        yield from _named("headings", scene.step.commit, path, line, block.heading.strip())


def _finding(item: _Named) -> AuditFinding:
    side = "after" if item.first > item.committed else "before"
    text = f"{_spelled(item.off)} {side} the commit that first added it, {iso(item.committed)}"
    return AuditFinding(
        f"names.{item.kind}",
        item.commit,
        item.path,
        item.line,
        item.text,
        "future" if item.ahead else "off",
        text,
    )


def _spelled(off: dt.timedelta) -> str:
    minutes = int(off.total_seconds() // 60)
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 72 * 60 else f"{minutes // 1440} days"

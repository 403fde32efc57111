"""The ledger over time: how it grows, and where it and the plans contradict each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from planctl.models.audit import AuditFinding, AuditTotal
from planctl.models.orders import clauses
from planctl.models.statuses import Row, StatusClaim, rows, statuses
from planctl.ops.audit.scene import End, Part, Scene, initiative_of

_LINES = Callable[[str], tuple[list[str], int]]


@dataclass
class _Growth:
    """Size of one ledger, commit by commit."""

    first: tuple[int, int]
    last: tuple[int, int]
    most: tuple[int, int]
    commits: int = 0


@dataclass(frozen=True)
class _Place:
    path: str
    claim: StatusClaim


@dataclass
class Ledgers:
    """Follows ledgers and plans.

    Attributes:
        lines: Reads a blob.
        role: Tells what kind of prose a path is.
    """

    lines: _LINES
    role: Callable[[str], str | None]
    _growth: dict[str, _Growth] = field(default_factory=dict)
    _read: dict[tuple[str, str], tuple[StatusClaim, ...]] = field(default_factory=dict)
    _rows: dict[str, tuple[Row, ...]] = field(default_factory=dict)
    _paths: set[str] = field(default_factory=set)
    _looked: int = 0
    _standing: int = 0
    _items: set[str] = field(default_factory=set)
    _found: dict[tuple[str, ...], AuditFinding] = field(default_factory=dict)

    def visit(self, scene: Scene) -> None:
        """Measure the ledgers a commit changes; look for contradictions it leaves standing."""
        for text in scene.texts:
            if self._speaks(text.path):
                self._paths.add(text.path)
            if text.role == "ledger" and scene.judged:
                self._grow(text.path, len(text.lines), text.size)
        if scene.judged and any(t.role == "brief" or self._speaks(t.path) for t in scene.texts):
            self._looked += 1
            found = [*self._statuses(scene), *self._ordered_again(scene)]
            self._standing += bool(found)
            for key, finding in found:
                self._found.setdefault(key, finding)

    def _speaks(self, path: str) -> bool:
        """Tell whether a file says how far items are: ledgers, plans, an initiative's summary."""
        role = self.role(path)
        at_home = path.count("/") > 1 and path.split("/")[-2] == initiative_of(path)
        return role in ("ledger", "plan") or (role == "summary" and at_home)

    def _grow(self, path: str, lines: int, size: int) -> None:
        now = (lines, size)
        growth = self._growth.setdefault(path, _Growth(now, now, now))
        growth.last = now
        growth.most = (max(growth.most[0], lines), max(growth.most[1], size))
        growth.commits += 1

    def _places(self, scene: Scene) -> Iterator[_Place]:
        for path in sorted(self._paths):
            blob = scene.step.tree.get(path)
            if blob is None:
                continue
            if (path, blob) not in self._read:
                ledger = self.role(path) == "ledger"
                item = "" if ledger else initiative_of(path)
                found = statuses(self.lines(blob)[0], item) if item or ledger else ()
                self._read[path, blob] = tuple(found)
            yield from (_Place(path, claim) for claim in self._read[path, blob])

    def _statuses(self, scene: Scene) -> Iterator[tuple[tuple[str, ...], AuditFinding]]:
        by_item: dict[str, list[_Place]] = {}
        for place in self._places(scene):
            by_item.setdefault(place.claim.item, []).append(place)
        self._items.update(by_item)
        for item, places in by_item.items():
            done = [place for place in places if place.claim.done]
            still = [place for place in places if not place.claim.done]
            if done and still:
                a, b = done[0], still[0]
                text = f"`{b.claim.text}` in {b.path}:{b.claim.line}"
                finding = AuditFinding(
                    "statuses.contradictory",
                    scene.commit,
                    a.path,
                    a.claim.line,
                    f"{item}: {a.claim.text}",
                    "contradictory",
                    text,
                )
                yield ("status", item, a.path, b.path), finding
            ledgers = sorted({place.path for place in places if self.role(place.path) == "ledger"})
            if len(ledgers) > 1:
                yield from _two(scene.commit, item, ledgers, places)

    def _ordered_again(self, scene: Scene) -> Iterator[tuple[tuple[str, ...], AuditFinding]]:
        """Yield rows that are ticked and ordered in the same commit."""
        for order in scene.orders:
            named = {
                name for clause in clauses(order.text) if not clause.past for name in clause.targets
            }
            for path, row in self._ticked(scene, order.focus):
                if row.name in named and not _said_done(order.text, row.name):
                    finding = AuditFinding(
                        "statuses.ordered_again",
                        scene.commit,
                        order.path,
                        order.line,
                        f"orders {row.name}",
                        "ticked",
                        f"`{row.name}` is ticked in {path}:{row.line}",
                    )
                    yield ("row", path, row.name, order.path), finding

    def _ticked(self, scene: Scene, focus: str) -> Iterator[tuple[str, Row]]:
        for path in sorted(self._paths):
            blob = scene.step.tree.get(path)
            if not focus or blob is None or self.role(path) != "plan":
                continue
            if initiative_of(path) != focus:
                continue
            if blob not in self._rows:
                self._rows[blob] = tuple(rows(self.lines(blob)[0]))
            yield from ((path, row) for row in self._rows[blob] if row.ticked)

    def finish(self, end: End) -> Part:
        """Count."""
        totals = [total for path in sorted(self._growth) for total in self._sizes(path)]
        by_kind = [item.kind for item in self._found.values()]
        items = sum(kind == "statuses.contradictory" for kind in by_kind)
        again = sum(kind == "statuses.ordered_again" for kind in by_kind)
        two = sum(kind == "statuses.two_ledgers" for kind in by_kind)
        totals += [
            AuditTotal(
                "statuses.commits",
                "commits that leave a contradictory status standing",
                self._standing,
                self._looked,
            ),
            AuditTotal(
                "statuses.contradictory",
                "items done in one place and open in another",
                items,
                len(self._items),
            ),
            AuditTotal("statuses.ordered_again", "ticked rows that are ordered again", again),
            AuditTotal("statuses.two_ledgers", "items kept in two ledgers", two, len(self._items)),
        ]
        return Part(tuple(totals), tuple(self._found.values()))

    def _sizes(self, path: str) -> Iterator[AuditTotal]:
        growth = self._growth[path]
        key = f"ledger.{path}"
        lines, size = growth.last
        yield AuditTotal(f"{key}.lines", f"{path}: lines at the end", lines)
        yield AuditTotal(f"{key}.bytes", f"{path}: bytes at the end", size)
        yield AuditTotal(f"{key}.most_lines", f"{path}: lines at most", growth.most[0])
        yield AuditTotal(f"{key}.commits", f"{path}: commits that changed it", growth.commits)
        grown = lines - growth.first[0], size - growth.first[1]
        steps = max(growth.commits - 1, 1)
        label = f"{path}: bytes it grew by, {grown[1] / steps:.0f} a commit"
        yield AuditTotal(f"{key}.growth", label, grown[1])


def _two(
    commit: str, item: str, ledgers: list[str], places: list[_Place]
) -> Iterator[tuple[tuple[str, ...], AuditFinding]]:
    first = next(place for place in places if place.path == ledgers[0])
    text = "also kept in " + ", ".join(ledgers[1:])
    yield (
        ("two", item, *ledgers),
        AuditFinding(
            "statuses.two_ledgers",
            commit,
            first.path,
            first.claim.line,
            f"{item}: {first.claim.text}",
            "two ledgers",
            text,
        ),
    )


def _said_done(text: str, row: str) -> bool:
    """Tell whether an order names a row only to say that it is complete."""
    return any(
        row in sentence and ("complete" in sentence or "done" in sentence.lower().split())
        for sentence in text.replace(";", ".").split(".")
    )

"""Check: what in the ledger, the plans and the brief cannot all be right."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from planctl._text import count, listed
from planctl.errors import NotFoundError
from planctl.models.contradiction import Contradiction, Side
from planctl.models.fences import without_fences
from planctl.models.ledger.archive import entries
from planctl.models.ledger.document import PRIORITIES
from planctl.models.plan.plan import ordered
from planctl.ops.ledger.archive import measure, told_in_archive
from planctl.ops.ledger.file import read_ledger
from planctl.ops.ledger.next_item import open_dependencies
from planctl.ops.ledger.plans import ABOUT_PLANS
from planctl.ops.ledger.prose import ABOUT_PROSE
from planctl.ops.ledger.scene import Scene, quoted
from planctl.workspace import LEDGER, Workspace

_CONFLICT = re.compile(r"^(?:<{7,}|>{7,})(?: [^\n]*)?$", re.MULTILINE)


@dataclass(frozen=True)
class CheckReport:
    """What contradicts what.

    Attributes:
        items: How many items were looked at.
    """

    contradictions: tuple[Contradiction, ...]
    items: int

    @property
    def ok(self) -> bool:
        """Nothing does; notes do not count."""
        return not any(item.counts for item in self.contradictions)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for `--json`."""
        found = [item.as_dict() for item in self.contradictions]
        return {"ok": self.ok, "items": self.items, "contradictions": found}


def check(workspace: Workspace) -> CheckReport:
    """Look for contradictions.

    Args:
        workspace: The repository.

    Returns:
        Each with both sides and the way out, in the order of the rules.

    Raises:
        NotFoundError: There is no ledger.
        BadFileError: The ledger or the settings cannot be read.
        PlanError: A plan cannot be used.
    """
    text = read_ledger(workspace)
    if not text:
        raise NotFoundError(f"there is no `{LEDGER}`", "`planctl init` writes one")
    scene = Scene(workspace, text)
    parts: Iterable[Callable[[Scene], Iterator[Contradiction]]] = (
        *ABOUT_PLANS,
        *ABOUT_PROSE,
        _dependencies,
        _in_progress,
        _values,
        _doubled,
        _conflicts,
        _budget,
    )
    found = tuple(item for part in parts for item in part(scene))
    return CheckReport(found, len(scene.ledger.items))


def _dependencies(scene: Scene) -> Iterator[Contradiction]:
    known = dict(scene.items)
    for item in scene.ledger.items:
        missing = open_dependencies(item, known)
        unknown = [name for name in item.depends_on if name not in known]
        busy = item.status in ("in_progress", "done")
        if missing and (busy or unknown):
            side = scene.field(item.id, "Depends on")
            first = next((name for name in item.depends_on if name in known), None)
            other = None if first is None else scene.field(first, "Status")
            yield Contradiction(
                "dependency",
                item.id,
                side,
                f"`{item.id}` is `{item.status}` and depends on {', '.join(missing)}",
                f"finish that first, or `planctl ledger set {item.id} depends_on …`",
                other if busy else None,
            )
    needs = {
        item.id: tuple(name for name in item.depends_on if name in known) for item in known.values()
    }
    try:
        ordered(needs)
    except ValueError as error:
        first = str(error).removeprefix("cycle: ").split(" → ")[0]
        yield Contradiction(
            "dependency",
            first,
            scene.field(first, "Depends on"),
            f"items depend on each other: {error}",
            f"take one away: `planctl ledger set {first} depends_on none`",
        )


def _in_progress(scene: Scene) -> Iterator[Contradiction]:
    busy = [item.id for item in scene.ledger.items if item.status == "in_progress"]
    at_most = scene.settings.max_in_progress
    if len(busy) > at_most:
        yield Contradiction(
            "in-progress",
            busy[at_most],
            scene.field(busy[at_most], "Status"),
            f"{len(busy)} items are in progress, at most {at_most} may be: {listed(busy)}",
            f"`planctl ledger set {busy[-1]} status pending` puts one back",
            scene.field(busy[0], "Status"),
        )


def _values(scene: Scene) -> Iterator[Contradiction]:
    for item in scene.ledger.items:
        if item.priority not in PRIORITIES:
            yield Contradiction(
                "value",
                item.id,
                scene.field(item.id, "Priority"),
                f"`{item.priority}` is no priority; there are {listed(PRIORITIES)}",
                f"`planctl ledger set {item.id} priority medium`",
            )


def _doubled(scene: Scene) -> Iterator[Contradiction]:
    """Yield what a merge line by line leaves twice."""
    for item in scene.ledger.items:
        again = [region for region in scene.regions if region.id == item.id][1:]
        for region in again:
            marker = scene.text[region.begin : region.start].strip()
            yield Contradiction(
                "doubled",
                item.id,
                Side(LEDGER, scene.line_at(region.begin), marker),
                f"`{item.id}` has two regions; they are read as one",
                "move the lines of one into the other, and delete its markers",
                scene.head(item.id),
            )
        states = list(scene.fields(item.id, "Status"))
        if len({side.said for side in states}) > 1:
            yield Contradiction(
                "doubled",
                item.id,
                states[0],
                f"`{item.id}` has two statuses; `{item.status}` counts",
                f"`planctl ledger set {item.id} status {item.status}` writes the one that counts",
                states[1],
            )
        yield from _in_archive_too(scene, item.id)


def _in_archive_too(scene: Scene, name: str) -> Iterator[Contradiction]:
    item = scene.items[name]
    archived = told_in_archive(scene.workspace, item) if item.archive else ""
    if not archived:
        return
    again = [one for one in entries(scene.text, LEDGER, [name]) if one.text in archived]
    if again:
        side = Side(LEDGER, scene.line_at(again[0].start), quoted(again[0].text))
        yield Contradiction(
            "doubled",
            name,
            side,
            f"{count(len(again), 'attempt')} of `{name}` that the archive has came back",
            "`planctl ledger archive` takes them out; `planctl hooks install` has git join the "
            "ledger item by item from then on",
        )


def _conflicts(scene: Scene) -> Iterator[Contradiction]:
    found = _CONFLICT.search(without_fences(scene.text))
    if found is not None:
        yield Contradiction(
            "conflict",
            LEDGER,
            Side(LEDGER, scene.line_at(found.start()), quoted(found[0])),
            "a merge was not finished: conflict markers are left",
            "keep what is right of both sides, and delete the markers",
        )


def _budget(scene: Scene) -> Iterator[Contradiction]:
    lines, size = measure(scene.text)
    limits = scene.settings
    over = [
        f"{now:,} {what}, {limit:,} may be"
        for now, limit, what in (
            (lines, limits.max_lines, "lines"),
            (size, limits.max_bytes, "bytes"),
        )
        if now > limit
    ]
    if over:
        done = [item for item in scene.ledger.items if item.finished and item.attempts]
        way = "`planctl ledger archive` moves attempts of done items to docs/archive/"
        if not done:
            longest = max(scene.ledger.items, key=lambda item: len(item.attempts), default=None)
            name = "…" if longest is None else longest.id
            way = (
                f"no done item has attempts to archive: finish `{name}`, which has the most, "
                "or raise `[ledger]` in planctl.toml"
            )
        yield Contradiction(
            "budget", LEDGER, Side(LEDGER, lines, "its end"), f"it has {'; '.join(over)}", way
        )

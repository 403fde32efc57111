"""What a brief says beside its order: paths it cites, and times."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator

from planctl import clock
from planctl._text import count, listed
from planctl.models.brief.brief import BriefProblem
from planctl.models.claims.claim import PathClaim, StampClaim
from planctl.models.claims.paths import Placed, hubs_in, places, resolve
from planctl.ops.brief.rules import NEW
from planctl.ops.brief.scene import Scene

_TOLERANCE = dt.timedelta(minutes=2)
# A time whose zone is not told may lie so far from UTC.
_ZONES = dt.timedelta(hours=14)
_DAY = dt.timedelta(days=1)
_DEADLINE = re.compile(
    r"\b(?:by|until|till|before|deadline|due|re-?check\w*|expires?|next|review|"
    r"scheduled|planned|eta|not before)\b[^.;]{0,40}$",
    re.IGNORECASE,
)
_TO_COME = re.compile(
    r"\b(?:capture|collect|archive|save|write|dump|generate|regenerate|produce|emit|store|copy|run|"
    r"rerun|record|log|file|drop|create|tee|into|under|allocate)\b|\(new\b",
    re.IGNORECASE,
)
# Where a path is only read: what is not there is wrong.
_CITING = ("pointers", "findings", "summary", "pitfalls", "focus")


def paths(scene: Scene) -> Iterator[BriefProblem]:
    """Cited files are there, with as many lines as are cited."""
    lines = scene.text.split("\n")
    field_at = fields(scene)
    wished = {item.line for item in scene.judged.wishes} | {n for n, _ in scene.judged.changes}
    seen: set[tuple[int, str]] = set()
    for block in scene.blocks:
        bases = tuple(filter(None, (scene.hub, scene.home, *hubs_in(block))))
        for claim in block.paths:
            key, label = field_at.get(claim.line, ("", ""))
            if (claim.line, claim.text) in seen or key in ("artifacts", "tests"):
                continue
            seen.add((claim.line, claim.text))
            said = lines[claim.line - 1] if claim.line <= len(lines) else ""
            cited = claim.lines or key in _CITING
            if not cited and (key != "do now" or claim.line in wished or _TO_COME.search(said)):
                continue
            placed = resolve(claim, scene.view.index, bases)
            yield from _path(scene, claim, placed, label, said, bases)


def fields(scene: Scene) -> dict[int, tuple[str, str]]:
    """Return line → (key, label) of the section that it lies in."""
    found = {}
    for section in scene.brief.sections:
        last = section.lines[-1][0] if section.lines else section.line
        for number in range(section.line, last + 1):
            found[number] = (section.key, section.label)
    return found


def _path(
    scene: Scene,
    claim: PathClaim,
    placed: Placed,
    label: str,
    said: str,
    bases: tuple[str, ...],
) -> Iterator[BriefProblem]:
    field = label or "text"
    if placed.kind == "unknown" or claim.planned or NEW.search(said):
        return
    if placed.kind == "absent":
        there = any((scene.workspace.root / path).exists() for path in places(claim, bases))
        if there or scene.view.ignores(places(claim, bases)):
            return
        name = claim.path.rstrip("/").rsplit("/", 1)[-1]
        others = scene.view.index.ending(name)
        way = (
            f"did you mean {listed(others, 3)}?" if others else "correct the path, or leave it out"
        )
        text = f"`{claim.path}` is not there"
        yield BriefProblem("path", claim.line, field, claim.text, text, way)
        return
    last = max((end for _, end in claim.lines), default=0)
    data = scene.view.read(placed.path) if last else None
    if data is not None:
        has = data.count(b"\n") + (not data.endswith(b"\n") and bool(data))
        if last > has:
            text = f"`{placed.path}` has {count(has, 'line')}, cited is line {last}"
            way = "look where the text stands now, and cite that line"
            yield BriefProblem("pointer", claim.line, field, claim.text, text, way)


def times(scene: Scene) -> Iterator[BriefProblem]:
    """No time lies in the future, and the brief's own fits the commits it was written on."""
    now = scene.workspace.clock()
    lines = scene.text.split("\n")
    field_at = fields(scene)
    for block in scene.blocks:
        for claim in block.times:
            if claim.when is None:
                continue
            said = lines[claim.line - 1] if claim.line <= len(lines) else ""
            label = field_at.get(claim.line, ("", ""))[1] or "text"
            if _ahead(claim, now) and not _DEADLINE.search(said[: max(said.find(claim.text), 0)]):
                text = f"`{claim.text}` lies in the future: it is {clock.iso(now)}"
                way = "no time need be typed; planctl stamps what it records"
                yield BriefProblem("time", claim.line, label, claim.text, text, way)
    yield from _own(scene, field_at)


def _ahead(claim: StampClaim, now: dt.datetime) -> bool:
    assert claim.when is not None
    room = _TOLERANCE if claim.zone_known else _ZONES
    return claim.when > now + (max(room, _DAY) if claim.precision == "day" else room)


def _own(scene: Scene, field_at: dict[int, tuple[str, str]]) -> Iterator[BriefProblem]:
    """Compare the brief's own stamp with HEAD, when it is written on top of it."""
    repo = scene.workspace.repo
    stamps = [
        claim
        for block in scene.blocks
        for claim in block.times
        if claim.when is not None and (claim.where == "heading" or _is_date(field_at, claim))
    ]
    if not stamps or repo.head is None or scene.path not in repo.changed_paths():
        return
    head = repo.commits([repo.head])[repo.head]
    for claim in stamps[:1]:
        assert claim.when is not None
        room = _TOLERANCE if claim.zone_known else _ZONES
        if claim.precision == "day":
            room = max(room, _DAY)
        if claim.when < head.committed - room:
            when = clock.iso(head.committed)
            text = f"`{claim.text}` is older than what it is written on: {head.id[:8]} of {when}"
            way = "leave the time out, or correct it"
            yield BriefProblem("time", claim.line, "Date", claim.text, text, way)


def _is_date(field_at: dict[int, tuple[str, str]], claim: StampClaim) -> bool:
    return field_at.get(claim.line, ("", ""))[0] == "date"

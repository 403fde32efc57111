"""Where prose says another status than the ledger, and files that are a second ledger."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from planctl._git_run import RefusedError
from planctl.models.contradiction import Contradiction, Side
from planctl.models.fences import without_fences
from planctl.models.statuses import StatusClaim, sentences_of_status, statuses
from planctl.ops.ledger.scene import Scene, quoted
from planctl.workspace import ACTIVE, ARCHIVE, LEDGER

_PLACE = re.compile(rf"{ACTIVE}/([^/]+)/([^/]+)")
_SUMMARY = "summary.md"
_MARKER = re.compile(r"^<!-- planctl:item (\S+) -->[ \t]*$", re.MULTILINE)
_NOT_LINE_END = re.compile(r"[^\n]")


@dataclass(frozen=True)
class _Said:
    """What one place says of an item."""

    path: str
    claim: StatusClaim

    @property
    def side(self) -> Side:
        return Side(self.path, self.claim.line, quoted(self.claim.text))


def _statuses(scene: Scene) -> Iterator[Contradiction]:
    """Yield items that are done in one place and open in another."""
    by_item: dict[str, list[_Said]] = {}
    for said in (*_of_regions(scene), *_of_prose(scene)):
        by_item.setdefault(said.claim.item, []).append(said)
    for item, places in by_item.items():
        first = places[0]
        other = next((one for one in places if one.claim.done is not first.claim.done), None)
        if other is None:
            continue
        words = ("done" if one.claim.done else "open" for one in (first, other))
        yield Contradiction(
            "status",
            item,
            other.side,
            f"`{item}` is {next(words)} in {first.path}:{first.claim.line} and {next(words)} in "
            f"{other.path}:{other.claim.line}",
            _way_out(scene, item, first, other),
            first.side,
        )


def _way_out(scene: Scene, item: str, first: _Said, other: _Said) -> str:
    if item in scene.items and first.path == LEDGER:
        status = "in_progress" if first.claim.done else "done"
        return (
            f"take the sentence out of {other.path}:{other.claim.line}, or "
            f"`planctl ledger set {item} status {status}`"
        )
    return f"take one of them out: {first.path}:{first.claim.line} is the older place"


def _of_regions(scene: Scene) -> Iterator[_Said]:
    for item in scene.ledger.items:
        side = scene.field(item.id, "Status")
        claim = StatusClaim(item.id, item.finished, f"Status: {item.status}", side.line)
        yield _Said(LEDGER, claim)


def _of_prose(scene: Scene) -> Iterator[_Said]:
    known = set(scene.items) | set(scene.plans)
    free = _outside_regions(scene).split("\n")
    yield from (_Said(LEDGER, claim) for claim in statuses(free))
    yield from (_Said(LEDGER, claim) for claim in sentences_of_status(free, known))
    for path, item in _own_files(scene):
        lines = without_fences("\n".join(scene.lines_of(path))).split("\n")
        head = _head(lines) if path.endswith(f"/{_SUMMARY}") else lines
        yield from (_Said(path, claim) for claim in statuses(head, item))
        yield from (_Said(path, claim) for claim in sentences_of_status(head, {item}, item))


def _outside_regions(scene: Scene) -> str:
    """Return the ledger's free text; regions and fences are blank, lines stay where they are."""
    parts, done = [], 0
    for region in scene.regions:
        parts += [scene.plain[done : region.begin]]
        parts += [_NOT_LINE_END.sub(" ", scene.plain[region.begin : region.after])]
        done = region.after
    return "".join([*parts, scene.plain[done:]])


def _own_files(scene: Scene) -> Iterator[tuple[str, str]]:
    """Yield the working plans and summaries of initiatives, with whose they are."""
    roles = scene.workspace.settings().audit
    named = {plan.working_plan: name for name, plan in scene.plans.items() if plan.working_plan}
    for path in scene.prose:
        place = _PLACE.fullmatch(path)
        if path in named:
            yield path, named[path]
        elif place is not None and (roles.role(path) == "plan" or place[2] == _SUMMARY):
            yield path, place[1]


def _head(lines: list[str]) -> list[str]:
    """Return what a summary says before its first turn: later turns are records of their day."""
    for number, line in enumerate(lines):
        if line.startswith("### "):
            return lines[:number]
    return lines


def _two_ledgers(scene: Scene) -> Iterator[Contradiction]:
    """Yield other files that keep items: by their name, or by planctl's own markers."""
    roles = scene.workspace.settings().audit
    marked = set(_marked(scene))
    for path in scene.prose:
        if path == LEDGER or path.startswith(f"{ARCHIVE}/"):
            continue
        by_name = roles.role(path) == "ledger"
        if not by_name and path not in marked:
            continue
        lines = scene.lines_of(path)
        found = _first_item(lines, by_name, path in marked)
        if found is not None:
            line, item, said = found
            yield Contradiction(
                "two-ledgers",
                item,
                Side(path, line, quoted(said)),
                f"`{path}` keeps items too; the ledger is `{LEDGER}`",
                f"move what is right into `{LEDGER}` and delete the other; "
                "an example stands in a code fence",
                scene.head(item) if item in scene.items else None,
            )


def _first_item(lines: list[str], by_name: bool, marked: bool) -> tuple[int, str, str] | None:
    text = "\n".join(lines)
    if marked:
        found = _MARKER.search(without_fences(text))
        if found is not None:
            line = text.count("\n", 0, found.start()) + 1
            return line, found[1], lines[line - 1]
    if by_name:
        first = next(iter(statuses(without_fences(text).split("\n"))), None)
        if first is not None:
            return first.line, first.item, lines[first.line - 1]
    return None


def _marked(scene: Scene) -> Iterator[str]:
    """Yield the files with markers of items, in one question to git."""
    words = ("grep", "-lzI", "--untracked", "-F", "-e", "<!-- planctl:item ", "--", "*.md")
    try:
        found = scene.workspace.repo.ask(*words, literal=False)
    except RefusedError as error:
        if error.status == 1:  # no file has any
            return
        raise
    yield from found.decode("utf-8", "surrogateescape").split("\0")


ABOUT_PROSE: tuple[Callable[[Scene], Iterator[Contradiction]], ...] = (_statuses, _two_ledgers)

"""Which prose is judged, and at which commit: the lines of files, or what commits added."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from planctl._files import read_text
from planctl.clock import find_stamps
from planctl.errors import BadFileError, UsageError
from planctl.models.claims.claim import Block, Prose
from planctl.models.prose.blocks import is_turn
from planctl.models.prose.reading import parse_prose, sections
from planctl.ops.audit.texts import MAX_TEXT, Text, TextReader, Written
from planctl.ops.audit.trees import Step
from planctl.workspace import Workspace


@dataclass(frozen=True, eq=False)
class Told:
    """One section of a file of prose, as it stands today.

    Attributes:
        head: What an older version of the section begins with, too.
    """

    text: Text
    first: int
    source: str
    head: str

    @cached_property
    def prose(self) -> Prose:
        """Its blocks and claims."""
        return parse_prose(self.source, self.first)

    def written(self, block: Block, lines: frozenset[int]) -> Written:
        """Return a block of it, of which some lines count."""
        return Written(replace(self.text, added=lines), block)


class Origins:
    """Finds, for each line of today's sections, the commit that first had it there.

    Args:
        told: The sections.

    Attributes:
        headed: Beginning of a section → when a commit first had it, and that commit's id.
    """

    def __init__(self, told: Iterable[Told]) -> None:
        self.headed: dict[str, tuple[dt.datetime, str]] = {}
        self._open: dict[tuple[str, str], list[tuple[Told, int]]] = {}
        self._heads: set[str] = set()
        self._seen: set[int] = set()
        for item in told:
            self._heads.add(item.head)
            for number, line in enumerate(item.source.split("\n"), item.first):
                self._open.setdefault((item.head, line.strip()), []).append((item, number))

    def met(
        self, step: Step, reader: TextReader, paths: frozenset[str]
    ) -> Iterator[tuple[Told, frozenset[int]]]:
        """Yield sections with the lines that this commit is the first to have in them."""
        for change in step.own_changes():
            if change.path in paths and not change.link and change.new is not None:
                lines, _ = reader.lines(change.new)
                for _, source in sections("\n".join(lines)):
                    yield from self._section(source, step)

    def _section(self, source: str, step: Step) -> Iterator[tuple[Told, frozenset[int]]]:
        key, head = hash(source), beginning(source)
        if key in self._seen or head not in self._heads:
            return
        self._seen.add(key)
        self.headed.setdefault(head, (step.commit.committed, step.commit.id))
        yield from _grouped(
            place
            for line in source.split("\n")
            for place in self._open.pop((head, line.strip()), ())
        )

    def left(self) -> Iterator[tuple[Told, frozenset[int]]]:
        """Yield what no commit has yet."""
        yield from _grouped(place for places in self._open.values() for place in places)


def _grouped(
    places: Iterable[tuple[Told, int]],
) -> Iterator[tuple[Told, frozenset[int]]]:
    found: dict[Told, set[int]] = {}
    for told, number in places:
        found.setdefault(told, set()).add(number)
    yield from ((told, frozenset(numbers)) for told, numbers in found.items())


def beginning(source: str) -> str:
    """Return what tells a section from others: its heading, and below one without a time a line."""
    lines = [" ".join(line.split()) for line in source.split("\n")]
    told = [line for line in lines if line]
    if not told:
        return ""
    turn = is_turn(told[0]) and not find_stamps(told[0])
    return "\n".join(told[: 2 if turn else 1])


def told_in(workspace: Workspace, path: Path) -> list[Told]:
    """Read a file and cut it into sections.

    Raises:
        BadFileError: It cannot be read.
    """
    shown = workspace.relative(path.absolute())
    try:
        content = read_text(path, MAX_TEXT, "replace")
    except OSError as error:
        raise BadFileError(shown, f"cannot be read: {error.strerror or error}") from error
    lines = content.split("\n")
    numbers = frozenset(range(1, len(lines) + 1))
    text = Text(shown, "summary", "", lines, numbers, numbers, len(content))
    return [Told(text, first, source, beginning(source)) for first, source in sections(content)]


def default_files(workspace: Workspace, tracked: Iterable[str]) -> list[Path]:
    """Return the summaries and ledgers there are, by `[audit]` of planctl.toml."""
    settings = workspace.settings().audit
    paths = {*tracked, *workspace.repo.changed_paths()}
    wanted = (path for path in sorted(paths) if settings.role(path) in ("summary", "ledger"))
    places = (workspace.root / path for path in wanted)
    return [place for place in places if place.is_file() and not place.is_symlink()]


@dataclass(frozen=True)
class Span:
    """Commits to walk and to judge.

    Attributes:
        walk: As `git log` takes them; on to HEAD, to see what came later.
        judged: Ids of the commits whose added lines are judged.
    """

    walk: tuple[str, ...]
    judged: frozenset[str]


def span_of(workspace: Workspace, revisions: str) -> Span:
    """Read `FIRST..LAST`, or one commit.

    Raises:
        UsageError: No such commit.
    """
    repo, head = workspace.repo, workspace.now_head
    first, dots, last = revisions.partition("..")
    end = _commit(workspace, last or "HEAD" if dots else first)
    tip = head if repo.is_ancestor(end, head) else end
    if not dots:
        return Span((tip,), frozenset([end]))
    start = _commit(workspace, first or "HEAD")
    judged = repo.ask("rev-list", end, f"^{start}").decode().split()
    return Span((tip, f"^{start}"), frozenset(judged))


def _commit(workspace: Workspace, revision: str) -> str:
    found = workspace.repo.resolve(revision) if revision.strip(".") == revision else None
    if found is None:
        raise UsageError(
            f"there is neither a file nor a commit `{revision}`",
            "name files of prose, or commits as FIRST..LAST",
        )
    return found

"""Which prose is judged, and at which commit: blocks of files, or what commits added."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from planctl._files import read_text
from planctl.errors import BadFileError, UsageError
from planctl.models.claim import Block, Prose
from planctl.models.prose import parse_prose, sections
from planctl.ops.audit.texts import MAX_TEXT, Text, TextReader, Written
from planctl.ops.audit.trees import Step
from planctl.workspace import Workspace


@dataclass(frozen=True)
class Told:
    """One section of a file of prose.

    Attributes:
        key: Digest of its text, blanks aside: the same section in an older version of the file.
        head: Digest of its first line.
    """

    text: Text
    first: int
    source: str
    key: str
    head: str

    def prose(self) -> Prose:
        """Read it."""
        return parse_prose(self.source, self.first)

    def written(self, block: Block) -> Written:
        """Return a block of it, every line of which counts."""
        return Written(self.text, block)


@dataclass
class Origins:
    """Which sections are still to be found in history, and when their headings came.

    Attributes:
        open: Digest → the sections of today's files that no commit was found for yet.
        headed: Digest of a heading → when a commit first had it, and its id.
    """

    open: dict[str, list[Told]]
    headed: dict[str, tuple[dt.datetime, str]] = field(default_factory=dict)

    @classmethod
    def of(cls, told: Iterable[Told]) -> Origins:
        """Begin with every section of some files."""
        found: dict[str, list[Told]] = {}
        for item in told:
            found.setdefault(item.key, []).append(item)
        return cls(found)

    def met(self, step: Step, reader: TextReader, paths: frozenset[str]) -> Iterator[Told]:
        """Yield the sections that a commit is the first to have as they stand today."""
        heads = {item.head for group in self.open.values() for item in group}
        for change in step.own_changes():
            if change.path not in paths or change.link or change.new is None:
                continue
            lines, _ = reader.lines(change.new)
            for _, source in sections("\n".join(lines)):
                key, head = digests(source)
                if head in heads:
                    self.headed.setdefault(head, (step.commit.committed, step.commit.id))
                if key in self.open:
                    yield from self.open.pop(key)


def digests(source: str) -> tuple[str, str]:
    """Return the digest of a section's words, and that of its first line."""
    first = source.split("\n", 1)[0]
    return _digest(source), _digest(first)


def _digest(text: str) -> str:
    words = " ".join(text.split())
    return hashlib.sha256(words.encode("utf-8", "surrogatepass")).hexdigest()


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
    return [Told(text, first, source, *digests(source)) for first, source in sections(content)]


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

"""What a commit wrote: the lines it added to summaries, ledgers, briefs and plans, as blocks."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from planctl._git_history import BlobReader
from planctl.models.claims.claim import Block, PathClaim, Unreadable
from planctl.models.claims.paths import hub_of
from planctl.models.excerpt import regions, thinned
from planctl.models.linediff import line_diff, not_moved
from planctl.models.prose.reading import parse_prose, sections
from planctl.ops.audit.trees import Step

MAX_TEXT = 8 << 20
_KEPT = 48
# Longer sections (a ledger's) are read around their new lines only.
_LONG = 60


@dataclass(frozen=True)
class Text:
    """A file of prose that a commit changed.

    Attributes:
        role: `summary`, `ledger`, `brief` or `plan`.
        lines: The whole file.
        fresh: Line numbers (from 1) that no parent has.
        added: Those of them that did not only move within the commit.
        size: Bytes.
    """

    path: str
    role: str
    blob: str
    lines: list[str]
    fresh: frozenset[int]
    added: frozenset[int]
    size: int


@dataclass(frozen=True)
class Written:
    """A block with lines that a commit added."""

    text: Text
    block: Block

    @cached_property
    def hubs(self) -> tuple[str, ...]:
        """Folders that the block names: all of a turn's, only those of new lines elsewhere."""
        return self.hubs_of(c for c in self.block.paths if self.block.turn or self.new(c.line))

    def hubs_on(self, line: int) -> tuple[str, ...]:
        """Return the folders that one line names."""
        return self.hubs_of(claim for claim in self.block.paths if claim.line == line)

    @staticmethod
    def hubs_of(claims: Iterable[PathClaim]) -> tuple[str, ...]:
        """Return the hubs that paths lie in, then folders that are named as such."""
        listed = tuple(claims)
        hubs = [hub for claim in listed for hub in hub_of(claim.path)]
        folders = [claim.path.rstrip("/") for claim in listed if claim.folder]
        named = (name for name in folders if "/" in name and not name.startswith("$"))
        return tuple(dict.fromkeys([*hubs, *named]))

    def new(self, line: int) -> bool:
        """Tell whether this commit added the line."""
        return line in self.text.added


class TextReader:
    """Reads the prose of commits.

    Args:
        blobs: Where contents come from.
        role: Tells what kind of prose a path is, or None.
    """

    def __init__(self, blobs: BlobReader, role: Callable[[str], str | None]) -> None:
        self._blobs = blobs
        self._role = role
        self._roles: dict[str, str | None] = {}
        self._lines: OrderedDict[str, tuple[list[str], int]] = OrderedDict()
        self._turns: set[int] = set()
        self.too_large: set[str] = set()

    def role(self, path: str) -> str | None:
        """Return what kind of prose a path is, or None."""
        if path not in self._roles:
            self._roles[path] = self._role(path)
        return self._roles[path]

    def texts(self, step: Step) -> list[Text]:
        """Return the prose that a commit changed, deepest paths first."""
        removed: Counter[str] = Counter()
        found: list[tuple[str, str, str, list[str], list[int], int]] = []
        for change in step.own_changes():
            role = self.role(change.path)
            if role is None or change.link:
                continue
            old = [self.lines(blob)[0] for blob in _before(step, change.path, change.old)]
            lines, size = self.lines(change.new) if change.new else ([], 0)
            added, gone = _diff(old, lines)
            removed.update(line.strip() for line in gone)
            if change.new is not None:
                found.append((change.path, role, change.new, lines, added, size))
        found.sort(key=lambda item: (-item[0].count("/"), item[0]))
        texts = []
        for path, role, blob, lines, new, size in found:
            # What stands where a shallow clone is cut was written before.
            fresh = [] if step.cut else new
            kept = _numbers(not_moved(lines, fresh, removed))
            texts.append(Text(path, role, blob, lines, _numbers(fresh), kept, size))
        return texts

    def lines(self, blob: str) -> tuple[list[str], int]:
        """Return a blob's lines and size; nothing for what is too large or not here."""
        if blob in self._lines:
            self._lines.move_to_end(blob)
            return self._lines[blob]
        data = self._blobs.read(blob, MAX_TEXT)
        if data is None:
            self.too_large.add(blob)
        text = (data or b"").decode("utf-8", "replace")
        self._lines[blob] = (text.split("\n"), len(data or b""))
        if len(self._lines) > _KEPT:
            self._lines.popitem(last=False)
        return self._lines[blob]

    def written(self, text: Text) -> Iterator[Written | Unreadable]:
        """Yield the blocks that hold new lines; one that was written before is not new.

        A block that was copied (from a hub's summary to the initiative's, to an archive, by a
        cherry-pick) counts where it stood first.
        """
        for first, part in self._parts(text):
            key, whole = _plain(part.split("\n")), _all_fresh(text, first, part)
            if whole and key in self._turns:
                continue
            prose = parse_prose(part, first)
            if whole and prose.blocks and all(block.turn for block in prose.blocks):
                self._turns.add(key)
            yield from (item for item in prose.unreadable if item.line in text.added)
            for block in prose.blocks:
                written = _written(text, block)
                if written is not None:
                    yield written

    def _parts(self, text: Text) -> Iterator[tuple[int, str]]:
        """Yield the sections with new lines: first line number and source."""
        for start, end in regions(text.lines, [line - 1 for line in sorted(text.added)]):
            for number, part in sections("\n".join(text.lines[start:end])):
                first = start + number
                last = first + part.count("\n")
                new = sorted(line - first for line in text.added if first <= line <= last)
                if new and last - first > _LONG:
                    part = "\n".join(thinned(text.lines[first - 1 : last], new))
                if new:
                    yield first, part


def _numbers(places: Iterable[int]) -> frozenset[int]:
    return frozenset(at + 1 for at in places)


def _before(step: Step, path: str, old: str | None) -> list[str]:
    """Return the blobs that the commit's parents have at a path."""
    others = (tree.get(path) for tree in step.others)
    return [blob for blob in dict.fromkeys((old, *others)) if blob is not None]


def _diff(old: list[list[str]], new: list[str]) -> tuple[list[int], list[str]]:
    """Return positions that no old text has, and lines of the first that are gone."""
    if not old:
        return list(range(len(new))), []
    first = line_diff(old[0], new)
    added = set(first.added)
    for other in old[1:]:
        added &= set(line_diff(other, new).added)
    return sorted(added), [old[0][at] for at in first.removed]


def _written(text: Text, block: Block) -> Written | None:
    told = [
        number
        for number in range(block.line, block.end_line + 1)
        if number <= len(text.lines) and text.lines[number - 1].strip()
    ]
    if text.added.isdisjoint(told):
        return None
    return Written(text, block)


def _all_fresh(text: Text, first: int, part: str) -> bool:
    lines = enumerate(part.split("\n"), first)
    return all(number in text.fresh for number, line in lines if line.strip())


def _plain(lines: list[str]) -> int:
    return hash("\n".join(" ".join(line.split()) for line in lines if line.strip()))

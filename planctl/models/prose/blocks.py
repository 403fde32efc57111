"""The structure of a document that people wrote: turn blocks, fields, lists under a field."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from planctl._markdown import Piece, normalised, pieces
from planctl.clock import find_stamps
from planctl.models.claims.claim import StampClaim, Unreadable

_ATX = re.compile(r"(?: {0,3}>[ \t]?){0,5} {0,3}(#{1,6})(?:[ \t]+|$)")
_FENCE = re.compile(r"[ \t]*(?:[-*+>] +|\d+[.)] +)*(`{3,}|~{3,})([^\n]*)")
_TURN_WORDS = re.compile(
    r"\b(?:turn|loop|session|iteration|handoff)\b.{0,40}\b(?:summary|report|recap|handoff)\b"
    r"|\bsummary\b.{0,20}\b(?:turn|loop|session|iteration)\b",
    re.IGNORECASE,
)
# `**Turn Summary (…)**` or `Turn Summary:` alone on a line: a heading that was not marked as one.
_TURN_LINE = re.compile(
    r"[ \t>]*(?P<marks>[*_#]{0,6})(?P<title>(?:[A-Z][\w’'-]* ){0,2}Turn Summary\b"
    r"(?:[ \t]*(?:\([^()\n]{0,120}\)|[-–—:,][ \t][^\n*.]{0,80}))?)[*_]{0,3}[ \t]*:?[*_]{0,3}[ \t]*$"
)
_TURN_LEVEL = 7
# A list wrapped over more lines is not looked through for brackets at each of them.
_LONG_LIST = 200
_KEY = re.compile(
    r"(?:[-*+] +)?(?:\[[ xX]\] +)?(?P<b>\*\*|__|\*|_|`)?"
    r"(?P<key>artifacts?|next|checklist|files? touched|tests? run|"
    r"[A-Z](?:[\w/&’'#§-]|\.(?=\w))*(?: (?:[\w/&’'()#§-]|\.(?=\w))+){0,2}?)"
    r"(?:(?P=b))?[ \t]*:(?:(?P=b))?(?:\*\*|__)?(?=\s|$)(?!//)"
)
_INLINE_KEY = re.compile(
    r"(?<=[.;!?)*`\]—–-])[*_ \t\n]{1,6}(?:\*\*|__)?"
    r"(?P<key>Artifacts?(?: [a-z]+){0,3}|Next(?: \w+)?|"
    r"Tests? run)(?:\*\*|__)?:(?:\*\*|__)?(?=\s)"
)
_ITEM = re.compile(r"[ \t]*(?:[-*+•] |\d{1,3}[.)] )[ \t]*")
_EVIDENCE = re.compile(
    r"(?:\d+(?:\.\d+)*[.)]? )?(?:key |new |main |evidence )?artifacts?\b"
    r"(?!.{0,40}\b(?:policy|expected|planned|required|wanted|to |missing|pending)\b)",
    re.IGNORECASE,
)
_FULL_STOP = re.compile(r"[.!?][)\]\"'`*_]{0,3}\s*$")
_GOES_ON = re.compile(r"(?:[,;{(+&/|]|\band|\bplus)\s*$")
_STARTS_MORE = re.compile(r"[,;})+&/`$.]|[\w.-]+/|and |plus ")
_TREE = re.compile(r"^[│├└─┬┤|\s]*[├└][─\s]*|^[│\s]+")


@dataclass(frozen=True)
class Segment:
    """Text that is read as one: a sentence or more, a field's value, a list item.

    Attributes:
        line: Source line of its first line.
        text: Its source lines, joined by line ends.
        key: The field it is the value of.
        evidence: It is an `Artifacts` line, or lies in a list under one.
        code: It comes from a fenced block.
    """

    line: int
    text: str
    key: str = ""
    evidence: bool = False
    code: bool = False

    @cached_property
    def _starts(self) -> list[int]:
        return [match.end() for match in re.finditer("\n", self.text)]

    def line_at(self, offset: int) -> int:
        """Return the source line of a place in the text."""
        return self.line + bisect_right(self._starts, offset)


@dataclass(frozen=True)
class RawField:
    """A field as it stands: its segment, the segments of the list under it, its parent's key."""

    value: Segment
    items: list[Segment] = field(default_factory=list)
    parent: str = ""


@dataclass
class Section:
    """A block before its claims are read."""

    turn: bool
    heading: str
    title: str
    level: int
    line: int
    end_line: int
    sentences: list[Segment] = field(default_factory=list)
    fields: list[RawField] = field(default_factory=list)
    loose: list[Segment] = field(default_factory=list)
    unreadable: list[Unreadable] = field(default_factory=list)

    def segments(self) -> Iterator[Segment]:
        """Yield every segment once."""
        yield from self.sentences
        yield from self.loose
        for item in self.fields:
            yield item.value
            yield from item.items


@dataclass(frozen=True)
class Fences:
    """Which lines lie in fenced blocks, and where a fence is opened and never closed."""

    inside: frozenset[int]
    opened: dict[int, int]
    unclosed: int | None


def fences(lines: Sequence[str]) -> Fences:
    """Find the fenced blocks of a text; a fence without an end counts as none."""
    inside: set[int] = set()
    opened: dict[int, int] = {}
    mark, start = "", -1
    for number, line in enumerate(lines):
        found = _FENCE.match(line)
        if mark:
            inside.add(number)
            opened[number] = start
            if found and found[1].startswith(mark) and not found[2].strip():
                mark = ""
        elif found and "`" not in found[2]:
            mark, start = found[1], number
            inside.add(number)
    if not mark:
        return Fences(frozenset(inside), opened, None)
    kept = frozenset(number for number in inside if number < start)
    return Fences(kept, {n: o for n, o in opened.items() if n < start}, start)


def is_turn(title: str) -> bool:
    """Tell whether a heading announces a turn summary."""
    return _TURN_WORDS.search(title) is not None


@dataclass(frozen=True)
class _Cut:
    index: int
    level: int
    title: str
    turn: bool


def _cuts(lines: Sequence[str], fenced: Fences) -> Iterator[_Cut]:
    """Yield where blocks begin: every heading, except those below a turn's heading."""
    within = 0
    for index, line in enumerate(lines):
        if index in fenced.inside:
            continue
        if found := _ATX.match(line):
            title = line[found.end() :].strip().rstrip("#").strip()
            level, turn = len(found[1]), is_turn(title)
        elif named := _TURN_LINE.match(line):
            title, level, turn = named["title"].strip(), _TURN_LEVEL, True
        else:
            continue
        if turn or not within or level <= within:
            within = level if turn else 0
            yield _Cut(index, level, title, turn)


def cut(text: str) -> list[tuple[int, str]]:
    """Cut a text into its blocks: the number of each one's first line, from 1, and its source."""
    lines = normalised(text).split("\n")
    starts = [item.index for item in _cuts(lines, fences(lines))]
    if not starts or starts[0] > 0:
        starts = [0, *starts]
    ends = [*starts[1:], len(lines)]
    return [
        (start + 1, "\n".join(lines[start:end])) for start, end in zip(starts, ends, strict=True)
    ]


def read(source: str, first_line: int) -> Section:
    """Read the structure of one block.

    Args:
        source: What `cut` returned for it.
        first_line: Its first line in the document.
    """
    lines = source.split("\n")
    fenced = fences(lines)
    if fenced.unclosed is not None:
        lines[fenced.unclosed] = ""
    head = next(iter(_cuts(lines, fenced)), None)
    section = Section(False, "", "", 0, first_line, first_line + _last(lines))
    if head is not None and head.index == 0:
        section.heading, section.title = lines[0].strip(), _plain(head.title)
        section.level, section.turn = head.level, head.turn
        lines[0] = ""
    section.unreadable += _hidden(lines, fenced, first_line)
    reader = _Reader(section, first_line - 1, lines)
    for piece in pieces("\n".join(lines)):
        reader.take(piece)
    return section


def _last(lines: Sequence[str]) -> int:
    return max((index for index, line in enumerate(lines) if line.strip()), default=0)


def _plain(title: str) -> str:
    return title.strip().strip("*_").strip().rstrip(":").strip()


def _hidden(lines: Sequence[str], fenced: Fences, first_line: int) -> Iterator[Unreadable]:
    """Yield what a fence hides that looks like a turn summary, and a fence without end."""
    if fenced.unclosed is not None:
        why = "a fenced block is opened here and never closed; what follows was read as text"
        yield Unreadable(first_line + fenced.unclosed, why, "```")
    for number, start in fenced.opened.items():
        line = lines[number]
        found = _ATX.match(line)
        if found and is_turn(line[found.end() :]):
            why = f"a turn summary inside the fenced block of line {first_line + start} is not read"
            yield Unreadable(first_line + number, why, line.strip()[:80])


def heading_stamps(section: Section) -> tuple[StampClaim, ...]:
    """Return the stamps of a block's heading."""
    return tuple(
        StampClaim(
            section.line, s.text, s.when, s.until, s.zone_known, s.precision, where="heading"
        )
        for s in find_stamps(section.title)
    )


def roles(title: str) -> tuple[str, ...]:
    """Return what a heading says beside its name and its stamps: `(Galph — 2025-…)`."""
    inside = re.findall(r"\(([^()]*)\)", title)
    after = re.split(r"\s[-–—]\s|:\s", re.sub(r"\([^()]*\)", "", title))[1:]
    found: list[str] = []
    for part in [*inside, *after]:
        rest = part
        for stamp in find_stamps(part):
            rest = rest.replace(stamp.text, "\0")
        found += [word.strip(" .-–—:") for word in re.split(r"[\0,;|—–]| - ", rest)]
    return tuple(word for word in found if re.search(r"[^\W\d_]", word))


class _Reader:
    """Takes the pieces of one block in order and files them under its fields."""

    def __init__(self, section: Section, before: int, lines: Sequence[str]) -> None:
        self.section = section
        self._before = before
        self._lines = lines
        # Fields whose lists may follow: (depth the field stands at, field).
        self._owners: list[tuple[int, RawField]] = []
        self._last_line = 0
        if not section.turn:
            self._evidence_below(section.title, section.line)

    def take(self, piece: Piece) -> None:
        """File one piece."""
        piece = replace(piece, line=piece.line + self._before)
        self._part(piece)
        if piece.kind == "heading":
            self._heading(piece)
        elif piece.kind == "code":
            self._leave(piece.depth + 1)
            self._code(piece)
        else:
            for segment in _logical(piece):
                self._segment(segment, piece)
        self._last_line = piece.line + piece.text.rstrip("\n").count("\n")

    def _part(self, piece: Piece) -> None:
        """Part a field that has a value from a list that only comes after a blank line."""
        if piece.line > self._last_line + 1 and self._owners:
            depth, owner = self._owners[-1]
            if depth >= 0 and owner.value.text and not owner.items and depth < piece.depth:
                self._owners.pop()

    def _leave(self, depth: int) -> None:
        while self._owners and self._owners[-1][0] >= depth:
            self._owners.pop()

    def _heading(self, piece: Piece) -> None:
        self._owners.clear()
        if not self._evidence_below(_plain(piece.text), piece.line):
            self.section.loose.append(Segment(piece.line, piece.text))

    def _evidence_below(self, title: str, line: int) -> bool:
        """Take a heading `Artifacts` as a field whose value is all that stands under it."""
        if not _EVIDENCE.match(title):
            return False
        found = RawField(Segment(line, "", title, True))
        self.section.fields.append(found)
        self._owners.append((-1, found))
        return True

    def _code(self, piece: Piece) -> None:
        owner = self._owners[-1][1] if self._owners else None
        if owner is None or not owner.value.evidence:
            self.section.loose.append(Segment(piece.line, piece.text, code=True))
            return
        for number, line in _listing(piece.text):
            owner.items.append(Segment(piece.line + number, line, owner.value.key, True))

    def _segment(self, segment: Segment, piece: Piece) -> None:
        depth = piece.depth if piece.depth and self._indented(segment.line) else 0
        marked = _ITEM.match(segment.text)
        if segment.key or not marked:
            self._leave(depth)
        owner = self._owners[-1][1] if self._owners else None
        if segment.key:
            inherited = owner is not None and owner.value.evidence
            evidence = inherited or _EVIDENCE.match(segment.key) is not None
            parent = owner.value.key if owner else ""
            found = RawField(replace(segment, evidence=evidence), [], parent)
            self.section.fields.append(found)
            self._owners.append((depth, found))
        elif owner is not None and not (self._owners[-1][0] < 0 == depth and owner.items):
            # Right under a heading `Artifacts` a paragraph counts; behind its list it does not.
            key, evidence = owner.value.key, owner.value.evidence
            owner.items.append(replace(segment, key=key, evidence=evidence))
        elif depth:
            self.section.loose.append(segment)
        else:
            self.section.sentences.append(segment)

    def _indented(self, line: int) -> bool:
        """Tell a line of a list from one that Markdown only adds to the item above it."""
        source = self._lines[line - self._before - 1]
        return source[:1] in (" ", "\t", ">") or _ITEM.match(source) is not None


def _listing(text: str) -> Iterator[tuple[int, str]]:
    """Yield the lines of a listing that name something; of a drawn tree with their folders."""
    above: list[tuple[int, str]] = []
    for number, line in enumerate(text.split("\n")):
        if not line.strip():
            continue
        drawn = _TREE.match(line)
        name = line[drawn.end() :] if drawn else line
        indent = len(line) - len(name)
        while above and above[-1][0] >= indent:
            above.pop()
        folder = "".join(part for _, part in above) if drawn else ""
        word = name.split()[0]
        if word.endswith("/"):
            above.append((indent, word))
        yield number, folder + name


def _logical(piece: Piece) -> Iterator[Segment]:
    """Split a paragraph where a field, a table row or an unmarked list item begins."""
    first: Segment | None = None
    lines: list[str] = []
    for number, line in enumerate(piece.text.split("\n")):
        fresh = _begins(piece.line + number, line)
        ended = first is None or fresh.key or line.startswith("|") or _ITEM.match(line)
        if first is not None and (ended or _ends(first, lines, line)):
            yield from _inline(replace(first, text="\n".join(lines)))
            ended = True
        if ended:
            first, lines = fresh, [fresh.text]
        else:
            lines.append(line)
    if first is not None:
        yield from _inline(replace(first, text="\n".join(lines)))


def _begins(number: int, line: str) -> Segment:
    found = _KEY.match(line)
    if found is None or "::" in found["key"] or len(found["key"]) > 60:
        return Segment(number, line)
    return Segment(number, line[found.end() :].lstrip(), found["key"].strip())


def _ends(first: Segment, lines: Sequence[str], line: str) -> bool:
    """Tell whether a sentence, or a line of evidence, is over and this line begins another."""
    if _FULL_STOP.search(lines[-1][-40:]):
        return True
    if not first.key or not _EVIDENCE.match(first.key) or not (lines[0] or len(lines) > 1):
        return False
    text = "".join(lines) if len(lines) < _LONG_LIST else ""
    opened = text.count("{") > text.count("}") or text.count("(") > text.count(")")
    return not (opened or _GOES_ON.search(lines[-1][-40:]) or _STARTS_MORE.match(line))


def _inline(segment: Segment) -> Iterator[Segment]:
    """Split a text where `… done. Artifacts: a, b` begins a field inside a line."""
    marks = list(_INLINE_KEY.finditer(segment.text))
    ends = [*(mark.start() for mark in marks), len(segment.text)]
    yield replace(segment, text=segment.text[: ends[0]])
    for mark, end in zip(marks, ends[1:], strict=True):
        text = segment.text[mark.end() : end]
        lead = len(text) - len(text.lstrip())
        line = segment.line_at(mark.end() + lead)
        yield Segment(line, text.lstrip(), mark["key"])

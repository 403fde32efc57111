"""Paths in running text and in lists: braces, `folder/ (a, b)`, `path:12-30`, `a.md + b.md`."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from planctl.models.claims.claim import PathClaim, Unreadable
from planctl.models.prose.blocks import Segment
from planctl.models.prose.braces import TooMuch, closing, expand
from planctl.models.prose.words import (
    PLAIN_FILES,
    Word,
    has_ending,
    line_ranges,
    read_word,
    spaced_name,
)

_ENDS_WORD = re.compile(r"[\s(),;`|→⇒←↔—{}“”\"]")
_SKIPPED = ")}”"
_MORE_LINES = re.compile(r",\s?L?\d+(?:[-–]L?\d+)?(?=[),;\s.`]|$)")
_HAS_LINES = re.compile(r":L?\d+(?:[-–]L?\d+)?$")
_SAID_LINES = re.compile(
    r"[`'\")]{0,2}\s*,?\s*(?:\(|at |on |around )?lines?\s+"
    r"(\d+(?:[-–]\d+)?(?:\s?(?:,|and|&)\s?\d+(?:[-–]\d+)?){0,9})",
    re.IGNORECASE,
)
_JOINS = re.compile(r"(?:and|plus|\+|&|/|or)$")
_TRAILING = re.compile(r"[`'\"*_]{0,3}\s+([^,;(){}`\n]{1,60})")
_BLANKS = re.compile(r"[`'\"*_]{0,3}\s*")
# Every path has one of these.
_MARKS = re.compile(r"[/.*\\{]")
_NOTE_CHARS = 80
_LOOK_AHEAD = 2_000
# Parentheses nested deeper are taken as plain marks.
_DEEPEST = 20
_QUOTES = {"`": "`", '"': '"', "“": "”"}


@dataclass
class _Frame:
    """An open parenthesis: a list of what lies in `base`, or a remark."""

    end: int
    base: str = ""
    group: int | None = None
    folder: int | None = None
    joined: int = 0


@dataclass
class PathsFound:
    """What a segment names."""

    sure: list[PathClaim] = field(default_factory=list)
    maybe: list[PathClaim] = field(default_factory=list)
    unreadable: list[Unreadable] = field(default_factory=list)
    spans: list[tuple[int, int]] = field(default_factory=list)

    @cached_property
    def _by_text(self) -> dict[str, list[PathClaim]]:
        found: dict[str, list[PathClaim]] = {}
        for claim in self.sure:
            same = found.setdefault(claim.text, [])
            if all(other.path != claim.path for other in same):
                same.append(claim)
        return found

    def near(self, text: str, start: int, end: int) -> list[PathClaim]:
        """Return the paths that are named between two places of the text.

        Args:
            text: The segment's text.
            start: Where to begin.
            end: Where to stop.
        """
        first = bisect_left(self.spans, (start, 0))
        last = bisect_left(self.spans, (end, 0))
        words = dict.fromkeys(text[a:b] for a, b in self.spans[first:last])
        return [claim for word in words for claim in self._by_text.get(word, ())]


def find_paths(segment: Segment, next_group: int = 1) -> PathsFound:
    """Return every path a segment names, in order.

    Args:
        segment: Text of one field, item or paragraph.
        next_group: Number for its first brace or parenthesis list.
    """
    return _Scanner(segment, next_group).scan()


class _Scanner:
    def __init__(self, segment: Segment, next_group: int) -> None:
        self.segment = segment
        self.text = segment.text
        self.found = PathsFound()
        self._braces = closing(self.text)
        self._brackets = closing(self.text, "(", ")")
        self._group = next_group - 1
        self._frames: list[_Frame] = []
        self._first = True
        self._ticked = False
        # The claims of the last word, and where it ended: what follows may be a remark on them.
        self._last: tuple[int, int] = (0, 0)
        self._last_end = -1
        self._broken = False

    def scan(self) -> PathsFound:
        """Go over the text once."""
        position = 0
        while position < len(self.text):
            while self._frames and position >= self._frames[-1].end:
                self._close(self._frames.pop())
            position = self._step(position)
        while self._frames:
            self._close(self._frames.pop())
        return self.found

    def _step(self, position: int) -> int:
        char = self.text[position]
        if char in _QUOTES:
            return self._quoted(position)
        if char == "(":
            return self._open(position)
        if char in ",;|\n" or char in "→⇒←↔—":
            self._first = self._first or char in ",;|\n"
            return position + 1
        if char.isspace() or char in _SKIPPED:
            return position + 1
        if char == "{" and position not in self._braces:
            self._open_list(position)
            return position + 1
        end = self._word_end(position)
        self._word(position, end)
        return max(end, position + 1)

    def _quoted(self, position: int) -> int:
        """Take quoted text that ends like a file as one name, blanks and all."""
        char = self.text[position]
        if char == "`":
            self._ticked = not self._ticked
        if char == "`" and not self._ticked:
            return position + 1
        stop = self.text.find(_QUOTES[char], position + 1, position + 200)
        if stop > 0 and spaced_name(self.text[position + 1 : stop], char == "`"):
            words = [Word(self.text[position + 1 : stop], True)]
            self._file(words, position + 1, stop, None, True)
            return stop
        return position + 1

    def _word_end(self, position: int) -> int:
        """Return where a word ends, braces that have a partner taken whole."""
        text, end = self.text, position
        while end < len(text):
            if text[end] == "{":
                close = self._braces.get(end)
                variable = end > position and text[end - 1] == "$"
                if close is None:
                    return self._unclosed(position, end)
                end = close + 1
                if variable or close - end < 4_000:
                    continue
            found = _ENDS_WORD.search(text, end)
            end = found.start() if found else len(text)
            if end >= len(text) or text[end] != "{":
                break
        if _HAS_LINES.search(text, max(position, end - 40), end):
            while more := _MORE_LINES.match(text, end):
                end = more.end()
        return end

    def _unclosed(self, position: int, brace: int) -> int:
        """Take a brace list without an end as it stands to the end of the text, and say so."""
        before = self.text[position:brace]
        if before.endswith("$") or not ("/" in before or has_ending(before)):
            return max(brace, position + 1)
        self._break(position)
        return len(self.text)

    def _break(self, position: int) -> None:
        if not self._broken:
            self._broken = True
            why = "a brace is opened and never closed; its list was read to the end of the text"
            text = self.text[position : position + _NOTE_CHARS]
            line = self.segment.line_at(position)
            self.found.unreadable.append(Unreadable(line, why, text))

    def _open_list(self, position: int) -> None:
        """Tell of a brace without a word before it that opens a list of artifacts."""
        words = self.text[position + 1 : position + _NOTE_CHARS].replace(",", " ").split()
        if self.segment.evidence and words and any(w.sure for w in read_word(words[0], True, True)):
            self._first = True
            self._break(position)

    def _word(self, start: int, end: int) -> None:
        raw = self.text[start:end]
        if _JOINS.match(raw):
            self._first = True
            return
        if not _MARKS.search(raw) and raw not in PLAIN_FILES:
            self._first = False
            return
        many = "{" in raw.replace("${", "")
        names = self._names(raw, start) if many else [raw]
        evidence = self.segment.evidence and not self._noted()
        head = self._first
        first = self._ticked or (head and self.segment.evidence)
        self._first = False
        words = [w for name in names for w in read_word(name, evidence, first or many)]
        if not words:
            return
        group = None
        if many and len(names) > 1:
            self._group += 1
            group = self._group
        self._file(words, start, end, group, head)

    def _names(self, raw: str, start: int) -> list[str]:
        closed = raw + "}" * max(0, raw.count("{") - raw.count("}"))
        try:
            return expand(closed, loose=True)
        except TooMuch as problem:
            line = self.segment.line_at(start)
            text = raw[:_NOTE_CHARS]
            self.found.unreadable.append(Unreadable(line, f"the list {problem}", text))
            return []

    def _noted(self) -> bool:
        return any(frame.group is None for frame in self._frames)

    def _file(
        self, words: Sequence[Word], start: int, end: int, group: int | None, head: bool
    ) -> None:
        frame = self._frames[-1] if self._frames else None
        line = self.segment.line_at(start)
        said = _SAID_LINES.match(self.text, end)
        first = len(self.found.sure)
        for word in words:
            claim = PathClaim(
                line=line,
                text=self.text[start:end],
                path=word.path,
                evidence=self.segment.evidence and not self._noted(),
                field=self.segment.key,
                lines=word.lines or (line_ranges(said[1]) if said else ()),
                selector=word.selector,
                group=group,
                folder=word.folder,
                elided=word.elided,
            )
            if frame is not None and frame.base and head:
                claim = _joined(claim, frame)
                frame.joined += 1
            elif frame is not None and frame.base:
                claim = replace(claim, evidence=False)
            (self.found.sure if word.sure else self.found.maybe).append(claim)
        if any(word.sure for word in words):
            self.found.spans.append((start, end))
            self._last, self._last_end = (first, len(self.found.sure)), end
            self._remark(end)

    def _remark(self, end: int) -> None:
        """Note the plain words that follow an artifact: `a.log pending`."""
        found = _TRAILING.match(self.text, end) if self.segment.evidence else None
        if found is None or re.match(r"(?:and|plus|\+|&)\s|\W*$", found[1]):
            return
        if not read_word(found[1].split()[0], True):
            self._note(found[1].strip())

    def _note(self, text: str) -> None:
        begin, end = self._last
        for index in range(begin, end):
            claim = self.found.sure[index]
            note = f"{claim.note} {text}".strip()[:_NOTE_CHARS]
            self.found.sure[index] = replace(claim, note=note)

    def _open(self, position: int) -> int:
        self._first = True
        if position > 0 and self.text[position - 1] == "]":
            self._link(position)
            return position + 1
        if len(self._frames) >= _DEEPEST:
            return position + 1
        end = self._brackets.get(position, len(self.text))
        blanks = _BLANKS.match(self.text, self._last_end) if self._last_end >= 0 else None
        index = self._last[1] - 1
        if blanks is None or blanks.end() != position or index < 0:
            self._frames.append(_Frame(end))
            return position + 1
        owner = self.found.sure[index]
        inside = self.text[position + 1 : min(end, position + _LOOK_AHEAD)]
        if self._is_list(owner, inside):
            self._group += 1
            self._frames.append(_Frame(end, owner.path.rstrip("/"), self._group, index))
            if end == len(self.text):
                why = "a list in parentheses is never closed; it was read to the end of the text"
                line = self.segment.line_at(position)
                text = self.text[position : position + _NOTE_CHARS]
                self.found.unreadable.append(Unreadable(line, why, text))
        else:
            self._note(" ".join(inside[:_NOTE_CHARS].split()))
            self._frames.append(_Frame(end))
        return position + 1

    def _link(self, position: int) -> None:
        """Take back the label of `[label](target)` when both are paths."""
        begin, end = self._last
        if end == begin or not position - 2 <= self._last_end <= position:
            return
        target = self.text[position + 1 : position + 300].split(")")[0].split()
        if target and any(word.sure for word in read_word(target[0])):
            del self.found.sure[begin:end]
            self._last = (begin, begin)

    def _is_list(self, owner: PathClaim, inside: str) -> bool:
        folder = owner.folder or (self.segment.evidence and not has_ending(owner.path))
        if not folder or owner.selector or owner.lines:
            return False
        return any(_starts_with_file(item) for item in re.split(r"[,;]|\s(?:\+|&|and)\s", inside))

    def _close(self, frame: _Frame) -> None:
        """Take the folder of `folder/ (a, b)` back: its files were claimed in its place."""
        if frame.joined and frame.folder is not None:
            # Later claims keep their order; the folder only loses its own entry.
            index = frame.folder
            self.found.sure.pop(index)
            begin, end = self._last
            self._last = (max(0, begin - 1), max(0, end - 1))
            for other in self._frames:
                if other.folder is not None and other.folder > index:
                    other.folder -= 1
        self._first = False


def _starts_with_file(item: str) -> bool:
    words = item.strip().strip("`*\"'").split()
    name = words[0].strip("`*\"',") if words else ""
    return any(word.sure for word in read_word(name, True, True)) or "{" in name


def _joined(claim: PathClaim, frame: _Frame) -> PathClaim:
    top = frame.base.split("/")[0]
    if claim.absolute or claim.path.startswith(("$", "../")) or claim.path.split("/")[0] == top:
        return replace(claim, group=frame.group)
    path = f"{frame.base}/{claim.path}"
    return replace(claim, path=path, bare=claim.path, group=frame.group)

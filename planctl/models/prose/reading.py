"""Prose nobody wrote for a parser: text in, blocks with their claims out.

Never raises, whatever the text. What claims to be a turn summary and cannot be read to its end is
named in `Prose.unreadable`; nothing is dropped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from planctl.clock import find_stamps
from planctl.models.claims.claim import (
    Block,
    CommitClaim,
    Field,
    NumberClaim,
    PathClaim,
    Prose,
    Sentence,
    StampClaim,
    TestClaim,
    Unreadable,
)
from planctl.models.prose.blocks import RawField, Section, Segment, cut, heading_stamps, read, roles
from planctl.models.prose.commits import find_commits
from planctl.models.prose.numbers import find_numbers
from planctl.models.prose.paths import PathsFound, find_paths
from planctl.models.prose.tests import find_tests

# Fields in the strict sense: never a sentence.
_FIELDS = re.compile(
    r"(?:next|artifacts?|checklist|files? |tests? |mapped tests|do now|status|priority|depends on|"
    r"owner|focus|mode|branch|summary)\b",
    re.IGNORECASE,
)


def sections(text: str) -> list[tuple[int, str]]:
    """Cut a document into its blocks, without reading them.

    Returns:
        Number of the first line, and source, of each. Reading each with `parse_prose(part, first)`
        gives what `parse_prose(text)` gives.
    """
    return cut(text)


def parse_prose(text: str, first_line: int = 1) -> Prose:
    """Read every block of a document.

    Args:
        text: Markdown, or any text.
        first_line: The number its first line has in the whole document.
    """
    blocks: list[Block] = []
    problems: list[Unreadable] = []
    for number, source in cut(text):
        section = read(source, first_line + number - 1)
        block, unreadable = _block(section)
        if block is not None:
            blocks.append(block)
        problems += unreadable
    return Prose(tuple(blocks), tuple(sorted(problems, key=lambda item: item.line)))


@dataclass
class _Claims:
    paths: list[PathClaim] = field(default_factory=list)
    maybe: list[PathClaim] = field(default_factory=list)
    tests: list[TestClaim] = field(default_factory=list)
    numbers: list[NumberClaim] = field(default_factory=list)
    commits: list[CommitClaim] = field(default_factory=list)
    times: list[StampClaim] = field(default_factory=list)
    unreadable: list[Unreadable] = field(default_factory=list)
    groups: int = 0

    def read(self, segment: Segment) -> None:
        """Add the claims of one segment."""
        if segment.code:
            # Commands and their output: only what a test run says of itself is a claim.
            self.tests += find_tests(segment, PathsFound())
            return
        found = find_paths(segment, self.groups + 1)
        self.groups = max([self.groups, *(item.group or 0 for item in found.sure)])
        self.paths += found.sure
        self.maybe += found.maybe
        self.unreadable += found.unreadable
        times = list(_times(segment, found))
        self.times += [item for _, item in times]
        tests = list(find_tests(segment, found))
        self.tests += tests
        self.commits += find_commits(segment, found)
        self.numbers += find_numbers(segment, [*found.spans, *(span for span, _ in times)])


def _times(segment: Segment, found: PathsFound) -> Iterator[tuple[tuple[int, int], StampClaim]]:
    spans = sorted(found.spans)
    for stamp in find_stamps(segment.text):
        named = any(start <= stamp.start < end for start, end in spans)
        yield (
            (stamp.start, stamp.end),
            StampClaim(
                line=segment.line_at(stamp.start),
                text=stamp.text,
                when=stamp.when,
                until=stamp.until,
                zone_known=stamp.zone_known,
                precision=stamp.precision,
                where="name" if named else "prose",
                field=segment.key,
            ),
        )


def _block(section: Section) -> tuple[Block | None, list[Unreadable]]:
    claims = _Claims()
    for segment in section.segments():
        claims.read(segment)
    stamps = heading_stamps(section)
    fields = tuple(_field(item) for item in section.fields)
    keys = {item.key.lower() for item in fields}
    shaped = "artifacts" in keys and ("next" in keys or "checklist" in keys or bool(stamps))
    block = Block(
        turn=section.turn or (shaped and section.level > 0),
        heading=section.heading,
        title=section.title,
        level=section.level,
        line=section.line,
        end_line=section.end_line,
        stamps=stamps,
        roles=roles(section.title),
        sentences=_sentences(section),
        fields=fields,
        paths=tuple(sorted(claims.paths, key=lambda item: item.line)),
        tests=tuple(sorted(claims.tests, key=lambda item: item.line)),
        numbers=tuple(sorted(claims.numbers, key=lambda item: item.line)),
        commits=tuple(sorted(claims.commits, key=lambda item: item.line)),
        times=(*stamps, *sorted(claims.times, key=lambda item: item.line)),
        maybe_paths=tuple(claims.maybe),
    )
    problems = [*section.unreadable, *claims.unreadable]
    if block.turn and not (block.sentences or fields or section.loose):
        why = "a turn summary without text"
        problems.append(Unreadable(block.line, why, block.heading))
    empty = not (block.heading or block.sentences or fields or section.loose)
    return (None if empty else block), problems


def _field(item: RawField) -> Field:
    value = item.value
    items = tuple(Sentence(segment.line, segment.text) for segment in item.items)
    return Field(value.key, value.line, value.text, items, item.parent)


def _sentences(section: Section) -> tuple[Sentence, ...]:
    """Return the running text in the order of the lines.

    List items are among it, and so is `Root cause: …`: a sentence, though it has the form of a
    field.
    """
    text = [*section.sentences, *(item for item in section.loose if not item.code)]
    text += [
        replace(item.value, text=f"{item.value.key}: {item.value.text}")
        for item in section.fields
        if not item.parent and item.value.text and not _FIELDS.match(item.value.key)
    ]
    return tuple(
        Sentence(item.line, item.text)
        for item in sorted(text, key=lambda item: item.line)
        if item.text.strip()
    )

"""What leaves the ledger: attempts of items that are done, or whole items, byte for byte.

An archive has regions as the ledger has, one an item. The item in the ledger keeps a line
`- Archive:` that names the files.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from planctl.models.ledger import document as ledger
from planctl.models.ledger.document import LedgerItem
from planctl.models.ledger.regions import Region, plain_of, regions

_ATTEMPT = re.compile(r"^  - (\S+Z) [^\n]*\n", re.MULTILINE)
# Lines that are indented deeper belong to the attempt above them, blank lines between them too.
_MORE = re.compile(r"(?:[ \t]*\r?\n)*+(?:(?: {4}|\t)[^\n]*\n)")
_YEAR = re.compile(r"(?:19|20)\d\d(?=-)")


@dataclass(frozen=True)
class Entry:
    """An attempt as it stands in the file, with what belongs to it.

    Attributes:
        item: Whose it is.
        when: Its stamp.
        text: Its lines.
        start: Where they begin.
    """

    item: str
    when: str
    text: str
    start: int

    @property
    def end(self) -> int:
        """Where they end."""
        return self.start + len(self.text)

    def year(self, otherwise: int) -> str:
        """Return the year of the stamp."""
        found = _YEAR.match(self.when)
        return found[0] if found else str(otherwise)


def entries(text: str, path: str, items: Iterable[str] | None = None) -> Iterator[Entry]:
    """Yield the attempts of some items (None: of all), in file order.

    Raises:
        BadFileError: A region without end.
    """
    plain = plain_of(text)
    wanted = None if items is None else frozenset(items)
    for region in regions(plain, path):
        if wanted is None or region.id in wanted:
            yield from _of_region(text, plain, region)


def _of_region(text: str, plain: str, region: Region) -> Iterator[Entry]:
    for match in _ATTEMPT.finditer(plain, region.start, region.end):
        end = match.end()
        while (more := _MORE.match(text, end, region.end)) is not None:
            end = more.end()
        yield Entry(region.id, match[1], text[match.start() : end], match.start())


def oldest(found: Sequence[Entry], lines: int, size: int) -> list[Entry]:
    """Return the oldest attempts that make up a number of lines and of bytes, or all of them."""
    chosen: list[Entry] = []
    for entry in sorted(found, key=lambda item: (item.when, item.start)):
        if lines <= 0 and size <= 0:
            break
        chosen.append(entry)
        lines -= entry.text.count("\n")
        size -= len(entry.text.encode("utf-8", "surrogateescape"))
    return chosen


def without(text: str, gone: Iterable[Entry]) -> str:
    """Return a ledger without some attempts."""
    for entry in sorted(gone, key=lambda item: item.start, reverse=True):
        text = text[: entry.start] + text[entry.end :]
    return text


def with_entries(text: str, path: str, item: LedgerItem, added: Sequence[Entry]) -> str:
    """Return an archive with more attempts of an item, those that it has already left out.

    They may be there already when a planctl was killed between the two files, or when two branches
    archived the same.

    Raises:
        BadFileError: A region of the archive has no end.
    """
    there = Counter(entry.text for entry in entries(text, path, [item.id]))
    new: list[str] = []
    for entry in added:
        if there[entry.text] > 0:
            there[entry.text] -= 1
        else:
            new.append(entry.text)
    return with_content(text, path, item, "".join(new))


def with_content(text: str, path: str, item: LedgerItem, content: str) -> str:
    """Return an archive with more content at the end of an item's region.

    Raises:
        BadFileError: A region of the archive has no end.
    """
    region = next((one for one in regions(plain_of(text), path) if one.id == item.id), None)
    if region is None:
        shell = LedgerItem(id=item.id, title=item.title, status=item.status, priority=item.priority)
        text = ledger.with_item(text, shell)
        region = next(one for one in regions(plain_of(text), path) if one.id == item.id)
    return text[: region.end] + content + text[region.end :]


def with_pointer(text: str, path: str, item: LedgerItem, archive: str) -> str:
    """Return the ledger with an item's line that names the archive.

    Raises:
        BadFileError: There is no such item.
    """
    names = tuple(dict.fromkeys((*item.archive, archive)))
    return ledger.with_field(text, path, item.id, "Archive", ", ".join(names))


def emptied(text: str, path: str, item: LedgerItem) -> tuple[str, str]:
    """Return the ledger in which only heading and status of an item are left, and what went.

    Raises:
        BadFileError: There is no such item.
    """
    found = [one for one in regions(plain_of(text), path) if one.id == item.id]
    gone = "".join(region.of(text) for region in found)
    for region in reversed(found[1:]):
        text = text[: region.begin] + text[region.after :]
    newline = "\r\n" if text[: found[0].start].endswith("\r\n") else "\n"
    lines = (ledger.heading_of(item.id, item.title), "", "- Status: archived", "")
    return text[: found[0].start] + newline.join(lines) + text[found[0].end :], gone

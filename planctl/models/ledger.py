"""The ledger `docs/fix_plan.md`: items in regions planctl marked, free text around them.

A region starts with `<!-- planctl:item ID -->` and ends with `<!-- planctl:end ID -->`. planctl
changes the status line and adds attempt lines inside; every other byte stays. Each attempt is one
line that no other attempt repeats, so that `merge=union` joins two branches without loss.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict

from planctl._text import printable
from planctl.errors import BadFileError

Status = Literal["pending", "in_progress", "blocked", "done", "archived"]

# A merge may leave two status lines: the one that claims least holds.
_CAUTIOUS: tuple[Status, ...] = ("blocked", "in_progress", "pending", "done", "archived")
_BEGIN = re.compile(r"^<!-- planctl:item (\S+) -->[ \t]*\r?\n", re.MULTILINE)
# Nothing here goes back over what it matched: a line may be as long as the file.
_HEADING = re.compile(r"^##++ ++(\S++)(?: — ([^\n]*))?[ \t\r]*$", re.MULTILINE)
_FIELD = re.compile(r"^- (Status|Priority|Depends on):([^\n]*)$", re.MULTILINE)
_STATUS_LINE = re.compile(r"^- Status: *+\S*+[ \t]*+(\r?\n)", re.MULTILINE)
_ATTEMPT = re.compile(r"^  - (\S+Z) ([^\n]*)$", re.MULTILINE)


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True)


class Attempt(_Model):
    """One attempt: when, and what came of it."""

    when: str
    text: str


class LedgerItem(_Model):
    """One item of the ledger: an initiative and its attempts, oldest first."""

    id: str
    title: str
    status: Status
    priority: str
    depends_on: tuple[str, ...] = ()
    attempts: tuple[Attempt, ...] = ()


class Ledger(_Model):
    """All items in file order."""

    path: str
    items: tuple[LedgerItem, ...]

    def item(self, initiative: str) -> LedgerItem | None:
        """Return an item, or None when the ledger has none of that id."""
        return next((item for item in self.items if item.id == initiative), None)


@dataclass(frozen=True)
class _Region:
    id: str
    start: int
    end: int

    def of(self, text: str) -> str:
        return text[self.start : self.end]


def parse(text: str, path: str) -> Ledger:
    """Read a ledger.

    Raises:
        BadFileError: A region without end, or a status that is none.
    """
    items = tuple(_item(text, region, path) for region in _regions(text, path))
    return Ledger(path=path, items=items)


def _regions(text: str, path: str) -> list[_Region]:
    found: dict[str, _Region] = {}
    for begin in _BEGIN.finditer(text):
        name = begin[1]
        if name in found and begin.start() < found[name].end:
            continue  # a merge repeated the marker inside the region
        found[name] = _Region(name, begin.end(), _end(text, begin, path))
    return list(found.values())


def _end(text: str, begin: re.Match[str], path: str) -> int:
    marker = re.compile(rf"^<!-- planctl:end {re.escape(begin[1])} -->[ \t]*\r?$", re.MULTILINE)
    limit = next((m.start() for m in _BEGIN.finditer(text, begin.end()) if m[1] != begin[1]), None)
    ends = list(marker.finditer(text, begin.end(), len(text) if limit is None else limit))
    if not ends:
        raise BadFileError(
            path,
            f"the region of `{begin[1]}` has no end",
            line=text.count("\n", 0, begin.start()) + 1,
            hint=f"put `<!-- planctl:end {begin[1]} -->` on its own line after it",
        )
    return ends[-1].start()


def _item(text: str, region: _Region, path: str) -> LedgerItem:
    inside = region.of(text)
    heading = _HEADING.search(inside)
    fields: dict[str, list[str]] = {}
    for match in _FIELD.finditer(inside):
        fields.setdefault(match[1], []).append(match[2].strip())
    depends = fields.get("Depends on", ["none"])[0]
    return LedgerItem(
        id=region.id,
        title=(heading[2] or "").strip() if heading else "",
        status=_status(fields.get("Status", []), region, text, path),
        priority=fields.get("Priority", ["medium"])[0],
        depends_on=() if depends == "none" else tuple(re.split(r", *", depends)),
        attempts=tuple(
            Attempt(when=match[1], text=match[2].rstrip()) for match in _ATTEMPT.finditer(inside)
        ),
    )


def _status(found: list[str], region: _Region, text: str, path: str) -> Status:
    for status in _CAUTIOUS:
        if status in found:
            return status
    if found:
        raise BadFileError(
            path,
            f"`{found[0]}` is no status",
            line=text.count("\n", 0, region.start) + 1,
            key=region.id,
            hint=f"write one of {', '.join(get_args(Status))}",
        )
    return "pending"


def with_item(text: str, item: LedgerItem) -> str:
    """Return the ledger with a new item after everything else."""
    depends = ", ".join(item.depends_on) or "none"
    lines = [
        f"<!-- planctl:item {item.id} -->",
        f"## {item.id} — {printable(item.title)}",
        "",
        f"- Status: {item.status}",
        f"- Priority: {item.priority}",
        f"- Depends on: {depends}",
        "- Attempts:",
        f"<!-- planctl:end {item.id} -->",
    ]
    newline = "\r\n" if "\r\n" in text else "\n"
    gap = "" if not text else newline if text.endswith("\n") else newline * 2
    return text + gap + newline.join([*lines, ""])


def with_attempt(text: str, path: str, initiative: str, attempt: Attempt) -> str:
    """Return the ledger with one more attempt at the end of an item.

    Raises:
        BadFileError: The ledger has no such item, or a region without end.
    """
    region = _region(text, path, initiative)
    newline = "\r\n" if text[: region.start].endswith("\r\n") else "\n"
    line = f"  - {attempt.when} {printable(' '.join(attempt.text.split()))}{newline}"
    return text[: region.end] + line + text[region.end :]


def with_status(text: str, path: str, initiative: str, status: Status) -> str:
    """Return the ledger with an item's status set; further status lines of a merge go.

    Raises:
        BadFileError: The ledger has no such item, or a region without end.
    """
    region = _region(text, path, initiative)
    inside = region.of(text)
    first = _STATUS_LINE.search(inside)
    if first is None:
        newline = "\r\n" if text[: region.start].endswith("\r\n") else "\n"
        heading = _HEADING.search(inside)
        at = _below(inside, heading.end()) if heading else 0
        inside = f"{inside[:at]}- Status: {status}{newline}{inside[at:]}"
    else:
        rest = _STATUS_LINE.sub("", inside[first.end() :])
        inside = f"{inside[: first.start()]}- Status: {status}{first[1]}{rest}"
    return text[: region.start] + inside + text[region.end :]


def _below(text: str, position: int) -> int:
    """Return where the next line that is not blank begins."""
    rest = text[position:]
    return text.rfind("\n", 0, position + len(rest) - len(rest.lstrip())) + 1


def _region(text: str, path: str, initiative: str) -> _Region:
    for region in _regions(text, path):
        if region.id == initiative:
            return region
    raise BadFileError(path, f"has no item `{initiative}`", hint=f"`planctl new {initiative}`")

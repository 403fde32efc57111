"""The ledger `docs/fix_plan.md`: items in regions planctl marked, free text around them.

A region starts with `<!-- planctl:item ID -->` and ends with `<!-- planctl:end ID -->`. planctl
changes the field lines and adds attempts inside; every other byte stays, and what stands in a code
fence is quoted. Each attempt is one line that no other attempt repeats, so that `merge=union` joins
two branches without loss.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict

from planctl._text import printable
from planctl.errors import BadFileError
from planctl.models.ledger.regions import Region, plain_of, regions

Status = Literal["pending", "in_progress", "blocked", "done", "archived"]
FieldName = Literal["Status", "Priority", "Depends on", "Archive"]
PRIORITIES = ("critical", "high", "medium", "low")

# A merge may leave two status lines: the one that claims least holds.
CAUTIOUS: tuple[Status, ...] = ("blocked", "in_progress", "pending", "done", "archived")
_HEADING = re.compile(r"^##++ ++(\S++)(?: — ([^\n]*))?[ \t\r]*$", re.MULTILINE)
_FIELD = re.compile(r"^- (Status|Priority|Depends on|Archive):([^\n]*)$", re.MULTILINE)
# Nothing here goes back over what it matched: a line may be as long as the file.
_LINE = {
    name: re.compile(rf"^- {name}:[^\n]*+\n", re.MULTILINE)
    for name in ("Status", "Priority", "Depends on", "Archive")
}
_ATTEMPT = re.compile(r"^  - (\S+Z) ([^\n]*)$", re.MULTILINE)


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True)


class Attempt(_Model):
    """One attempt: when, and what came of it."""

    when: str
    text: str


class LedgerItem(_Model):
    """One item of the ledger: an initiative and its attempts, oldest first.

    Attributes:
        archive: Files that older attempts were moved to, or the whole item.
    """

    id: str
    title: str
    status: Status
    priority: str
    depends_on: tuple[str, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    archive: tuple[str, ...] = ()

    @property
    def finished(self) -> bool:
        """The item is done, here or in the archive."""
        return self.status in ("done", "archived")


class Ledger(_Model):
    """All items in file order."""

    path: str
    items: tuple[LedgerItem, ...]

    def item(self, initiative: str) -> LedgerItem | None:
        """Return an item, or None when the ledger has none of that id."""
        return next((item for item in self.items if item.id == initiative), None)


def parse(text: str, path: str) -> Ledger:
    """Read a ledger; an item that a merge doubled is read as one.

    Raises:
        BadFileError: A region without end, or a status that is none.
    """
    plain = plain_of(text)
    by_id: dict[str, list[Region]] = {}
    for region in regions(plain, path):
        by_id.setdefault(region.id, []).append(region)
    items = (_item(text, plain, found, path) for found in by_id.values())
    return Ledger(path=path, items=tuple(items))


def _item(text: str, plain: str, found: list[Region], path: str) -> LedgerItem:
    inside = "".join(region.of(plain) for region in found)
    heading = _HEADING.search(inside)
    fields = fields_in(inside)
    return LedgerItem(
        id=found[0].id,
        title=(heading[2] or "").strip() if heading else "",
        status=_status(fields.get("Status", []), found[0], text, path),
        priority=fields.get("Priority", ["medium"])[0],
        depends_on=dependencies(fields.get("Depends on", ["none"])[0]),
        attempts=tuple(
            Attempt(when=match[1], text=match[2].rstrip()) for match in _ATTEMPT.finditer(inside)
        ),
        archive=tuple(
            dict.fromkeys(name for line in fields.get("Archive", ()) for name in dependencies(line))
        ),
    )


def fields_in(inside: str) -> dict[str, list[str]]:
    """Return the fields of a region: name → values, one a line that has it."""
    fields: dict[str, list[str]] = {}
    for match in _FIELD.finditer(inside):
        fields.setdefault(match[1], []).append(match[2].strip())
    return fields


def dependencies(value: str) -> tuple[str, ...]:
    """Read `A-1, B-2` or `none`."""
    names = (name.strip(" `") for name in value.split(","))
    return tuple(name for name in names if name and name != "none")


def cautious(found: Iterable[str]) -> Status | None:
    """Return the status that claims least, or None when none of them is a status."""
    known = set(found)
    return next((status for status in CAUTIOUS if status in known), None)


def _status(found: list[str], region: Region, text: str, path: str) -> Status:
    status = cautious(found)
    if status is not None:
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


def item_lines(item: LedgerItem) -> list[str]:
    """Return the lines of an item's region as planctl writes them, markers included.

    No more than three lines follow each other that another new item may have too: `merge=union`
    keeps the items of two branches apart then (see `models/turn.py::render`).
    """
    return [
        f"<!-- planctl:item {item.id} -->",
        heading_of(item.id, item.title),
        f"- Status: {item.status}",
        f"- Priority: {item.priority}",
        f"- Depends on: {', '.join(item.depends_on) or 'none'}",
        f"- Attempts of {item.id}:",
        f"<!-- planctl:end {item.id} -->",
    ]


def heading_of(item: str, title: str) -> str:
    """Return an item's heading."""
    return f"## {item} — {printable(' '.join(title.split()))}"


def with_item(text: str, item: LedgerItem) -> str:
    """Return the ledger with a new item after everything else."""
    newline = "\r\n" if "\r\n" in text else "\n"
    gap = "" if not text else newline if text.endswith("\n") else newline * 2
    return text + gap + newline.join([*item_lines(item), ""])


def with_attempt(text: str, path: str, initiative: str, attempt: Attempt) -> str:
    """Return the ledger with one more attempt at the end of an item.

    Raises:
        BadFileError: The ledger has no such item, or a region without end.
    """
    region = _of(text, path, initiative)[0]
    line = f"  - {attempt.when} {printable(' '.join(attempt.text.split()))}{_newline(text, region)}"
    return text[: region.end] + line + text[region.end :]


def with_status(text: str, path: str, initiative: str, status: Status) -> str:
    """Return the ledger with an item's status set; further status lines of a merge go.

    Raises:
        BadFileError: The ledger has no such item, or a region without end.
    """
    return with_field(text, path, initiative, "Status", status)


def with_field(text: str, path: str, initiative: str, name: FieldName, value: str) -> str:
    """Return the ledger with a field of an item set; further lines of the field go.

    Raises:
        BadFileError: The ledger has no such item, or a region without end.
    """
    for region in reversed(_of(text, path, initiative)):
        inside = _with_field(text, region, name, printable(" ".join(value.split())))
        text = text[: region.start] + inside + text[region.end :]
    return text


def _with_field(text: str, region: Region, name: FieldName, value: str) -> str:
    inside, plain = region.of(text), region.of(plain_of(text))
    found = list(_LINE[name].finditer(plain))
    if not found:
        at = _place_for(plain, name)
        return f"{inside[:at]}- {name}: {value}{_newline(text, region)}{inside[at:]}"
    first, *more = found
    for match in reversed(more):
        inside = inside[: match.start()] + inside[match.end() :]
    ending = "\r\n" if first[0].endswith("\r\n") else "\n"
    return f"{inside[: first.start()]}- {name}: {value}{ending}{inside[first.end() :]}"


def with_title(text: str, path: str, initiative: str, title: str) -> str:
    """Return the ledger with the heading of an item written anew.

    Raises:
        BadFileError: The ledger has no such item, or a region without end.
    """
    region = _of(text, path, initiative)[0]
    heading = _HEADING.search(region.of(plain_of(text)))
    if heading is None:
        new = heading_of(initiative, title) + _newline(text, region)
        return text[: region.start] + new + text[region.start :]
    start, end = region.start + heading.start(), region.start + heading.end()
    ending = "\r" if text[:end].endswith("\r") else ""
    return text[:start] + heading_of(initiative, title) + ending + text[end:]


def _place_for(plain: str, name: FieldName) -> int:
    """Return where a field that is not there yet goes: the status first, others after the rest."""
    others = [match.end() for pattern in _LINE.values() for match in pattern.finditer(plain)]
    if others and name != "Status":
        return max(others)
    heading = _HEADING.search(plain)
    return _below(plain, heading.end()) if heading else 0


def _below(text: str, position: int) -> int:
    """Return where the next line that is not blank begins."""
    rest = text[position:]
    return text.rfind("\n", 0, position + len(rest) - len(rest.lstrip())) + 1


def _newline(text: str, region: Region) -> str:
    return "\r\n" if text[: region.start].endswith("\r\n") else "\n"


def _of(text: str, path: str, initiative: str) -> list[Region]:
    found = [item for item in regions(plain_of(text), path) if item.id == initiative]
    if not found:
        raise BadFileError(path, f"has no item `{initiative}`", hint=f"`planctl new {initiative}`")
    return found

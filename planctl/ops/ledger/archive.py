"""Archiving: what is done leaves the ledger for `docs/archive/`, and nothing of it is lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from planctl._text import printable
from planctl.errors import BadFileError, NotFoundError, PreconditionError
from planctl.models.ledger import archive as ledger_archive
from planctl.models.ledger import document as ledger
from planctl.models.ledger.archive import Entry
from planctl.models.ledger.document import LedgerItem
from planctl.models.ledger.settings import LedgerSettings
from planctl.ops.ledger.file import read_document, read_ledger, write_document
from planctl.ops.merge_rules import append_lines
from planctl.ops.write_lock import write_lock
from planctl.workspace import ARCHIVE, LEDGER, Workspace

INDEX = f"{ARCHIVE}/index.md"
_RULES = (f"{ARCHIVE}/*.md merge=union",)
# What the pointer to the archive may add to an item.
_SPARE = 160


@dataclass(frozen=True)
class ArchiveReport:
    """What went into the archive.

    Attributes:
        moved: Item → how many of its attempts went.
        files: The archive files that were written.
        lines: Lines of the ledger now.
        size: Bytes of the ledger now.
        within: The ledger is within its budget.
    """

    moved: dict[str, int]
    files: tuple[str, ...]
    lines: int
    size: int
    within: bool

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for `--json`."""
        return asdict(self)


@dataclass(frozen=True)
class _Moved:
    """A ledger with less in it, and the archives that have the rest."""

    text: str
    archives: dict[str, str]
    counts: dict[str, int]


def archive(workspace: Workspace, item: str | None = None) -> ArchiveReport:
    """Bring the ledger into its budget, or archive one item that is done.

    Args:
        workspace: The repository.
        item: The item, with all that it holds; None to move the oldest attempts of done items
            until the ledger is within its budget. Attempts that an archive has already, which a
            merge brought back, are taken out in any case.

    Raises:
        NotFoundError: No ledger, or no such item.
        PreconditionError: The item is not done.
        BadFileError: The ledger or an archive cannot be read, or cannot be taken apart.
    """
    with write_lock(workspace, "archive of the ledger"):
        old = read_ledger(workspace)
        if not old:
            raise NotFoundError(f"there is no `{LEDGER}`", "`planctl init` writes one")
        once = _without_archived(workspace, old)
        moved = _whole_item(workspace, once, item) if item else _within_budget(workspace, once)
        _write(workspace, once, moved)
        if moved.text != old:
            write_document(workspace, LEDGER, moved.text)
    settings = workspace.settings().ledger
    lines, size = measure(moved.text)
    files = tuple(name for name in sorted(moved.archives) if name != INDEX)
    return ArchiveReport(moved.counts, files, lines, size, _over(moved.text, settings) == (0, 0))


def _without_archived(workspace: Workspace, text: str) -> str:
    """Return a ledger without attempts that an archive has: a merge brought them back."""
    gone: list[Entry] = []
    for item in ledger.parse(text, LEDGER).items:
        there = Counter(_archived(workspace, item))
        for entry in ledger_archive.entries(text, LEDGER, [item.id]) if there else ():
            if there[entry.text] > 0:
                there[entry.text] -= 1
                gone.append(entry)
    return ledger_archive.without(text, gone)


def measure(text: str) -> tuple[int, int]:
    """Return the lines and bytes of a ledger."""
    return text.count("\n"), len(text.encode("utf-8", "surrogateescape"))


def fitted(workspace: Workspace, text: str) -> str:
    """Return a ledger within its budget, if done items have attempts to spare; else as it is.

    The archives are written at once: the caller holds the lock and writes the ledger after them.

    Args:
        workspace: The repository.
        text: The ledger that is about to be written.
    """
    settings = workspace.settings().ledger
    if _over(text, settings) == (0, 0):
        return text
    moved = _within_budget(workspace, text)
    _write(workspace, text, moved)
    return moved.text


def told_in_archive(workspace: Workspace, item: LedgerItem) -> str:
    """Return the archived attempts of an item, as one text."""
    return "".join(_archived(workspace, item))


def _archived(workspace: Workspace, item: LedgerItem) -> list[str]:
    found: list[str] = []
    for name in item.archive:
        text = read_document(workspace, name)
        found += [entry.text for entry in ledger_archive.entries(text, name, [item.id])]
    return found


def _over(text: str, settings: LedgerSettings) -> tuple[int, int]:
    lines, size = measure(text)
    return max(0, lines - settings.max_lines), max(0, size - settings.max_bytes)


def _within_budget(workspace: Workspace, text: str) -> _Moved:
    settings = workspace.settings().ledger
    lines, size = _over(text, settings)
    if not lines and not size:
        return _Moved(text, {}, {})
    known = ledger.parse(text, LEDGER)
    done = {item.id: item for item in known.items if item.finished}
    found = list(ledger_archive.entries(text, LEDGER, done))
    pointers = len({entry.item for entry in found})
    gone = ledger_archive.oldest(
        found, lines + (pointers if lines else 0), size + (pointers * _SPARE if size else 0)
    )
    by_item: dict[str, list[Entry]] = {}
    for entry in gone:
        by_item.setdefault(entry.item, []).append(entry)
    archives: dict[str, str] = {}
    shorter = ledger_archive.without(text, gone)
    for name, moved in by_item.items():
        files = _file(workspace, archives, done[name], moved)
        item = done[name]
        for file in files:
            shorter = ledger_archive.with_pointer(shorter, LEDGER, item, file)
            item = item.model_copy(update={"archive": (*item.archive, file)})
    counts = {name: len(moved) for name, moved in by_item.items()}
    return _Moved(shorter, archives, counts)


def _file(
    workspace: Workspace, archives: dict[str, str], item: LedgerItem, moved: Sequence[Entry]
) -> list[str]:
    """Put attempts into the archives of their years; return the files."""
    now = workspace.clock().year
    by_year: dict[str, list[Entry]] = {}
    for entry in sorted(moved, key=lambda one: one.start):
        by_year.setdefault(entry.year(now), []).append(entry)
    files = []
    for year in sorted(by_year):
        file = _archive_of(year)
        text = _opened(workspace, archives, file)
        archives[file] = ledger_archive.with_entries(text, file, item, by_year[year])
        _list(workspace, archives, item, file)
        files.append(file)
    return files


def _archive_of(year: str | int) -> str:
    return f"{ARCHIVE}/{year}_{LEDGER.rsplit('/', 1)[-1]}"


def _opened(workspace: Workspace, archives: dict[str, str], name: str) -> str:
    """Return an archive as it is about to be written, or as it lies there, or a new one."""
    if name in archives:
        return archives[name]
    return read_document(workspace, name) or (
        f"# {LEDGER}: archive\n\nWhat `planctl ledger archive` moved here. "
        f"The items are listed in [{INDEX.rsplit('/', 1)[-1]}]({INDEX.rsplit('/', 1)[-1]}).\n"
    )


def _list(workspace: Workspace, archives: dict[str, str], item: LedgerItem, file: str) -> None:
    """Name an item and the file that has its attempts in the index."""
    name = file.rsplit("/", 1)[-1]
    text = archives.get(INDEX) or read_document(workspace, INDEX)
    text = text or f"# Archive of {LEDGER}\n\n"
    line = f"- `{item.id}`: [{name}]({name}) — {printable(item.title)}"
    start = line.partition(" — ")[0]
    if not any(known.startswith(start) for known in text.splitlines()):
        gap = "" if text.endswith("\n") else "\n"
        text = f"{text}{gap}{line}\n"
    archives[INDEX] = text


def _whole_item(workspace: Workspace, text: str, name: str) -> _Moved:
    known = ledger.parse(text, LEDGER)
    item = known.item(name)
    if item is None:
        raise NotFoundError(f"`{LEDGER}` has no item `{name}`", "`planctl ledger show` lists them")
    if item.status == "archived":
        return _Moved(text, {}, {})
    if item.status != "done":
        raise PreconditionError(
            f"`{name}` is `{item.status}`; only what is done is archived",
            f"`planctl ledger set {name} status done`, once every step of it is proven",
        )
    shorter, gone = ledger_archive.emptied(text, LEDGER, item)
    stamps = [entry.year(workspace.clock().year)
              for entry in ledger_archive.entries(text, LEDGER, [name])]  # fmt: skip
    file = _archive_of(max(stamps, default=str(workspace.clock().year)))
    archives: dict[str, str] = {}
    opened = _opened(workspace, archives, file)
    archives[file] = ledger_archive.with_content(opened, file, item, gone)
    _list(workspace, archives, item, file)
    shorter = ledger_archive.with_pointer(shorter, LEDGER, item, file)
    return _Moved(shorter, archives, {name: len(stamps)})


def _write(workspace: Workspace, old: str, moved: _Moved) -> None:
    """Write the archives, before the ledger: a planctl that is killed leaves both, never none."""
    if not moved.archives:
        return
    _refuse_loss(workspace, old, moved)
    append_lines(workspace.root / ".gitattributes", _RULES)
    for name, text in moved.archives.items():
        write_document(workspace, name, text)


def _refuse_loss(workspace: Workspace, old: str, moved: _Moved) -> None:
    """Refuse to write what has fewer attempts than there were, for whatever reason."""
    before = Counter(_attempts(old, LEDGER))
    after = Counter(_attempts(moved.text, LEDGER))
    for name, text in moved.archives.items():
        if name != INDEX:
            after.update(_attempts(text, name))
            before.update(_attempts(read_document(workspace, name), name))
    lost = before.keys() - after.keys()
    if lost:
        item, first = min(lost)
        raise BadFileError(
            LEDGER,
            f"an attempt would be lost by archiving it: `{first.strip()[:80]}`",
            key=item,
            hint="close the code fences around it, or move it by hand",
        )


def _attempts(text: str, path: str) -> Iterable[tuple[str, str]]:
    return ((entry.item, entry.text) for entry in ledger_archive.entries(text, path))

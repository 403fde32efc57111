"""What the checks of the ledger look at: read once, asked by all of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from planctl._files import read_text
from planctl.models.contradiction import Side
from planctl.models.ledger import document as ledger
from planctl.models.ledger.document import Ledger, LedgerItem
from planctl.models.ledger.regions import Region, plain_of, regions
from planctl.models.ledger.settings import LedgerSettings
from planctl.models.plan.plan import Plan
from planctl.models.verdict import VerifyReport
from planctl.workspace import LEDGER, Workspace

_MAX_BYTES = 4_000_000
_LINE = re.compile(r"^- (Status|Priority|Depends on|Archive):[^\n]*", re.MULTILINE)
_SHOWN = 120


@dataclass(frozen=True)
class Scene:
    """The ledger, the plans and what is proven of them.

    Attributes:
        text: The ledger; empty when there is none.
    """

    workspace: Workspace
    text: str

    @cached_property
    def plain(self) -> str:
        """The ledger without its code fences."""
        return plain_of(self.text)

    @cached_property
    def ledger(self) -> Ledger:
        """The items."""
        return ledger.parse(self.text, LEDGER)

    @cached_property
    def settings(self) -> LedgerSettings:
        """The limits."""
        return self.workspace.settings().ledger

    @cached_property
    def regions(self) -> list[Region]:
        """The regions in file order; an item may have several."""
        return list(regions(self.plain, LEDGER))

    @cached_property
    def plans(self) -> dict[str, Plan]:
        """The plans by id."""
        return {name: self.workspace.load_plan(name) for name in self.workspace.initiatives()}

    @cached_property
    def reports(self) -> dict[str, VerifyReport]:
        """What is proven of each plan."""
        from planctl.ops.together import verify_all

        reports = verify_all(self.workspace, list(self.plans.values()))
        return dict(zip(self.plans, reports, strict=True))

    @cached_property
    def items(self) -> dict[str, LedgerItem]:
        """The items by id."""
        return {item.id: item for item in self.ledger.items}

    @cached_property
    def prose(self) -> tuple[str, ...]:
        """Every Markdown file that git tracks or would track."""
        words = ("ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", "*.md")
        found = self.workspace.repo.ask(*words, literal=False)
        return tuple(sorted({p for p in found.decode("utf-8", "surrogateescape").split("\0") if p}))

    def lines_of(self, path: str) -> list[str]:
        """Return the lines of a file; none when it is gone, or is no text."""
        place = self.workspace.root / path
        if not place.is_file():
            return []
        return read_text(place, _MAX_BYTES, "replace").split("\n")

    def line_at(self, offset: int) -> int:
        """Return the 1-based line of a place in the ledger."""
        return self.text.count("\n", 0, offset) + 1

    def fields(self, item: str, name: str) -> Iterator[Side]:
        """Yield the lines of an item that have a field."""
        for region in self.regions:
            if region.id == item:
                for match in _LINE.finditer(self.plain, region.start, region.end):
                    if match[1] == name:
                        yield Side(LEDGER, self.line_at(match.start()), match[0][2:].rstrip())

    def field(self, item: str, name: str) -> Side:
        """Return the first line of a field of an item, or the item's own first line."""
        return next(self.fields(item, name), None) or self.head(item)

    def head(self, item: str) -> Side:
        """Return the line that opens an item."""
        region = next(region for region in self.regions if region.id == item)
        line = self.text[region.begin : region.start].strip()
        return Side(LEDGER, self.line_at(region.begin), line)


def quoted(text: str) -> str:
    """Return a line as it is quoted: without blanks around it, cut where it is long."""
    flat = " ".join(text.split())
    return flat if len(flat) <= _SHOWN else f"{flat[: _SHOWN - 1]}…"

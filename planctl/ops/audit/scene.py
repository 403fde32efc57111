"""What the parts of an audit share: one commit as they see it, and how they answer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from posixpath import dirname
from typing import Protocol

from planctl._git_history import BlobReader
from planctl.models.audit import AuditFinding, AuditTotal
from planctl.ops.audit.texts import Text, Written
from planctl.ops.audit.trees import Ever, Step

_INITIATIVE = re.compile(r"^(?:.*/)?plans/(?:active|archive[d]?|done|completed)/([^/]+)(?:/|$)")


@dataclass(frozen=True)
class Order:
    """An order for the next turn.

    Attributes:
        focus: The initiative it is about, or empty.
    """

    path: str
    line: int
    text: str
    focus: str


@dataclass(frozen=True)
class Scene:
    """One commit.

    Attributes:
        judged: The commit lies in the range that was asked for; others only tell what came later.
        texts: Prose it changed.
        written: Blocks with lines it added.
        orders: What it orders.
    """

    step: Step
    judged: bool
    texts: tuple[Text, ...]
    written: tuple[Written, ...]
    blobs: BlobReader
    orders: tuple[Order, ...] = ()

    @property
    def commit(self) -> str:
        """The commit's id."""
        return self.step.commit.id

    def told(self, *roles: str) -> Iterator[Written]:
        """Yield the blocks in prose of some kinds, if the commit is judged."""
        for item in self.written:
            if self.judged and item.text.role in roles:
                yield item


@dataclass(frozen=True)
class End:
    """What is known when the walk is over.

    Attributes:
        tree: The files of the newest commit.
    """

    ever: Ever
    tree: dict[str, str]
    blobs: BlobReader


@dataclass(frozen=True)
class Part:
    """The answer of one part of an audit."""

    totals: tuple[AuditTotal, ...]
    findings: tuple[AuditFinding, ...] = ()
    notes: tuple[str, ...] = ()


class Auditor(Protocol):
    """One part of an audit."""

    def visit(self, scene: Scene) -> None:
        """Look at a commit; parents come before children."""

    def finish(self, end: End) -> Part:
        """Answer."""


def initiative_of(path: str) -> str:
    """Return the initiative that a path lies in, or nothing."""
    match = _INITIATIVE.match(path)
    return match[1] if match else ""


def bases(item: Written, line: int) -> tuple[str, ...]:
    """Return the folders that a path on a line may be relative to, the likeliest first.

    The hub named on the same line comes first, then those of the block's new lines; what an older
    line of a ledger's section named says nothing about a new one.
    """
    match = _INITIATIVE.match(item.text.path)
    home = item.text.path[: match.end()].rstrip("/") if match else ""
    found = (*item.hubs_on(line), *item.hubs, dirname(item.text.path), home)
    return tuple(dict.fromkeys(base for base in found if base))

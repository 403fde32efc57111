"""Contradictions: two places of the ledger, the plans and the briefs that cannot both be right."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from planctl.models.annotation import Annotation, Level, Place, Rule

RULES: tuple[Rule, ...] = (
    Rule("ticked", "ticked and not proven", "A row is ticked, and its evidence is not fresh."),
    Rule("ordered-again", "ordered again", "A brief orders what is proven, or a row ticked."),
    Rule("status", "two statuses", "An item is done in one place and open in another."),
    Rule("not-done", "done and not proven", "An item is done, and a step of it is not proven."),
    Rule("dependency", "dependency", "A dependency is not done, does not exist, or is a cycle."),
    Rule("in-progress", "too much in progress", "More items are in progress than may be at once."),
    Rule("two-ledgers", "two ledgers", "Another file keeps items of its own."),
    Rule("no-initiative", "item without initiative", "An item of the ledger has no plan."),
    Rule("no-item", "initiative without item", "An initiative has no item in the ledger."),
    Rule("plan-differs", "plan and ledger differ", "The plan says another priority or dependency."),
    Rule(
        "turn-number",
        "one number, two turns",
        "Two records of turns have the same number.",
        level=Level.NOTE,
    ),
    Rule("doubled", "item doubled", "A merge left an item, a status or an attempt twice."),
    Rule("value", "no such value", "A field has a value that it cannot have."),
    Rule("conflict", "conflict markers", "A merge was not finished."),
    Rule("budget", "over budget", "The ledger is longer than it may be."),
)


@dataclass(frozen=True)
class Side:
    """One place and what it says."""

    path: str
    line: int
    said: str

    def __str__(self) -> str:
        """Spell it as messages do."""
        return f"{self.path}:{self.line} says `{self.said}`"


@dataclass(frozen=True)
class Contradiction:
    """Two places that contradict each other, or one that contradicts a rule.

    Attributes:
        kind: Id of a rule in `RULES`.
        item: The item, row or turn that it is about.
        one: The place to look at first.
        other: The place that says something else; None where it is no text of a file.
        text: What is the case.
        way_out: What to do.
    """

    kind: str
    item: str
    one: Side
    text: str
    way_out: str
    other: Side | None = None

    @property
    def level(self) -> Level:
        """How much it weighs."""
        return next(rule.level for rule in RULES if rule.id == self.kind)

    @property
    def counts(self) -> bool:
        """It makes the answer no."""
        return self.level is not Level.NOTE

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for `--json`."""
        return asdict(self) | {"level": str(self.level)}

    def annotation(self) -> Annotation:
        """Return it as CI services show it."""
        related = (Place(self.other.path, self.other.said),) if self.other else ()
        message = f"{self.text} ({self.one}" + (f"; {self.other})" if self.other else ")")
        return Annotation(
            path=self.one.path,
            line=self.one.line,
            level=self.level,
            rule=self.kind,
            message=message,
            help=self.way_out,
            subject=self.item,
            related=related,
        )

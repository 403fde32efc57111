"""Briefs: what `input.md` orders, what is wrong with one, what of it is proven already."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

SCHEMA = "planctl/brief/v1"


@dataclass(frozen=True)
class Proof:
    """Evidence that is there: the step, its rows, and the receipt that proves it.

    Attributes:
        verdict: `fresh`; or `dirty`: it ran on changes that are to be committed, not run again.
        finished: When the run ended, UTC.
    """

    initiative: str
    phase: str
    step: str
    rows: tuple[str, ...]
    verdict: str
    receipt: str
    commit: str
    finished: str

    @property
    def text(self) -> str:
        """One line: what is proven by what."""
        rows = f" ({', '.join(self.rows)})" if self.rows else ""
        name = self.receipt.rsplit("/", 1)[-1].removesuffix(".json")
        return f"`{self.step}`{rows}: {self.verdict} by receipt {name} at commit {self.commit[:8]}"


@dataclass(frozen=True)
class Brief:
    """A brief that planctl wrote.

    Attributes:
        path: Where it lies; None when it was not written to a file.
        steps: The steps it orders.
        implement: What it wants changed.
        tests: Selector → how many it collects; None where that is not known.
        pointers: `path:line` that it cites.
    """

    path: str | None
    focus: str
    phase: str
    form: str
    text: str
    steps: tuple[str, ...]
    implement: tuple[str, ...] = ()
    tests: tuple[tuple[str, int | None], ...] = ()
    pointers: tuple[str, ...] = ()
    because: str = ""

    @property
    def ok(self) -> bool:
        """There is something to do."""
        return True

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for `--json`."""
        return asdict(self) | {"ok": self.ok, "tests": dict(self.tests)}


@dataclass(frozen=True)
class BriefProblem:
    """Something wrong with a brief.

    Attributes:
        kind: Stable name of the rule: `focus`, `branch`, `implement`, `selector`, `artifacts`,
            `finding`, `time`, `path`, `pointer`, `do-now`, `already-proven`, `not-ready`.
        line: Line of the brief, from 1.
        field: Where it stands: `Focus`, `Do Now`.
        value: What stands there.
        text: What is wrong with it.
        way_out: What to do.
        proofs: For `already-proven`, what proves it.
        remaining: For `already-proven`, steps that the same order asks for and that are open.
    """

    kind: str
    line: int
    field: str
    value: str
    text: str
    way_out: str
    proofs: tuple[Proof, ...] = ()
    remaining: tuple[str, ...] = ()


@dataclass(frozen=True)
class BriefCheck:
    """A brief, checked.

    Attributes:
        focus: The initiative it is about; None when that cannot be told.
        by_planctl: It carries the block that planctl writes.
        edited: It carries the block, and was changed by hand since.
        form: `long`, `short`, or `free` for one that planctl did not write.
        orders: Steps that its Do Now asks for and that are not proven.
        collected: Selector → how many tests it collects.
        notes: What is worth knowing and no problem.
        fixed: Pointers that `--fix` moved to where their text stands now.
    """

    path: str
    focus: str | None
    by_planctl: bool
    edited: bool
    form: str
    problems: tuple[BriefProblem, ...]
    orders: tuple[str, ...] = ()
    collected: tuple[tuple[str, int], ...] = ()
    notes: tuple[str, ...] = ()
    fixed: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Nothing is wrong with it."""
        return not self.problems

    @property
    def refused(self) -> tuple[BriefProblem, ...]:
        """The orders for what is proven already."""
        return tuple(item for item in self.problems if item.kind == "already-proven")

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for `--json`."""
        raw = asdict(self) | {"ok": self.ok, "refused": len(self.refused)}
        return raw | {"collected": dict(self.collected)}

"""What an audit of a history found: findings one by one, and totals that say of how many."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class AuditFinding:
    """One thing that does not hold.

    Attributes:
        kind: Which total it belongs to, such as `citations.absent`.
        commit: The commit that made the claim, or brought the name or file.
        path: Repository-relative file that says it.
        line: 1-based line in that file at that commit, or None when the file as a whole is meant.
        claim: What is claimed, as spelled.
        verdict: One word or two: `never`, `next commit`, `unmatched`, `off`, `future` …
        text: What it was compared with.
    """

    kind: str
    commit: str
    path: str
    line: int | None
    claim: str
    verdict: str
    text: str


@dataclass(frozen=True)
class AuditTotal:
    """One number of an audit.

    Attributes:
        key: Stable name, such as `citations.absent`.
        label: For people.
        count: How many.
        of: Of how many, or None for a plain number.
        part_of: The total that this one is a part of, or None.
    """

    key: str
    label: str
    count: int
    of: int | None = None
    part_of: str | None = None

    @property
    def percent(self) -> float | None:
        """Return the share in percent, one digit; None without a whole."""
        return round(100 * self.count / self.of, 1) if self.of else None


@dataclass(frozen=True)
class AuditReport:
    """The answer of `planctl audit`.

    Attributes:
        revisions: What was audited, as asked.
        commits: How many commits that is.
        texts: How many of them touch a summary, ledger or brief.
        lower_bounds: Part of the history is not in this clone, so that every total is a lower
            bound.
        totals: In a fixed order.
        findings: By kind, each in the order of history.
        notes: What could not be judged, and why.
    """

    revisions: str
    commits: int
    texts: int
    lower_bounds: bool
    totals: tuple[AuditTotal, ...]
    findings: tuple[AuditFinding, ...]
    notes: tuple[str, ...] = ()

    def total(self, key: str) -> AuditTotal:
        """Return a total by its key."""
        return next(item for item in self.totals if item.key == key)

    @property
    def ok(self) -> bool:
        """Tell whether nothing was found."""
        return not self.findings

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for `--json`."""
        raw = asdict(self)
        for item, plain in zip(self.totals, raw["totals"], strict=True):
            plain["percent"] = item.percent
        return raw | {"ok": self.ok}

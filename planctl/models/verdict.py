"""Verdicts: what a receipt proves now, predicate by predicate."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from planctl.models.receipt import StoredReceipt


class Verdict(StrEnum):
    """What the evidence of a step or an artifact is worth now."""

    FRESH = "fresh"
    WAIVED = "waived"
    DIRTY = "dirty"
    STALE = "stale"
    FAILED = "failed"
    MODIFIED = "modified"
    MISSING = "missing"
    UNPROVEN = "unproven"

    @property
    def accepted(self) -> bool:
        """The verdict lets `verify` end with 0."""
        return self in (Verdict.FRESH, Verdict.WAIVED)


@dataclass(frozen=True)
class Predicate:
    """One question put to a receipt.

    Attributes:
        name: `present`, `intact`, `exit`, `checks`, `gate`, `inputs`, `contract`, `clock`,
            `parents` or `signature`.
        ok: The answer; without a `verdict` it is shown but decides nothing.
        text: What was compared, in words.
        ids: The ids compared: each entry names a thing, what was recorded and what is now.
        verdict: The verdict a failing predicate leads to.
    """

    name: str
    ok: bool
    text: str
    ids: tuple[Compared, ...] = ()
    verdict: Verdict | None = None


@dataclass(frozen=True)
class Compared:
    """Two ids of one thing, and the commit that moved it (or `uncommitted`)."""

    name: str
    recorded: str | None
    now: str | None
    moved_by: str | None = None


@dataclass(frozen=True, slots=True)
class ArtifactVerdict:
    """One file of the hub.

    Attributes:
        path: Repository-relative path.
        declared: The name the plan gives it, or None for a file no step declares.
    """

    path: str
    verdict: Verdict
    text: str
    declared: str | None = None


@dataclass(frozen=True)
class ReceiptVerdict:
    """What one receipt proves now."""

    stored: StoredReceipt
    verdict: Verdict
    predicates: tuple[Predicate, ...]

    def failing(self) -> tuple[Predicate, ...]:
        """Return the predicates that do not hold, the deciding one first."""
        return tuple(item for item in self.predicates if not item.ok)


@dataclass(frozen=True)
class StepVerdict:
    """What is proven of one step, and by which receipt.

    Attributes:
        tier: Strength of the proof (see `ops.strength.Tier`); None when the step is not fresh.
        signed_by: Roles and key of each signature that counts.
        reasons: One line each, the deciding one first.
    """

    phase: str
    step: str
    rows: tuple[str, ...]
    verdict: Verdict
    reasons: tuple[str, ...]
    tier: str | None = None
    signed_by: tuple[str, ...] = ()
    receipt: str | None = None
    commit: str | None = None
    predicates: tuple[Predicate, ...] = ()
    artifacts: tuple[ArtifactVerdict, ...] = ()
    warnings: tuple[str, ...] = ()
    stored: StoredReceipt | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class VerifyReport:
    """The verdicts of one initiative (or one phase of it).

    Attributes:
        hub: Repository-relative path of the plan's hub, or of the scratch hub that was judged.
        scratch: A scratch hub was judged alone; the verdicts prove nothing for the plan.
    """

    initiative: str
    hub: str | None
    head: str | None
    steps: tuple[StepVerdict, ...]
    unproven: tuple[ArtifactVerdict, ...] = ()
    scratch: bool = False

    @property
    def ok(self) -> bool:
        """Every required step is fresh or waived."""
        return all(step.verdict.accepted for step in self.steps)

    def step(self, step_id: str) -> StepVerdict:
        """Return the verdict of a step.

        Raises:
            KeyError: The report does not cover it.
        """
        for step in self.steps:
            if step.step == step_id:
                return step
        raise KeyError(step_id)

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain values for `--json`."""
        steps = []
        for step in self.steps:
            raw = asdict(step)
            raw.pop("stored")
            steps.append(raw)
        return {
            "initiative": self.initiative,
            "hub": self.hub,
            "scratch": self.scratch,
            "head": self.head,
            "ok": self.ok,
            "steps": steps,
            "unproven": [asdict(item) for item in self.unproven],
        }

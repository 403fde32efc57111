"""Tools that only look: what is proven, why not, and what would be next."""

from __future__ import annotations

from dataclasses import asdict

from pydantic import Field

from planctl.mcp.tool import Answer, Call, Name, Tool, require_inside
from planctl.ops.claims import claims
from planctl.ops.ledger.next_item import next_item
from planctl.ops.next_green import next_green
from planctl.ops.status import status
from planctl.ops.together import verify_all
from planctl.ops.why_commit import why_any


class StatusTool(Tool):
    """Where every initiative stands: steps proven, stale and open, blocked or not, what is next.

    Ask this first. Believe it over what files, names, dates or sentences say.
    """

    name = "status"
    title = "Status of every initiative"
    reads = True

    def answer(self, call: Call) -> Answer:
        """See `planctl status`."""
        return Answer([asdict(row) for row in status(call.workspace)])


class VerifyTool(Tool):
    """Decide what the receipts prove now, step by step.

    `ok` is true when every step is fresh or waived. Steps that are not name the failing predicate,
    both ids and the commit that moved them.
    """

    name = "verify"
    title = "Verdicts"
    reads = True

    initiative: Name | None = Field(None, description="Id of the initiative; all without it.")
    phase: Name | None = Field(None, description="Only this phase of it; all without it.")

    def answer(self, call: Call) -> Answer:
        """See `planctl verify`."""
        workspace = call.workspace
        names = [self.initiative] if self.initiative else workspace.every_initiative()
        reports = verify_all(workspace, [workspace.load_plan(name) for name in names], self.phase)
        values = [report.as_dict() for report in reports]
        code = 0 if all(report.ok for report in reports) else 1
        return Answer(values[0] if self.initiative else values, code)


class WhyTool(Tool):
    """Say what decided a verdict: the failing predicate with both ids, and the way back."""

    name = "why"
    title = "Why this verdict"
    reads = True

    target: Name = Field(
        description="A checklist row (`A1`), a step, a path, a receipt, or a commit."
    )
    initiative: Name | None = Field(None, description="Only look in this initiative.")

    def answer(self, call: Call) -> Answer:
        """See `planctl why`."""
        answers = why_any(call.workspace, self.target, self.initiative)
        code = 0 if all(item.ok for item in answers) else 1
        return Answer([item.as_dict() for item in answers], code)


class NextTool(Tool):
    """The cheapest ordered commands back to all-fresh, with the durations seen before.

    What git still has is restored, not run again. What is fresh is never asked for again.
    """

    name = "next"
    title = "Way back to all-fresh"
    reads = True

    initiatives: list[Name] = Field(
        default_factory=list, max_length=200, description="Ids of initiatives; all without any."
    )
    budget_s: float | None = Field(
        None, gt=0, lt=1e9, strict=False, description="Seconds that the runs may take."
    )

    def answer(self, call: Call) -> Answer:
        """See `planctl next-green`."""
        way = next_green(call.workspace, tuple(self.initiatives), self.budget_s)
        return Answer(way.as_dict(), 0 if way.ok else 1)


class LedgerNextTool(Tool):
    """The item of the ledger to work on, and why those before it are passed over.

    By priority, then what is in progress; what it depends on is done, and its focus neither waits
    nor is blocked or locked.
    """

    name = "ledger_next"
    title = "Next item of the ledger"
    reads = True

    def answer(self, call: Call) -> Answer:
        """See `planctl ledger next`."""
        found = next_item(call.workspace)
        return Answer(found.as_dict(), 0 if found.ok else 1)


class ClaimsTool(Tool):
    """Judge what prose claims (paths, tests, numbers, commits, times) against what is there.

    Each claim is supported, contradicted, unsupported or not checkable, with the reason.
    """

    name = "claims"
    title = "Claims against evidence"
    reads = True

    targets: list[Name] = Field(
        default_factory=list,
        max_length=200,
        description="Files of prose, or commits (`FIRST..LAST`); summaries and ledger without any.",
    )
    now: bool = Field(False, description="Judge against the work tree, not at their commits.")

    def answer(self, call: Call) -> Answer:
        """See `planctl claims`."""
        root = call.workspace.root
        require_inside(root, *(name for name in self.targets if (root / name).exists()))
        report = claims(call.workspace, tuple(self.targets), self.now)
        return Answer(report.as_dict(), 0 if report.ok else 1)


TOOLS: tuple[type[Tool], ...] = (
    StatusTool,
    NextTool,
    VerifyTool,
    WhyTool,
    LedgerNextTool,
    ClaimsTool,
)

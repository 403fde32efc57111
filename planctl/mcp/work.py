"""Tools that do something: runs, attempts, blockers."""

from __future__ import annotations

from dataclasses import asdict
from typing import Literal

from pydantic import Field

from planctl.mcp.tool import INITIATIVE, Answer, Call, Name, Text, Tool
from planctl.ops.blocking.block import block_by_hand
from planctl.ops.ledger import items as ledger
from planctl.ops.run_phase import RunOptions, run_phase
from planctl.ops.sync import sync


class RunPhaseTool(Tool):
    """Run the steps of a phase that are not proven, record them, and say what is proven now.

    A step that is fresh is skipped and names the receipt that satisfies it. Output goes to the
    step's log; progress tells of steps and the last line. A cancelled call ends the command.
    """

    name = "run_phase"
    title = "Run a phase"
    alone = False

    initiative: Name = Field(description=INITIATIVE)
    phase: Name = Field(description="Name of the phase in its plan.yaml.")
    step: Name | None = Field(None, description="Only this step, and what it needs.")
    force: bool = Field(False, description="Run it even if it is fresh.")
    dry_run: bool = Field(False, description="Only say what would run.")
    jobs: int = Field(1, ge=1, le=64, description="Steps that may run at once.")
    executor: Literal["local", "slurm"] = Field("local", description="Where steps run.")

    def answer(self, call: Call) -> Answer:
        """See `planctl run-phase`."""
        options = RunOptions(self.step, self.force, self.dry_run, self.jobs, executor=self.executor)
        result = run_phase(
            call.workspace, self.initiative, self.phase, options, call.progress, call.stop
        )
        return Answer(result.as_dict(), 0 if result.ok else 1)


class LedgerAttemptTool(Tool):
    """Add an attempt to an initiative's item of the ledger, stamped by planctl's clock."""

    name = "ledger_attempt"
    title = "Add an attempt"

    initiative: Name = Field(description=INITIATIVE)
    text: Text = Field(min_length=1, description="What was tried and how it went, one line.")

    def answer(self, call: Call) -> Answer:
        """See `planctl ledger attempt`."""
        item = ledger.attempt(call.workspace, self.initiative, self.text)
        return Answer(item.model_dump(mode="json"))


class BlockTool(Tool):
    """File a blocker: what stands in the way, and the command that succeeds once it is gone.

    The focus is blocked in the ledger until somebody unblocks it.
    """

    name = "block"
    title = "File a blocker"

    initiative: Name = Field(description=INITIATIVE)
    reason: Text = Field(min_length=1, description="What stands in the way.")
    step: Name | None = Field(None, description="The step it stops.")
    until: Name | None = Field(
        None, description="A command that succeeds once it is gone; running the step without it."
    )

    def answer(self, call: Call) -> Answer:
        """See `planctl block`."""
        made = block_by_hand(call.workspace, self.initiative, self.reason, self.step, self.until)
        return Answer(asdict(made))


class SyncTool(Tool):
    """Let the rows of implementation.md follow the verdicts: ticked when proven, else not."""

    name = "sync"
    title = "Rows follow the verdicts"
    destructive = True
    idempotent = True

    initiative: Name | None = Field(None, description="Only this one; all without it.")
    check: bool = Field(False, description="Change nothing; only say which rows are not right.")

    def answer(self, call: Call) -> Answer:
        """See `planctl sync`."""
        report = sync(call.workspace, self.initiative, self.check)
        return Answer(report.as_dict(), 1 if self.check and not report.ok else 0)


TOOLS: tuple[type[Tool], ...] = (RunPhaseTool, LedgerAttemptTool, BlockTool, SyncTool)

"""Tools about what stands in the way: blockers, standing still, looking back."""

from __future__ import annotations

from pydantic import Field

from planctl.mcp.tool import INITIATIVE, Answer, Call, Name, Tool
from planctl.ops.blocking.blocked import blocked
from planctl.ops.blocking.unblock import unblock
from planctl.ops.dwell import dwell_reports
from planctl.ops.retro import retro


class BlockedTool(Tool):
    """Who is blocked, waiting or locked, on what, and the way out."""

    name = "blocked"
    title = "Who is blocked, and on what"
    reads = True

    initiative: Name | None = Field(None, description="Only this one, in any state.")

    def answer(self, call: Call) -> Answer:
        """See `planctl blocked`."""
        return Answer([state.as_dict() for state in blocked(call.workspace, self.initiative)])


class UnblockTool(Tool):
    """Run the return conditions of an initiative's open blockers; those that hold are lifted.

    A cancelled call ends the command.
    """

    name = "unblock"
    title = "Ask whether blockers are gone"
    idempotent = True
    alone = False

    initiative: Name = Field(description=INITIATIVE)
    blocker: Name | None = Field(None, description="Only this one: path, or part of its name.")
    timeout_s: float | None = Field(
        None, gt=0, le=86_400, strict=False, description="Seconds a condition may take."
    )

    def answer(self, call: Call) -> Answer:
        """See `planctl unblock`."""
        result = unblock(
            call.workspace,
            self.initiative,
            call.progress,
            self.blocker,
            timeout_s=self.timeout_s,
            stop=call.stop,
        )
        return Answer(result.as_dict(), 0 if result.ok else 1)


class DwellTool(Tool):
    """How many turns moved nothing that the rows of a focus depend on, and what follows."""

    name = "dwell"
    title = "Turns without progress"
    reads = True

    initiative: Name | None = Field(None, description="Only this one; all without it.")

    def answer(self, call: Call) -> Answer:
        """See `planctl dwell`."""
        workspace = call.workspace
        names = [self.initiative] if self.initiative else workspace.initiatives()
        values = [report.as_dict() for report in dwell_reports(workspace, names)]
        return Answer(values[0] if self.initiative else values)


class RetroTool(Tool):
    """Look back over the last turns: what they came to, and what to change."""

    name = "retro"
    title = "Look back"
    reads = True

    initiative: Name | None = Field(None, description="Only this one; all without it.")
    last: int = Field(10, ge=1, le=1000, description="How many turns.")

    def answer(self, call: Call) -> Answer:
        """See `planctl retro`."""
        return Answer(retro(call.workspace, self.initiative, self.last).as_dict())


TOOLS: tuple[type[Tool], ...] = (BlockedTool, UnblockTool, DwellTool, RetroTool)

"""Tools around a turn: the order, the opening, the closing."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from pydantic import Field

from planctl.errors import UsageError
from planctl.mcp.tool import Answer, Call, Name, Text, Tool, require_inside
from planctl.models.turn.prose import TurnProse
from planctl.ops.brief.check import check_brief
from planctl.ops.brief.write import write_brief
from planctl.ops.turn.closing import close_turn
from planctl.ops.turn.opening import open_turn
from planctl.ops.turn.state import current_turn
from planctl.workspace import BRIEF, Workspace


class BriefTool(Tool):
    """Write the order of the next turn, `input.md`, for what is not proven; or check one.

    Asking again for evidence that is fresh is refused, naming the receipts.
    """

    name = "brief"
    title = "Order of the next turn"
    destructive = True
    idempotent = True

    initiative: Name | None = Field(
        None, description="Whose; what `ledger_next` names without it. Not with `check`."
    )
    phase: Name | None = Field(None, description="The first that is not proven without it.")
    form: Literal["long", "short"] = Field("long", description="Twelve sections, or six.")
    implement: list[Name] = Field(
        default_factory=list, max_length=50, description="What must change: `path[::symbol]`."
    )
    note: list[Name] = Field(
        default_factory=list, max_length=50, description="Further lines for the reader."
    )
    check: bool = Field(False, description="Check the brief at `path`, and write none.")
    path: Name | None = Field(None, description=f"With `check`: the brief; `{BRIEF}` without it.")

    def answer(self, call: Call) -> Answer:
        """See `planctl brief`."""
        if self.check:
            return self._checked(call.workspace)
        if self.path is not None:
            raise UsageError("`path` goes with `check`", f"a brief is written to `{BRIEF}`")
        made = write_brief(
            call.workspace,
            self.initiative,
            phase=self.phase,
            form=self.form,
            implement=tuple(self.implement),
            note=tuple(self.note),
        )
        return Answer(made.as_dict())

    def _checked(self, workspace: Workspace) -> Answer:
        if self.initiative or self.phase or self.implement or self.note:
            raise UsageError("`check` writes no brief", "leave out what says how to write one")
        path = self.path or BRIEF
        require_inside(workspace.root, path)
        found = check_brief(workspace, path)
        return Answer(found.as_dict(), 0 if found.ok else 1)


class TurnOpenTool(Tool):
    """Open a turn: note where it starts from, and which files were changed before it.

    What is uncommitted then belongs to whoever changed it; the turn will not commit it.
    """

    name = "turn_open"
    title = "Open a turn"

    initiative: Name | None = Field(
        None, description="What it works on; what `ledger_next` names without it."
    )
    role: Name | None = Field(
        None, description="Who works: `supervisor`, `engineer`, …; PLANCTL_ROLE without it."
    )
    phase: Name | None = Field(None, description="The phase it works on.")

    def answer(self, call: Call) -> Answer:
        """See `planctl turn open`."""
        turn = open_turn(call.workspace, self.role, self.initiative, self.phase)
        return Answer(turn.as_dict())


class TurnShowTool(Tool):
    """The turn that is open here, if there is one."""

    name = "turn_show"
    title = "The open turn"
    reads = True

    def answer(self, call: Call) -> Answer:
        """See `planctl turn show`."""
        turn = current_turn(call.workspace)
        value = {"open": turn is not None} | (turn.as_dict() if turn else {})
        return Answer(value, 0 if turn is not None else 1)


class TurnCloseTool(Tool):
    """Close the open turn: your three to five sentences, and what is next; the rest is derived.

    Every path, test, number and commit in the words is judged. What does not exist or is not so
    refuses the closing, with each problem and what is there instead: correct the words and call
    again. Summary, record, ledger and evidence go into one commit.
    """

    name = "turn_close"
    title = "Close the turn"

    text: Text = Field(min_length=1, description="What was done and found, in full sentences.")
    next: Name | None = Field(None, description="What comes next, one line.")
    accept_unsupported: Name | None = Field(
        None, description="Why claims may stand that nothing supports; who says so is recorded."
    )
    include: list[Name] = Field(
        default_factory=list, max_length=200, description="Paths dirty before that go along."
    )
    dry_run: bool = Field(False, description="Judge and show; write nothing.")
    commit: bool = Field(True, description="False: write, but leave the commit to the caller.")

    def answer(self, call: Call) -> Answer:
        """See `planctl turn close`."""
        prose = TurnProse.parse(self.text)
        if self.next is not None:
            prose = replace(prose, next=" ".join(self.next.split()))
        closed = close_turn(
            call.workspace,
            prose,
            accept=self.accept_unsupported,
            commit=self.commit,
            include=tuple(self.include),
            dry_run=self.dry_run,
        )
        return Answer(closed.as_dict())


TOOLS: tuple[type[Tool], ...] = (BriefTool, TurnOpenTool, TurnShowTool, TurnCloseTool)

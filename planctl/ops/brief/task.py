"""What a brief is to be written about, with what is read for it, each once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from planctl._files import read_text
from planctl.models.findings import FindingRow, findings_in
from planctl.models.mentions import PlanWords
from planctl.models.plan.plan import Plan
from planctl.models.row_texts import RowText, rows_with_text
from planctl.models.verdict import StepVerdict
from planctl.models.way_back import Action
from planctl.ops.brief.targets import Target, targets
from planctl.ops.focus import FocusState
from planctl.workspace import ACTIVE, FINDINGS, Workspace

_MAX_BYTES = 4_000_000


@dataclass(frozen=True)
class Task:
    """What a brief is to be written about.

    Attributes:
        open: The steps of the phase that are not proven, in plan order.
        actions: The way back to all-fresh.
        implement: Targets that the caller named; else they are found.
        later: Other phases that are not proven.
        because: Why a person wants the whole phase again.
        closes: Who works on it closes the turn.
    """

    workspace: Workspace
    plan: Plan
    phase: str
    steps: tuple[StepVerdict, ...]
    open: tuple[StepVerdict, ...]
    actions: tuple[Action, ...]
    state: FocusState
    later: tuple[str, ...] = ()
    implement: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    because: str = ""
    closes: bool = True

    @cached_property
    def rows(self) -> dict[str, RowText]:
        """The rows of the working plan."""
        path = self.workspace.working_plan(self.plan)
        return rows_with_text(read_text(path, _MAX_BYTES, "replace")) if path.is_file() else {}

    @cached_property
    def words(self) -> PlanWords:
        """The plan by what its parts are called."""
        return PlanWords(self.plan, {name: row.text for name, row in self.rows.items()})

    @cached_property
    def targets(self) -> tuple[Target, ...]:
        """What must change."""
        if self.implement:
            why = "as ordered"
            return tuple(Target(name, why, name.partition("::")[0]) for name in self.implement)
        found = [
            item
            for step in self.open
            for item in targets(self.workspace, self.plan, self.words, step)
        ]
        return tuple({item.name: item for item in found}.values())

    @cached_property
    def findings(self) -> dict[str, FindingRow]:
        """The findings of the repository."""
        path = self.workspace.root / FINDINGS
        if not path.is_file():
            return {}
        return {row.id: row for row in findings_in(read_text(path, _MAX_BYTES, "replace"))}

    @property
    def hub(self) -> str:
        """Where evidence goes."""
        home = f"{ACTIVE}/{self.plan.id}/reports"
        return home if self.plan.hub is None else f"{home}/{self.plan.hub}"

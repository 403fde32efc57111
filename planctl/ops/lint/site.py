"""Where findings are: a step of a plan, with its line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from planctl._files import read_plain
from planctl.models.annotation import Level
from planctl.models.lint import BY_ID, Finding
from planctl.models.plan.parse import step_lines
from planctl.models.plan.plan import Plan, Step
from planctl.workspace import Workspace

_MAX_BYTES = 16_000_000


@dataclass(frozen=True)
class Site:
    """A step of a plan.

    Attributes:
        path: Repository-relative path of `plan.yaml`; `line` where the step begins, if known.
    """

    plan: Plan
    phase: str
    step: Step
    path: str
    line: int | None = None

    def finding(
        self,
        rule: str,
        message: str,
        key: str = "run",
        *,
        level: Level | None = None,
        path: str | None = None,
    ) -> Finding:
        """Return a finding about the step.

        Args:
            rule: Id of the rule.
            message: What is the case.
            key: Key of the step, or empty.
            level: Other than the rule's own.
            path: A file other than the plan, such as a log.
        """
        full = f"phases.{self.phase}.steps.{self.step.id}.{key}" if key and path is None else ""
        return Finding(
            rule=rule,
            message=message,
            path=path or self.path,
            line=None if path else self.line,
            key=full,
            initiative=self.plan.id,
            phase=self.phase,
            step=self.step.id,
            level=level or BY_ID[rule].level,
        )


def sites(workspace: Workspace, plan: Plan) -> Iterator[Site]:
    """Yield every step of a plan with its line."""
    path = workspace.initiative_dir(plan.id) / "plan.yaml"
    shown = workspace.relative(path)
    lines = step_lines(read_plain(path, _MAX_BYTES).decode("utf-8", "replace"), shown)
    for phase, step in plan.steps():
        yield Site(plan, phase, step, shown, lines.get(step.id))

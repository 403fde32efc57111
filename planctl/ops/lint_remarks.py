"""Findings of lint that every `verify` shows: those that the plan alone tells."""

from __future__ import annotations

from collections.abc import Iterator

from planctl.models.annotation import Level
from planctl.models.lint import BY_ID
from planctl.models.plan import Plan, Step
from planctl.ops.lint_plan import cheap_findings
from planctl.ops.lint_site import Site
from planctl.workspace import ACTIVE, Workspace


def lint_remarks(workspace: Workspace, plan: Plan, phase: str, step: Step) -> Iterator[str]:
    """Yield what lint finds in a step of a plan and nobody has waived; asks neither git nor logs.

    Args:
        workspace: The repository, for its settings and clock.
        plan: The plan.
        phase: Phase of the step.
        step: The step.
    """
    found = list(cheap_findings(Site(plan, phase, step, f"{ACTIVE}/{plan.id}/plan.yaml")))
    if not found:
        return
    today = workspace.clock().date()
    waivers = [waiver for waiver in workspace.settings().lint.waive if waiver.until >= today]
    for finding in found:
        if finding.level is not Level.NOTE and not any(w.covers(finding) for w in waivers):
            yield f"{finding.rule} {BY_ID[finding.rule].name}: {finding.message}"

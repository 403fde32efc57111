"""Findings of lint that every `verify` shows: those that the plan alone tells."""

from __future__ import annotations

from collections.abc import Iterator

from planctl import _shell
from planctl.models.annotation import Level
from planctl.models.lint import BY_ID, Finding
from planctl.models.plan.plan import Plan, Step
from planctl.ops.facts import rules
from planctl.ops.lint import commands as lint_commands
from planctl.ops.lint import plan as lint_plan
from planctl.ops.lint.plan import cheap_findings
from planctl.ops.lint.site import Site
from planctl.workspace import ACTIVE, Workspace


def remarks_rules() -> str:
    """Return the digest of the code that finds what is remarked upon."""
    return rules(lint_plan, lint_commands, _shell)


def plan_findings(plan: Plan, phase: str, step: Step) -> list[Finding]:
    """Return what lint finds in a step of a plan; asks neither git nor logs."""
    return list(cheap_findings(Site(plan, phase, step, f"{ACTIVE}/{plan.id}/plan.yaml")))


def lint_remarks(workspace: Workspace, found: list[Finding]) -> Iterator[str]:
    """Yield those of some findings that nobody has waived, as remarks.

    Args:
        workspace: The repository, for its settings and clock.
        found: From `plan_findings`.
    """
    today = workspace.clock().date()
    waivers = [waiver for waiver in workspace.settings().lint.waive if waiver.until >= today]
    for finding in found:
        if finding.level is not Level.NOTE and not any(w.covers(finding) for w in waivers):
            yield f"{finding.rule} {BY_ID[finding.rule].name}: {finding.message}"

"""`--format`: how a command that judges prints its answer."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from planctl.models.annotation import Annotation, Rule
    from planctl.models.plan.plan import Plan
    from planctl.models.verdict import VerifyReport
    from planctl.workspace import Workspace


class Format(StrEnum):
    """For people, for programs, for CI services."""

    TABLE = "table"
    JSON = "json"
    JUNIT = "junit"
    SARIF = "sarif"
    GITHUB = "github"


FormatOption = Annotated[
    Format, typer.Option("--format", help="How to print the answer; --json is --format json.")
]


def chosen(form: Format, json_: bool, times: bool = False) -> Format:
    """Return the one format that was asked for.

    Args:
        form: Of `--format`.
        json_: `--json` was given.
        times: `--times` was given: only people and programs get those.

    Raises:
        UsageError: They do not go together.
    """
    from planctl.errors import UsageError

    plain = form in (Format.TABLE, Format.JSON)
    if json_ and not plain:
        raise UsageError(f"`--json` and `--format {form}` ask for two formats", "give one of them")
    if times and not plain:
        raise UsageError(f"`--format {form}` has no place for `--times`", "use `--format json`")
    return Format.JSON if json_ else form


def print_verdicts(
    form: Format, workspace: Workspace, plans: Sequence[Plan], reports: Sequence[VerifyReport]
) -> None:
    """Print verdicts in a format of CI services; how many hold goes to stderr."""
    import sys

    from planctl.cli import render
    from planctl.report.formats import ReportFormat, verdicts_written
    from planctl.report.verdicts import judged

    found = [judged(workspace, p, report) for p, report in zip(plans, reports, strict=True)]
    render.emit(verdicts_written(ReportFormat(form.value), found, workspace.clock()))
    for report in reports:
        proven = sum(step.verdict.accepted for step in report.steps)
        said = f"{report.initiative}: {proven} of {len(report.steps)} steps proven"
        print(render.safe(said), file=sys.stderr)


def print_findings(
    form: Format,
    workspace: Workspace,
    annotations: Sequence[Annotation],
    rules: Sequence[Rule],
    command: str,
) -> None:
    """Print findings in a format of CI services.

    Args:
        form: `junit`, `sarif` or `github`.
        workspace: The repository.
        annotations: The findings.
        rules: All rules that were asked.
        command: Which command found them.
    """
    from planctl.cli import render
    from planctl.report.formats import ReportFormat, written

    render.emit(written(ReportFormat(form.value), annotations, rules, command, workspace.clock()))

"""One name a format: findings and verdicts as the text that goes to stdout."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from planctl.models.annotation import Annotation, Rule
from planctl.report.github import commands
from planctl.report.junit import finding_suites, junit_xml
from planctl.report.sarif import sarif
from planctl.report.verdicts import Judged, findings, suites


class ReportFormat(StrEnum):
    """What CI services read."""

    JUNIT = "junit"
    SARIF = "sarif"
    GITHUB = "github"


def written(
    form: ReportFormat,
    annotations: Sequence[Annotation],
    rules: Sequence[Rule],
    command: str,
    now: dt.datetime,
) -> str:
    """Return findings in a format, each line ended.

    Args:
        form: The format.
        annotations: The findings.
        rules: All rules that were asked, in a stable order.
        command: `lint`, `verify`: which command found them.
        now: When; only JUnit has a place for it.
    """
    if form is ReportFormat.JUNIT:
        return junit_xml(finding_suites(annotations, rules, command, now))
    if form is ReportFormat.SARIF:
        return _json(sarif(annotations, rules, command))
    return "".join(f"{line}\n" for line in commands(annotations, rules))


def verdicts_written(form: ReportFormat, judged: Sequence[Judged], now: dt.datetime) -> str:
    """Return the verdicts of `verify` in a format, each line ended.

    Args:
        form: The format.
        judged: One an initiative.
        now: When they were asked.
    """
    if form is ReportFormat.JUNIT:
        return junit_xml(suites(judged, now))
    found, rules = findings(judged)
    if form is ReportFormat.SARIF:
        heads = {one.report.initiative: one.report.head for one in judged}
        return _json(sarif(found, rules, "verify", {"judgedAt": heads}))
    return "".join(f"{line}\n" for line in commands(found, rules))


def _json(value: dict[str, Any]) -> str:
    # Pure ASCII: whatever encoding the output has, it can hold this.
    return json.dumps(value, indent=2) + "\n"

"""Lint: what makes evidence weak, in plans, commands, logs and receipts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

from planctl._files import files_below, read_plain
from planctl._git import Repository
from planctl.models.lint import BY_ID, Finding, LintSettings, LintWaiver
from planctl.models.plan.plan import Plan
from planctl.models.verdict import Verdict, VerifyReport
from planctl.models.weakening import is_test_file
from planctl.ops.lint.commands import undeclared
from planctl.ops.lint.evidence import Proven, differing_runs, identical, moved_rows
from planctl.ops.lint.logs import Selectors, log_findings, loose_log_findings
from planctl.ops.lint.plan import cheap_findings, plan_findings
from planctl.ops.lint.reach import undeclared_files
from planctl.ops.lint.site import sites
from planctl.ops.lint.weakening import weakened
from planctl.ops.receipts import intact_receipts
from planctl.ops.verify import verify
from planctl.workspace import SETTINGS, Workspace

_MAX_TEST_FILES = 5_000
_MAX_TEST_BYTES = 4_000_000
_TEST_NAME = re.compile(r"^[ \t]*(?:async )?def (test_\w+)", re.MULTILINE)


@dataclass(frozen=True)
class LintResult:
    """What lint found.

    Attributes:
        findings: Those that count first, waived ones last.
    """

    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """No finding counts: all are waived or notes."""
        return not any(finding.counts for finding in self.findings)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for `--json`."""
        return {"ok": self.ok, "findings": [finding.as_dict() for finding in self.findings]}


def lint(workspace: Workspace, initiative: str | None = None) -> LintResult:
    """Look for what makes the evidence of initiatives weak.

    Args:
        workspace: The repository.
        initiative: Only this one; None for all.

    Raises:
        NotFoundError: No such initiative, or none at all.
        PlanError: A plan that cannot be used.
        BadFileError: `planctl.toml` cannot be used.
    """
    settings = workspace.settings().lint
    names = [initiative] if initiative else workspace.every_initiative()
    found = [
        finding
        for name in names
        for finding in _of_plan(workspace, workspace.load_plan(name), settings)
    ]
    return LintResult(tuple(_with_waivers(workspace, found, settings, initiative is None)))


def _of_plan(workspace: Workspace, plan: Plan, settings: LintSettings) -> Iterator[Finding]:
    own = list(sites(workspace, plan))
    tracked = {} if workspace.repo.head is None else workspace.repo.tree("HEAD")
    for site in own:
        yield from cheap_findings(site)
        yield from undeclared(site)
        yield from undeclared_files(site, workspace.root, tracked)
    yield from plan_findings(workspace, plan, own)
    report = verify(workspace, plan)
    proven: Proven = {
        site.step.id: (site, stored)
        for site in own
        if (stored := report.step(site.step.id).stored) is not None
    }
    tests = _selectors(workspace.repo)
    for site, stored in proven.values():
        yield from log_findings(site, workspace.root, stored.receipt, tests)
    yield from _loose_logs(workspace, plan, report, proven, tests)
    intact = intact_receipts(workspace, plan, None)
    yield from identical(workspace.root, proven)
    yield from differing_runs(workspace.root, proven, intact, settings.tolerance)
    yield from moved_rows(workspace.repo, plan, proven)
    verdicts: dict[str, Verdict] = {step.step: step.verdict for step in report.steps}
    yield from weakened(workspace.repo, proven, verdicts, intact)


def _loose_logs(
    workspace: Workspace, plan: Plan, report: VerifyReport, proven: Proven, tests: Selectors
) -> Iterator[Finding]:
    """Yield what is wrong with logs below `green/` that no receipt names."""
    if report.hub is None:
        return
    folder = workspace.root / report.hub
    recorded = {item.path for item in report.unproven}
    names = [
        path.relative_to(folder).as_posix()
        for path in files_below(folder / "green")
        if workspace.relative(path) in recorded
    ]
    yield from loose_log_findings(workspace.root, report.hub, names, plan.id, tests)


def _selectors(repo: Repository) -> Selectors:
    """Return the tests that git knows of: names of files and of functions."""
    if repo.head is None:
        return {}
    paths = [path for path in repo.tree("HEAD") if is_test_file(path)][:_MAX_TEST_FILES]
    found: dict[str, set[str]] = {}
    for path in paths:
        found.setdefault(PurePosixPath(path).stem, set()).add(path)
        for name in _TEST_NAME.findall(_source(repo, path)):
            found.setdefault(name, set()).add(path)
    return {name: frozenset(files) for name, files in found.items()}


def _source(repo: Repository, path: str) -> str:
    try:
        return read_plain(repo.root / path, _MAX_TEST_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""  # gone from the work tree: it has no tests there


def _with_waivers(
    workspace: Workspace, found: list[Finding], settings: LintSettings, everything: bool
) -> Iterator[Finding]:
    """Mark what is waived, and report waivers that have ended or waive nothing."""
    today = workspace.clock().date()
    used: set[int] = set()
    told: list[Finding] = []
    for finding in found:
        covering = [(i, w) for i, w in enumerate(settings.waive) if w.covers(finding)]
        used.update(index for index, _ in covering)
        valid = [waiver for _, waiver in covering if waiver.until >= today]
        told.append(replace(finding, waived=valid[0].spelled()) if valid else finding)
    for index, waiver in enumerate(settings.waive):
        if waiver.until < today:
            told.append(_about(waiver, index, "PL090", "has ended"))
        elif index not in used and everything:
            told.append(_about(waiver, index, "PL091", "waives nothing"))
    yield from sorted(
        told, key=lambda item: (not item.counts, item.path, item.line or 0, item.rule)
    )


def _about(waiver: LintWaiver, index: int, rule: str, what: str) -> Finding:
    text = f"the waiver of {waiver.rule} at `{waiver.where}` by {waiver.spelled()} {what}"
    return Finding(rule, text, SETTINGS, key=f"lint.waive.{index}", level=BY_ID[rule].level)

"""Sync: the rows of working plans follow the verdicts of the steps that prove them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from planctl._text import printable
from planctl.errors import BadFileError
from planctl.models.plan.plan import Plan
from planctl.models.plan.working import RowLine, RowMark, agrees, line_with, with_marks
from planctl.models.verdict import Predicate, StepVerdict, Verdict, VerifyReport
from planctl.ops.ledger.file import read_document, write_document
from planctl.ops.write_lock import write_lock
from planctl.workspace import Workspace

_SHORT = 8
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_UNCOMMITTED = "uncommitted"
_THIS = "this change"
# What running the step again does not mend, or not best.
_OTHER_WAYS = (Verdict.DIRTY, Verdict.MODIFIED, Verdict.UNPROVEN)


@dataclass(frozen=True)
class RowChange:
    """A line of a working plan that does not say what is proven.

    Attributes:
        line: 1-based.
        verdict: Of the step that decides.
        why: Its first reason.
        before: The line as it is.
        after: The line as it should be.
    """

    initiative: str
    path: str
    line: int
    row: str
    verdict: str
    why: str
    before: str
    after: str


@dataclass(frozen=True)
class SyncReport:
    """What was written, or (when only checked) would be.

    Attributes:
        written: Paths that were rewritten.
    """

    changes: tuple[RowChange, ...]
    written: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Every row said what is proven."""
        return not self.changes

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for `--json`."""
        changes = [vars(change) for change in self.changes]
        return {"ok": self.ok, "changes": changes, "written": list(self.written)}


def sync(workspace: Workspace, initiative: str | None = None, check: bool = False) -> SyncReport:
    """Tick the rows whose steps are proven, untick the others and say what brings them back.

    Args:
        workspace: The repository.
        initiative: Only this one; None for all.
        check: Change nothing.

    Raises:
        NotFoundError: No such initiative.
        PlanError: A plan cannot be used.
        BadFileError: A working plan lies behind a link that leads out of the repository.
    """
    from planctl.ops.together import verify_all

    names = [initiative] if initiative else workspace.initiatives()
    plans = [workspace.load_plan(name) for name in names]
    return sync_plans(workspace, zip(plans, verify_all(workspace, plans), strict=True), check)


def sync_plans(
    workspace: Workspace, judged: Iterable[tuple[Plan, VerifyReport]], check: bool = False
) -> SyncReport:
    """Let the rows of some plans follow verdicts that are known already; see `sync`."""
    changes: list[RowChange] = []
    written: list[str] = []
    for plan, report in judged:
        path = _place(workspace, plan)
        if path is None or not any(step.rows for _, step in plan.steps()):
            continue
        found, after = rows_of(path, read_document(workspace, path), report)
        if found and not check:
            with write_lock(workspace, f"rows of {plan.id}"):
                # Somebody may have written between the look and the lock.
                found, after = rows_of(path, read_document(workspace, path), report)
                write_document(workspace, path, after)
            written.append(path)
        changes += found
    return SyncReport(tuple(changes), tuple(written))


def _place(workspace: Workspace, plan: Plan) -> str | None:
    """Return the path of a plan's working plan; where it leads, if it is a link."""
    named = workspace.working_plan(plan)
    if not named.is_file():
        return None
    place, root = named.resolve(), workspace.root.resolve()
    if not place.is_relative_to(root):
        raise BadFileError(
            workspace.relative(named),
            "is a link that leads out of the repository",
            hint="make it a file of its own",
        )
    return place.relative_to(root).as_posix()


def rows_of(
    path: str, text: str, report: VerifyReport, staged: str | None = None
) -> tuple[list[RowChange], str]:
    """Compare a working plan with the verdicts.

    Args:
        path: Of the working plan.
        text: The working plan.
        report: The verdicts of every step.
        staged: The commit that stands for what is staged: its name is none yet.

    Returns:
        The lines that say something else, and the text in which they do not; every other byte of
        it is as it was.
    """
    steps = _by_row(report)
    changes: list[RowChange] = []

    def wanted(found: RowLine) -> RowMark | None:
        if found.row not in steps:
            return None
        deciding = _deciding(steps[found.row])
        mark = _mark(report.initiative, deciding, found.mark, staged)
        if not agrees(found.mark, mark):
            why = deciding.reasons[0] if deciding.reasons else ""
            lines = text[found.start : found.end], line_with(text, found, mark)
            place = (report.initiative, path, found.line, found.row)
            changes.append(RowChange(*place, str(deciding.verdict), why, *lines))
        return mark

    after = with_marks(text, wanted)
    return changes, after


def _by_row(report: VerifyReport) -> dict[str, list[StepVerdict]]:
    steps: dict[str, list[StepVerdict]] = {}
    for step in report.steps:
        for row in step.rows:
            steps.setdefault(row, []).append(step)
    return steps


def _deciding(steps: Sequence[StepVerdict]) -> StepVerdict:
    """Return the first step of a row that is not proven, or its last one."""
    return next((step for step in steps if not step.verdict.accepted), steps[-1])


def _mark(initiative: str, step: StepVerdict, now: RowMark, staged: str | None) -> RowMark:
    if step.verdict.accepted:
        return RowMark(ticked=True)
    # Of what was never run and nobody ticked there is nothing to take back.
    told = step.receipt is not None or now.ticked or now.remark != ""
    return RowMark(False, _remark(initiative, step, staged) if told else "")


def _remark(initiative: str, step: StepVerdict, staged: str | None) -> str:
    """Spell why a row is not proven: `stale since 1a2b3c4d (src/model.py): planctl run-phase …`."""
    deciding = next((p for p in step.predicates if not p.ok and p.verdict), None)
    what, since = _moved(deciding, staged)
    words = ["planctl", "run-phase", initiative, step.phase, "--step", step.step]
    if step.verdict in _OTHER_WAYS or (step.verdict is Verdict.MISSING and step.receipt):
        words = ["planctl", "next-green", initiative]
    dated = f" since {since}" if since else ""
    told = f"{step.verdict}{dated} ({what}): {shlex.join(words)}"
    # Nothing in a name may end the comment or the line.
    return printable(told).replace("-->", "--\\x3e").replace("<!--", "\\x3c!--")


def _moved(deciding: Predicate | None, staged: str | None) -> tuple[str, str]:
    """Return what a row lost its proof by, and since when: a commit, `this change`, or nothing."""
    if deciding is None:
        return "no receipt", ""
    if deciding.name == "inputs" and deciding.ids:
        first = min(deciding.ids, key=lambda item: item.name)
        more = ", …" if len(deciding.ids) > 1 else ""
        return f"{first.name}{more}", _since(first.moved_by, staged)
    if deciding.name == "parents" and deciding.ids:
        return f"needs {deciding.ids[0].name}", ""
    if deciding.name in ("present", "intact") and deciding.ids:
        return deciding.ids[0].name, ""
    return deciding.name, ""


def _since(mover: str | None, staged: str | None) -> str:
    if mover is not None and mover in (_UNCOMMITTED, staged):
        return _THIS
    return mover[:_SHORT] if mover and _COMMIT.fullmatch(mover) else ""

"""What a brief points at: rows, contracts, the place where a step failed, findings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from planctl._files import read_text
from planctl.models.anchor import Anchor, anchor_at
from planctl.models.verdict import StepVerdict, Verdict
from planctl.ops.brief.targets import failure_line
from planctl.ops.brief.task import Task
from planctl.workspace import ACTIVE, FINDINGS, Workspace

_MAX_BYTES = 4_000_000
_MOST_ROWS = 12

Place = tuple[str, int, str]


def pointed_at(task: Task) -> Iterator[tuple[Anchor, str]]:
    """Yield the anchors of a brief's pointers, and why each is there."""
    places = [*_rows(task), *_contracts(task), *_targets(task), *_findings(task)]
    yield from _anchored(task.workspace, dict.fromkeys(places))


def _rows(task: Task) -> Iterator[Place]:
    working = task.workspace.relative(task.workspace.working_plan(task.plan))
    for verdict in task.open:
        for row in verdict.rows[:_MOST_ROWS]:
            if row in task.rows:
                yield working, task.rows[row].line, f"row {row}"


def _contracts(task: Task) -> Iterator[Place]:
    contract = f"{ACTIVE}/{task.plan.id}/plan.yaml"
    text = read_text(task.workspace.root / contract, _MAX_BYTES, "replace")
    for verdict in task.open:
        line = _line_of(text, verdict.step)
        if line:
            yield contract, line, f"the contract of `{verdict.step}`"
        if verdict.verdict is Verdict.FAILED:
            yield from _failed(task, contract, text, line or 1, verdict)


def _failed(
    task: Task, contract: str, text: str, line: int, verdict: StepVerdict
) -> Iterator[Place]:
    """Yield the check that did not hold, and the line of the log that says why."""
    receipt = None if verdict.stored is None else verdict.stored.receipt
    for result in receipt.checks if receipt is not None else ():
        at = None if result.ok else _line_with(text, line, result.check)
        if at is not None:
            yield contract, at, f"did not hold: {result.seen}"
    failed = failure_line(task.workspace, verdict)
    if failed is not None:
        yield failed.path, failed.line, f"where it failed: {failed.text}"


def _line_of(text: str, step: str) -> int | None:
    pattern = re.compile(rf"-\s*(?:\{{\s*)?id:\s*['\"]?{re.escape(step)}['\"]?\s*(?:[,}}#].*)?$")
    for number, line in enumerate(text.split("\n"), 1):
        if pattern.search(line):
            return number
    return None


def _line_with(text: str, line: int, check: dict[str, object]) -> int | None:
    """Return the line of a plan, from a step's on, that has the words of a check."""
    words = [str(value) for value in check.values() if isinstance(value, str)]
    for number, said in enumerate(text.split("\n")[line:], line + 1):
        if words and all(word in said for word in words[:2]):
            return number
    return None


def _targets(task: Task) -> Iterator[Place]:
    for target in task.targets:
        if target.line is not None:
            yield target.path, target.line, "the log points there"


def _findings(task: Task) -> Iterator[Place]:
    for name in task.plan.findings:
        if name in task.findings:
            yield FINDINGS, task.findings[name].line, name


def _anchored(workspace: Workspace, places: Iterable[Place]) -> Iterator[tuple[Anchor, str]]:
    texts: dict[str, list[str]] = {}
    for path, line, why in places:
        if path not in texts:
            text = read_text(workspace.root / path, _MAX_BYTES, "replace")
            texts[path] = text.removesuffix("\n").split("\n")
        anchor = anchor_at(path, texts[path], line)
        if anchor is not None:
            yield anchor, why

"""Rows of the checklist: they follow the verdicts that hold once the turn is committed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from planctl.models.paths import matches
from planctl.models.plan.working import checklist_rows
from planctl.models.verdict import Verdict, VerifyReport
from planctl.ops.ledger.file import read_document
from planctl.ops.sync import rows_of
from planctl.ops.turn.edits import Edit
from planctl.ops.turn.problems import Problem
from planctl.ops.turn.proof import Standing, standing_of
from planctl.ops.turn.scene import Scene
from planctl.workspace import Workspace


def row_edits(scene: Scene) -> Iterator[Edit]:
    """Yield the working plans whose rows the commit makes true or untrue.

    One that was dirty before the turn is its author's, and stays. Where somebody's own uncommitted
    changes are inputs, the verdicts here are not those of the commit: its rows stay as they are.
    """
    for standing in _standings(scene):
        if _is_clouded(standing):
            continue
        path = _place(scene.workspace, standing)
        text = read_document(scene.workspace, path)
        found, after = rows_of(path, text, _then(standing))
        own = path not in scene.turn.dirty or path in scene.chosen.paths
        if found and own and _is_plain(after):
            yield Edit(kind="whole", path=path, text=after)


def row_problems(scene: Scene) -> Iterator[Problem]:
    """Yield rows that were ticked by hand in the turn and whose steps are not proven."""
    for standing in _standings(scene):
        path = _place(scene.workspace, standing)
        if path not in scene.changes.touched:
            continue
        before = _ticked_at(scene.workspace, scene.turn.base, path)
        now = checklist_rows(read_document(scene.workspace, path))
        report = _then(standing)
        for row, ticked in now.items():
            left = [s for s in report.steps if row in s.rows and not s.verdict.accepted]
            if ticked and left and row not in before:
                why = f": {left[0].reasons[0]}" if left[0].reasons else ""
                yield Problem(
                    "row",
                    f"{path}: `[x] {row}`",
                    f"ticked by hand; `{left[0].step}` is {left[0].verdict}{why}",
                    way_out=f"`planctl sync {standing.plan.id}` unticks it; "
                    f"`planctl run-phase {standing.plan.id} {left[0].phase}` proves it",
                    answer="contradicted",
                )


def _standings(scene: Scene) -> Iterator[Standing]:
    for part in scene.evidence.initiatives:
        if any(step.rows for _, step in part.plan.steps()):
            yield standing_of(part.plan, part.report, scene.changes, scene.chosen)


def _is_clouded(standing: Standing) -> bool:
    globs = [standing.plan.inputs_of(phase, step) for phase, step in standing.plan.steps()]
    return any(matches(path, wanted) for path in standing.uncommitted for wanted in globs)


def _place(workspace: Workspace, standing: Standing) -> str:
    return workspace.relative(workspace.working_plan(standing.plan))


def _then(standing: Standing) -> VerifyReport:
    """Return the verdicts that hold once the turn is committed."""
    steps = (
        replace(step, verdict=Verdict.FRESH)
        if not step.verdict.accepted and standing.holds(step.step)
        else step
        for step in standing.report.steps
    )
    return replace(standing.report, steps=tuple(steps))


def _ticked_at(workspace: Workspace, commit: str, path: str) -> frozenset[str]:
    entry = workspace.repo.tree(commit).get(path)
    blobs = workspace.repo.blobs([entry.blob]) if entry is not None else {}
    text = next(iter(blobs.values()), b"").decode("utf-8", "replace")
    return frozenset(row for row, ticked in checklist_rows(text).items() if ticked)


def _is_plain(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False  # bytes that are no text: `planctl sync` keeps them, a journal cannot
    return True

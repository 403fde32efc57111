"""Artifact timestamps against git commits: every time there is, and which contradict."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from planctl._git import Added, Commit
from planctl.models.plan.plan import Plan
from planctl.models.receipt import Receipt
from planctl.models.timeline import FoundTime, Timeline, times_in
from planctl.models.verdict import VerifyReport
from planctl.ops.predicates import CLOCK_SLACK
from planctl.workspace import Workspace

_HEAD_BYTES = 4096
# Zones lie within a day of UTC: a time without zone may be off by so much.
_ZONE_SLACK = dt.timedelta(hours=14)
_NAME_SLACK = dt.timedelta(minutes=30)


def timelines(workspace: Workspace, plan: Plan, report: VerifyReport) -> tuple[Timeline, ...]:
    """List each time that can be found for every artifact of a report.

    Args:
        workspace: The repository.
        plan: The plan the report is about.
        report: From `verify`.

    Returns:
        One timeline an artifact, in the report's order; all times in UTC.
    """
    rows = list(_artifacts(report))
    paths = sorted({path for path, _, _ in rows})
    added = workspace.repo.first_added(paths)
    changed = workspace.repo.last_changes(paths)
    gates = _gates(workspace, plan)
    return tuple(
        _timeline(workspace, path, receipt, gates.get(phase), added.get(path), changed.get(path))
        for path, phase, receipt in rows
    )


def _artifacts(report: VerifyReport) -> Iterable[tuple[str, str | None, Receipt | None]]:
    for step in report.steps:
        receipt = None if step.stored is None else step.stored.receipt
        for artifact in step.artifacts:
            yield artifact.path, step.phase, receipt
    for artifact in report.unproven:
        yield artifact.path, None, None


def _gates(workspace: Workspace, plan: Plan) -> dict[str | None, Commit]:
    wanted = {name: phase.gate for name, phase in plan.phases.items() if phase.gate}
    full = {name: workspace.repo.resolve(gate) for name, gate in wanted.items()}
    known = workspace.repo.commits(item for item in full.values() if item)
    return {name: known[item] for name, item in full.items() if item in known}


def _timeline(
    workspace: Workspace,
    path: str,
    receipt: Receipt | None,
    gate: Commit | None,
    added: Added | None,
    changed: Commit | None,
) -> Timeline:
    times: list[FoundTime] = []
    if gate is not None:
        times.append(FoundTime("gate authored", gate.authored, text=gate.id[:8]))
        times.append(FoundTime("gate committed", gate.committed, text=gate.id[:8]))
    if receipt is not None:
        times.append(FoundTime("receipt start", receipt.started))
        times.append(FoundTime("receipt end", receipt.finished))
    if added is not None:
        times.append(FoundTime("first commit", added.commit.committed, text=added.commit.id[:8]))
    if changed is not None:
        times.append(FoundTime("last commit", changed.committed, text=changed.id[:8]))
    times += times_in(path.rsplit("/", 1)[-1], "name")
    times += _on_disk(workspace, path)
    return Timeline(path, tuple(times), tuple(_contradictions(times, workspace.clock())))


def _on_disk(workspace: Workspace, path: str) -> list[FoundTime]:
    place = workspace.root / path
    if not place.is_file():
        return []
    found: list[FoundTime] = []
    with place.open("rb") as stream:
        head = stream.read(_HEAD_BYTES)
    if b"\0" not in head:
        found = times_in(head.decode("utf-8", "replace"), "content")[:6]
    when = dt.datetime.fromtimestamp(int(place.stat().st_mtime), dt.UTC)
    return [*found, FoundTime("mtime", when, text="never evidence")]


def _contradictions(times: list[FoundTime], now: dt.datetime) -> Iterable[str]:
    by = {item.source: item for item in reversed(times)}
    for item in times:
        slack = CLOCK_SLACK if item.zone_known else _ZONE_SLACK
        if item.when > now + slack:
            yield f"{item.source} {item.when:%F %R}Z lies in the future"
    start, end = by.get("receipt start"), by.get("receipt end")
    committed, gate = by.get("first commit"), by.get("gate committed")
    if end and committed and end.when > committed.when + CLOCK_SLACK:
        yield f"receipt end {end.when:%F %R}Z is after the first commit {committed.when:%F %R}Z"
    if start and gate and start.when + CLOCK_SLACK < gate.when:
        yield f"receipt start {start.when:%F %R}Z is before the gate {gate.when:%F %R}Z"
    yield from _against_run(times, start, end)


def _against_run(
    times: list[FoundTime], start: FoundTime | None, end: FoundTime | None
) -> Iterable[str]:
    if start is None or end is None:
        return
    for item in times:
        if item.source not in ("content", "name"):
            continue
        slack = _NAME_SLACK if item.zone_known else _ZONE_SLACK
        if not start.when - slack <= item.when <= end.when + slack:
            yield (
                f"{item.source} says `{item.text}`, more than {_spell(slack)} off the run "
                f"{start.when:%F %R}Z"
            )


def _spell(slack: dt.timedelta) -> str:
    minutes = int(slack.total_seconds() // 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h"

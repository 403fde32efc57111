"""Retro: the last turns, told from git and the receipts."""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from planctl import clock
from planctl._git_diffs import net_lines
from planctl.models.diff_kinds import TurnsSettings, is_own, kind_of
from planctl.models.dwell import TurnWork
from planctl.models.retro import Retro, RetroTurn, looked_back
from planctl.ops.blocking.open_blockers import start_of
from planctl.ops.dwell import Dwell
from planctl.ops.focus_records import focus_records
from planctl.ops.turn_diffs import Filed, TurnDiff
from planctl.workspace import ACTIVE, Workspace

# `already-proven: input.md:3: …`; a line without a kind comes from who refused by hand.
_KIND = re.compile(r"([a-z]+(?:-[a-z]+)*): ")

Looked = tuple[TurnDiff, TurnWork]


def retro(workspace: Workspace, initiative: str | None = None, last: int = 10) -> Retro:
    """Look back over the last turns.

    In a history that planctl kept no turns of, the Turn Summary blocks that commits brought stand
    for them; the answer says so (`source`).

    Args:
        workspace: The repository.
        initiative: Only its turns.
        last: How many.

    Raises:
        NotFoundError: No such initiative.
        BadFileError: A record or the settings cannot be read.
    """
    if initiative is not None:
        workspace.initiative_dir(initiative)
    counter = Dwell(workspace)
    filed = counter.newest(initiative, last)
    if not filed:
        from planctl.ops.retro_history import from_summaries

        return from_summaries(workspace, initiative, last)
    looked = _looked(workspace, counter, filed)
    turns = _turns(workspace, looked)
    names = dict.fromkeys(item.focus for item in filed)
    dwell = {name: counter.of(name, focus_records(workspace, name)).dwell for name in names}
    since = min((diff.record.opened for diff, _ in looked), default=None)
    return looked_back(initiative, "turns", turns, _signatures(workspace, names, since), dwell)


def _looked(workspace: Workspace, counter: Dwell, filed: Sequence[Filed]) -> list[Looked]:
    """Return what each turn did, newest first, whatever its focus."""
    by_focus: dict[str, list[Filed]] = {}
    for item in filed:
        by_focus.setdefault(item.focus, []).append(item)
    found: list[Looked] = []
    for focus, own in by_focus.items():
        records = focus_records(workspace, focus)
        found += counter.works(focus, tuple(own), records, detail=True)
    return sorted(found, key=lambda pair: (pair[1].number, pair[1].id), reverse=True)


def _turns(workspace: Workspace, looked: Sequence[Looked]) -> list[RetroTurn]:
    pairs = [(diff.base, diff.commit) for diff, _ in looked if diff.base and diff.commit]
    lines = net_lines(workspace.repo, pairs)
    rules = workspace.settings().turns
    found: list[RetroTurn] = []
    for index, (diff, work) in enumerate(looked):
        before = looked[index + 1][0].record.closed if index + 1 < len(looked) else None
        own = lines.get((diff.base or "", diff.commit or ""), {})
        found.append(_turn(diff, work, by_kind_of(own, rules), before))
    return found


def _turn(
    diff: TurnDiff, work: TurnWork, lines: dict[str, int], before: dt.datetime | None
) -> RetroTurn:
    record = diff.record
    gap = None if before is None else minutes(record.opened - before)
    return RetroTurn(
        number=record.number,
        commit=diff.commit,
        role=record.role,
        focus=record.focus,
        outcome=record.outcome,
        ended=clock.iso(record.closed),
        minutes=minutes(record.closed - record.opened),
        gap_minutes=gap,
        lines=lines,
        gained=work.gained,
        lost=work.lost,
        failed=work.failed,
        receipts=len(record.receipts),
        reran=work.reran,
        wasted_minutes=round(work.reran_s / 60, 1),
        asked_again=int(any(map(_asks_again, record.refused_orders))),
        struck=len(record.refused),
        accepted=len(record.accepted),
        progress=work.progress,
        only="" if work.progress else work.only.value,
        evidence=work.evidence,
    )


def _asks_again(line: str) -> bool:
    """Tell whether a refused order asked for what is proven; one brief may have several lines."""
    kind = _KIND.match(line)
    return kind is None or kind[1] == "already-proven"


def minutes(span: dt.timedelta) -> float:
    """Return a span in minutes, to a tenth."""
    return round(span.total_seconds() / 60, 1)


def by_kind_of(lines: Mapping[str, int], rules: TurnsSettings) -> dict[str, int]:
    """Return lines by kind of file, what planctl writes itself left out."""
    found: Counter[str] = Counter()
    for path, number in lines.items():
        if not is_own(path):
            found[kind_of(path, rules).value] += number
    return dict(found)


def _signatures(
    workspace: Workspace, names: Iterable[str], since: dt.datetime | None
) -> dict[str, int]:
    """Return how often each failure stands in blockers that were filed since a time."""
    from planctl.models.blocker import facts

    found: Counter[str] = Counter()
    for name in names:
        reports = workspace.root / ACTIVE / name / "reports"
        for path in reports.glob("*/*/red/blocked_*.md"):
            told = facts(start_of(path)) if path.is_file() else None
            if told is None or told.kind in ("by-hand", "dwell"):
                continue
            if since is None or told.stamp >= clock.iso(since):
                found[told.signature] += 1
    return dict(found)

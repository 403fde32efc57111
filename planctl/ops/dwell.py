"""Dwell: the turns on a focus since anything moved that its exit criteria depend on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import islice
from typing import Any

from planctl.errors import BadFileError
from planctl.models.dwell import (
    DwellSettings,
    RowProgress,
    Tiers,
    TurnWork,
    dwell_of,
    row_progress,
    tier_of,
)
from planctl.models.focus_record import FocusRecord, Unlock, file_name, waited
from planctl.models.plan.plan import Plan
from planctl.models.settings import parse_settings
from planctl.models.verdict import VerifyReport
from planctl.ops.focus_records import focus_records, waits_folder
from planctl.ops.turn_diffs import Filed, TurnDiff, filed_turns, turn_diffs
from planctl.ops.turn_works import plans_then, turn_works
from planctl.workspace import ACTIVE, SETTINGS, Workspace

_AT_ONCE = 8
_LAST = 50


@dataclass(frozen=True)
class Dwelling:
    """How long a focus has stood still.

    Attributes:
        dwell: Turns that count since the last progress, or since somebody unlocked it.
        tiers: The thresholds that hold.
        turns: Those turns and the one that made progress, newest first.
        unlock: The record from which on turns count, or None.
        ignored: Why other records that look like one do not count.
    """

    dwell: int
    tier: int
    tiers: Tiers
    turns: tuple[TurnWork, ...] = ()
    unlock: Unlock | None = None
    ignored: tuple[str, ...] = ()


class Dwell:
    """Computes dwell for the focuses of a repository; history is walked once for all of them.

    Args:
        workspace: The repository.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._diffs: dict[str, TurnDiff] = {}
        self._plans: dict[str, Plan | None] = {}

    @cached_property
    def settings(self) -> DwellSettings:
        """`[dwell]`."""
        return self._workspace.settings().dwell

    @cached_property
    def _filed(self) -> tuple[Filed, ...]:
        return filed_turns(self._workspace)

    @cached_property
    def _by_focus(self) -> dict[str, tuple[Filed, ...]]:
        found: dict[str, list[Filed]] = {}
        for item in self._filed:
            found.setdefault(item.focus, []).append(item)
        return {name: tuple(turns) for name, turns in found.items()}

    def newest(self, initiative: str | None, last: int) -> tuple[Filed, ...]:
        """Return the last turns of a focus, or of all, newest first; deleted ones too."""
        own = (item for item in self._filed if initiative in (None, item.focus))
        return tuple(islice(own, last))

    def turns(self, initiative: str) -> tuple[Filed, ...]:
        """Return the turns of a focus, newest first; without any on disk git is not asked."""
        folder = self._workspace.root / ACTIVE / initiative / "turns"
        if not any(folder.glob("*.json")):
            return ()
        return self._by_focus.get(initiative, ())

    def of(self, initiative: str, records: tuple[FocusRecord, ...]) -> Dwelling:
        """Return how long a focus has stood still.

        Args:
            initiative: The focus.
            records: Its waits and unlocks.

        Raises:
            BadFileError: A turn's record or the settings cannot be read.
        """
        turns = self.turns(initiative)
        if not turns:
            return Dwelling(0, 0, self.settings.tiers)
        unlock, ignored = self._unlocked(records)
        after = 0 if unlock is None else unlock.after
        works: list[TurnWork] = []
        diffs: list[TurnDiff] = []
        for diff, work in self.works(initiative, turns, records):
            works.append(work)
            if work.progress or work.number <= after:
                break
            diffs.append(diff)
        dwell = dwell_of(work for work in works if work.number > after)
        tiers = self._tiers(diffs)
        return Dwelling(dwell, tier_of(dwell, tiers), tiers, tuple(works), unlock, ignored)

    def _tiers(self, standing: Sequence[TurnDiff]) -> Tiers:
        """Return the thresholds; none is higher than before a turn of an agent that raised it."""
        blobs: set[str] = set()
        found = [self.settings.tiers]
        for diff in standing:
            for change in diff.changes if self.settings.is_agent(diff.record.role) else ():
                if change.path == SETTINGS and change.old is not None:
                    blobs.add(change.old)
                elif change.path == SETTINGS and diff.from_git:
                    found.append(DwellSettings().tiers)
        for content in self._workspace.repo.blobs(blobs).values():
            try:
                old = parse_settings(content.decode("utf-8", "replace"), SETTINGS)
            except BadFileError:
                continue  # settings that could not be read set nothing
            found.append(old.dwell.tiers)
        first, second, third = (min(column) for column in zip(*found, strict=True))
        return first, second, third

    def _unlocked(self, records: tuple[FocusRecord, ...]) -> tuple[Unlock | None, tuple[str, ...]]:
        """Return the newest unlock that counts, and why later ones do not."""
        ignored: list[str] = []
        unlocks = [item for item in records if isinstance(item, Unlock)]
        for item in sorted(unlocks, key=lambda one: (one.after, one.id), reverse=True):
            problem = self._problem(item)
            if problem is None:
                return item, tuple(ignored)
            ignored.append(f"the unlock of {item.made:%F %T}Z {problem}")
        return None, tuple(ignored)

    def _problem(self, item: Unlock) -> str | None:
        from planctl.ops.actor import discounted

        if self.settings.is_agent(item.role):
            return f"is by role `{item.role}`"
        path = f"{waits_folder(item.initiative)}/{file_name(item)}"
        # A record of a turn that was open then, or of the next ones, whatever their focus.
        near = [turn for turn in reversed(self._filed) if turn.number >= item.after][:_AT_ONCE]
        for diff in turn_diffs(self._workspace, near, self._filed):
            by_agent = self.settings.is_agent(diff.record.role)
            if by_agent and any(change.path == path for change in diff.changes):
                return f"came in turn {diff.record.shown} of the {diff.record.role}"
        return discounted(self._workspace, item)

    def works(
        self,
        initiative: str,
        turns: tuple[Filed, ...],
        records: tuple[FocusRecord, ...] = (),
        detail: bool = False,
    ) -> Iterator[tuple[TurnDiff, TurnWork]]:
        """Yield what turns did, newest first; git is asked about a few at once.

        Args:
            initiative: Their focus.
            turns: The turns, newest first.
            records: Waits of the focus.
            detail: Also tell which steps lost their proof.
        """
        open_turns = iter(turns)
        while chunk := tuple(islice(open_turns, _AT_ONCE)):
            self._ask(chunk)
            diffs = [self._diffs[item.path] for item in chunk]
            idle = [item.id for item in chunk if waited(records, item.number)]
            works = turn_works(self._workspace, initiative, diffs, self._plans, idle, detail)
            yield from zip(diffs, works, strict=True)

    def look_ahead(self, initiatives: Iterable[str]) -> None:
        """Ask git at once about the newest turns of several focuses that will be asked about."""
        asked = (item for name in initiatives for item in self.turns(name)[:_AT_ONCE])
        self._ask(tuple(asked))

    def _ask(self, wanted: Sequence[Filed]) -> None:
        new = [item for item in wanted if item.path not in self._diffs]
        diffs = turn_diffs(self._workspace, new, self._filed) if new else ()
        self._diffs |= {item.path: item for item in diffs}
        self._plans |= plans_then(self._workspace, diffs)


@dataclass(frozen=True)
class DwellReport:
    """What `planctl dwell` tells of one initiative.

    Attributes:
        tiers: The thresholds.
        turns: The turns since the last progress and that one, newest first.
        rows: Steps that are not proven, by how long they have stood still.
        advice: What the tier asks for; empty below the first.
        unlocked: Who unlocked it last, and why; None if nobody did.
        ignored: Why other unlocks do not count.
    """

    initiative: str
    dwell: int
    tier: int
    tiers: Tiers
    turns: tuple[TurnWork, ...]
    rows: tuple[RowProgress, ...]
    budget: int
    advice: str
    unlocked: str | None
    ignored: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for `--json`."""
        raw = asdict(self)
        raw["turns"] = [
            one | {"progress": turn.progress, "only": turn.only.value, "kinds": dict(turn.kinds)}
            for one, turn in zip(raw["turns"], self.turns, strict=True)
        ]
        return raw


def dwell_report(workspace: Workspace, initiative: str) -> DwellReport:
    """Tell how long an initiative and each of its open rows have stood still.

    Raises:
        NotFoundError: There is no such initiative.
        BadFileError: A record, the plan or the settings cannot be read.
    """
    return dwell_reports(workspace, [initiative])[0]


def dwell_reports(workspace: Workspace, initiatives: Sequence[str]) -> tuple[DwellReport, ...]:
    """Tell of several initiatives what `dwell_report` tells of one; git is asked once for all.

    Raises:
        NotFoundError: There is no such initiative.
        BadFileError: A record, a plan or the settings cannot be read.
    """
    from planctl.ops.together import verify_all

    plans = {name: workspace.load_plan(name) for name in initiatives}
    counter = Dwell(workspace)
    counter.look_ahead(initiatives)
    worked_on = [plan for name, plan in plans.items() if counter.turns(name)]
    verdicts = verify_all(workspace, worked_on, named=False) if worked_on else []
    reports = {report.initiative: report for report in verdicts}
    return tuple(_report(workspace, counter, name, reports.get(name)) for name in plans)


def _report(
    workspace: Workspace, counter: Dwell, initiative: str, verdicts: VerifyReport | None
) -> DwellReport:
    records = focus_records(workspace, initiative)
    found = counter.of(initiative, records)
    unlock = found.unlock
    said = None if unlock is None else f"by {unlock.role} at {unlock.made:%F}: {unlock.because}"
    budget = workspace.settings().progress.budget
    return DwellReport(
        initiative=initiative,
        dwell=found.dwell,
        tier=found.tier,
        tiers=found.tiers,
        turns=found.turns,
        rows=() if verdicts is None else _rows(counter, initiative, records, verdicts, budget),
        budget=budget,
        advice=advice(initiative, found.tier, found.dwell),
        unlocked=said,
        ignored=found.ignored,
    )


def _rows(
    counter: Dwell,
    initiative: str,
    records: tuple[FocusRecord, ...],
    verdicts: VerifyReport,
    budget: int,
) -> tuple[RowProgress, ...]:
    still_open = [step for step in verdicts.steps if not step.verdict.accepted]
    if not still_open:
        return ()
    newest = tuple(islice(counter.turns(initiative), _LAST))
    works = tuple(work for _, work in counter.works(initiative, newest, records))
    found = (
        row_progress(step.step, step.rows, step.verdict.value, works, budget) for step in still_open
    )
    return tuple(sorted(found, key=lambda row: -row.turns))


def advice(initiative: str, tier: int, dwell: int) -> str:
    """Return what a tier asks for, in one sentence; empty for 0."""
    still = f"{dwell} turns in a row moved nothing that the rows of `{initiative}` depend on"
    if tier >= 3:
        return f"{still}: locked until a person says why to go on"
    if tier == 2:
        return f"{still}: name what stands in the way, or switch to another focus"
    if tier == 1:
        return f"{still}: hand off, or switch to another focus"
    return ""

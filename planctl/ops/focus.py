"""The state of a focus: may it be worked on now, and if not, what is the way out."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from planctl.errors import PlanctlError
from planctl.models.focus_record import Wait, open_waits
from planctl.ops.blocking.open_blockers import OpenBlocker, open_blockers
from planctl.ops.dwell import Dwell, advice
from planctl.ops.focus_records import focus_records
from planctl.workspace import LEDGER, Workspace

_ENDED = ("done", "archived")


@dataclass(frozen=True)
class FocusState:
    """Whether a focus may be worked on.

    Attributes:
        status: What the ledger says, or None when it has no such item.
        blocked: The ledger says that the focus is blocked.
        waiting: It waits for something outside, and the day to look again has not come.
        due: It waits, and the day has come: somebody must look again.
        locked: It stood still for so long that only a person lets work go on.
        tier: Of the dwell, 0 to 3.
        dwell: Turns since anything moved that its rows depend on.
        blockers: Those that still hold, newest first.
        waits: Those that are not over, oldest first.
        why: One sentence; empty when nothing stands in the way.
        way_out: A command, or empty.
    """

    initiative: str
    status: str | None = None
    blocked: bool = False
    waiting: bool = False
    due: bool = False
    locked: bool = False
    tier: int = 0
    dwell: int = 0
    blockers: tuple[OpenBlocker, ...] = ()
    waits: tuple[Wait, ...] = ()
    why: str = ""
    way_out: str = ""

    @property
    def workable(self) -> bool:
        """Nothing forbids a turn on it; a wait that is due is to be looked at first."""
        return not (self.blocked or self.waiting or self.locked)

    @property
    def word(self) -> str:
        """What stands in the way, the strongest, in one word; empty when nothing does."""
        words = ("locked", "blocked", "waiting", "due")
        return next((word for word in words if getattr(self, word)), "")

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for `--json`."""
        raw = dict(vars(self))
        raw["blockers"] = [item.as_dict() for item in self.blockers]
        raw["waits"] = [
            {"what": item.what, "until": item.until.isoformat(), "check": item.check, "id": item.id}
            for item in self.waits
        ]
        return raw | {"workable": self.workable}


class FocusBoard:
    """States of many focuses; ledger, settings and history are read once for all of them.

    Args:
        workspace: The repository.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._dwell = Dwell(workspace)

    @cached_property
    def _today(self) -> dt.date:
        return self._workspace.clock().date()

    @cached_property
    def _statuses(self) -> dict[str, str]:
        if not (self._workspace.root / LEDGER).is_file():
            return {}
        from planctl.ops.ledger.file import show

        return {item.id: item.status for item in show(self._workspace).items}

    def state(self, initiative: str, with_dwell: bool = True) -> FocusState:
        """Return the state of a focus; only what it has on disk is read.

        Args:
            initiative: The focus.
            with_dwell: False leaves the dwell out, for which git is asked.

        Raises:
            BadFileError: A record, the ledger or the settings cannot be read.
        """
        status = self._statuses.get(initiative)
        records = focus_records(self._workspace, initiative)
        waits = open_waits(records)
        waiting = any(item.until > self._today for item in waits)
        found = FocusState(
            initiative=initiative,
            status=status,
            blocked=status == "blocked",
            waiting=waiting,
            due=bool(waits) and not waiting,
            blockers=open_blockers(self._workspace, initiative),
            waits=waits,
        )
        if status in _ENDED:
            return found
        if with_dwell:
            still = self._dwell.of(initiative, records)
            found = replace(found, tier=still.tier, dwell=still.dwell, locked=still.tier >= 3)
        why, way_out = _told(found)
        return replace(found, why=why, way_out=way_out)

    def outlines(self, initiatives: Iterable[str]) -> tuple[FocusState, ...]:
        """Return the states of many focuses, without the dwell of those that nobody works on.

        A focus that is locked and not blocked is one that somebody unblocked: `in_progress`.
        """
        names = list(initiatives)
        worked_on = [name for name in names if self._statuses.get(name) == "in_progress"]
        self._dwell.look_ahead(worked_on)
        return tuple(self.state(name, name in worked_on) for name in names)

    def states(self, initiatives: Iterable[str]) -> tuple[FocusState, ...]:
        """Return the states of many focuses; git is asked about all of them at once."""
        names = list(initiatives)
        self._dwell.look_ahead(n for n in names if self._statuses.get(n) not in _ENDED)
        return tuple(self.state(name) for name in names)


def focus_state(workspace: Workspace, initiative: str) -> FocusState:
    """Return the state of one focus; see `FocusBoard` for many.

    Raises:
        BadFileError: A record, the ledger or the settings cannot be read.
    """
    return FocusBoard(workspace).state(initiative)


class FocusLockedError(PlanctlError):
    """A focus stood still for so long that an agent may not go on with it."""

    slug = "focus-locked"
    exit_code = 4


def require_unlocked(workspace: Workspace, initiative: str, role: str) -> None:
    """Refuse a turn of an agent on a focus that is locked.

    Args:
        workspace: The repository.
        initiative: The focus.
        role: Whose turn it would be; a person may always work.

    Raises:
        FocusLockedError: It is locked, and the role is an agent's.
    """
    if not workspace.settings().dwell.is_agent(role):
        return
    state = focus_state(workspace, initiative)
    if state.locked:
        hint = f"a person: `{state.way_out}`; an agent: `planctl ledger next` names another focus"
        raise FocusLockedError(state.why, hint)


def _told(state: FocusState) -> tuple[str, str]:
    """Return what stands in the way, the strongest first, and the way out."""
    name = state.initiative
    if state.locked:
        way = f"planctl unblock {name} --dwell --because 'why it goes on'"
        return advice(name, state.tier, state.dwell), way
    if state.blocked:
        return _blocked(state), f"planctl unblock {name}"
    if state.waiting or state.due:
        return _waits(state), f"planctl wait {name} --over"
    if state.tier:
        way = f"planctl block {name} --reason '…'" if state.tier == 2 else "planctl ledger next"
        return advice(name, state.tier, state.dwell), way
    return "", ""


def _blocked(state: FocusState) -> str:
    if not state.blockers:
        return f"the ledger says that `{state.initiative}` is blocked; no blocker file says why"
    newest = state.blockers[0]
    return f"blocked: {newest.facts.reason or newest.facts.title} ({newest.path})"


def _waits(state: FocusState) -> str:
    last = max(item.until for item in state.waits)
    what = "; ".join(item.what for item in state.waits)
    if state.due:
        return f"waited for {what} until {last:%F}: look again"
    return f"waits for {what} until {last:%F}"

"""Waits: a focus that needs something from outside first, and the day to look again."""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict, dataclass
from typing import Any

from planctl._process import Stop
from planctl.errors import NotFoundError, UsageError
from planctl.models.focus_record import Over, Wait, open_waits
from planctl.ops.actor import acting, need_person
from planctl.ops.blocking.conditions import Held, ask
from planctl.ops.focus_records import focus_records, new_id, newest_turn, write_record
from planctl.ops.ledger import items as ledger
from planctl.ops.run_phase import Reporter
from planctl.ops.write_lock import write_lock
from planctl.workspace import Workspace


@dataclass(frozen=True)
class WaitView:
    """One wait that is not over.

    Attributes:
        until: The day to look again, `2026-12-01`.
        days: Until then; negative when it has passed.
        due: The day has come.
        over: The command that ends it.
    """

    initiative: str
    what: str
    until: str
    days: int
    due: bool
    check: str | None
    since: str
    role: str
    over: str


@dataclass(frozen=True)
class WaitResult:
    """What became of a wait.

    Attributes:
        ok: The wait has begun, or is over.
        written: Path of the record, or None when nothing was written.
        waits: Those of the initiative that are not over.
        held: The wait's own check, when it was run.
    """

    initiative: str
    ok: bool
    text: str
    written: str | None
    waits: tuple[WaitView, ...]
    held: Held | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for `--json`."""
        return asdict(self)


def waits_of(workspace: Workspace, initiative: str | None = None) -> tuple[WaitView, ...]:
    """Return the waits that are not over, the next day to look first.

    Args:
        workspace: The repository.
        initiative: Only this one.

    Raises:
        NotFoundError: No such initiative.
        BadFileError: A record cannot be read.
    """
    if initiative is not None:
        workspace.initiative_dir(initiative)
    names = workspace.initiatives() if initiative is None else [initiative]
    today = workspace.clock().date()
    found = [
        _view(item, today) for name in names for item in open_waits(focus_records(workspace, name))
    ]
    return tuple(sorted(found, key=lambda item: (item.until, item.initiative)))


def _view(item: Wait, today: dt.date) -> WaitView:
    return WaitView(
        initiative=item.initiative,
        what=item.what,
        until=item.until.isoformat(),
        days=(item.until - today).days,
        due=item.until <= today,
        check=item.check,
        since=f"{item.made:%F}",
        role=item.role,
        over=f"planctl wait {item.initiative} --over",
    )


def begin_wait(
    workspace: Workspace,
    initiative: str,
    what: str | None,
    until: str,
    check: str | None = None,
) -> WaitResult:
    """Let a focus wait; a wait that is not over yet is replaced.

    Args:
        workspace: The repository.
        initiative: Its id.
        what: What it waits for; of the wait that is replaced without it.
        until: The day to look again, `2026-12-01`.
        check: A command that succeeds once it is there; of the wait that is replaced without it.

    Raises:
        NotFoundError: No such initiative.
        UsageError: Nothing to wait for, or a day that has passed.
    """
    plan = workspace.load_plan(initiative)
    day = _day(until, workspace.clock().date())
    with write_lock(workspace, f"wait {initiative}"):
        before = open_waits(focus_records(workspace, initiative))
        said = " ".join((what or "; ".join(item.what for item in before)).split())
        if not said:
            raise UsageError("what is it that is waited for?", "`--for 'beamtime data'`")
        kept = next((item.check for item in before if item.check), None)
        name, now = new_id(workspace, initiative)
        role, after = acting(workspace).role, newest_turn(workspace)
        made = Wait(
            id=name,
            initiative=initiative,
            made=now,
            after=min([after, *(item.after for item in before)]),
            role=role,
            commit=workspace.repo.head,
            what=said,
            until=day,
            check=check or kept,
        )
        path = write_record(workspace, made)
        if before:
            _end(workspace, initiative, before, "replaced by another day", after=made.after)
    ledger.attempt(workspace, plan.id, f"waits for {said} until {day:%F}. See {path}.")
    text = f"`{initiative}` waits for {said} until {day:%F}"
    return WaitResult(initiative, True, text, path, waits_of(workspace, initiative))


def end_wait(
    workspace: Workspace,
    initiative: str,
    reporter: Reporter,
    because: str | None = None,
    timeout_s: float | None = None,
    stop: Stop | None = None,
) -> WaitResult:
    """End the waits of a focus, if their own checks succeed.

    Args:
        workspace: The repository.
        initiative: Its id.
        reporter: Gets what checks print.
        because: A person's reason; no check is run then.
        timeout_s: When a check is ended; ten minutes without it.
        stop: Ends a check; see `conditions.ask`.

    Raises:
        NotFoundError: No such initiative, or it does not wait.
        NotAPersonError: An agent gave a reason instead of the check.
        InterruptedRunError: Ctrl-C or SIGTERM while a check ran.
    """
    plan = workspace.load_plan(initiative)
    open_now = open_waits(focus_records(workspace, initiative))
    if not open_now:
        raise NotFoundError(
            f"`{initiative}` does not wait for anything",
            f"`planctl wait {initiative} --for '…' --until 2026-12-01` begins a wait",
        )
    said = None if because is None else " ".join(because.split())
    held: Held | None = None
    commands = dict.fromkeys(item.check for item in open_now if item.check)
    if said is not None and commands:
        need_person(workspace, "ending a wait without its check")
    for command in commands if said is None else ():
        held = ask(workspace, plan, command, open_now[0].what, reporter, timeout_s, stop)
        if not held.ok:
            text = f"still waiting: `{command}` {held.text}"
            return WaitResult(initiative, False, text, None, waits_of(workspace, initiative), held)
    reason = said or (None if held else "said without a check")
    with write_lock(workspace, f"wait {initiative}"):
        path = _end(workspace, initiative, open_now, reason)
    what = "; ".join(item.what for item in open_now)
    how = f": {said}" if said else ": its check succeeded" if held else ""
    ledger.attempt(workspace, plan.id, f"no longer waits for {what}{how}. See {path}.")
    text = f"`{initiative}` no longer waits for {what}"
    return WaitResult(initiative, True, text, path, waits_of(workspace, initiative), held)


def _end(
    workspace: Workspace,
    initiative: str,
    waits: tuple[Wait, ...],
    because: str | None,
    after: int | None = None,
) -> str:
    name, now = new_id(workspace, initiative)
    record = Over(
        id=name,
        initiative=initiative,
        made=now,
        after=newest_turn(workspace) if after is None else after,
        role=acting(workspace).role,
        commit=workspace.repo.head,
        waits=tuple(item.id for item in waits),
        because=because,
    )
    return write_record(workspace, record)


def _day(text: str, today: dt.date) -> dt.date:
    try:
        day = dt.date.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"`{text}` is no day", "for example 2026-12-01") from error
    if day <= today:
        raise UsageError(
            f"`{text}` has passed (today is {today:%F})", "name the day on which to look again"
        )
    return day

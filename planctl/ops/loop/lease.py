"""The lease of a loop: one loop a work tree, also across machines that share it.

A kernel lock goes away with its process, but another machine may not see it, and a machine that
was asleep does not know that time went by. So the owner writes down who it is and until when, and
renews that while it is alive. What cannot be read is nobody's to take: the loop stops.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from planctl import clock
from planctl._files import atomic_write, read_text
from planctl.errors import BadFileError, LockedError, PlanctlError
from planctl.models.loop import LeaseRecord, dumped, parse_lease
from planctl.ops.loop import processes
from planctl.ops.write_lock import write_lock
from planctl.workspace import Workspace

NAME = "loop.lease"
_MAX_BYTES = 100_000
_RENEWALS = 4  # in the time of one lease

Tell = Callable[[str], None]


def lease_path(workspace: Workspace) -> Path:
    """Return where the lease of this work tree lies."""
    return workspace.repo.git_dir / "planctl" / NAME


def read_lease(workspace: Workspace) -> LeaseRecord | None:
    """Return the lease that there is, or None.

    Raises:
        BadFileError: It cannot be read.
    """
    path = lease_path(workspace)
    if not os.path.lexists(path):
        return None
    try:
        return parse_lease(read_text(path, _MAX_BYTES), str(path))
    except (OSError, UnicodeDecodeError) as error:
        hint = "make sure that no loop runs here, then `planctl loop --recover`"
        raise BadFileError(str(path), f"cannot be read: {error}", hint=hint) from error


def is_alive(lease: LeaseRecord) -> bool | None:
    """Tell whether the owner's process still runs; None when it is another machine's."""
    if lease.machine != processes.machine():
        return None
    return processes.started(lease.pid) == lease.started


@dataclass
class Lease:
    """A lease that this process holds.

    Attributes:
        lasts_s: Seconds from one renewal to the end.
    """

    workspace: Workspace
    record: LeaseRecord
    lasts_s: float

    def check(self) -> None:
        """Make sure that the lease is still this loop's, before it changes anything.

        Raises:
            LockedError: Somebody else has it, or it ran out and was not renewed.
            BadFileError: It cannot be read.
        """
        self.renew()

    def renew(self) -> None:
        """Move its end; a lease that an agent removed is written again.

        Raises:
            LockedError: Somebody else has it.
            BadFileError: It cannot be read.
        """
        with write_lock(self.workspace, "renew the loop's lease"):
            there = read_lease(self.workspace)
            if there is not None and there.id != self.record.id:
                raise LockedError(
                    f"another loop took over: {told(there)}",
                    "this one ends here and has changed nothing since; let that one go on",
                )
            self.record = self.record.model_copy(update=_span(self.workspace, self.lasts_s))
            atomic_write(lease_path(self.workspace), dumped(self.record))

    def give_back(self) -> None:
        """Remove the lease if it is still this loop's."""
        with write_lock(self.workspace, "give the loop's lease back"):
            there = read_lease(self.workspace)
            if there is not None and there.id == self.record.id:
                lease_path(self.workspace).unlink(missing_ok=True)


def told(lease: LeaseRecord) -> str:
    """Say whose a lease is."""
    return (
        f"process {lease.pid} on {lease.host}, since {lease.since}, "
        f"renewed {lease.renewed}, until {lease.expires}"
    )


def _span(workspace: Workspace, lasts_s: float) -> dict[str, str]:
    now = workspace.clock()
    return {"renewed": clock.iso(now), "expires": clock.iso(now + dt.timedelta(seconds=lasts_s))}


@contextlib.contextmanager
def leased(workspace: Workspace, lasts_s: float, tell: Tell) -> Iterator[Lease]:
    """Hold the lease while the block runs, and renew it.

    Args:
        workspace: The repository.
        lasts_s: Seconds that it lasts without renewal.
        tell: Gets one line when the lease of a loop that is gone is taken over.

    Raises:
        LockedError: Another loop has it.
        BadFileError: The lease that is there cannot be read.
    """
    lease = _taken(workspace, lasts_s, tell)
    over = threading.Event()
    keeper = threading.Thread(target=_keep, args=(lease, over), daemon=True)
    keeper.start()
    try:
        yield lease
    finally:
        over.set()
        keeper.join()
        # What stops the loop may be the lease itself; the first error is the one to tell.
        with contextlib.suppress(PlanctlError):
            lease.give_back()


def _taken(workspace: Workspace, lasts_s: float, tell: Tell) -> Lease:
    from ulid import ULID

    pid = os.getpid()
    now = clock.iso(workspace.clock())
    record = LeaseRecord.model_validate(
        {
            "id": str(ULID()),
            "host": socket.gethostname(),
            "machine": processes.machine(),
            "pid": pid,
            "started": processes.started(pid) or "",
            "since": now,
        }
        | _span(workspace, lasts_s)
    )
    with write_lock(workspace, "take the loop's lease"):
        there = read_lease(workspace)
        if there is not None:
            tell(_passed_on(there, workspace.clock()))
        atomic_write(lease_path(workspace), dumped(record))
    return Lease(workspace, record, lasts_s)


def may_not_take(there: LeaseRecord, now: dt.datetime) -> tuple[str, str] | None:
    """Return why a lease may not be taken over, and the way out; None when it may."""
    alive = is_alive(there)
    if alive:
        return (
            f"another loop runs here: {told(there)}",
            "wait for it, or end that process; its lease goes away with it",
        )
    if alive is None and now <= clock.parse(there.expires):
        return (
            f"a loop of another machine owns this work tree: {told(there)}",
            f"end it there, or wait until {there.expires}",
        )
    return None


def _passed_on(there: LeaseRecord, now: dt.datetime) -> str:
    """Return why a lease may be taken over.

    Raises:
        LockedError: It may not.
    """
    refused = may_not_take(there, now)
    if refused is not None:
        raise LockedError(*refused)
    why = "it ran out" if is_alive(there) is None else "its process is gone"
    return f"took over the lease of {told(there)}: {why}"


def _keep(lease: Lease, over: threading.Event) -> None:
    while not over.wait(lease.lasts_s / _RENEWALS):
        # The loop itself looks before it changes anything, and says what is wrong.
        with contextlib.suppress(PlanctlError, OSError):
            lease.renew()

"""The short lock under which files that several runs share are read and rewritten."""

from __future__ import annotations

from contextlib import AbstractContextManager

from planctl import clock
from planctl._lock import hold
from planctl.workspace import Workspace

_WAIT_S = 10.0


def write_lock(workspace: Workspace, purpose: str) -> AbstractContextManager[None]:
    """Hold the lock for a moment's rewriting; waits for another holder.

    Raises:
        LockedError: It was not free within ten seconds.
    """
    path = workspace.repo.git_dir / "planctl" / "write.lock"
    return hold(path, purpose, clock.iso(workspace.clock()), wait_s=_WAIT_S)

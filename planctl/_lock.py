"""One planctl at a time: a lock that names who holds it and goes away with its holder."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from planctl._files import atomic_write
from planctl.errors import LockedError


@contextlib.contextmanager
def hold(path: Path, purpose: str, since: str, wait_s: float = 0.0) -> Iterator[None]:
    """Hold a lock while the block runs.

    The kernel frees it when the process ends, however it ends: there are no stale locks.

    Args:
        path: Lock file; `<path>.owner` beside it says who holds it.
        purpose: What the holder does (`run-phase X-001 A`).
        since: The holder's start, UTC.
        wait_s: Seconds to wait for it.

    Raises:
        LockedError: Another process holds it; names process, host and purpose.
    """
    from filelock import FileLock, Timeout

    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path, timeout=wait_s)
    try:
        lock.acquire()
    except Timeout as error:
        raise LockedError(
            f"another planctl is at work here: {_owner(path)}",
            "wait for it, or end that process; the lock goes away with it",
        ) from error
    owner = {"pid": os.getpid(), "host": socket.gethostname(), "purpose": purpose, "since": since}
    try:
        atomic_write(_owner_file(path), json.dumps(owner) + "\n")
        yield
    finally:
        _owner_file(path).unlink(missing_ok=True)
        lock.release()


def _owner_file(path: Path) -> Path:
    return path.with_name(path.name + ".owner")


def _owner(path: Path) -> str:
    try:
        raw = json.loads(_owner_file(path).read_text("utf-8"))
        return f"`{raw['purpose']}`, process {raw['pid']} on {raw['host']}, since {raw['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "its owner has not written its name yet"

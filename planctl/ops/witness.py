"""Runs that planctl recorded in this work tree, noted where no commit reaches.

A receipt is a file, and files can be written by anybody. What is noted here tells, until the turn
is closed, a receipt that a run left from one that something else wrote, and a run whose receipt was
removed from one that never was. It proves nothing to anybody else: who can write receipts can write
below `.git` too.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from planctl._files import read_plain
from planctl._git import Repository
from planctl.models.receipt import StoredReceipt

_NAME = "runs"
_LINE = re.compile(r"([0-9a-f]{64}) (-?\d+) (\S+)")
_MAX_BYTES = 64_000_000


@dataclass(frozen=True)
class Witnessed:
    """A run that was recorded here.

    Attributes:
        path: Its receipt, repository-relative.
        digest: SHA-256 of the payload.
    """

    path: str
    digest: str
    exit_code: int

    @property
    def ulid(self) -> str:
        """The run's id."""
        return self.path.rpartition("/")[2].partition("_")[0]


def bear_witness(repo: Repository, stored: StoredReceipt) -> None:
    """Note a run, before its receipt is written: no kill leaves a receipt that nobody saw.

    Args:
        repo: The repository.
        stored: The receipt, as it will be written.
    """
    place = repo.git_dir / "planctl" / _NAME
    place.parent.mkdir(exist_ok=True)
    line = f"{stored.payload_sha256} {stored.receipt.exit_code} {stored.path}\n"
    # One write, at the end: runs at the same time do not mix their lines.
    handle = os.open(place, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(handle, line.encode())
    finally:
        os.close(handle)


def witnessed(repo: Repository) -> Mapping[str, Witnessed]:
    """Return payload digest → run, for all that was recorded in this work tree."""
    try:
        text = read_plain(repo.git_dir / "planctl" / _NAME, _MAX_BYTES).decode("utf-8", "replace")
    except FileNotFoundError:
        return {}
    lines = (_LINE.fullmatch(line) for line in text.splitlines())
    return {
        found[1]: Witnessed(found[3], found[1], int(found[2]))
        for found in lines
        if found is not None
    }

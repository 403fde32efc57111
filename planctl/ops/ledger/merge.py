"""The merge driver of the ledger: what git asks when two branches changed it."""

from __future__ import annotations

import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from planctl._files import atomic_write, read_plain
from planctl._git_run import RefusedError, run_git
from planctl.errors import BadFileError, GitError
from planctl.models.ledger import merge as ledger_merge
from planctl.models.ledger.document import parse

_MAX_BYTES = 64_000_000
_MARKER_SIZE = 7
# More conflicts than git counts in an exit code, or another failure.
_CRASHED = 128


@dataclass(frozen=True)
class MergeResult:
    """How a merge ended.

    Attributes:
        path: The file in the repository.
        conflicts: How many places git could not join; they stand in the file between markers.
        plain: Why git joined the whole file line by line; empty when it was joined by items.
    """

    path: str
    conflicts: int
    plain: str = ""

    @property
    def ok(self) -> bool:
        """Nothing is left for a person."""
        return self.conflicts == 0

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for `--json`."""
        return asdict(self) | {"ok": self.ok}


def merge(
    base: Path, ours: Path, theirs: Path, path: str, marker_size: int = _MARKER_SIZE
) -> MergeResult:
    """Join two versions of a ledger, or of an archive of it; the result is written to `ours`.

    Args:
        base: The last common version (git's `%O`).
        ours: The version of the branch that is merged into (`%A`).
        theirs: The version of the branch that is merged (`%B`).
        path: What the file is called in the repository (`%P`), for messages.
        marker_size: How long conflict markers are (`%L`).

    Raises:
        GitError: Git cannot join them at all.
        OSError: A file cannot be read.
    """
    texts = tuple(_read(place) for place in (base, ours, theirs))
    try:
        joined, conflicts = _by_items(*texts, path=path, marker_size=marker_size)
        plain = ""
    except BadFileError as error:
        joined, conflicts = _joined(*texts, marker_size=marker_size)
        plain = error.message
    atomic_write(ours, joined.encode("utf-8", "surrogateescape"))
    return MergeResult(path, conflicts, plain)


def _by_items(base: str, ours: str, theirs: str, *, path: str, marker_size: int) -> tuple[str, int]:
    if ours in (base, theirs) or theirs == base:
        return (theirs if ours == base else ours), 0
    text, conflicts = _one_way(base, ours, theirs, path, marker_size, apart=False)
    if conflicts:
        other, fewer = _one_way(base, ours, theirs, path, marker_size, apart=True)
        text, conflicts = (other, fewer) if fewer < conflicts else (text, conflicts)
    if not conflicts:
        parse(text, path)
    return text, conflicts


def _one_way(
    base: str, ours: str, theirs: str, path: str, marker_size: int, *, apart: bool
) -> tuple[str, int]:
    sides = ledger_merge.prepared(base, ours, theirs, path, apart)
    joined, conflicts = _joined(sides.base, sides.ours, sides.theirs, marker_size=marker_size)
    text = ledger_merge.completed(joined, path, sides)
    if ledger_merge.lost(text, path, (ours, theirs), base):
        raise BadFileError(path, "an attempt has no item to go to after the merge")
    return text, conflicts


def _joined(base: str, ours: str, theirs: str, *, marker_size: int) -> tuple[str, int]:
    """Let git join three texts line by line; return the result and the number of conflicts."""
    with tempfile.TemporaryDirectory(prefix="planctl-merge-") as name:
        folder = Path(name)
        for label, text in (("ours", ours), ("base", base), ("theirs", theirs)):
            (folder / label).write_bytes(text.encode("utf-8", "surrogateescape"))
        words = ("merge-file", f"--marker-size={marker_size}", "ours", "base", "theirs")
        conflicts = 0
        try:
            run_git(folder, *words)
        except RefusedError as error:
            if not isinstance(error.status, int) or not 0 < error.status < _CRASHED:
                raise GitError(f"git cannot join the ledgers: {error.detail}") from error
            conflicts = error.status
        return _read(folder / "ours"), conflicts


def _read(place: Path) -> str:
    return read_plain(place, _MAX_BYTES).decode("utf-8", "surrogateescape")

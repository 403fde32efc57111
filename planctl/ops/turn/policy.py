"""Which files of a turn are committed with it; every other one is named, with the reason."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from planctl._files import is_temporary, read_plain
from planctl.errors import UsageError
from planctl.models.turn.record import Skipped, plain_path
from planctl.models.turn.settings import EvidenceSettings
from planctl.ops.turn.changes import Changes
from planctl.workspace import ACTIVE, Workspace

_BEFORE = "dirty before the turn opened; not its own (`--include` takes it)"
_MIXED = "dirty before the turn opened and changed since; not its own (`--include` takes it)"
# A secret is looked for in files of up to so many bytes: evidence is larger only where allowed.
_SEARCHED_BYTES = 64 << 20


@dataclass(frozen=True)
class Chosen:
    """What of a turn is committed.

    Attributes:
        paths: Changed paths that go into the commit, sorted.
        skipped: The others, with why.
    """

    paths: tuple[str, ...]
    skipped: tuple[Skipped, ...]


def choose(
    workspace: Workspace,
    changes: Changes,
    include: Sequence[str],
    ignored: Iterable[str],
    secrets: Mapping[str, str],
) -> Chosen:
    """Decide what is committed.

    Args:
        workspace: The repository.
        changes: What the turn changed.
        include: Paths or folders that were dirty before and shall go along.
        ignored: Files that matter to the turn and that git ignores.
        secrets: Name → value of what must not be in a file.

    Raises:
        UsageError: `include` names nothing that is dirty.
    """
    rules = workspace.settings().evidence
    asked = _asked(changes, include)
    found: list[tuple[str, int]] = []
    skipped: list[Skipped] = []
    for path in (*changes.own, *asked):
        size = _size(workspace.root / path)
        why = _refused(workspace.root / path, path, size, rules, secrets)
        if why is None:
            found.append((path, size))
        else:
            skipped.append(Skipped(path=plain_path(path), why=why, bytes=size))
    kept, over = _within(found, rules.max_turn_bytes)
    skipped += over
    for why, paths in ((_BEFORE, changes.before), (_MIXED, changes.mixed)):
        left = (path for path in paths if path not in asked)
        skipped += [_skipped(workspace.root, path, why) for path in left]
    skipped += [_skipped(workspace.root, path, "git ignores it") for path in sorted(set(ignored))]
    return Chosen(tuple(sorted(kept)), tuple(sorted(skipped, key=lambda item: item.path)))


def _asked(changes: Changes, include: Sequence[str]) -> tuple[str, ...]:
    found: list[str] = []
    dirty = (*changes.before, *changes.mixed)
    for name in include:
        wanted = name.removeprefix("./").rstrip("/")
        hits = [path for path in dirty if path == wanted or path.startswith(f"{wanted}/")]
        if not hits and wanted not in changes.own:
            raise UsageError(
                f"`--include {name}` names nothing that was dirty before the turn opened",
                "`planctl turn show` lists what was; paths are relative to the repository's root",
            )
        found += hits
    return tuple(dict.fromkeys(found))


def _skipped(root: Path, path: str, why: str) -> Skipped:
    place = root / path
    size = _size(place) if os.path.lexists(place) else None
    return Skipped(path=plain_path(path), why=why, bytes=size)


def _size(place: Path) -> int:
    try:
        return place.lstat().st_size
    except (FileNotFoundError, NotADirectoryError):
        return 0


def _refused(
    place: Path, path: str, size: int, rules: EvidenceSettings, secrets: Mapping[str, str]
) -> str | None:
    if is_temporary(place.name):
        return "a temporary file of planctl"
    try:
        kind = place.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return rules.refuses(path, 0)  # a file that is gone: its removal is committed
    if stat.S_ISDIR(kind):
        return "a repository of its own"
    if stat.S_ISLNK(kind):
        return _link_refused(place, path) or rules.refuses(path, 0)
    if not stat.S_ISREG(kind):
        return "no plain file"
    return rules.refuses(path, size) or _holds_secret(place, size, secrets)


def _link_refused(place: Path, path: str) -> str | None:
    parts = path.split("/")
    if path.startswith(f"{ACTIVE}/") and "reports" in parts:
        return "a symbolic link: evidence is plain files"
    target = os.readlink(place)
    outside = os.path.normpath(os.path.join(os.path.dirname(path), target)).startswith("..")
    if os.path.isabs(target) or outside:
        return "a symbolic link that leads out of the repository"
    return None


def _holds_secret(place: Path, size: int, secrets: Mapping[str, str]) -> str | None:
    if not secrets or size > _SEARCHED_BYTES:
        return None
    try:
        content = read_plain(place, _SEARCHED_BYTES)
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"
    for name, value in secrets.items():
        if value.encode() in content:
            return f"holds the value of the secret `{name}`"
    return None


def _within(found: list[tuple[str, int]], limit: int) -> tuple[list[str], list[Skipped]]:
    """Keep what fits: receipts first, then from small to large."""
    total = 0
    kept: list[str] = []
    over: list[Skipped] = []
    for path, size in sorted(found, key=lambda item: ("/receipts/" not in item[0], item[1])):
        if total + size > limit:
            why = f"the turn has more than {limit:,} bytes"
            over.append(Skipped(path=plain_path(path), why=why, bytes=size))
            continue
        total += size
        kept.append(path)
    return kept, over

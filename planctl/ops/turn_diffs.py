"""What turns changed, asked of git: nothing is believed that a record says of itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from planctl._files import read_plain
from planctl._git_diffs import AddedIn, Pair, added_files, net_changes, parents_between
from planctl._git_history import Change
from planctl.errors import BadFileError
from planctl.models.turn.record import MAX_BYTES, TurnRecord, parse_record, record_name
from planctl.workspace import ACTIVE, Workspace

_RECORDS = f"{ACTIVE}/*/turns/*.json"


@dataclass(frozen=True)
class Filed:
    """A turn's record: where it lies, and where git first had it.

    Attributes:
        added: None for one that is not committed yet.
    """

    path: str
    number: int
    id: str
    added: AddedIn | None

    @property
    def focus(self) -> str:
        """The initiative it lies in."""
        return self.path.split("/")[2]


@dataclass(frozen=True)
class TurnDiff:
    """What lies between a turn's base and the commit that closed it.

    Attributes:
        base: The commit it started from as far as git agrees, or None.
        changes: Net of what was taken back; of a turn whose commits are not in this history, what
            its record says, without blob ids.
        from_git: Whether git answered.
    """

    record: TurnRecord
    path: str
    commit: str | None
    base: str | None
    changes: tuple[Change, ...]
    from_git: bool


def filed_turns(workspace: Workspace) -> tuple[Filed, ...]:
    """Return every turn's record there is or ever was, newest first; one walk over history.

    A record that somebody deleted or overwrote still counts as git first had it.
    """
    added = added_files(workspace.repo, [_RECORDS])
    there = {workspace.relative(path) for path in workspace.root.glob(_RECORDS)}
    found: list[Filed] = []
    for path in {*added, *there}:
        name = record_name(path.rpartition("/")[2])
        if name is not None:
            found.append(Filed(path, name.number, name.id, added.get(path)))
    return tuple(sorted(found, key=lambda item: (item.number, item.id, item.path), reverse=True))


def turn_diffs(
    workspace: Workspace, wanted: Sequence[Filed], known: Sequence[Filed]
) -> tuple[TurnDiff, ...]:
    """Ask git what some turns changed; a handful of processes, however many they are.

    Args:
        workspace: The repository.
        wanted: The turns.
        known: Every turn of the repository, newest first: none is given what another did.

    Raises:
        BadFileError: A record cannot be read.
    """
    records = _read(workspace, wanted)
    pairs = _pairs(workspace, _alone(wanted, known), records, _commits_before(known))
    changes = net_changes(workspace.repo, pairs.values())
    found: list[TurnDiff] = []
    for item in wanted:
        pair, record = pairs.get(item.path), records[item.path]
        commit = None if item.added is None else item.added.commit
        if pair is None or pair not in changes:
            found.append(TurnDiff(record, item.path, commit, None, _as_recorded(record), False))
        else:
            found.append(TurnDiff(record, item.path, commit, pair[0], changes[pair], True))
    return tuple(found)


def _read(workspace: Workspace, wanted: Iterable[Filed]) -> dict[str, TurnRecord]:
    wanted = list(wanted)
    blobs = workspace.repo.blobs(item.added.blob for item in wanted if item.added)
    found: dict[str, TurnRecord] = {}
    for item in wanted:
        content = None if item.added is None else blobs.get(item.added.blob)
        if content is None:
            content = _on_disk(workspace, item.path)
        found[item.path] = parse_record(content, item.path)
    return found


def _on_disk(workspace: Workspace, path: str) -> bytes:
    try:
        return read_plain(workspace.root / path, MAX_BYTES)
    except OSError as error:
        raise BadFileError(path, f"cannot be read: {error.strerror or error}") from error


def _alone(wanted: Iterable[Filed], known: Iterable[Filed]) -> list[Filed]:
    """Return the turns with a commit of their own; a squash gives several turns one."""
    shared = Counter(item.added.commit for item in known if item.added)
    return [item for item in wanted if item.added and shared[item.added.commit] == 1]


def _commits_before(known: Sequence[Filed]) -> dict[str, str]:
    """Return, by record, the commit that closed the turn before."""
    committed = [item for item in known if item.added]
    pairs = pairwise(committed)
    return {item.path: earlier.added.commit for item, earlier in pairs if earlier.added}


def _pairs(
    workspace: Workspace,
    wanted: Sequence[Filed],
    records: Mapping[str, TurnRecord],
    before: Mapping[str, str],
) -> dict[str, Pair]:
    """Return between which commits each turn lies; turns that cannot be placed are left out."""
    found: dict[str, Pair] = {}
    unclear: list[Filed] = []
    for item in wanted:
        base = records[item.path].base
        if item.added is not None and base in item.added.parents:
            found[item.path] = (base, item.added.commit)
        else:
            unclear.append(item)
    if unclear:
        oldest = min(unclear, key=lambda item: (item.number, item.id))
        start = records[oldest.path].base
        limit = [f"^{start}^@"] if start in workspace.repo.commits([start]) else []
        graph = parents_between(workspace.repo, workspace.repo.tip, *limit)
        for item in unclear:
            begun = _base(item, records[item.path].base, before.get(item.path), graph)
            if begun is not None and item.added is not None:
                found[item.path] = (begun, item.added.commit)
    return found


def _base(
    item: Filed, said: str, barrier: str | None, graph: Mapping[str, tuple[str, ...]]
) -> str | None:
    """Return where a turn's work began: what it says, if that lies after the turn before.

    A base further back would give the turn what others did. Without the commit it names (after a
    rebase), the turn begins where the one before ended.
    """
    assert item.added is not None
    end = item.added.commit
    seen, open_ids, at_barrier = {end}, [end], False
    while open_ids:
        for parent in graph.get(open_ids.pop(), ()):
            if parent == said:
                return said
            if parent == barrier:
                at_barrier = True
            elif parent not in seen:
                seen.add(parent)
                open_ids.append(parent)
    if at_barrier:
        return barrier
    return next(iter(item.added.parents), None)


def _as_recorded(record: TurnRecord) -> tuple[Change, ...]:
    names = {path for paths in record.files.values() for path in paths}
    return tuple(Change(path, None, None) for path in sorted(names))

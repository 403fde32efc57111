"""The turns of a history against their records: what only looks like a turn is named."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from planctl import clock
from planctl._git_commit import messages
from planctl._git_history import Change, shallow_commits, walk
from planctl._text import listed
from planctl.errors import BadFileError, UsageError
from planctl.models.turn.check import TurnCheck, TurnFinding, TurnTrailers, read_trailers
from planctl.models.turn.record import RecordName, TurnRecord, parse_record
from planctl.ops.turn.records import TURNS
from planctl.workspace import ACTIVE, Workspace

# A record is written before its commit; a rebase renews the committer's time, and only forward.
_SLACK = dt.timedelta(minutes=2)
_RECORD = re.compile(rf"{re.escape(ACTIVE)}/([^/]+)/{TURNS}/([^/]+\.json)")
_RECEIPT = re.compile(
    rf"{re.escape(ACTIVE)}/[^/]+/reports/.*/receipts/([0-9A-Z]{{26}})_[^/]*\.json"
)

_CUT = (
    "this clone is shallow: turns at its depth and before are not judged; "
    "`git fetch --unshallow` brings them"
)


@dataclass(frozen=True)
class _Commit:
    """A commit that has, or should have, something of a turn.

    Attributes:
        added: Path → blob id of the records that it is the first to have.
        touched: Paths of records that it changed or took out.
        receipts: Ids of the receipts it added.
        when: The committer's time.
    """

    id: str
    subject: str
    trailers: TurnTrailers
    added: Mapping[str, str]
    touched: tuple[str, ...]
    receipts: frozenset[str]
    when: dt.datetime


def check_turns(workspace: Workspace, revisions: str | None = None) -> TurnCheck:
    """Compare what commits say of turns with the records they brought.

    Args:
        workspace: The repository.
        revisions: `FIRST..LAST` or one commit; without it everything since the first record:
            commits from before planctl kept turns are not judged.

    Raises:
        UsageError: No such commit.
        GitError: Git refused.
    """
    names = _revisions(workspace, revisions)
    every = list(_commits(workspace, names))
    judged = every if revisions is not None else _since_first(every)
    # Where a clone is cut, a commit seems to bring all there is, and what it grew from is gone.
    cut = shallow_commits(workspace.repo)
    judged = [item for item in judged if item.id not in cut]
    blobs = workspace.repo.blobs(blob for item in judged for blob in item.added.values())
    records: dict[str, TurnRecord] = {}
    findings: list[TurnFinding] = []
    for item in judged:
        for path, blob in item.added.items():
            try:
                records[path] = parse_record(blobs.get(blob, b""), path)
            except BadFileError as error:
                findings.append(_finding("record", item, error.message, path))
    ancestors = _ancestors(workspace, [(item, records) for item in judged])
    if cut:
        ancestors |= _unseen(judged, records, {item.id for item in every})
    for item in judged:
        findings += _of_commit(item, records, ancestors)
    findings += _repeated(workspace)
    turns = sum(bool(item.trailers.turns) for item in judged)
    shown = revisions or "everything since the first turn"
    notes = (_CUT,) if cut else ()
    return TurnCheck(shown, len(judged), turns, len(records), tuple(findings), notes)


def _revisions(workspace: Workspace, revisions: str | None) -> tuple[str, ...]:
    repo, head = workspace.repo, workspace.now_head
    if revisions is None:
        return (head,)
    first, dots, last = revisions.partition("..")
    ends = [first or "HEAD", last or "HEAD"] if dots else [first]
    found = [repo.resolve(name) for name in ends]
    if None in found:
        raise UsageError(
            f"there is no commit `{ends[found.index(None)]}`", "give FIRST..LAST, or one commit"
        )
    commits = [name for name in found if name is not None]
    return (commits[1], f"^{commits[0]}") if dots else (commits[0], f"^{commits[0]}^@")


def _commits(workspace: Workspace, revisions: Sequence[str]) -> Iterator[_Commit]:
    told = messages(workspace.repo, *revisions)
    for commit in walk(workspace.repo, *revisions):
        parents, message = told.get(commit.id, ((), ""))
        # A merge brings the records of the other side, which its own commits were judged by.
        changes = commit.changes if len(parents) < 2 else ()
        records = [item for item in changes if _RECORD.fullmatch(item.path)]
        receipts = (_RECEIPT.fullmatch(item.path) for item in changes if item.old is None)
        yield _Commit(
            id=commit.id,
            subject=message.partition("\n")[0],
            trailers=read_trailers(message),
            added={item.path: item.new for item in records if item.old is None and item.new},
            touched=tuple(_changed(records)),
            receipts=frozenset(match[1] for match in receipts if match),
            when=commit.committed,
        )


def _changed(records: Iterable[Change]) -> Iterator[str]:
    yield from (item.path for item in records if item.old is not None)


def _since_first(every: list[_Commit]) -> list[_Commit]:
    first = next((at for at, item in enumerate(every) if item.added), len(every))
    return every[first:]


def _finding(kind: str, item: _Commit, text: str, path: str = "") -> TurnFinding:
    return TurnFinding(kind, text, item.id, path, item.subject)


def _ancestors(
    workspace: Workspace, items: Sequence[tuple[_Commit, Mapping[str, TurnRecord]]]
) -> set[tuple[str, str]]:
    """Return the pairs of a record's base and its commit in which the commit contains the base."""
    from planctl._git_ancestry import Ancestry

    pairs = {
        (records[path].base, item.id)
        for item, records in items
        for path in item.added
        if path in records
    }
    known = Ancestry(workspace.repo, {base for base, _ in pairs}, {commit for _, commit in pairs})
    return {(base, commit) for base, commit in pairs if commit in known.containing(base)}


def _unseen(
    judged: Sequence[_Commit], records: Mapping[str, TurnRecord], seen: set[str]
) -> set[tuple[str, str]]:
    """Return the pairs of a base and its commit of which a shallow clone cannot tell."""
    pairs = {
        (records[path].base, item.id) for item in judged for path in item.added if path in records
    }
    return {(base, commit) for base, commit in pairs if base not in seen}


def _of_commit(
    item: _Commit, records: Mapping[str, TurnRecord], ancestors: set[tuple[str, str]]
) -> Iterator[TurnFinding]:
    for path in item.touched:
        yield _finding("record", item, "changes or removes a record: they are never edited", path)
    own = {records[path].id: path for path in item.added if path in records}
    for text in item.trailers.broken:
        yield _finding("trailer", item, f"`Turn: {text}` names no turn")
    for number, name in item.trailers.turns:
        if name not in own:
            told = f"says it is turn {number:05}, `{name}`, and brings no record of it"
            yield _finding("imitation", item, told)
    if item.trailers.auto and not item.trailers.turns:
        told = "its subject looks like one of planctl's, and it is no turn's"
        yield _finding("imitation", item, told)
    for name, path in own.items():
        yield from _of_record(item, records[path], path, name, ancestors)


def _of_record(
    item: _Commit,
    record: TurnRecord,
    path: str,
    name: str,
    ancestors: set[tuple[str, str]],
) -> Iterator[TurnFinding]:
    said = item.trailers
    if (record.number, name) not in said.turns:
        if not said.turns:
            return  # written by `--no-commit`, or given up where nothing could be committed
        yield _finding("trailer", item, f"brings the record of turn {record.shown} too", path)
        return
    if (record.base, item.id) not in ancestors:
        told = f"the turn says it started from `{record.base[:12]}`, which is no ancestor"
        yield _finding("base", item, told, path)
    if record.closed - item.when > _SLACK:
        told = f"is dated {clock.iso(item.when)}, and its turn closed at {clock.iso(record.closed)}"
        yield _finding("stamp", item, told, path)
    if said.role != record.role or said.focus != record.focus:
        told = (
            f"trailers say `{said.role}` on `{said.focus}`, the record says `{record.role}` on "
            f"`{record.focus}`"
        )
        yield _finding("trailer", item, told, path)
    if set(said.receipts) != set(record.receipts):
        differing = sorted(set(said.receipts) ^ set(record.receipts))
        told = f"trailers and record do not name the same receipts: {listed(differing, 3)}"
        yield _finding("receipt", item, told, path)
    missing = sorted(set(record.receipts) - item.receipts - _skipped(record))
    if missing and not record.commits:
        told = f"names receipts that it does not bring: {listed(missing, 3)}"
        yield _finding("receipt", item, told, path)


def _skipped(record: TurnRecord) -> set[str]:
    found = (_RECEIPT.fullmatch(item.path) for item in record.skipped)
    return {match[1] for match in found if match}


def _repeated(workspace: Workspace) -> Iterator[TurnFinding]:
    """Yield numbers that two records of the work tree have: of two branches that were merged."""
    from planctl.ops.turn.records import record_names

    known: dict[int, list[tuple[RecordName, str]]] = {}
    for name, place in record_names(workspace):
        known.setdefault(name.number, []).append((name, workspace.relative(place)))
    for number, found in sorted(known.items()):
        if len({name.id for name, _ in found}) > 1:
            paths = [path for _, path in sorted(found)]
            told = f"{len(paths)} turns have the number {number:05}; their ids tell them apart"
            yield TurnFinding("number", f"{told}: {listed(paths, 3)}", path=paths[0])

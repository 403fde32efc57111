"""History, streamed: one walk over all commits, and one reader of blobs that asks sizes first."""

from __future__ import annotations

import contextlib
import datetime as dt
import re
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Self

from planctl._git import Repository
from planctl.errors import GitError

_LAST_SECOND = 253_402_300_799  # 9999-12-31T23:59:59Z
_HEADER = re.compile(rb"\x01([0-9a-f]{40,64}) ([0-9a-f ]*)\x02(-?\d+)\n*")
_CHUNK = 1 << 18
# So many ids and answers fit into a pipe: neither side waits for the other.
_AT_ONCE = 400
_PLAIN = (b"100644", b"100755", b"100664")
_WORDS = (
    *("-c", "log.showRoot=true", "-c", "diff.ignoreSubmodules=none"),
    *("log", "--topo-order", "--reverse", "--diff-merges=first-parent", "-z", "--raw"),
    *("--no-abbrev", "--no-renames", "--no-ext-diff", "--format=%x01%H %P%x02%ct"),
)


@dataclass(frozen=True, slots=True)
class Change:
    """What a commit did to one path, beside its first parent.

    Attributes:
        old: Blob id before, or None when the path is new.
        new: Blob id after, or None when the path is gone.
        link: A symbolic link or a submodule: no text to read.
        mode: Git mode after (`100644`), or before when the path is gone.
    """

    path: str
    old: str | None
    new: str | None
    link: bool = False
    mode: str = ""


@dataclass(frozen=True, slots=True)
class HistoryCommit:
    """One commit of a walk.

    Attributes:
        committed: The committer's time, UTC.
        changes: Beside the first parent; a commit without parents brings everything it has.
    """

    id: str
    parents: tuple[str, ...]
    committed: dt.datetime
    changes: tuple[Change, ...]


def walk(repo: Repository, *revisions: str) -> Iterator[HistoryCommit]:
    """Yield commits, parents before children, each with what it changed; one git process.

    Args:
        repo: The repository.
        revisions: As `git log` takes them: ids, `^id` to leave out what that one has.

    Raises:
        GitError: Git failed.
    """
    process = repo.process(*_WORDS, *revisions, "--")
    header: re.Match[bytes] | None = None
    changes: list[Change] = []
    fields = _fields(process)
    for field in fields:
        # Git puts a line end between a commit's header and its first change.
        if field.startswith((b":", b"\n:")):
            changes.append(_change(field.lstrip(), next(fields)))
        elif found := _HEADER.fullmatch(field):
            if header is not None:
                yield _commit(header, changes)
            header, changes = found, []
    repo.finished(process)
    if header is not None:
        yield _commit(header, changes)


def parents_of(repo: Repository, *revisions: str) -> dict[str, tuple[str, ...]]:
    """Return every commit of a walk with its parents, in no particular order.

    Raises:
        GitError: Git failed.
    """
    process = repo.process("rev-list", "--parents", *revisions, "--")
    assert process.stdout is not None
    lines = (line.decode().split() for line in process.stdout)
    found = {commit: tuple(parents) for commit, *parents in lines}
    repo.finished(process)
    return found


def earliest_times(repo: Repository) -> dict[str, int]:
    """Return, in seconds since 1970, from when on each commit of HEAD's history can be.

    A commit may claim any time. It cannot be older than what it contains: its own committer time
    counts, or the latest of its ancestors'.

    Raises:
        GitError: Git failed.
    """
    form = ("--format=%H %ct %P", "--topo-order", "--reverse")
    process = repo.process("log", *form, repo.tip, "--")
    assert process.stdout is not None
    found: dict[str, int] = {}
    for line in process.stdout:
        commit, made, *parents = line.decode().split()
        found[commit] = max(int(made), *(found.get(parent, 0) for parent in parents), 0)
    repo.finished(process)
    return found


def shallow_commits(repo: Repository) -> frozenset[str]:
    """Return the commits whose parents this clone lacks (`git clone --depth`)."""
    listed = repo.common_dir / "shallow"
    return frozenset(listed.read_text("ascii").split()) if listed.is_file() else frozenset()


def subjects(repo: Repository, ids: Iterable[str]) -> dict[str, str]:
    """Return the first line of each commit's message, by full id.

    Raises:
        GitError: This clone lacks one of them.
    """
    wanted = sorted(set(ids))
    if not wanted:
        return {}
    output = repo.ask("log", "--no-walk=unsorted", "-z", "--format=%H %s", *wanted)
    records = output.decode("utf-8", "replace").split("\0")
    pairs = (record.partition(" ") for record in records if record)
    return {commit: subject for commit, _, subject in pairs}


def _fields(process: subprocess.Popen[bytes]) -> Iterator[bytes]:
    """Split what git prints at NUL, without ever holding all of it."""
    assert process.stdout is not None
    rest = b""
    while chunk := process.stdout.read(_CHUNK):
        *whole, rest = (rest + chunk).split(b"\0")
        yield from whole
    if rest:
        yield rest


def _change(meta: bytes, path: bytes) -> Change:
    old_mode, mode, old, new, _ = meta[1:].split(b" ", 4)
    kind = old_mode if mode == b"000000" else mode
    return Change(
        path.decode("utf-8", "surrogateescape"),
        _blob(old),
        _blob(new),
        kind not in _PLAIN,
        kind.decode(),
    )


def _blob(name: bytes) -> str | None:
    return name.decode() if name.strip(b"0") else None


def _commit(header: re.Match[bytes], changes: list[Change]) -> HistoryCommit:
    when = min(max(int(header[3]), 0), _LAST_SECOND)
    return HistoryCommit(
        header[1].decode(),
        tuple(header[2].decode().split()),
        dt.datetime.fromtimestamp(when, dt.UTC),
        tuple(changes),
    )


class BlobReader:
    """Reads blobs one by one through two lasting git processes: sizes first, then contents.

    Args:
        repo: The repository.
    """

    def __init__(self, repo: Repository) -> None:
        self._repo = repo
        self._sizes = repo.process("cat-file", "--batch-check=%(objecttype) %(objectsize)")
        self._contents = repo.process("cat-file", "--batch")
        self._known: dict[str, int | None] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in (self._sizes, self._contents):
            assert process.stdin is not None
            # A git that died has said so already, or says it when it is waited for.
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
            self._repo.finished(process)

    def size(self, blob: str) -> int | None:
        """Return how many bytes a blob has; None for what this clone lacks or is no blob."""
        if blob not in self._known:
            self._known[blob] = _size(_asked(self._sizes, blob))
        return self._known[blob]

    def ask_sizes(self, blobs: Iterable[str]) -> None:
        """Ask for the sizes of many blobs at once; those asked for before are forgotten."""
        asked = tuple(islice(dict.fromkeys(blobs), _AT_ONCE))
        _write(self._sizes, asked)
        self._known = {blob: _size(_line(self._sizes)) for blob in asked}

    def read(self, blob: str, at_most: int) -> bytes | None:
        """Return a blob's bytes; None when it is larger than `at_most`, or not here."""
        size = self.size(blob)
        if size is None or size > at_most:
            return None
        _asked(self._contents, blob)
        assert self._contents.stdout is not None
        return self._contents.stdout.read(size + 1)[:-1]

    def pieces(self, blob: str) -> Iterator[bytes]:
        """Yield a blob's bytes, however many they are; all of them must be taken.

        Raises:
            GitError: This clone does not have it.
        """
        _write(self._contents, (blob,))
        answer = _line(self._contents).split()
        if len(answer) != 3:
            raise GitError(f"blob `{blob}` is not in this clone", "fetch what the clone left out")
        stream = self._contents.stdout
        assert stream is not None
        left = int(answer[2])
        while left and (piece := stream.read(min(left, _CHUNK))):
            left -= len(piece)
            yield piece
        stream.read(1)


def _asked(process: subprocess.Popen[bytes], blob: str) -> bytes:
    _write(process, (blob,))
    return _line(process)


def _write(process: subprocess.Popen[bytes], blobs: Iterable[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("".join(f"{blob}\n" for blob in blobs).encode())
    process.stdin.flush()


def _line(process: subprocess.Popen[bytes]) -> bytes:
    assert process.stdout is not None
    answer = process.stdout.readline()
    if not answer:
        raise GitError(
            "`git cat-file` ended before it answered", "run `git fsck`: the repository is damaged"
        )
    return answer.strip()


def _size(answer: bytes) -> int | None:
    kind, _, size = answer.partition(b" ")
    return int(size) if kind == b"blob" else None


def named_commits(repo: Repository, ids: Iterable[str]) -> dict[str, str]:
    """Return the full id of each commit that is named, by the name; unknown ones are absent.

    Args:
        repo: The repository.
        ids: Full or abbreviated ids.
    """
    wanted = sorted(set(ids))
    if not wanted:
        return {}
    asked = "".join(f"{name}\n" for name in wanted)
    lines = repo.ask("cat-file", "--batch-check=%(objectname) %(objecttype)", stdin=asked).decode()
    answers = zip(wanted, lines.splitlines(), strict=True)
    return {name: line.split()[0] for name, line in answers if line.endswith(" commit")}


def touched_by(repo: Repository, commits: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return the paths that commits changed beside their first parent, by full id; one process."""
    wanted = sorted(set(commits))
    if not wanted:
        return {}
    options = ("--no-walk=unsorted", "--diff-merges=first-parent", "--no-renames", "-z")
    output = repo.ask(
        "-c", "log.showRoot=true", "log", *options, "--name-only", "--format=%x01%H", *wanted
    )
    found: dict[str, tuple[str, ...]] = {}
    for part in output.decode("utf-8", "surrogateescape").split("\x01")[1:]:
        commit, *paths = (item.lstrip("\n") for item in part.split("\0"))
        found[commit] = tuple(path for path in paths if path)
    return found

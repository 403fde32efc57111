"""What git's index knows of files without looking into them: git's own stat cache, in bulk."""

from __future__ import annotations

import bisect
import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial

from planctl._git import Entry, Repository

_ABSENT = "000000"
_LONG = 4 << 20
# Fields before the path in a line of `git status --porcelain=v2`, by what the line begins with.
_FIELDS = {"1": 7, "u": 9, "?": 0}

# One entry of `git ls-files --stage -v --debug -z`. The first group is there for plain files that
# nothing is odd about: no conflict, no flag that makes git look away.
_ENTRY = re.compile(
    rb"(?:H (100(?:644|755) [0-9a-f]{40,64}) 0|. \d{6} [0-9a-f]{40,64} \d)\t([^\0]+)\0"
    rb"(  ctime: (\d+):\d+\n  mtime: (\d+):\d+\n  dev: \d+\tino: \d+\n"
    rb"  uid: \d+\tgid: \d+\n  size: \d+)\tflags: [0-9a-f]+\n",
    re.DOTALL,
)


@dataclass(frozen=True)
class FileRecord:
    """A tracked file as the index knows it: mode, blob id, inode, size and times.

    Attributes:
        settled: The file was last changed in a second before the one in which the index was
            written: a later change gives it another record, or makes git call it changed.
    """

    record: bytes
    settled: bool


class IndexedFiles:
    """The tracked files below a folder whose stat data is what the index says.

    While a file is one of these and its record stays the same, nobody has written to it: the
    kernel sets the time of its last change. No file is opened, and filters do not matter.

    Args:
        listed: Gives what `git ls-files --stage -v --debug -z` prints. Most often only its digest
            is wanted: a long answer is asked for again rather than held.
        changed: Paths that `git diff-files` names.
        written_s: The second in which the index was written.
    """

    def __init__(
        self, listed: Callable[[], bytes], changed: frozenset[str], written_s: int
    ) -> None:
        answer = listed()
        self._listed = listed if len(answer) > _LONG else lambda: answer
        self._changed = changed
        self._written_s = written_s
        self.state = _digest(answer, *sorted(changed))
        """Digest of all that is known of the folder."""

    @cached_property
    def records(self) -> dict[str, FileRecord]:
        """Repository-relative path → what the index knows, for files git finds unchanged."""
        listed = self._listed()
        if _digest(listed, *sorted(self._changed)) != self.state:
            return {}  # the index was written between the two looks: nothing is known
        return {path: item for path, item in self._entries(listed) if path not in self._changed}

    @cached_property
    def _sorted(self) -> list[str]:
        return sorted(self.records)

    def below(self, folder: str) -> list[str]:
        """Return the unchanged files below a folder, sorted."""
        start = bisect.bisect_left(self._sorted, f"{folder}/")
        end = bisect.bisect_left(self._sorted, f"{folder}0")  # `0` comes after `/`
        return self._sorted[start:end]

    def _entries(self, listed: bytes) -> Iterator[tuple[str, FileRecord]]:
        position, first = 0, self._written_s
        while (found := _ENTRY.match(listed, position)) is not None:
            about, path, stat, changed_s, modified_s = found.groups()
            if about is not None:
                settled = int(changed_s) < first and int(modified_s) < first
                yield path.decode("utf-8", "surrogateescape"), FileRecord(about + stat, settled)
            position = found.end()


def _digest(listed: bytes, *changed: str) -> bytes:
    digest = hashlib.sha256(listed)
    for path in changed:
        digest.update(b"\0" + path.encode("utf-8", "surrogateescape"))
    return digest.digest()


def indexed_files(repo: Repository, folder: str) -> IndexedFiles:
    """Ask git about the tracked files below a folder: two questions, however many they are.

    Args:
        repo: The repository.
        folder: Repository-relative.
    """
    written_s = _written_s(repo)
    if written_s is None:
        return IndexedFiles(bytes, frozenset(), 0)
    return IndexedFiles(partial(_listing, repo, folder), _moved(repo, folder), written_s)


def _written_s(repo: Repository) -> int | None:
    """Return the second in which the index was written, or None when there is none.

    It is asked for before git is: what is older cannot change any more without being seen.
    """
    try:
        return int((repo.git_dir / "index").stat().st_mtime)
    except OSError:
        return None


def _listing(repo: Repository, folder: str) -> bytes:
    return repo.ask("ls-files", "--stage", "-v", "--debug", "-z", "--", folder)


def _moved(repo: Repository, folder: str) -> frozenset[str]:
    answer = repo.ask("diff-files", "--name-only", "--ignore-submodules=all", "-z", "--", folder)
    return frozenset(name for name in answer.decode("utf-8", "surrogateescape").split("\0") if name)


class FolderListings:
    """What `indexed_files` knows of many folders, asked of git at once.

    Args:
        repo: The repository.
        pattern: Matches one of the folders, with its `/`, at the start of a path.
        above: The folder that all of them lie in, repository-relative.
    """

    def __init__(self, repo: Repository, pattern: re.Pattern[bytes], above: str) -> None:
        self._repo, self._pattern = repo, pattern
        self._written_s = _written_s(repo)
        self._listed: dict[str, bytes | None] = {}
        self._changed: dict[str, list[str]] = {}
        if self._written_s is None:
            return
        listed = _listing(repo, above)
        for folder, (start, end) in _spans(listed, pattern).items():
            # A folder of very many files is asked for by itself, and not held twice.
            short = end - start <= _LONG
            self._listed[os.fsdecode(folder)] = listed[start:end] if short else None
        for path in _moved(repo, above):
            found = pattern.match(os.fsencode(path))
            self._changed.setdefault(os.fsdecode(found[0]) if found else "", []).append(path)

    def of(self, folder: str) -> IndexedFiles:
        """Return what git's index knows of the files below a folder."""
        key = f"{folder}/"
        listed = self._listed.get(key, b"")
        known = self._pattern.fullmatch(os.fsencode(key)) is not None
        if not known or listed is None or self._written_s is None:
            return indexed_files(self._repo, folder)
        changed = frozenset(self._changed.get(key, ()))
        return IndexedFiles(lambda: listed, changed, self._written_s)


def _spans(listed: bytes, pattern: re.Pattern[bytes]) -> dict[bytes, tuple[int, int]]:
    """Return where the entries of each folder stand; git lists them one after the other."""
    spans: dict[bytes, tuple[int, int]] = {}
    for entry in _ENTRY.finditer(listed):
        found = pattern.match(entry[2])
        if found is not None:
            start = spans[found[0]][0] if found[0] in spans else entry.start()
            spans[found[0]] = (start, entry.end())
    return spans


@dataclass(frozen=True)
class TreeFiles:
    """The files git knows of, evidence left out.

    Attributes:
        head: Path → mode and blob id at HEAD.
        changed: Paths that differ from HEAD in the index or the work tree, new ones included; a
            new folder that is a repository of its own is one path.
        unwatched: Tracked paths whose changes git was told not to show → they may be left out of
            the work tree (`skip-worktree`, sparse checkouts); False for `assume-unchanged`.
    """

    head: dict[str, Entry]
    changed: tuple[str, ...]
    unwatched: dict[str, bool]


def tree_files(repo: Repository, without: str) -> TreeFiles:
    """Ask git about every file but some: two questions, however many there are.

    HEAD is told from the index and from what `git status` says differs, so that neither walks over
    what is left out.

    Args:
        repo: The repository, as it is now.
        without: A glob over repository paths that are left out; `**` crosses folders.
    """
    paths = (":(top)", f":(top,exclude,glob){without}")
    listed = repo.ask("ls-files", "--stage", "-v", "-z", "--", *paths, literal=False)
    options = ("--porcelain=v2", "--no-renames", "--untracked-files=all", "-z")
    answer = repo.ask("status", *options, "--ignore-submodules=none", "--", *paths, literal=False)
    head, unwatched = _listed(_records(listed))
    changed: list[str] = []
    for record in _records(answer):
        kind, rest = record[0], record[2:]
        if kind == "u":
            # A merge under way: HEAD's side has no place of its own in the index.
            head = repo.tree("HEAD")
        if kind == "1":
            _, _, mode, _, _, blob, _, path = rest.split(" ", 7)
            head[path] = Entry(mode, blob)
            if mode == _ABSENT:
                del head[path]
        changed.append(rest.split(" ", _FIELDS[kind])[-1].rstrip("/"))
    return TreeFiles({} if repo.head is None else head, tuple(changed), unwatched)


def _listed(records: Iterable[str]) -> tuple[dict[str, Entry], dict[str, bool]]:
    entries: dict[str, Entry] = {}
    unwatched: dict[str, bool] = {}
    for record in records:
        meta, path = record.split("\t", 1)
        tag, mode, blob, _ = meta.split(" ")
        entries[path] = Entry(mode, blob)
        if tag in "Ss" or tag.islower():
            unwatched[path] = tag in "Ss"
    return entries, unwatched


def _records(output: bytes) -> list[str]:
    return [item for item in output.decode("utf-8", "surrogateescape").split("\0") if item]

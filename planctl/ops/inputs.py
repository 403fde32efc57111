"""Declared inputs: which tracked or new files they are, at HEAD and on disk."""

from __future__ import annotations

import bisect
import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice, takewhile
from pathlib import Path
from typing import TypeVar

from planctl._files import sha256_file
from planctl._git import Entry, Repository
from planctl._git_index import TreeFiles, tree_files
from planctl.errors import PreconditionError
from planctl.models.paths import fixed_start, is_utf8, matches
from planctl.models.plan.plan import Plan, Step
from planctl.models.receipt import DataFile, InputFile
from planctl.workspace import ACTIVE, ARCHIVE, BRIEF, LEDGER

_REPORTS = f"{ACTIVE}/*/reports/**"
# What planctl itself writes while turns go on.
_OWN = re.compile(
    rf"{ACTIVE}/[^/]+/(?:reports/|turns/|waits/|summary\.md$)"
    rf"|{re.escape(LEDGER)}$|{ARCHIVE}/|{re.escape(BRIEF)}$"
)
_WORKING_PLAN = re.compile(rf"{ACTIVE}/[^/]+/implementation\.md")
_T = TypeVar("_T")
_REFERENCE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")


class TreeState:
    """Every file git knows of, at HEAD and on disk; asked once, used for all steps.

    Evidence (`plans/active/*/reports/`), summaries and the ledger are never inputs: recording a run
    must not make it stale.

    Args:
        repo: The repository.
        thorough: Read every file, not just those git says may have changed since it last looked.
            A verdict rests on git's index.
        sparse: Files that a sparse checkout left out count as at HEAD; else they are absent, which
            is what a run has before it.
        scope: Globs that will be asked about: what they mean is read at once.
    """

    def __init__(
        self,
        repo: Repository,
        thorough: bool = False,
        sparse: bool = True,
        scope: Iterable[tuple[str, ...]] = (),
    ) -> None:
        self._repo = repo
        self._thorough = thorough
        self._sparse = sparse
        self._scope = frozenset(scope)
        self._seen: dict[str, Entry | None] = {}
        self._at_head: dict[tuple[str, ...], dict[str, Entry]] = {}
        self._on_disk: dict[tuple[str, ...], dict[str, Entry]] = {}

    @cached_property
    def _files(self) -> TreeFiles:
        return tree_files(self._repo, _REPORTS)

    @cached_property
    def _sorted(self) -> list[str]:
        return sorted(self._files.head)

    @cached_property
    def _changed(self) -> list[str]:
        """Paths that may differ from HEAD, also those git was told not to watch; sorted."""
        files = self._files
        left_out = {
            path
            for path, may_be_absent in files.unwatched.items()
            if may_be_absent and not os.path.lexists(self._repo.root / path)
        }
        found = {*files.changed, *(files.unwatched.keys() - left_out)}
        if self._thorough:
            found |= files.head.keys() - (left_out if self._sparse else set())
        return sorted(found)

    def at_head(self, globs: tuple[str, ...]) -> dict[str, Entry]:
        """Return the inputs that `globs` mean at HEAD."""
        if globs not in self._at_head:
            chosen = inputs_among(dict.fromkeys(_near(self._sorted, globs)), globs)
            self._at_head[globs] = {path: self._files.head[path] for path in chosen}
        return self._at_head[globs]

    def on_disk(self, globs: tuple[str, ...]) -> dict[str, Entry]:
        """Return the inputs that `globs` mean on disk."""
        if globs not in self._on_disk:
            self._on_disk[globs] = self._look(globs)
        return self._on_disk[globs]

    def _look(self, globs: tuple[str, ...]) -> dict[str, Entry]:
        changed = inputs_among(dict.fromkeys(_near(self._changed, globs)), globs)
        if not changed:
            return self.at_head(globs)
        if not self._seen.keys() >= changed.keys():
            self._read({globs, *self._scope})
        entries = {**self.at_head(globs), **{path: self._seen[path] for path in changed}}
        return {path: entry for path, entry in entries.items() if entry is not None}

    def only_marks(self, path: str, recorded: str | None, now: str | None) -> bool:
        """Tell whether two blobs of a working plan differ in ticks and remarks of rows alone."""
        if recorded is None or now is None or " " in f"{recorded}{now}":  # gone, or executable
            return False
        before, after = self.content(path, recorded), self.content(path, now)
        if before is None or after is None:
            return False
        from planctl.models.plan.working import without_marks

        texts = (item.decode("utf-8", "surrogateescape") for item in (before, after))
        first, second = (without_marks(text.replace("\r\n", "\n")) for text in texts)
        return first == second

    def content(self, path: str, blob: str) -> bytes | None:
        """Return the bytes of a blob: git's, or those of the file of that path if it is the one."""
        found = self._repo.blobs([blob]).get(blob)
        if found is not None:
            return found
        now = self._repo.work_tree_entries([path]).get(path)
        place = self._repo.root / path
        return place.read_bytes() if now is not None and now.blob == blob else None

    def _read(self, scope: set[tuple[str, ...]]) -> None:
        wanted = {
            path
            for globs in scope
            for path in inputs_among(dict.fromkeys(_near(self._changed, globs)), globs)
        }
        unseen = sorted(wanted - self._seen.keys())
        now = self._repo.work_tree_entries(unseen)
        self._seen |= {path: now.get(path) for path in unseen}


def _near(paths: list[str], globs: tuple[str, ...]) -> Iterator[str]:
    """Yield those of some sorted paths that begin as a glob begins; some may come twice."""
    for glob in globs:
        if not glob.startswith("!"):
            yield from _beginning(paths, fixed_start(glob))


def _beginning(paths: list[str], start: str) -> Iterator[str]:
    following = islice(paths, bisect.bisect_left(paths, start), None)
    return takewhile(lambda path: path.startswith(start), following)


def inputs_among(entries: Mapping[str, _T], globs: tuple[str, ...]) -> dict[str, _T]:
    """Return those of some files that globs mean and that planctl does not write itself."""
    if not globs:
        return {}
    return {
        path: entry
        for path, entry in entries.items()
        if matches(path, globs) and not _OWN.match(path)
    }


def is_working_plan(path: str, plan: Plan) -> bool:
    """Tell whether a path is the working plan of a plan, or of another one beside it."""
    return path == plan.working_plan or _WORKING_PLAN.fullmatch(path) is not None


@dataclass(frozen=True)
class InputSnapshot:
    """What a step is about to run on.

    Attributes:
        files: Every input file as it is on disk.
        dirty: Paths of inputs that differ from HEAD, deleted ones included.
        diff_sha256: Digest of `git diff HEAD` over the dirty paths; None when clean.
        linked: What symbolic links among the files lead to, where that is no input itself.
        ignored: Files and folders that the globs mean but git ignores: never recorded, but named.
        touched: Path → inode and change time; tells a file that was changed and changed back.
    """

    files: tuple[InputFile, ...]
    dirty: tuple[str, ...]
    diff_sha256: str | None
    linked: tuple[DataFile, ...] = ()
    ignored: tuple[str, ...] = ()
    touched: dict[str, tuple[int, int]] = field(default_factory=dict, compare=False)


def snapshot(repo: Repository, globs: tuple[str, ...]) -> InputSnapshot:
    """Look at a step's inputs, now.

    Raises:
        PreconditionError: A glob matches no file, or all are excluded: it would prove nothing. Or
            a file's name is not UTF-8: no receipt can hold it.
    """
    state = TreeState(repo, thorough=True, sparse=False)
    disk, head = state.on_disk(globs), state.at_head(globs)
    _require_matches(state, globs, disk)
    dirty = tuple(path for path in sorted({*disk, *head}) if disk.get(path) != head.get(path))
    digest = hashlib.sha256(repo.diff(dirty)).hexdigest() if dirty else None
    files = tuple(InputFile(path=p, mode=e.mode, blob=e.blob) for p, e in sorted(disk.items()))
    return InputSnapshot(
        files=files,
        dirty=dirty,
        diff_sha256=digest,
        linked=_linked(repo.root, disk),
        ignored=tuple(path for path in repo.ignored_paths() if _is_source(path, globs)),
        touched={path: _touched(repo.root / path) for path in disk},
    )


def _require_matches(state: TreeState, globs: tuple[str, ...], disk: dict[str, Entry]) -> None:
    hint = "correct the glob in `plan.yaml`; files git ignores are no inputs (see `data`)"
    for glob in globs:
        if not glob.startswith("!") and not state.on_disk((glob,)):
            raise PreconditionError(f"input `{glob}` matches no tracked or new file", hint)
    if globs and not disk:
        raise PreconditionError("the inputs exclude every file they match", hint)
    odd = next((path for path in disk if not is_utf8(path)), None)
    if odd is not None:
        raise PreconditionError(
            f"the name of input `{odd}` is not UTF-8", "rename it, or exclude it with `!`"
        )


def _is_source(path: str, globs: tuple[str, ...]) -> bool:
    name = path.rstrip("/")
    return not _is_cache(name) and matches(name, globs) and not _OWN.match(path)


def _is_cache(path: str) -> bool:
    # Python rewrites its caches whenever it likes; they say nothing that their source does not.
    return path.endswith((".pyc", "__pycache__"))


def _linked(root: Path, disk: dict[str, Entry]) -> tuple[DataFile, ...]:
    links = sorted(path for path, entry in disk.items() if _leads_away(root, path, entry, disk))
    found = digest_files(root, tuple(links), "input")
    return tuple(item for item in found if not _is_cache(item.path))


def _leads_away(root: Path, path: str, entry: Entry, disk: dict[str, Entry]) -> bool:
    if entry.mode != "120000" or not (root / path).exists():
        return False
    target, top = (root / path).resolve(), root.resolve()
    return not target.is_relative_to(top) or target.relative_to(top).as_posix() not in disk


def _touched(place: Path) -> tuple[int, int]:
    seen = place.lstat()
    return seen.st_ino, seen.st_ctime_ns


def dirty_paths(repo: Repository) -> tuple[str, ...]:
    """Return every path that differs from HEAD, what planctl itself writes left out."""
    return tuple(path for path in repo.changed_paths() if not _OWN.match(path))


def expand(text: str, env: dict[str, str]) -> str:
    """Replace `$NAME` and `${NAME}` by values of `env`; unknown names stay as they are."""
    return _REFERENCE.sub(lambda match: env.get(match[1] or match[2], match[0]), text)


def data_paths(plan: Plan, step: Step) -> tuple[str, ...]:
    """Return a step's data files, environment expanded; an empty value means none."""
    return tuple(path for item in step.data if (path := expand(item, plan.env)))


def digest_files(root: Path, paths: tuple[str, ...], what: str) -> tuple[DataFile, ...]:
    """Return path, SHA-256 and size of files outside git; folders count file by file.

    Args:
        root: What relative paths are relative to.
        paths: Files or folders.
        what: `data`, `input` or `output`, for the message.

    Raises:
        PreconditionError: One of them is not there.
    """
    found: list[DataFile] = []
    for path in paths:
        place = root / path
        if place.is_dir():
            below = sorted(item for item in place.rglob("*") if item.is_file())
            found += [_digest(item, f"{path}/{item.relative_to(place)}") for item in below]
        elif place.is_file():
            found.append(_digest(place, path))
        else:
            raise PreconditionError(
                f"{what} file `{path}` is not there",
                "check the path, or run the step that makes it",
            )
    return tuple(found)


def _digest(place: Path, shown: str) -> DataFile:
    return DataFile(path=shown, sha256=sha256_file(place), size=place.stat().st_size)


def moved_files(root: Path, files: tuple[DataFile, ...]) -> tuple[DataFile, ...]:
    """Return those files that are on this machine with another content than recorded."""
    return tuple(item for item in files if (root / item.path).is_file() and not _same(root, item))


def absent_or_moved(root: Path, files: tuple[DataFile, ...]) -> tuple[DataFile, ...]:
    """Return those files that are not here as they were recorded."""
    return tuple(item for item in files if not _same(root, item))


def _same(root: Path, item: DataFile) -> bool:
    place = root / item.path
    if not place.is_file() or place.stat().st_size != item.size:
        return False
    return sha256_file(place) == item.sha256

"""Declared inputs: which tracked or new files they are, at HEAD and on disk."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from planctl._files import sha256_file
from planctl._git import Entry, Repository
from planctl.errors import PreconditionError
from planctl.models.paths import matches
from planctl.models.plan import Plan, Step
from planctl.models.receipt import DataFile, InputFile
from planctl.workspace import ACTIVE

_EVIDENCE = re.compile(rf"{ACTIVE}/[^/]+/reports/")
_REFERENCE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")


class TreeState:
    """Every file git knows of, at HEAD and on disk; asked once, used for all steps.

    Evidence (`plans/active/*/reports/`) is never an input: recording a run must not make it stale.
    """

    def __init__(self, repo: Repository) -> None:
        self._repo = repo

    @cached_property
    def head(self) -> dict[str, Entry]:
        """Path → entry at HEAD."""
        return {} if self._repo.head is None else self._repo.tree("HEAD")

    @cached_property
    def disk(self) -> dict[str, Entry]:
        """Path → entry on disk: HEAD with what was changed, added and deleted since."""
        entries = dict(self.head)
        changed = [path for path in self._repo.changed_paths() if not _EVIDENCE.match(path)]
        now = self._repo.work_tree_entries(changed)
        for path in changed:
            if path in now:
                entries[path] = now[path]
            else:
                entries.pop(path, None)
        return entries

    def at_head(self, globs: tuple[str, ...]) -> dict[str, Entry]:
        """Return the inputs that `globs` mean at HEAD."""
        return _select(self.head, globs)

    def on_disk(self, globs: tuple[str, ...]) -> dict[str, Entry]:
        """Return the inputs that `globs` mean on disk."""
        return _select(self.disk, globs)


def _select(entries: dict[str, Entry], globs: tuple[str, ...]) -> dict[str, Entry]:
    if not globs:
        return {}
    return {
        path: entry
        for path, entry in entries.items()
        if matches(path, globs) and not _EVIDENCE.match(path)
    }


@dataclass(frozen=True)
class InputSnapshot:
    """What a step is about to run on.

    Attributes:
        files: Every input file as it is on disk.
        dirty: Paths of inputs that differ from HEAD, deleted ones included.
        diff_sha256: Digest of `git diff HEAD` over the dirty paths; None when clean.
    """

    files: tuple[InputFile, ...]
    dirty: tuple[str, ...]
    diff_sha256: str | None


def snapshot(repo: Repository, globs: tuple[str, ...]) -> InputSnapshot:
    """Look at a step's inputs, now.

    Raises:
        PreconditionError: A glob matches no file: it would prove nothing.
    """
    state = TreeState(repo)
    for glob in globs:
        if not glob.startswith("!") and not state.on_disk((glob,)):
            raise PreconditionError(
                f"input `{glob}` matches no tracked or new file",
                "correct the glob in `plan.yaml`; files git ignores are no inputs (see `data`)",
            )
    disk, head = state.on_disk(globs), state.at_head(globs)
    dirty = tuple(path for path in sorted({*disk, *head}) if disk.get(path) != head.get(path))
    digest = hashlib.sha256(repo.diff(dirty)).hexdigest() if dirty else None
    files = tuple(InputFile(path=p, mode=e.mode, blob=e.blob) for p, e in sorted(disk.items()))
    return InputSnapshot(files, dirty, digest)


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
        what: `data` or `output`, for the message.

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

"""The files a claim is judged against: those of a commit, or of the work tree."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from functools import cached_property
from typing import Protocol

from planctl._files import behind_link, git_blob_id, read_plain
from planctl._git_history import BlobReader
from planctl.models.claims.paths import PathIndex
from planctl.models.ignore import Ignored, ignored_by
from planctl.ops.audit.trees import Step
from planctl.workspace import Workspace

LARGEST = 16 << 20
"""Larger files are not read."""
_IGNORE_BYTES = 1 << 20


class View(Protocol):
    """A tree of files at one moment."""

    @property
    def index(self) -> PathIndex:
        """The paths there are."""

    @property
    def commit(self) -> str:
        """Id of the commit; empty for the work tree."""

    @property
    def when(self) -> dt.datetime:
        """The committer's time, or now."""

    def blob(self, path: str) -> str:
        """Return the id of a file's content; empty when there is none."""

    def read(self, path: str) -> bytes | None:
        """Return a file's bytes; None when there is none, or it is too large."""

    def ignores(self, paths: Iterable[str]) -> bool:
        """Tell whether git leaves one of these out."""


class CommitView:
    """The files of a commit, by the walk's trees.

    Args:
        step: The commit. True only until the walk goes on.
        blobs: Where contents come from.
    """

    def __init__(self, step: Step, blobs: BlobReader) -> None:
        self._step = step
        self._blobs = blobs
        self.index = step.index
        self.commit = step.commit.id
        self.when = step.commit.committed

    def blob(self, path: str) -> str:
        """Return the blob's id."""
        return self._step.tree.get(path, "")

    def read(self, path: str) -> bytes | None:
        """Return the blob's bytes."""
        blob = self.blob(path)
        return self._blobs.read(blob, LARGEST) if blob else None

    def ignores(self, paths: Iterable[str]) -> bool:
        """Ask the `.gitignore` files of the commit."""
        wanted = list(paths)
        folders = {"", *(f"{above}/" for path in wanted for above in _above(path))}
        rules: list[Ignored] = []
        for folder in sorted(folders):
            data = self.read(f"{folder}.gitignore")
            if data is not None and len(data) <= _IGNORE_BYTES:
                rules.append(Ignored.read(folder, data.decode("utf-8", "replace")))
        return any(ignored_by(rules, path) for path in wanted)


def _above(path: str) -> list[str]:
    parts = path.strip("/").split("/")[:-1]
    return ["/".join(parts[: at + 1]) for at in range(len(parts))]


class WorktreeView:
    """The files as they lie on disk; what git ignores is not among them.

    Args:
        workspace: The repository.
        tracked: Path → blob id at HEAD.
    """

    commit = ""

    def __init__(self, workspace: Workspace, tracked: dict[str, str]) -> None:
        self._workspace = workspace
        self._tracked = tracked
        self.when = workspace.clock()

    @cached_property
    def changed(self) -> frozenset[str]:
        """Paths that differ from HEAD: changed, new, gone."""
        return frozenset(self._workspace.repo.changed_paths())

    @cached_property
    def index(self) -> PathIndex:
        """What HEAD has and is still there, and what is new."""
        root = self._workspace.root
        gone = {path for path in self.changed if not (root / path).is_file()}
        return PathIndex(path for path in (*self._tracked, *self.changed) if path not in gone)

    @cached_property
    def _ignored(self) -> PathIndex:
        return PathIndex(path.rstrip("/") for path in self._workspace.repo.ignored_paths())

    def blob(self, path: str) -> str:
        """Return the id that git would give the file's content."""
        if path not in self.changed:
            return self._tracked.get(path, "")
        place = self._workspace.root / path
        return git_blob_id(place) if place.is_file() else ""

    def read(self, path: str) -> bytes | None:
        """Return the file's bytes; nothing from behind a link."""
        place = self._workspace.root / path
        if behind_link(self._workspace.root, place) or not self.index.is_file(path):
            return None
        try:
            return read_plain(place, LARGEST)
        except OSError:
            # Too large, or gone since: there is nothing to compare with, and the claim says so.
            return None

    def ignores(self, paths: Iterable[str]) -> bool:
        """Ask git what it ignores on this machine."""
        return any(
            self._ignored.has(path) or any(self._ignored.is_file(above) for above in _above(path))
            for path in (item.rstrip("/") for item in paths)
        )

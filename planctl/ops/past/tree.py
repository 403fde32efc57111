"""The files of a commit, without a checkout: paths and blob ids, and blobs only when asked for."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Self

from planctl._git import Entry, Repository
from planctl._git_history import BlobReader
from planctl.ops.inputs import inputs_among

LINK = "120000"
_SUBMODULE = "160000"
_SMALL = 16_000_000
_MAX_LINKS = 16


class BlobStore:
    """Blobs of a repository by id: as digests, as files in a temporary folder, or as bytes.

    Args:
        repo: The repository.
        folder: A temporary folder of this store's own.
    """

    def __init__(self, repo: Repository, folder: Path) -> None:
        self._reader = BlobReader(repo)
        self._folder = folder
        self._digests: dict[str, str] = {}
        self.small = lru_cache(maxsize=512)(self._small)

    def __enter__(self) -> Self:
        self._reader.__enter__()
        return self

    def __exit__(self, *raised: object) -> None:
        self._reader.__exit__(*raised)

    def sha256(self, blob: str) -> str:
        """Return the SHA-256 (hex) of a blob's bytes."""
        if blob not in self._digests:
            digest = hashlib.sha256()
            for piece in self._reader.pieces(blob):
                digest.update(piece)
            self._digests[blob] = digest.hexdigest()
        return self._digests[blob]

    def file(self, blob: str) -> Path:
        """Return a file that holds a blob's bytes."""
        place = self._folder / blob
        if not place.exists():
            part = self._folder / f"{blob}.part"
            with part.open("wb") as stream:
                for piece in self._reader.pieces(blob):
                    stream.write(piece)
            part.rename(place)
        return place

    def found(self, blob: str) -> bytes | None:
        """Return the bytes of a blob that may not be in this clone; None then."""
        return self._reader.read(blob, _SMALL)

    def _small(self, blob: str) -> bytes:
        """Return the bytes of a blob; cut off where no text that planctl reads is as long."""
        found = b""
        pieces = self._reader.pieces(blob)
        for piece in pieces:
            if len(found) <= _SMALL:
                found += piece  # the rest is read, and dropped: the process goes on with the next
        return found


class CommitTree:
    """Every file of a commit; it can be moved to the next commit by what that changed.

    Args:
        entries: Path → mode and blob id.
        blobs: Where contents come from.

    Attributes:
        parsed: What was made of blobs, for those who would make it again at every commit.
    """

    def __init__(self, entries: Mapping[str, Entry], blobs: BlobStore) -> None:
        self.entries = dict(entries)
        self.blobs = blobs
        self.parsed: dict[tuple[str, ...], object] = {}
        self._inputs: dict[tuple[str, ...], dict[str, Entry]] = {}
        self._below: dict[str, dict[str, Entry]] = {}

    def move(self, changes: Mapping[str, Entry | None]) -> None:
        """Go on to a commit that changed some paths; None is a path that is gone."""
        _update(self.entries, changes)
        for globs, chosen in self._inputs.items():
            touched = inputs_among(changes, globs)
            _update(chosen, touched)
        for folder, below in self._below.items():
            _update(below, {p: e for p, e in changes.items() if p.startswith(f"{folder}/")})

    def at_head(self, globs: tuple[str, ...]) -> dict[str, Entry]:
        """Return the inputs that `globs` mean."""
        if globs not in self._inputs:
            self._inputs[globs] = inputs_among(self.entries, globs)
        return self._inputs[globs]

    def below(self, folder: str) -> dict[str, Entry]:
        """Return the files below a folder."""
        if folder not in self._below:
            start = f"{folder}/"
            self._below[folder] = {p: e for p, e in self.entries.items() if p.startswith(start)}
        return self._below[folder]

    def is_plain(self, path: str) -> bool:
        """Tell whether a path is a file of its own: no link, no submodule."""
        entry = self.entries.get(path)
        return entry is not None and entry.mode not in (LINK, _SUBMODULE)

    def link_above(self, path: str) -> bool:
        """Tell whether a path is a symbolic link or reached through one."""
        places = (path, *(str(item) for item in PurePosixPath(path).parents))
        return any(e.mode == LINK for p in places if (e := self.entries.get(p)) is not None)

    def followed(self, path: str) -> str | None:
        """Return the plain file that a path leads to inside the tree, or None."""
        for _ in range(_MAX_LINKS):
            if self.is_plain(path):
                return path
            moved = self._step(path)
            if moved is None:
                return None
            path = moved
        return None

    def _step(self, path: str) -> str | None:
        """Replace the first symbolic link on the way to a path by where it leads."""
        parts = PurePosixPath(path).parts
        for index in range(1, len(parts) + 1):
            here = "/".join(parts[:index])
            entry = self.entries.get(here)
            if entry is not None and entry.mode == LINK:
                target = self.blobs.small(entry.blob).decode("utf-8", "surrogateescape")
                return _joined(here.rpartition("/")[0], target, "/".join(parts[index:]))
        return None


def _update(entries: dict[str, Entry], changes: Mapping[str, Entry | None]) -> None:
    for path, entry in changes.items():
        if entry is None:
            entries.pop(path, None)
        else:
            entries[path] = entry


def _joined(folder: str, target: str, rest: str) -> str | None:
    """Return where a link in a folder leads, or None when that is outside the tree."""
    if target.startswith("/"):
        return None
    kept: list[str] = []
    for part in f"{folder}/{target}/{rest}".split("/"):
        if part == ".." and not kept:
            return None
        if part == "..":
            kept.pop()
        elif part not in ("", "."):
            kept.append(part)
    return "/".join(kept)


@contextmanager
def temporary_blobs(repo: Repository) -> Iterator[tuple[BlobStore, Path]]:
    """Open a store of blobs, and an empty folder beside it; both are removed at the end."""
    with tempfile.TemporaryDirectory(prefix="planctl-past-") as name:
        folder = Path(name).resolve()
        for part in ("blobs", "root"):
            (folder / part).mkdir()
        with BlobStore(repo, folder / "blobs") as blobs:
            yield blobs, folder / "root"

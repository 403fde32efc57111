"""Where a named path is in a tree: there, deeper, or not at all. Pure: a tree is a set of paths."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from planctl.models.claims.claim import Block, PathClaim
from planctl.models.paths import glob_pattern

Kind = Literal["exists", "deeper", "absent", "unknown"]
_STAMP = re.compile(r"\d{4}-?\d{2}-?\d{2}T\d{4,6}Z?")
_HUB_FOLDERS = frozenset(("green", "red", "cli", "analysis", "plan", "receipts", "logs"))
_HUB_NAMES = ("$HUB", "hub")
# A `*` in the middle of `a/**/b`: any folders between.
_MOST_MATCHES = 1_000


class PathIndex:
    """The files of one tree, found by path, by folder and by last name.

    Args:
        paths: Repository-relative POSIX paths.
    """

    def __init__(self, paths: Iterable[str] = ()) -> None:
        self._files: set[str] = set()
        self._names: dict[str, set[str]] = {}
        self._children: dict[str, set[str]] = {}
        for path in paths:
            self.add(path)

    def __len__(self) -> int:
        return len(self._files)

    def add(self, path: str) -> None:
        """Add a file, and the folders it lies in."""
        if path in self._files:
            return
        linked = path in self._children
        self._files.add(path)
        if not linked:
            self._link(path)

    def _link(self, path: str) -> None:
        parent, _, name = path.rpartition("/")
        self._names.setdefault(name, set()).add(path)
        siblings = self._children.get(parent)
        if siblings is not None:
            siblings.add(path)
            return
        self._children[parent] = {path}
        # Over a history, not in one tree, a path can be a file and a folder.
        if parent and parent not in self._files:
            self._link(parent)

    def remove(self, path: str) -> None:
        """Take a file out, and the folders that are empty then."""
        if path not in self._files:
            return
        self._files.discard(path)
        if path not in self._children:
            self._unlink(path)

    def _unlink(self, path: str) -> None:
        parent, _, name = path.rpartition("/")
        same = self._names[name]
        same.discard(path)
        if not same:
            del self._names[name]
        siblings = self._children[parent]
        siblings.discard(path)
        if not siblings:
            del self._children[parent]
            if parent and parent not in self._files:
                self._unlink(parent)

    def is_file(self, path: str) -> bool:
        """Tell whether there is such a file."""
        return path in self._files

    def is_folder(self, path: str) -> bool:
        """Tell whether there is a file below such a folder."""
        return path in self._children

    def has(self, path: str) -> bool:
        """Tell whether there is such a file or folder."""
        return path in self._files or path in self._children

    def below(self, folder: str) -> Iterator[str]:
        """Yield the files below a folder."""
        waiting = sorted(self._children.get(folder, ()), reverse=True)
        while waiting:
            path = waiting.pop()
            if path in self._files:
                yield path
            waiting += sorted(self._children.get(path, ()), reverse=True)

    def ending(self, tail: str) -> list[str]:
        """Return the files and folders whose path ends with these names, sorted."""
        name = tail.rpartition("/")[2]
        found = self._names.get(name, ())
        return sorted(path for path in found if path == tail or path.endswith(f"/{tail}"))

    def matching(self, glob: str) -> list[str]:
        """Return the files and folders a glob means; `*` stops at `/`, `**` does not."""
        fixed = []
        parts = glob.split("/")
        for part in parts:
            if any(mark in part for mark in "*?["):
                break
            fixed.append(part)
        try:
            pattern = glob_pattern(glob)
        except re.error:
            return []
        found: list[str] = []
        for path in self._candidates("/".join(fixed), parts[len(fixed) :]):
            if pattern.fullmatch(path):
                found.append(path)
                if len(found) >= _MOST_MATCHES:
                    break
        return sorted(found)

    def _candidates(self, folder: str, parts: list[str]) -> Iterator[str]:
        """Yield what a glob may mean: one level for one part, everything below for `**`."""
        if "**" in parts:
            yield from self.below(folder)
            return
        level = [folder]
        for _ in parts:
            level = [path for place in level for path in self._children.get(place, ())]
        yield from level


@dataclass(frozen=True)
class Placed:
    """Where a claim's path was found.

    Attributes:
        kind: `exists` as told (from the root, a hub, or the file's own folder), `deeper` (one file
            of that tail somewhere else), `absent`, or `unknown`: it cannot be told.
        path: The path that was found, else the one that was looked for first.
        paths: Every path found: of a glob, or of a tail that several files have.
        why: For `unknown`, why.
    """

    kind: Kind
    path: str
    paths: tuple[str, ...] = ()
    why: str = ""


def hubs_in(block: Block) -> tuple[str, ...]:
    """Return the folders a block's other paths may be relative to, the likeliest first.

    Hubs that its artifacts lie in (`…/reports/<stamp>/<slug>`), then folders it names.
    """
    hubs = dict.fromkeys(hub for path in block.paths for hub in hub_of(path.path))
    folders = dict.fromkeys(p.path.rstrip("/") for p in block.paths if p.folder and "/" in p.path)
    return tuple(dict.fromkeys([*hubs, *(f for f in folders if not f.startswith("$"))]))


def hub_of(path: str) -> tuple[str, ...]:
    """Return the hubs that a path names: the folder below its stamp, and the stamp's own."""
    parts = path.rstrip("/").split("/")
    for index, part in enumerate(parts):
        if _STAMP.fullmatch(part) and index:
            own = "/".join(parts[: index + 1])
            below = parts[index + 1 :]
            named = below and below[0] not in _HUB_FOLDERS and "." not in below[0]
            return (f"{own}/{below[0]}", own) if named else (own,)
    return ()


def resolve(claim: PathClaim, index: PathIndex, bases: Sequence[str] = ()) -> Placed:
    """Find a claim's path in a tree.

    Args:
        claim: The path.
        index: The tree's files.
        bases: Folders it may be relative to, the likeliest first: the block's hubs, the folder of
            the file the claim stands in, the initiative. The root comes first for whole paths.
    """
    if claim.absolute:
        return Placed("unknown", claim.path, why="it lies outside the repository")
    if claim.placeholder:
        return Placed("unknown", claim.path, why="a part of the name is left open")
    tries = places(claim, bases)
    if not tries:
        return Placed("unknown", claim.path, why="what the variable stands for is not known")
    for path in tries:
        found = index.matching(path) if claim.glob else [path] if index.has(path) else []
        if found:
            return Placed("exists", found[0] if claim.glob else path, tuple(found))
    return _deeper(claim, index, tries[0])


def places(claim: PathClaim, bases: Sequence[str] = ()) -> list[str]:
    """Return the paths a claim may mean, the likeliest first."""
    return list(dict.fromkeys(_tries(claim, bases)))


def _tries(claim: PathClaim, bases: Sequence[str]) -> Iterator[str]:
    names = [name.rstrip("/") for name in (claim.path, claim.bare) if name]
    for name in names:
        head, _, rest = name.partition("/")
        if head in _HUB_NAMES:
            yield from (_inside(base, rest) for base in bases)
        if not name.startswith("$") and not claim.elided:
            yield from _normal(name)
    for name in names:
        if not name.startswith("$"):
            yield from (path for base in bases for path in _normal(_inside(base, name)))


def _inside(base: str, name: str) -> str:
    return f"{base}/{name}" if base and name else base or name


def _normal(path: str) -> Iterator[str]:
    normal = posixpath.normpath(path)
    if not normal.startswith("..") and normal != ".":
        yield normal


def _deeper(claim: PathClaim, index: PathIndex, first: str) -> Placed:
    tail = (claim.bare or claim.path).rstrip("/")
    while tail.startswith("../"):
        tail = tail[3:]
    head, _, rest = tail.partition("/")
    if head in _HUB_NAMES or head.startswith("$"):
        tail = rest
    found = [] if claim.glob or not tail else index.ending(tail)
    if found and claim.elided:
        return Placed("exists", found[0], tuple(found))
    if len(found) == 1:
        return Placed("deeper", found[0], tuple(found))
    return Placed("absent", first, tuple(found))

"""Facts: what an earlier verify has seen, and what cannot have become false since.

A fact is a digest of everything that it depends on: what was asked, the answer, and what the answer
was read from. It is known or not known; nothing is looked up in it. Facts lie in git's own folder,
for one work tree, and are never needed: a file that is damaged, or cannot be read or written, means
that files are read again.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from types import ModuleType

from planctl._files import atomic_write, read_plain
from planctl._version import __version__

_MAGIC = b"planctl facts v1\n"
_SIZE = 32
_MAX_FACTS = 400_000
_MAX_BYTES = len(_MAGIC) + (_MAX_FACTS + 1) * _SIZE

Fact = bytes
"""The digest of a fact."""


def fact(*parts: str | bytes) -> Fact:
    """Return the digest of a fact; parts hold no NUL, or are digests."""
    told = (part if isinstance(part, bytes) else part.encode("utf-8", "replace") for part in parts)
    return hashlib.sha256(b"\0".join(told)).digest()


@lru_cache(maxsize=16)
def rules(*modules: ModuleType) -> str:
    """Return the digest of some modules: other code may answer otherwise."""
    digest = hashlib.sha256(__version__.encode())
    for module in modules:
        # The loader reads it, wherever the package lies.
        digest.update(module.__loader__.get_data(module.__file__))  # type: ignore[union-attr]
    return digest.hexdigest()


class Facts:
    """The facts of one work tree.

    Args:
        path: Where they lie between runs; None to know nothing and keep nothing.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._known = dict.fromkeys(() if path is None else _read(path))
        self._new: dict[Fact, None] = {}
        self._used: set[Fact] = set()

    def __contains__(self, item: Fact) -> bool:
        """Tell whether a fact is known."""
        if item in self._known:
            self._used.add(item)
            return True
        return item in self._new

    def add(self, item: Fact) -> None:
        """Take in what has just been seen."""
        if self._path is not None and item not in self._known:
            self._new[item] = None

    def save(self) -> None:
        """Keep what is new for the next run; a folder that cannot be written keeps nothing."""
        if self._path is None or not self._new:
            return
        # Another verify may have written since: its facts stay, only not beyond what is kept.
        kept = dict.fromkeys(_read(self._path)) | self._new
        if len(kept) > _MAX_FACTS:
            wanted = self._used | self._new.keys()
            kept = dict.fromkeys(item for item in kept if item in wanted)
        data = _MAGIC + b"".join([*kept][-_MAX_FACTS:])
        try:
            atomic_write(self._path, data + hashlib.sha256(data).digest())
        except OSError:
            return  # a read-only clone: what is not kept is seen again
        self._known, self._new = self._known | self._new, {}


def _read(path: Path) -> list[Fact]:
    """Return the facts of a file; none if it is not exactly what was written."""
    try:
        if path.is_symlink():
            return []
        data = read_plain(path, _MAX_BYTES)
    except OSError:
        return []
    body, digest = data[:-_SIZE], data[-_SIZE:]
    if not body.startswith(_MAGIC) or hashlib.sha256(body).digest() != digest:
        return []
    start = len(_MAGIC)
    return [body[at : at + _SIZE] for at in range(start, len(body) - _SIZE + 1, _SIZE)]

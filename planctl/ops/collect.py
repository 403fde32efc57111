"""Collecting: what a command left is copied into the hub, under names that overwrite nothing."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from planctl._files import (
    atomic_write,
    files_below,
    free_name,
    open_plain,
    part_of,
    sha256_file,
)
from planctl._text import listed
from planctl.models.paths import is_utf8
from planctl.models.plan.plan import Collect, Step
from planctl.models.receipt import CheckResult, DataFile, Subject
from planctl.ops.inputs import digest_files, expand
from planctl.workspace import Hub

MAX_SINGLE_FILES = 64
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Collected:
    """What came of a step's `collect` and `outputs`.

    Attributes:
        subjects: Every artifact in the hub.
        outputs: Files that stay outside the hub, with digests.
        remarks: What should have been there, or was there before the run, as failed checks; and,
            as checks that hold, what was left out.
    """

    subjects: tuple[Subject, ...]
    outputs: tuple[DataFile, ...]
    remarks: tuple[CheckResult, ...]


Fingerprints = dict[str, dict[str, tuple[int, int]]]
"""Path of the plan → path below it (`""` for a file) → inode and change time."""


def fingerprints(root: Path, step: Step, env: dict[str, str]) -> Fingerprints:
    """Note inode and change time of the files a step is to leave, before it runs.

    A file that has the same after the run was not written by it: it is an old one lying about.
    """
    wanted = [item.source for item in step.collect] + list(step.outputs)
    return {path: _fingerprint(root / path) for path in (expand(text, env) for text in wanted)}


def _fingerprint(place: Path) -> dict[str, tuple[int, int]]:
    if place.is_dir():
        return {item.relative_to(place).as_posix(): _stat(item) for item in files_below(place)}
    return {"": _stat(place)} if place.is_file() else {}


def _stat(place: Path) -> tuple[int, int]:
    seen = place.lstat()
    return (seen.st_ino, seen.st_ctime_ns)


def collect(
    hub: Hub, step: Step, env: dict[str, str], before: Fingerprints, taken: frozenset[str]
) -> Collected:
    """Copy a step's artifacts into the hub and take the digests of its outputs.

    Of a folder the files that the run wrote are copied; older ones are named and left out.

    Args:
        hub: Where to.
        step: The step that has just run.
        env: The plan's `env`, for `$NAME` in paths.
        before: From `fingerprints`, taken before the run.
        taken: Names that other branches use.
    """
    subjects: list[Subject] = []
    outputs: list[DataFile] = []
    remarks: list[CheckResult] = []
    for item in step.collect:
        source = expand(item.source, env)
        try:
            names, old = _written(hub.root, source, before)
            subjects += _copy(hub, item, hub.root / source, names, taken)
            if old:
                left_out = f"older than the run and left out of `{source}`: {listed(sorted(old))}"
                remarks.append(CheckResult(check={"collect": item.source}, ok=True, seen=left_out))
        except (_NotCollectedError, OSError) as error:
            seen = _said(source, error)
            remarks.append(CheckResult(check={"collect": item.source}, ok=False, seen=seen))
    for text in step.outputs:
        path = expand(text, env)
        try:
            _written(hub.root, path, before)
            outputs += digest_files(hub.root, (path,), "output")
        except (_NotCollectedError, OSError) as error:
            seen = _said(path, error)
            remarks.append(CheckResult(check={"output": text}, ok=False, seen=seen))
    return Collected(tuple(subjects), tuple(outputs), tuple(remarks))


class _NotCollectedError(Exception):
    """What was to be collected is not what a run must leave; the text says why."""


def _said(path: str, error: Exception) -> str:
    if isinstance(error, OSError):
        return f"`{path}` cannot be collected: {error.strerror or error}"
    return str(error)


def _written(root: Path, path: str, before: Fingerprints) -> tuple[list[str], list[str]]:
    """Return the files of a path that the run wrote, and those that are older than it."""
    now = _fingerprint(root / path)
    if not now:
        raise _NotCollectedError(f"`{path}` is not there after the run")
    earlier = before.get(path, {})
    old = [name for name, seen in now.items() if earlier.get(name) == seen]
    if len(old) == len(now):
        raise _NotCollectedError(f"`{path}` was there before the run and the run did not write it")
    odd = [name for name in now if "\n" in name or not is_utf8(name)]
    if odd:
        raise _NotCollectedError(f"`{path}` holds a name no record can hold: {odd[0]!r}")
    return [name for name in now if name not in old], old


def _copy(
    hub: Hub, item: Collect, source: Path, names: list[str], taken: frozenset[str]
) -> list[Subject]:
    declared = item.to.rstrip("/")
    target = free_name(hub.path / declared, taken)
    target.parent.mkdir(parents=True, exist_ok=True)
    part = part_of(target)
    try:
        for name in names:
            copy = part / name if name else part
            copy.parent.mkdir(parents=True, exist_ok=True)
            _copy_file(source / name, copy)
        os.replace(part, target)
    except OSError:
        _remove(part)
        raise
    if target.is_file():
        name = target.relative_to(hub.path).as_posix()
        return [Subject(name=name, sha256=sha256_file(target), declared=declared)]
    return _folder(hub, target, declared)


def _copy_file(source: Path, copy: Path) -> None:
    with open_plain(source) as left, copy.open("xb") as taken:
        before = os.fstat(left.fileno())
        shutil.copyfileobj(left, taken, _BLOCK)
        now = os.fstat(left.fileno())
    if (before.st_size, before.st_ctime_ns) != (now.st_size, now.st_ctime_ns):
        raise OSError(errno.EBUSY, "is still being written", os.fspath(source))


def _remove(part: Path) -> None:
    if part.is_dir() and not part.is_symlink():
        shutil.rmtree(part)
    else:
        part.unlink(missing_ok=True)


def _folder(hub: Hub, target: Path, declared: str) -> list[Subject]:
    rows = _rows(target)
    name = target.relative_to(hub.path).as_posix()
    if len(rows) <= MAX_SINGLE_FILES:
        return [
            Subject(name=f"{name}/{path}", sha256=digest, declared=f"{declared}/{path}")
            for path, digest in rows
        ]
    manifest = target.with_name(f"{target.name}.sha256")
    atomic_write(manifest, _listing(rows))
    return [
        Subject(name=name, sha256=folder_digest(target), declared=declared, kind="folder"),
        Subject(name=f"{name}.sha256", sha256=sha256_file(manifest), declared=f"{declared}.sha256"),
    ]


def _rows(folder: Path) -> list[tuple[str, str]]:
    """Return (relative path, SHA-256) of the files below a folder, sorted by path."""
    start = len(os.fspath(folder)) + 1
    files = ((os.fspath(path)[start:], path) for path in files_below(folder))
    return [(name, _digest(path)) for name, path in sorted(files)]


def _digest(path: Path) -> str:
    if path.is_symlink():
        raise OSError(errno.ELOOP, "is a symbolic link", os.fspath(path))
    return sha256_file(path)


def _listing(rows: list[tuple[str, str]]) -> str:
    return "".join(f"{digest}  {name}\n" for name, digest in rows)


def folder_digest(folder: Path) -> str:
    """Return the digest of a folder's sorted `sha256sum` listing.

    This is in-toto's `dirHash` (Go's Hash1, in hex): the SHA-256 of the lines
    `<sha256>  <relative path>`, sorted by path.
    """
    return listing_digest(_rows(folder))


def listing_digest(rows: list[tuple[str, str]]) -> str:
    """Return the `dirHash` of (relative path, SHA-256) rows, sorted by path."""
    return hashlib.sha256(_listing(rows).encode()).hexdigest()

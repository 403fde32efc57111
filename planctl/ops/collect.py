"""Collecting: what a command left is copied into the hub, under names that overwrite nothing."""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from planctl._files import atomic_write, files_below, free_name, sha256_file
from planctl.models.plan import Collect, Step
from planctl.models.receipt import CheckResult, DataFile, Subject
from planctl.ops.inputs import digest_files, expand
from planctl.workspace import Hub

MAX_SINGLE_FILES = 64


@dataclass(frozen=True)
class Collected:
    """What came of a step's `collect` and `outputs`.

    Attributes:
        subjects: Every artifact in the hub.
        outputs: Files that stay outside the hub, with digests.
        problems: What should have been there, or was there before the run, as failed checks.
    """

    subjects: tuple[Subject, ...]
    outputs: tuple[DataFile, ...]
    problems: tuple[CheckResult, ...]


def fingerprints(root: Path, step: Step, env: dict[str, str]) -> dict[str, object]:
    """Note inode and change time of the files a step is to leave, before it runs.

    A file that has the same after the run was not written by it: it is an old one lying about.
    """
    wanted = [item.source for item in step.collect] + list(step.outputs)
    return {path: _fingerprint(root / path) for path in (expand(text, env) for text in wanted)}


def _fingerprint(place: Path) -> object:
    if place.is_dir():
        return tuple(_stat(item) for item in files_below(place))
    return _stat(place) if place.is_file() else None


def _stat(place: Path) -> tuple[str, int, int]:
    seen = place.stat()
    return (place.name, seen.st_ino, seen.st_ctime_ns)


def collect(
    hub: Hub, step: Step, env: dict[str, str], before: dict[str, object], taken: frozenset[str]
) -> Collected:
    """Copy a step's artifacts into the hub and take the digests of its outputs.

    Args:
        hub: Where to.
        step: The step that has just run.
        env: The plan's `env`, for `$NAME` in paths.
        before: From `fingerprints`, taken before the run.
        taken: Names that other branches use.
    """
    subjects: list[Subject] = []
    problems: list[CheckResult] = []
    for item in step.collect:
        source = expand(item.source, env)
        problem = _not_new(hub.root, source, before)
        if problem is None:
            subjects += _copy(hub, item, hub.root / source, taken)
        else:
            problems.append(CheckResult(check={"collect": item.source}, ok=False, seen=problem))
    outputs: list[DataFile] = []
    for text in step.outputs:
        path = expand(text, env)
        problem = _not_new(hub.root, path, before)
        if problem is None:
            outputs += digest_files(hub.root, (path,), "output")
        else:
            problems.append(CheckResult(check={"output": text}, ok=False, seen=problem))
    return Collected(tuple(subjects), tuple(outputs), tuple(problems))


def _not_new(root: Path, path: str, before: dict[str, object]) -> str | None:
    now = _fingerprint(root / path)
    if now is None or now == ():
        return f"`{path}` is not there after the run"
    if now == before.get(path):
        return f"`{path}` was there before the run and the run did not write it"
    return None


def _copy(hub: Hub, item: Collect, source: Path, taken: frozenset[str]) -> list[Subject]:
    declared = item.to.rstrip("/")
    target = free_name(hub.path / declared, taken)
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    if source.is_dir():
        shutil.copytree(source, part)
    else:
        shutil.copyfile(source, part)
    os.replace(part, target)
    if target.is_file():
        name = target.relative_to(hub.path).as_posix()
        return [Subject(name=name, sha256=sha256_file(target), declared=declared)]
    return _folder(hub, target, declared)


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
    files = ((path.relative_to(folder).as_posix(), path) for path in files_below(folder))
    return [(name, sha256_file(path)) for name, path in sorted(files)]


def _listing(rows: list[tuple[str, str]]) -> str:
    return "".join(f"{digest}  {name}\n" for name, digest in rows)


def folder_digest(folder: Path) -> str:
    """Return the digest of a folder's sorted `sha256sum` listing.

    This is in-toto's `dirHash` (Go's Hash1, in hex): the SHA-256 of the lines
    `<sha256>  <relative path>`, sorted by path.
    """
    return hashlib.sha256(_listing(_rows(folder)).encode()).hexdigest()

"""A folder that comes into being whole or not at all."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from planctl._files import behind_link, open_plain, part_of
from planctl.errors import PreconditionError
from planctl.workspace import ACTIVE, Workspace

_BLOCK = 1 << 20


@contextmanager
def new_folder(workspace: Workspace, wanted: Path) -> Iterator[Path]:
    """Give a temporary folder that takes the wanted name when everything went well.

    Args:
        workspace: The repository; its evidence and `.git` are no places for exports.
        wanted: The folder; absent or empty, relative to the working directory.

    Raises:
        PreconditionError: It is there and not empty, or lies where it must not.
    """
    target = Path.cwd() / wanted
    _refuse(workspace, target, str(wanted))
    target.parent.mkdir(parents=True, exist_ok=True)
    part = part_of(target)
    part.mkdir()
    try:
        yield part
        os.rename(part, target)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def _refuse(workspace: Workspace, target: Path, shown: str) -> None:
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise PreconditionError(f"`{shown}` is no folder", "name one that is absent or empty")
    if target.is_dir() and any(target.iterdir()):
        raise PreconditionError(
            f"`{shown}` is not empty", "an export never overwrites: name a folder that is absent"
        )
    place, root = target.resolve(), workspace.root.resolve()
    for inside in (root / ACTIVE, workspace.repo.git_dir.resolve()):
        if place.is_relative_to(inside):
            raise PreconditionError(
                f"`{shown}` lies inside `{inside.relative_to(root.parent)}`",
                "name a folder outside the evidence and outside `.git`",
            )


def copied(root: Path, path: str, folder: Path) -> str:
    """Copy a file of the repository and return the SHA-256 of what was copied.

    Args:
        root: The repository root.
        path: Repository-relative; it gets the same name below the folder.
        folder: Where to.

    Raises:
        OSError: It is no plain file, or lies behind a symbolic link.
    """
    source, copy = root / path, folder / path
    if behind_link(root, source):
        raise OSError(f"`{path}` is a symbolic link or lies behind one")
    copy.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with open_plain(source) as left, copy.open("xb") as right:
        while piece := left.read(_BLOCK):
            digest.update(piece)
            right.write(piece)
    return digest.hexdigest()


def written(folder: Path, path: str, content: bytes) -> str:
    """Write a file of an export and return its SHA-256."""
    place = folder / path
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.open("xb") as stream:
        stream.write(content)
    return hashlib.sha256(content).hexdigest()

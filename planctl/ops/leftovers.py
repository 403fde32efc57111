"""What a planctl that was killed left half-written: found by its name, removed before a run."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from planctl._files import is_temporary, remove_abandoned
from planctl.workspace import ACTIVE, LEDGER, Hub, Workspace


def remove_leftovers(workspace: Workspace, hub: Hub) -> None:
    """Remove the temporary files and folders of a planctl that was killed while it wrote.

    What another planctl is writing right now stays. The caller holds the hub's lock: folders are
    built up under it alone.

    Args:
        workspace: The repository.
        hub: The hub of the run; of the rest of the repository the folders that planctl writes to
            are looked at, without those below them.
    """
    for place in [*_below(hub.path), *_shared(workspace, hub)]:
        if place.is_dir() and not place.is_symlink():
            shutil.rmtree(place)
        else:
            remove_abandoned(place)


def remove_written_by_halves(folders: Iterable[Path]) -> None:
    """Remove temporary files that no process is writing, from some folders and none below."""
    for folder in folders:
        if folder.is_dir():
            for place in folder.iterdir():
                if is_temporary(place.name) and not place.is_dir():
                    remove_abandoned(place)


def _below(folder: Path) -> Iterator[Path]:
    for root, folders, names in os.walk(folder):
        yield from (Path(root, name) for name in (*folders, *names) if is_temporary(name))
        folders[:] = [name for name in folders if not is_temporary(name)]


def _shared(workspace: Workspace, hub: Hub) -> Iterator[Path]:
    if hub.scratch:
        return
    root = workspace.root
    initiative = root / Path(*hub.path.relative_to(root).parts[: len(Path(ACTIVE).parts) + 1])
    for folder in (root, (root / LEDGER).parent, initiative, workspace.repo.git_dir / "planctl"):
        if folder.is_dir():
            yield from (place for place in folder.iterdir() if is_temporary(place.name))

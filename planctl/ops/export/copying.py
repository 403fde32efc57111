"""Copying evidence: as it lies there, compared with what receipts recorded."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from planctl.models.export import ExportedFile, Trouble
from planctl.ops.export.folder import copied
from planctl.ops.export.selection import Wanted, once
from planctl.workspace import Workspace


def copy_all(
    workspace: Workspace, wanted: Iterable[Wanted], folder: Path
) -> tuple[list[ExportedFile], list[Trouble]]:
    """Copy files under their own names.

    What is modified is copied as it is and named; what is gone or no plain file is named.

    Args:
        workspace: The repository.
        wanted: The files.
        folder: Where to.
    """
    files: list[ExportedFile] = []
    troubles: list[Trouble] = []
    for item in once(wanted):
        try:
            digest = copied(workspace.root, item.path, folder)
        except (FileNotFoundError, NotADirectoryError):
            troubles.append(Trouble(item.path, "missing", "it was recorded and is gone"))
            continue
        except OSError as error:
            (folder / item.path).unlink(missing_ok=True)
            text = error.strerror or str(error)
            troubles.append(Trouble(item.path, "unreadable", f"not exported: {text}"))
            continue
        files.append(ExportedFile(item.path, item.kind, digest, item.recorded))
        if item.recorded not in (None, digest):
            said = f"recorded {(item.recorded or '')[:12]}, is {digest[:12]}"
            troubles.append(Trouble(item.path, "modified", said))
    return files, troubles

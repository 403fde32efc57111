"""Writes the files a run leaves: each appears complete or not at all, and holds no clock time.

Equal contents give equal bytes, so two runs can be compared with `cmp`.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from ptycho_torch.errors import PreconditionError


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole; an interrupted write leaves the old file or none.

    Args:
        path: Target; its folder is made when it is not there.
        content: The bytes.

    Raises:
        PreconditionError: The folder cannot be made or written to.
    """
    make_folder(path.parent)
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise PreconditionError(f"cannot write to `{path.parent}`: {error.strerror}") from error
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    finally:
        Path(temporary).unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write JSON whole, in one spelling; keys keep their order.

    Args:
        path: Target.
        value: What to encode; NaN and infinity are refused, because JSON has no word for them.
    """
    write_bytes(path, (json.dumps(value, indent=2, allow_nan=False) + "\n").encode())


def make_folder(path: Path) -> None:
    """Make a folder and its parents.

    Args:
        path: The folder.

    Raises:
        PreconditionError: Something that is not a folder has this name, or it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PreconditionError(
            f"cannot make the folder `{path}`: {error.strerror}", "choose another output folder"
        ) from error

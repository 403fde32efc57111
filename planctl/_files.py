"""Files: digests, atomic writes and names that overwrite nothing."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

_BLOCK = 1 << 20


def sha256_file(path: Path) -> str:
    """Return the SHA-256 (hex) of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def git_blob_id(path: Path, algorithm: str = "sha1") -> str:
    """Return the git blob id of a file or symbolic link as its bytes are on disk.

    Args:
        path: The file or link.
        algorithm: `sha1`, or `sha256` in a repository of that object format.
    """
    digest = hashlib.new(algorithm)
    if path.is_symlink():
        content = os.fsencode(os.readlink(path))
        digest.update(b"blob %d\0" % len(content) + content)
        return digest.hexdigest()
    digest.update(b"blob %d\0" % path.stat().st_size)
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def behind_link(root: Path, path: Path) -> bool:
    """Tell whether a path below a folder is a symbolic link or reached through one.

    Args:
        root: The folder; it may itself lie behind links.
        path: Starts with `root`.
    """
    place = root
    for part in path.relative_to(root).parts:
        place = place / part
        if place.is_symlink():
            return True
    return False


def atomic_write(path: Path, content: bytes | str) -> None:
    """Write a file so that a reader sees the old content or the new one, never a part.

    Args:
        path: Target; its folder is created.
        content: Bytes, or text written as UTF-8.
    """
    data = content.encode() if isinstance(content, str) else content
    path.parent.mkdir(parents=True, exist_ok=True)
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(name, mode)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def free_name(path: Path, taken: frozenset[str] = frozenset()) -> Path:
    """Return `path`, or its first `_v2`, `_v3`, … that does not exist yet.

    The suffix goes before the extension; a folder gets it at the end.

    Args:
        path: The wanted name.
        taken: Further absolute POSIX paths that count as existing (other branches have them).
    """
    candidate, version = path, 1
    while os.path.lexists(candidate) or candidate.as_posix() in taken:
        version += 1
        candidate = versioned(path, version)
    return candidate


def versioned(path: Path, version: int) -> Path:
    """Return `name_v<version>.ext` for `name.ext`."""
    return path.with_name(f"{path.stem}_v{version}{path.suffix}")


def files_below(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder, sorted by path; symbolic links are not followed."""
    for root, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            yield Path(root, name)

"""Files: digests, atomic writes and names that overwrite nothing."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import io
import os
import re
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

_BLOCK = 1 << 20
# Of a name, in a temporary one: 255 bytes are all a file system takes, four a character.
_NAME_CHARS = 50
_TEMPORARY = re.compile(r"\..*\.planctl-\w+\.(?:tmp|part)", re.DOTALL)


def open_plain(path: Path) -> io.BufferedReader:
    """Open a plain file for reading; nothing else can make the reader wait or read for ever.

    What a repository brings may be a pipe nobody writes to, or a link to `/dev/zero`. Symbolic
    links to plain files are followed.

    Raises:
        OSError: It is no plain file, or cannot be opened.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "is no plain file", os.fspath(path))
    return io.BufferedReader(io.FileIO(handle, "rb"))


def read_plain(path: Path, at_most: int) -> bytes:
    """Return the bytes of a plain file.

    Args:
        path: The file.
        at_most: Bytes it may have.

    Raises:
        OSError: It is no plain file, cannot be read, or is larger.
    """
    with open_plain(path) as stream:
        data = stream.read(at_most + 1)
    if len(data) > at_most:
        raise OSError(errno.EFBIG, f"is larger than {at_most:,} bytes", os.fspath(path))
    return data


def read_text(path: Path, at_most: int, errors: str = "strict") -> str:
    """Return the text (UTF-8) of a plain file, line ends as newlines.

    Args:
        path: The file.
        at_most: Bytes it may have.
        errors: What to do with bytes that are no UTF-8, as for `bytes.decode`.

    Raises:
        OSError: It is no plain file, cannot be read, or is larger.
        UnicodeDecodeError: It is not UTF-8.
    """
    text = read_plain(path, at_most).decode("utf-8", errors)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def sha256_file(path: Path) -> str:
    """Return the SHA-256 (hex) of a plain file's bytes.

    Raises:
        OSError: It is no plain file, or cannot be read.
    """
    with open_plain(path) as stream:
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
    with open_plain(path) as stream:
        digest.update(b"blob %d\0" % os.fstat(stream.fileno()).st_size)
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def behind_link(root: Path, path: Path) -> bool:
    """Tell whether a path below a folder is a symbolic link or reached through one.

    Args:
        root: The folder; it may itself lie behind links.
        path: Starts with `root`.
    """
    # In plain text: every file of every receipt is asked about, and paths are slow to put together.
    place = os.fspath(root)
    for part in path.relative_to(root).parts:
        place = f"{place}/{part}"
        try:
            if stat.S_ISLNK(os.lstat(place).st_mode):
                return True
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return False  # nothing is there, and nothing below it
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
    handle, name = _new_temporary(path)
    try:
        # Named before it is closed: closing frees the lock, and whoever clears away may come.
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
            os.chmod(name, mode)
            os.replace(name, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
        raise


def _new_temporary(path: Path) -> tuple[int, str]:
    """Make a temporary file beside a path, locked: without a lock it would be nobody's."""
    start = _hidden(path.name)
    while True:
        handle, name = tempfile.mkstemp(prefix=f"{start}.planctl-", suffix=".tmp", dir=path.parent)
        # The kernel frees the lock with the process.
        with contextlib.suppress(OSError):  # a file system without locks: names alone must do
            fcntl.flock(handle, fcntl.LOCK_EX)
        if os.fstat(handle).st_nlink:
            return handle, name
        os.close(handle)  # cleared away between its making and its lock


def remove_abandoned(path: Path) -> None:
    """Remove a temporary file unless a process is writing it."""
    try:
        with open_plain(path) as stream:
            fcntl.flock(stream.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink(missing_ok=True)  # while it is locked, so that nobody takes it up
    except (FileNotFoundError, BlockingIOError):
        return
    except OSError:  # no plain file, or no locks here
        path.unlink(missing_ok=True)


def part_of(path: Path) -> Path:
    """Return where a file or folder is built up before it gets its name, beside it."""
    return path.with_name(f"{_hidden(path.name)}.planctl-{os.getpid()}.part")


def _hidden(name: str) -> str:
    return f".{name[:_NAME_CHARS]}"


def is_temporary(name: str) -> bool:
    """Tell whether a file name is one that planctl gives to what it is about to write."""
    return _TEMPORARY.fullmatch(name) is not None


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

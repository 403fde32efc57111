"""Histories of any shape, written with one `git fast-import`: thousands of commits in seconds."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

Content = str | bytes | None


class History:
    """Writes commits with chosen files, times and parents into a repository.

    Args:
        root: The repository; made if it is not there.
        onto: What the first commit follows, in a repository that is there.
    """

    def __init__(self, root: Path, onto: str | None = None) -> None:
        self.root = root
        self._onto = onto
        root.mkdir(parents=True, exist_ok=True)
        if onto is None:
            subprocess.run(["git", "init", "--quiet", "-b", "main"], cwd=root, check=True)
        self._marks = root / ".git" / "planctl-marks"
        self._process = subprocess.Popen(
            ["git", "fast-import", "--quiet", f"--export-marks={self._marks}"],
            cwd=root,
            stdin=subprocess.PIPE,
        )
        self._next = 0

    def commit(
        self,
        files: Mapping[str, Content],
        when: int,
        *,
        parents: Sequence[int] | None = None,
        branch: str = "main",
    ) -> int:
        """Write a commit and return its number.

        Args:
            files: Path → content; None removes it (a folder too).
            when: Author's and committer's time, seconds since 1970.
            parents: Numbers of commits; None means the commit before.
            branch: The branch that ends here until the next commit on it.
        """
        above = ([self._next] if self._next else []) if parents is None else list(parents)
        self._next += 1
        out = self._out
        out.write(f"commit refs/heads/{branch}\nmark :{self._next}\n".encode())
        out.write(f"committer Test Person <person@example.org> {when} +0000\n".encode())
        _data(out, f"commit {self._next}\n".encode())
        if not above and self._onto is not None:
            out.write(f"from {self._onto}\n".encode())
        for at, parent in enumerate(above):
            out.write(f"{'merge' if at else 'from'} :{parent}\n".encode())
        for path, content in files.items():
            name = _quoted(path)
            if content is None:
                out.write(b"D " + name + b"\n")
                continue
            out.write(b"M 100644 inline " + name + b"\n")
            _data(out, content.encode() if isinstance(content, str) else content)
        return self._next

    def close(self) -> dict[int, str]:
        """End the writing, check `main` out, and return number → commit id."""
        self._out.close()
        if self._process.wait() != 0:
            raise RuntimeError("git fast-import failed")
        subprocess.run(["git", "reset", "--quiet", "--hard", "main"], cwd=self.root, check=True)
        lines = (line.split() for line in self._marks.read_text().splitlines())
        return {int(mark.lstrip(":")): commit for mark, commit in lines}

    @property
    def _out(self) -> IO[bytes]:
        assert self._process.stdin is not None
        return self._process.stdin


def _data(out: IO[bytes], content: bytes) -> None:
    out.write(f"data {len(content)}\n".encode())
    out.write(content + b"\n")


def _quoted(path: str) -> bytes:
    raw = path.encode("utf-8", "surrogateescape")
    if raw.startswith(b'"') or b"\n" in raw:
        escaped = raw.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n")
        return b'"' + escaped + b'"'
    return raw

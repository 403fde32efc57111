"""Which process is meant by a number: a number alone is given again."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

_PROC = Path("/proc")


def machine() -> str:
    """Return what tells the processes of this machine from those of any other.

    Host and boot, and the space that process ids are counted in (a container has its own).
    """
    parts = [socket.gethostname()]
    boot = _PROC / "sys/kernel/random/boot_id"
    if boot.is_file():
        parts.append(boot.read_text("ascii").strip())
        parts.append(os.readlink(_PROC / "self/ns/pid"))
    return " ".join(parts)


def started(pid: int) -> str | None:
    """Return when a process of this machine began, in the system's own words.

    Returns:
        None when there is no such process, or only its remains.
    """
    if sys.platform.startswith("linux"):
        try:
            # pid (name) state ppid …; the name may hold blanks and brackets.
            words = (_PROC / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return None
        return None if words[0] in (b"Z", b"X") else words[19].decode()
    asked = ["ps", "-o", "lstart=", "-p", str(pid)]
    told = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
    return told or None

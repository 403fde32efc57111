"""A planctl that dies by SIGKILL at the N-th change it makes to the file system.

The process is a fork of the test's: everything is imported already, so that hundreds of points
take minutes. What is counted are Python's own audit events of changes below the working directory
(files opened for writing, renames, removals, folders, modes), of locks and of commands started,
and both sides of every fsync and rename.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from planctl.cli.app import run

_CHANGES = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "os.truncate")
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


class _Countdown:
    def __init__(self, left: int, note: Callable[[str], None]) -> None:
        self._left, self._note = left, note

    def point(self, name: str) -> None:
        self._note(name)
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "fcntl.flock" or (event == "subprocess.Popen" and arguments[0] != "git"):
            self.point(event)
        elif event in _CHANGES and _is_here(arguments[0]) and _changes(event, arguments):
            self.point(f"{event} {os.path.basename(os.fsdecode(arguments[0]))}")

    def around(self, module: Any, name: str) -> None:
        function = getattr(module, name)

        def counted(*words: Any, **named: Any) -> Any:
            self.point(f"before {name}")
            result = function(*words, **named)
            self.point(f"after {name}")
            return result

        setattr(module, name, counted)


def _changes(event: str, arguments: tuple[Any, ...]) -> bool:
    return event != "open" or bool(isinstance(arguments[2], int) and arguments[2] & _WRITING)


def _is_here(path: object) -> bool:
    return isinstance(path, str | bytes | os.PathLike) and os.path.abspath(
        os.fsdecode(path)
    ).startswith(os.getcwd() + os.sep)


def run_until(point: int, words: list[str]) -> tuple[int, list[str]]:
    """Run planctl in a process of its own that is killed at a point.

    Args:
        point: Which change it does not survive; 0 for none.
        words: The command line.

    Returns:
        Its wait status and the names of the points it reached.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _die_at(point, words, writing)
    os.close(writing)
    with os.fdopen(reading) as told:
        reached = told.read().splitlines()
    return os.waitpid(child, 0)[1], reached


def _die_at(point: int, words: list[str], told: int) -> None:
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
    countdown = _Countdown(point, lambda name: os.write(told, f"{name}\n".encode()) and None)
    code = 70
    try:
        countdown.around(os, "fsync")
        countdown.around(os, "replace")
        sys.addaudithook(countdown.hook)
        code = run(words)
    finally:
        os._exit(code)

"""Questions with a limit: what a stranger's plan asks of a stranger's file ends in any case.

A small question is answered here, under a timer. A large one, or one asked by a thread (where no
timer can interrupt), is answered by a process of its own with limits of time and memory.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from planctl._questions import QUESTIONS, Content, UnanswerableError

LIMIT_S = 10
"""Seconds of CPU a question may take."""
MAX_MEMORY = 2 << 30
"""Bytes of address space of a process that answers one."""
_SMALL = 1_000_000
_WALL_S = 120
_SERVE = (
    "import json, sys; asked = json.loads(sys.argv[1]); sys.path[:] = asked[0]; "
    "from planctl._bounded import serve; serve(*asked[1:])"
)


def ask(name: str, data: Content, detail: str = "", light: bool = True) -> Any:
    """Answer one of `QUESTIONS`.

    Args:
        name: Which.
        data: The content to look at.
        detail: The expression, if the question takes one.
        light: What is asked costs no more than the content is large.

    Raises:
        UnanswerableError: It has no answer, or none within the limits; the text says why.
    """
    alone = threading.current_thread() is threading.main_thread()
    if not (light and alone and len(data) <= _SMALL):
        return _in_a_process(name, data, detail)
    with _timer():
        return QUESTIONS[name](data, detail)


class _Expired(BaseException):
    """The timer's word; no handler for errors of the question may take it."""


@contextlib.contextmanager
def _timer() -> Iterator[None]:
    """End the block after `LIMIT_S` of CPU; the engine of `re` looks for signals as it works."""

    def expire(signum: int, frame: FrameType | None) -> None:
        raise _Expired

    before = signal.signal(signal.SIGVTALRM, expire)
    signal.setitimer(signal.ITIMER_VIRTUAL, LIMIT_S)
    try:
        yield
    except _Expired:
        raise UnanswerableError(_too_long()) from None
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def _too_long() -> str:
    return f"was not answered within {LIMIT_S} s of CPU"


def _in_a_process(name: str, data: Content, detail: str) -> Any:
    # Without `site`, which reads more than is needed here; so an editable installation says where.
    places = [str(Path(__file__).parents[1]), *filter(os.path.isabs, sys.path)]
    words = [sys.executable, "-I", "-S", "-c", _SERVE, json.dumps([places, name, detail])]
    try:
        done = subprocess.run(
            words, input=data, capture_output=True, timeout=_WALL_S, check=False, cwd=os.sep
        )
    except subprocess.TimeoutExpired as error:
        raise UnanswerableError(f"was not answered within {_WALL_S} s") from error
    if done.returncode in (-signal.SIGXCPU, -signal.SIGKILL):
        raise UnanswerableError(_too_long())
    if done.returncode != 0:
        raise UnanswerableError(f"ended the process that looked at it ({done.returncode})")
    answer = json.loads(done.stdout)
    if "no" in answer:
        raise UnanswerableError(answer["no"])
    return answer["yes"]


def serve(name: str, detail: str) -> None:
    """Answer one question within limits: data on stdin, JSON on stdout."""
    _limit(resource.RLIMIT_CPU, LIMIT_S)
    _limit(resource.RLIMIT_AS, MAX_MEMORY)
    _limit(resource.RLIMIT_CORE, 0)
    try:
        answer = {"yes": QUESTIONS[name](sys.stdin.buffer.read(), detail)}
    except UnanswerableError as error:
        answer = {"no": str(error)}
    except MemoryError:
        answer = {"no": f"takes more than {MAX_MEMORY >> 30} GiB of memory to answer"}
    json.dump(answer, sys.stdout)


def _limit(kind: int, value: int) -> None:
    _, hard = resource.getrlimit(kind)
    resource.setrlimit(kind, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))

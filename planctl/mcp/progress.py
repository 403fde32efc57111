"""Word of a run while it goes on: from its threads to the client that waits."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from planctl._text import printable

_LONGEST = 200
# What a client has not fetched yet; a run of ten thousand steps tells of the newest.
_KEPT = 1000


class Progress:
    """Collects what a run tells; `run_phase` calls it from several threads.

    Args:
        elapsed_s: Seconds since the call came.
    """

    def __init__(self, elapsed_s: Callable[[], float]) -> None:
        self.elapsed_s = elapsed_s
        self._lock = threading.Lock()
        self._events: deque[str] = deque(maxlen=_KEPT)
        self._begun: dict[str, float] = {}
        self._open: dict[str, bytes] = {}
        self._last: dict[str, str] = {}

    def event(self, step: str, text: str) -> None:
        """Take one line about a step."""
        with self._lock:
            if text.startswith("runs"):
                self._begun[step] = self.elapsed_s()
            else:
                for known in (self._begun, self._open, self._last):
                    known.pop(step, None)
            self._events.append(_cut(f"{step}: {text}"))

    def output(self, step: str, piece: bytes) -> None:
        """Take a piece of a command's output; its last whole line is kept."""
        with self._lock:
            *whole, rest = (self._open.get(step, b"") + piece).splitlines() or [b""]
            if piece.endswith((b"\n", b"\r")):
                whole, rest = [*whole, rest], b""
            self._open[step] = rest[-_LONGEST * 4 :]
            said = [line for line in whole if line.strip()]
            if said:
                self._last[step] = said[-1][: _LONGEST * 4].decode("utf-8", "replace").strip()

    def events(self) -> list[str]:
        """Return the lines about steps that nobody has fetched yet."""
        with self._lock:
            found = list(self._events)
            self._events.clear()
        return found

    def running(self) -> str | None:
        """Return how long the steps under way have run and what they printed last."""
        with self._lock:
            told = [
                f"{step}: {self.elapsed_s() - begun:.0f} s"
                + (f": {self._last[step]}" if step in self._last else "")
                for step, begun in self._begun.items()
            ]
        return _cut("; ".join(told)) if told else None


def _cut(text: str) -> str:
    plain = printable(text)
    return plain if len(plain) <= _LONGEST else f"{plain[:_LONGEST]}…"

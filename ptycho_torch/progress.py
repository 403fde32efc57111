"""What a person watches while a run goes on: a bar on a terminal, plain log lines elsewhere."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.console import Console


class Teller(Protocol):
    """What says how far a run is."""

    def __call__(self, done: int, text: str) -> None:
        """Tell that `done` parts of the whole are finished, and something about the last one."""


class Bar:
    """A bar on stderr that disappears when the run ends.

    Args:
        label: What is going on.
        console: Where it is drawn; None draws on stderr.
    """

    def __init__(self, label: str, console: Console | None = None) -> None:
        from rich import progress
        from rich.console import Console

        self._label = label
        self._progress = progress.Progress(
            progress.TextColumn("{task.description}"),
            progress.BarColumn(bar_width=20),
            progress.MofNCompleteColumn(),
            progress.TimeRemainingColumn(),
            progress.TextColumn("{task.fields[text]}"),
            console=console or Console(stderr=True),
            transient=True,
        )
        self._task: progress.TaskID | None = None

    def start(self, total: int, done: int = 0) -> None:
        """Show the bar.

        Args:
            total: Parts of the whole.
            done: How many are finished already.
        """
        self._task = self._progress.add_task(self._label, total=total, completed=done, text="")
        self._progress.start()

    def show(self, done: int, text: str = "") -> None:
        """Move the bar.

        Args:
            done: Parts that are finished.
            text: What stands beside it, such as the live error.
        """
        if self._task is not None:
            self._progress.update(self._task, completed=done, text=text)

    def stop(self) -> None:
        """Remove the bar."""
        self._progress.stop()


@contextmanager
def telling(logger: logging.Logger, label: str, total: int) -> Iterator[Teller]:
    """Tell how far a run is, for as long as the context lasts.

    Args:
        logger: Takes one line a part where there is no terminal; one that is quiet gets no bar.
        label: What is going on, such as `rPIE epoch`.
        total: Parts of the whole.

    Yields:
        The function to call after every part.
    """
    if not is_watched(logger):
        yield lambda done, text: logger.info("%s %d/%d %s", label, done, total, text)
        return
    bar = Bar(label)
    bar.start(total)
    try:
        yield bar.show
    finally:
        bar.stop()


def is_watched(logger: logging.Logger) -> bool:
    """Tell whether a person looks at a terminal and wants to be told.

    Args:
        logger: Its level says whether anything but warnings is wanted.

    Returns:
        Whether a bar is worth drawing.
    """
    return sys.stderr.isatty() and logger.isEnabledFor(logging.INFO)

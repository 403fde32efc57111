"""The one place where an exception becomes a message and an exit code."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ParamSpec

import typer

from ptycho_torch.errors import PtychoTorchError

P = ParamSpec("P")

EXIT_BUG = 3
EXIT_INTERRUPTED = 130


def guarded(command: Callable[P, None]) -> Callable[P, None]:
    """Wrap a command so that every failure ends with a message and its exit code.

    Args:
        command: The command's function.

    Returns:
        The same function, which now leaves through `typer.Exit` on failure.
    """

    @functools.wraps(command)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except typer.Exit:
            raise
        except KeyboardInterrupt as stop:
            _say("interrupted", str(stop) or None)
            raise typer.Exit(EXIT_INTERRUPTED) from None
        except BrokenPipeError:
            # The reader, such as `head`, has seen enough; the interpreter must not complain later.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from None
        except PtychoTorchError as error:
            _say(error.message, error.hint)
            raise typer.Exit(error.exit_code) from error
        except Exception as error:
            _say(f"internal error: {error}", f"the traceback is in {_save_traceback()}")
            raise typer.Exit(EXIT_BUG) from error

    return wrapper


@contextlib.contextmanager
def resumable(left: Path) -> Iterator[None]:
    """Tell a person who interrupts a run how it goes on.

    Args:
        left: What `--resume` goes on from, once it is there.

    Yields:
        Nothing.
    """
    try:
        yield
    except KeyboardInterrupt:
        if not left.exists():
            raise
        how = f"the same command with --resume goes on from `{left}`"
        raise KeyboardInterrupt(how) from None


def _say(message: str, hint: str | None) -> None:
    print(f"error: {message}", file=sys.stderr)
    if hint is not None:
        print(f"hint: {hint}", file=sys.stderr)


def _save_traceback() -> str:
    with tempfile.NamedTemporaryFile(
        "w", prefix="ptycho-torch-", suffix=".log", delete=False, encoding="utf-8"
    ) as log:
        traceback.print_exc(file=log)
    return log.name


class _CurrentStderr(logging.Handler):
    """Writes to whatever stderr is now: while a progress bar is drawn, lines go above it."""

    def emit(self, record: logging.LogRecord) -> None:
        print(self.format(record), file=sys.stderr, flush=True)


def talk(quiet: bool) -> None:
    """Send the package's log to stderr, one plain line a record.

    Args:
        quiet: Show only warnings and errors.
    """
    handler = _CurrentStderr()
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    logger = logging.getLogger("ptycho_torch")
    logger.handlers = [handler]
    logger.setLevel(logging.WARNING if quiet else logging.INFO)
    logger.propagate = False


def single_command(command: Callable[..., None], name: str) -> typer.Typer:
    """Make an application of one command, as `python -m ptycho_torch.train` is.

    Args:
        command: The command's function, already guarded.
        name: What its help calls it.

    Returns:
        The application; call it to run.
    """
    app = plain_app()
    app.command(name)(command)
    return app


def plain_app(help_text: str | None = None) -> typer.Typer:
    """Make an application without rich pages, which cost 100 ms of start-up.

    Args:
        help_text: Shown above the list of commands.

    Returns:
        An application without commands.
    """
    return typer.Typer(
        help=help_text,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        no_args_is_help=help_text is not None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )

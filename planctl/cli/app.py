"""`planctl`: the command tree and the one error edge."""

from __future__ import annotations

import contextlib
import gc
import importlib
import io
import itertools
import os
import sys
from collections.abc import Iterable
from typing import Annotated, Any

import typer

from planctl._version import __version__
from planctl.errors import PlanctlError, SystemRefusedError

# Typer carries a click of its own; this is the root of the errors it raises for usage.
_ClickException: type[Exception] = next(
    kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException"
)
# Command or group: the module below `planctl.cli` that has it, and what it is called there.
COMMANDS = {
    "init": "plans.init",
    "new": "plans.new",
    "run-phase": "running.run_phase",
    "run": "running.run",
    "verify": "evidence.verify",
    "why": "evidence.why",
    "status": "evidence.status",
    "at": "history.at",
    "bisect": "history.bisect",
    "next-green": "history.next_green",
    "replay": "strength.replay",
    "lint": "strength.lint",
    "summary": "records.summary",
    "block": "records.block",
    "blocked": "focus.blocked",
    "unblock": "focus.unblock",
    "dwell": "focus.dwell",
    "wait": "focus.wait",
    "retro": "focus.retro",
    "schema": "plans.schema",
    "export": "exports.export",
    "mcp": "mcp.mcp",
    "hooks": "hooks.hooks_app",
    "adopt": "adoption.adopt",
    "audit": "audit.audit",
    "claims": "claims.claims",
    "hub": "plans.hub_app",
    "sign": "keys.sign",
    "keys": "keys.keys_app",
    "brief": "brief.brief",
    "ledger": "ledger.ledger_app",
    "sync": "ledger.sync",
    "loop": "loop.loop",
    "turn": "turns.turn_app",
}
_CONTEXT = {"run": {"allow_interspersed_args": False, "ignore_unknown_options": False}}


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"planctl {__version__}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Plans and evidence that cannot be talked past: run steps, keep receipts, verify them."""


def tree(names: Iterable[str] = COMMANDS) -> typer.Typer:
    """Return the command line with some commands.

    Args:
        names: Names in `COMMANDS`; every command costs an import and the reading of its
            signature, which the command that is asked for need not wait for.

    Returns:
        The tree.
    """
    grown = typer.Typer(
        name="planctl",
        context_settings={"help_option_names": ["-h", "--help"]},
        pretty_exceptions_enable=False,
        rich_markup_mode=None,  # rich help pages cost 100 ms of CPU
        no_args_is_help=True,
        add_completion=False,
    )
    grown.callback()(_root)
    for name in names:
        module, _, attribute = COMMANDS[name].partition(".")
        found = getattr(importlib.import_module(f"planctl.cli.{module}"), attribute)
        if isinstance(found, typer.Typer):
            grown.add_typer(found, name=name)
        else:
            grown.command(name, context_settings=_CONTEXT.get(name))(found)
    return grown


_OUTPUT_CLOSED = 141
_LONGEST = 4000
# Set by git for its hooks, or by hand: the working directory says which repository is meant.
_GIT_VARIABLES = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_COMMON_DIR",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
    "GIT_SHALLOW_FILE",
    "GIT_REPLACE_REF_BASE",
)


def main() -> None:
    """Run the command line; every error becomes a message and an exit code here."""
    # A hundred thousand artifacts in frozen objects: nothing among them is in a cycle.
    gc.set_threshold(100_000, 20, 100)
    _open_streams()
    code = _delivered(run(sys.argv[1:]))
    # The interpreter's end would look through everything for cycles, several times.
    gc.freeze()
    sys.exit(code)


def _open_streams() -> None:
    """Give standard streams that are closed a place to go, so that no file gets their number."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # An output that cannot hold a character is no reason to end.
            stream.reconfigure(errors="backslashreplace")


def _delivered(code: int) -> int:
    """Return the exit code if what was printed has arrived, else that it has not."""
    try:
        sys.stdout.flush()
        return code
    except OSError as error:
        # What is left in the buffer cannot be written either, at the interpreter's end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _OUTPUT_CLOSED if isinstance(error, BrokenPipeError) else _system(error)


def run(arguments: list[str]) -> int:
    """Run one command.

    Args:
        arguments: As typed, without the program's name.

    Returns:
        The exit code: 0 yes, 1 no, 2 usage, 3 bug, 4 precondition or bad file, 130 interrupted.
    """
    index = os.environ.get("GIT_INDEX_FILE")  # a hook looks at what git is about to commit
    for name in _GIT_VARIABLES:
        os.environ.pop(name, None)
    try:
        known = arguments[0] if arguments else ""
        wanted = [known] if known in COMMANDS else [] if known == "--version" else COMMANDS
        app = tree(wanted)
        result = app(arguments, standalone_mode=False, prog_name="planctl", obj=index)
        return result if isinstance(result, int) else 0
    except typer.Exit as error:
        return error.exit_code
    except _ClickException as error:
        return _usage(error)
    except (KeyboardInterrupt, typer.Abort):
        _say("interrupted")
        return 130
    except PlanctlError as error:
        _tell(error, _wants_json(arguments))
        return error.exit_code
    except (BrokenPipeError, SystemExit):
        # The reader of a pipe (`planctl … | head`) went away: it has not heard the answer. (Typer
        # turns that into an exit of its own, and nothing else.)
        return _OUTPUT_CLOSED
    except OSError as error:
        return _system(error, _wants_json(arguments))
    except Exception as error:  # noqa: BLE001 - the one edge where a bug becomes a message
        return _bug(error)


def _wants_json(arguments: list[str]) -> bool:
    pairs = itertools.pairwise(arguments)
    return "--json" in arguments or "--format=json" in arguments or ("--format", "json") in pairs


def _usage(error: Any) -> int:
    from planctl._text import printable

    said = io.StringIO()
    error.show(file=said)
    _say(printable(said.getvalue().rstrip("\n"), keep="\n"))
    return 2


def _tell(error: PlanctlError, as_json: bool) -> None:
    from planctl.cli.render import safe

    if as_json:
        from planctl.cli.render import emit_json

        said = {"slug": error.slug, "message": error.message, "hint": error.hint}
        with contextlib.suppress(OSError):  # it may be the output that has no room
            emit_json({"error": said})
    _say(f"error: {safe(_cut(error.message))}")
    if error.hint:
        _say(f"hint: {safe(_cut(error.hint))}")


def _say(line: str) -> None:
    with contextlib.suppress(OSError):  # nobody is left to tell; the exit code says it
        print(line, file=sys.stderr, flush=True)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(text):,} characters)"


def _system(error: OSError, as_json: bool = False) -> int:
    """Say what the system refused: no room, no permission, a file in the place of a folder."""
    refused = SystemRefusedError.of(error)
    _tell(refused, as_json)
    return refused.exit_code


def _bug(error: Exception) -> int:
    from planctl._bugs import BugError
    from planctl._text import printable

    bug = BugError(error)
    _say(f"error: {printable(_cut(bug.message))}")
    _say(f"hint: {bug.hint}")
    return bug.exit_code

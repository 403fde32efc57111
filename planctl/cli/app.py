"""`planctl`: the command tree and the one error edge."""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any

import typer

from planctl._version import __version__
from planctl.cli import evidence, exports, history, plans, records, running, strength
from planctl.errors import PlanctlError

# Typer carries a click of its own; this is the root of the errors it raises for usage.
_ClickException: type[Exception] = next(
    kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException"
)
# rich_markup_mode=None: rich help pages cost 100 ms of CPU.
_PLAIN = {"rich_markup_mode": None, "no_args_is_help": True, "add_completion": False}

app = typer.Typer(
    name="planctl",
    help="Plans and evidence that cannot be talked past: run steps, keep receipts, verify them.",
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    **_PLAIN,  # type: ignore[arg-type]
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"planctl {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Plans and evidence that cannot be talked past: run steps, keep receipts, verify them."""


app.command()(plans.init)
app.command()(plans.new)
app.command("run-phase")(running.run_phase)
app.command(
    "run", context_settings={"allow_interspersed_args": False, "ignore_unknown_options": False}
)(running.run)
app.command()(evidence.verify)
app.command()(evidence.why)
app.command()(evidence.status)
app.command()(history.at)
app.command()(strength.replay)
app.command()(records.summary)
app.command()(records.block)
app.command()(plans.schema)
app.command()(exports.export)
app.add_typer(plans.hub_app, name="hub")
app.add_typer(records.ledger_app, name="ledger")


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
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command.

    Args:
        arguments: As typed, without the program's name.

    Returns:
        The exit code: 0 yes, 1 no, 2 usage, 3 bug, 4 precondition or bad file, 130 interrupted.
    """
    for name in _GIT_VARIABLES:
        os.environ.pop(name, None)
    try:
        result = app(arguments, standalone_mode=False, prog_name="planctl")
        return result if isinstance(result, int) else 0
    except typer.Exit as error:
        return error.exit_code
    except _ClickException as error:
        return _usage(error)
    except (KeyboardInterrupt, typer.Abort):
        print("interrupted", file=sys.stderr)
        return 130
    except PlanctlError as error:
        _tell(error, "--json" in arguments)
        return error.exit_code
    except BrokenPipeError:
        # The reader of a pipe (`planctl … | head`) went away: nothing is left to say.
        sys.stderr.close()
        return 0
    except OSError as error:
        return _system(error)
    except Exception as error:  # noqa: BLE001 - the one edge where a bug becomes a message
        return _bug(error)


def _usage(error: Any) -> int:
    error.show(file=sys.stderr)
    return 2


def _tell(error: PlanctlError, as_json: bool) -> None:
    from planctl.cli.render import safe

    if as_json:
        from planctl.cli.render import emit_json

        said = {"slug": error.slug, "message": error.message, "hint": error.hint}
        emit_json({"error": said})
    print(f"error: {safe(error.message)}", file=sys.stderr)
    if error.hint:
        print(f"hint: {safe(error.hint)}", file=sys.stderr)


def _system(error: OSError) -> int:
    """Say what the system refused: no room, no permission, a file in the place of a folder."""
    from planctl.cli.render import safe

    where = f"`{error.filename}`: " if error.filename else ""
    print(safe(f"error: {where}{error.strerror or error}"), file=sys.stderr)
    print("hint: make room or correct the permissions, then run the same again", file=sys.stderr)
    return 4


def _bug(error: Exception) -> int:
    import tempfile
    import traceback

    with tempfile.NamedTemporaryFile(
        "w", prefix="planctl-bug-", suffix=".log", delete=False
    ) as log:
        traceback.print_exception(error, file=log)
    print(f"error: a bug in planctl: {type(error).__name__}: {error}", file=sys.stderr)
    print(f"hint: the traceback is in {log.name}; please report it", file=sys.stderr)
    return 3

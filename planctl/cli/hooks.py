"""`planctl hooks`: checks before every commit of this clone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from planctl.cli.evidence import Json

if TYPE_CHECKING:
    from planctl.ops.hooks import HooksReport

hooks_app = typer.Typer(
    help="Git hooks of this clone.", no_args_is_help=True, rich_markup_mode=None
)


@hooks_app.callback()
def _hooks() -> None:
    """Git hooks of this clone."""


@hooks_app.command("install")
def install(json_: Json = False) -> int:
    """Check rows and ledger before every commit; what a hook holds besides stays as it is.

    Where a hook manager owns the hooks, the lines to add there are printed, and the exit code is 1.
    """
    from planctl.ops import hooks
    from planctl.workspace import Workspace

    return _shown(hooks.install(Workspace.open()), json_)


@hooks_app.command("status")
def status(json_: Json = False) -> int:
    """Tell whether the checks run before a commit; exit 0 if they do, else 1."""
    from planctl.ops import hooks
    from planctl.workspace import Workspace

    return _shown(hooks.status(Workspace.open()), json_)


@hooks_app.command("remove")
def remove(json_: Json = False) -> int:
    """Take planctl's part out of the hook, and leave the rest byte for byte."""
    from planctl.ops import hooks
    from planctl.workspace import Workspace

    _shown(hooks.remove(Workspace.open()), json_)
    return 0


def _shown(report: HooksReport, as_json: bool) -> int:
    from planctl.cli import render

    if as_json:
        render.emit_json(report.as_dict())
        return 0 if report.ok else 1
    why = f": {report.why}" if report.why else ""
    render.line(f"{report.hook}: {report.state}{why}")
    merges = report.driver is not None and report.driver.installed
    render.line(f"merge driver of the ledger: {'installed' if merges else 'absent'}")
    if report.snippet is not None:
        render.talk(f"add these lines to `{report.hook}`:")
        render.emit(report.snippet)
    return 0 if report.ok else 1

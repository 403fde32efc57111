"""`planctl brief`: write the next turn's order, or check one that somebody wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from planctl.cli.evidence import Json

if TYPE_CHECKING:
    from planctl.models.brief import BriefCheck, BriefProblem


def brief(
    initiative: Annotated[
        str | None, typer.Argument(help="Initiative; with --check the file to check.")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Check input.md, or the file that is named.")
    ] = False,
    because: Annotated[
        str | None,
        typer.Option("--because", metavar="WHY", help="A person wants again what is proven."),
    ] = None,
    no_collect: Annotated[
        bool, typer.Option("--no-collect", help="Do not ask pytest what the selectors collect.")
    ] = False,
    json_: Json = False,
) -> int:
    """Check an order; exit 1 if something is wrong with it."""
    from planctl.cli import render
    from planctl.models.brief import INPUT
    from planctl.ops.brief.check import check_brief
    from planctl.workspace import Workspace

    workspace = Workspace.open()
    found = check_brief(workspace, initiative or INPUT, because=because, collect=not no_collect)
    if json_:
        render.emit_json(found.as_dict())
    else:
        _show(found)
    return 0 if found.ok else 1


def _show(found: BriefCheck) -> None:
    from planctl.cli import render

    for problem in found.problems:
        render.line(_spelled(found.path, problem))
    for note in found.notes:
        render.line(f"note: {note}")
    for item in found.fixed:
        render.line(f"fixed: {item}")
    if found.ok:
        tests = sum(number for _, number in found.collected)
        open_steps = ", ".join(found.orders) or "no step of the plan"
        render.line(f"{found.path}: ok: {found.focus}; orders {open_steps}; collects {tests} tests")


def _spelled(path: str, problem: BriefProblem) -> str:
    value = f" `{problem.value}`" if problem.value else ""
    head = f"{path}:{problem.line}: {problem.kind}: {problem.field}{value}: {problem.text}"
    return f"{head}\n  way out: {problem.way_out}" if problem.way_out else head

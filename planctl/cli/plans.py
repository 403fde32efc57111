"""`planctl init`, `new`, `hub new` and `schema`: what a plan stands on."""

from __future__ import annotations

import enum
from typing import Annotated

import typer

from planctl.cli.evidence import Json

hub_app = typer.Typer(
    help="Hubs: folders of evidence.", no_args_is_help=True, rich_markup_mode=None
)


@hub_app.callback()
def _hub() -> None:
    """Hubs: folders of evidence."""


class Ci(enum.StrEnum):
    """CI services that planctl writes a workflow for."""

    GITHUB = "github"


def init(
    upgrade: Annotated[
        bool,
        typer.Option("--upgrade", help="Replace planctl's section of AGENTS.md even if edited."),
    ] = False,
    ci: Annotated[
        Ci | None, typer.Option("--ci", help="Write a workflow that asks for evidence, too.")
    ] = None,
    json_: Json = False,
) -> None:
    """Set up planctl in this repository; what is there already stays as it is."""
    from dataclasses import asdict

    from planctl.cli import render
    from planctl.ops import scaffold
    from planctl.workspace import Workspace

    result = scaffold.init(Workspace.open(), upgrade, None if ci is None else ci.value)
    if json_:
        render.emit_json(asdict(result))
    else:
        render.scaffold(result)


def new(
    initiative: Annotated[str, typer.Argument(help="Id of the initiative, e.g. FIX-SCALE-001.")],
    title: Annotated[str, typer.Option("--title", help="What it is about, in a few words.")] = "",
    json_: Json = False,
) -> None:
    """Scaffold an initiative: plan.yaml, implementation.md and summary.md, ready to run."""
    from dataclasses import asdict

    from planctl.cli import render
    from planctl.ops import scaffold
    from planctl.workspace import Workspace

    result = scaffold.new(Workspace.open(), initiative, title)
    if json_:
        render.emit_json(asdict(result))
    else:
        render.scaffold(result)
        render.line(f"next: planctl hub new {initiative}")


@hub_app.command("new")
def hub_new(
    initiative: Annotated[str, typer.Argument(help="Initiative.")],
    slug: Annotated[str | None, typer.Option("--slug", help="Last part of its name.")] = None,
    json_: Json = False,
) -> None:
    """Allocate a hub named after the time and the initiative, and enter it in plan.yaml."""
    from dataclasses import asdict

    from planctl.cli import render
    from planctl.ops.hub import new_hub
    from planctl.workspace import Workspace

    result = new_hub(Workspace.open(), initiative, slug)
    if json_:
        render.emit_json(asdict(result))
    else:
        render.line(result.path)


def schema(
    name: Annotated[str, typer.Argument(help="`plan`, `receipt` or `turn`.")] = "plan",
) -> None:
    """Print a JSON Schema; editors complete and check plan.yaml with it."""
    from planctl.cli import render
    from planctl.errors import UsageError
    from planctl.ops.schemas import SCHEMAS

    if name not in SCHEMAS:
        known = ", ".join(f"`{item}`" for item in SCHEMAS)
        raise UsageError(f"there is no schema `{name}`", f"there are {known}")
    render.emit_json(SCHEMAS[name]())

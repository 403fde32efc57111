"""`planctl summary`, `ledger` and `block`: what was done and what stands in the way."""

from __future__ import annotations

from typing import Annotated

import typer

from planctl.cli.evidence import Json

ledger_app = typer.Typer(
    help="The ledger, docs/fix_plan.md.", no_args_is_help=True, rich_markup_mode=None
)


def summary(
    initiative: Annotated[str, typer.Argument(help="Initiative.")],
    last: Annotated[int, typer.Option("--last", min=1, help="How many turns, newest first.")] = 3,
    json_: Json = False,
) -> None:
    """Print the newest turn summaries of an initiative."""
    from dataclasses import asdict

    from planctl.cli import render
    from planctl.ops import summary as summaries
    from planctl.workspace import Workspace

    view = summaries.show(Workspace.open(), initiative)
    blocks = view.blocks[:last]
    if json_:
        render.emit_json(asdict(view) | {"blocks": list(blocks)})
        return
    for block_text in blocks:
        render.line(block_text)


def block(
    initiative: Annotated[str, typer.Argument(help="Initiative.")],
    reason: Annotated[str, typer.Option("--reason", help="What stands in the way.")],
    step: Annotated[str | None, typer.Option("--step", help="The step it stops.")] = None,
    until: Annotated[
        str | None, typer.Option("--until", help="A command that succeeds once it is gone.")
    ] = None,
    json_: Json = False,
) -> None:
    """File a blocker in the hub's red/ folder and mark the focus blocked."""
    from dataclasses import asdict

    from planctl.cli import render
    from planctl.ops.block import block_by_hand
    from planctl.workspace import Workspace

    result = block_by_hand(Workspace.open(), initiative, reason, step, until)
    if json_:
        render.emit_json(asdict(result))
    else:
        render.line(result.path)


@ledger_app.command("show")
def ledger_show(json_: Json = False) -> None:
    """Print the items of the ledger."""
    from planctl.cli import render
    from planctl.ops import ledger
    from planctl.workspace import Workspace

    result = ledger.show(Workspace.open())
    if json_:
        render.emit_json(result.model_dump(mode="json"))
    else:
        render.ledger(result)


@ledger_app.command("attempt")
def ledger_attempt(
    initiative: Annotated[str, typer.Argument(help="Initiative.")],
    text: Annotated[str, typer.Argument(help="What was tried and how it went, one line.")],
    json_: Json = False,
) -> None:
    """Add an attempt to an item of the ledger, stamped by planctl's clock."""
    from planctl.cli import render
    from planctl.ops import ledger
    from planctl.workspace import Workspace

    item = ledger.attempt(Workspace.open(), initiative, text)
    if json_:
        render.emit_json(item.model_dump(mode="json"))
    else:
        render.line(f"{item.id}: {len(item.attempts)} attempts")

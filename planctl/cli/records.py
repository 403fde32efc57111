"""`planctl summary` and `block`: what was done and what stands in the way."""

from __future__ import annotations

from typing import Annotated

import typer

from planctl.cli.evidence import Json


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
    from planctl.ops.blocking.block import block_by_hand
    from planctl.workspace import Workspace

    result = block_by_hand(Workspace.open(), initiative, reason, step, until)
    if json_:
        render.emit_json(asdict(result))
    else:
        render.line(result.path)

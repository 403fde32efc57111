"""`planctl loop`: supervisor and engineer take turns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from planctl.cli.evidence import Json

if TYPE_CHECKING:
    from planctl.models.loop_settings import LoopSettings
    from planctl.ops.loop.bench import LoopTurn
    from planctl.ops.loop.preview import Preview
    from planctl.ops.loop.run import LoopResult
    from planctl.workspace import Workspace


def loop(
    supervisor: Annotated[
        str | None,
        typer.Option("--supervisor", help="Command of the supervisor; without it planctl briefs."),
    ] = None,
    engineer: Annotated[
        str | None, typer.Option("--engineer", help="Command of the engineer.")
    ] = None,
    turns: Annotated[
        int | None, typer.Option("-n", "--turns", min=1, help="Stop after so many turns.")
    ] = None,
    focus: Annotated[
        str | None, typer.Option("--focus", help="Work on this initiative only.")
    ] = None,
    branch: Annotated[
        str | None, typer.Option("--branch", help="Refuse to run on any other branch.")
    ] = None,
    timeout: Annotated[
        str | None, typer.Option("--timeout", help="Time an agent may take, as 45s, 30m, 2h.")
    ] = None,
    prompt: Annotated[
        str | None, typer.Option("--prompt", help="Name of the prompts; `main` is built in.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what the next two turns would be.")
    ] = False,
    recover: Annotated[
        bool, typer.Option("--recover", help="Rebuild a state that cannot be read, then stop.")
    ] = False,
    json_: Json = False,
) -> int:
    """Let supervisor and engineer take turns until the work is done or cannot go on.

    What the agents print goes to stderr and into logs below `.git/planctl/loop/`.
    """
    from planctl.cli import render
    from planctl.workspace import Workspace

    workspace = Workspace.open()
    if recover:
        return _recover(workspace, json_)
    given = {
        "supervisor": supervisor,
        "engineer": engineer,
        "turns": turns,
        "focus": focus,
        "branch": branch,
        "timeout": timeout,
        "prompt": prompt,
    }
    settings = _settings(workspace, {k: v for k, v in given.items() if v is not None})
    if dry_run:
        return _dry_run(workspace, settings, json_)
    from planctl.ops.loop.run import loop as carry_out

    result = carry_out(workspace, settings, render.LiveReporter(prefix=False))
    if json_:
        render.emit_json(result.as_dict())
    else:
        _show(result)
    return result.exit_code


def _settings(workspace: Workspace, given: dict[str, Any]) -> LoopSettings:
    from pydantic import ValidationError

    from planctl.errors import UsageError
    from planctl.models.loop_settings import LoopSettings

    there = workspace.settings().loop.model_dump()
    try:
        return LoopSettings.model_validate(there | given)
    except ValidationError as error:
        first = error.errors()[0]
        said = first["msg"].removeprefix("Value error, ")
        raise UsageError(f"`--{first['loc'][0]}`: {said}", "`planctl loop --help`") from error


def _recover(workspace: Workspace, json_: bool) -> int:
    from planctl.cli import render
    from planctl.ops.loop.recover import recover

    found = recover(workspace)
    if json_:
        render.emit_json(found.as_dict())
        return 0
    for path in found.kept:
        render.line(f"kept aside: {path}")
    if not found.kept:
        render.line("state and lease can be read; nothing was changed")
    if found.open_turn is not None:
        render.line(f"turn {found.open_turn:05d} is open; the next loop closes it first")
    render.line(f"highest turn: {found.last_number:05d}; next: {found.next_role}")
    return 0


def _dry_run(workspace: Workspace, settings: LoopSettings, json_: bool) -> int:
    from planctl.cli import render
    from planctl.ops.loop.preview import preview

    found = preview(workspace, settings)
    if json_:
        render.emit_json(found.as_dict())
    else:
        _show_preview(found)
    return 0 if found.end is None else found.end.exit_code


def _show_preview(found: Preview) -> None:
    from planctl.cli import render

    render.line(f"on branch {found.branch}; nothing is run or written")
    for text in found.first:
        render.line(text)
    for turn in found.turns:
        render.line(f"turn {turn.number:05d}, {turn.role} on {turn.focus}")
        if turn.command:
            render.line(f"  runs `{turn.command}`, at most {turn.timeout_s:.0f} s")
        for text in turn.does:
            render.line(f"  {text}")
    if found.end is not None:
        render.line(f"would end at once: {found.end.text}")
        render.line(f"to go on: {found.end.way_out}")


def _show(result: LoopResult) -> None:
    from planctl.cli import render

    columns = ("turn", "role", "focus", "outcome", "exit", "seconds", "commit", "refused")
    if result.turns:
        render.table(f"loop on {result.branch}", columns, map(_row, result.turns))
    for turn in result.turns:
        for text in (*turn.refused_orders, *turn.refused):
            render.line(f"{turn.number:05d} refused: {text}")
    render.line(f"{result.end.why}: {result.end.text}")
    render.line(f"to go on: {result.end.way_out}")


def _row(turn: LoopTurn) -> list[str]:
    return [
        f"{turn.number:05d}",
        turn.role,
        turn.focus,
        turn.outcome,
        "" if turn.exit_code is None else str(turn.exit_code),
        f"{turn.duration_s:.1f}",
        (turn.commit or "")[:8],
        str(len(turn.refused_orders) + len(turn.refused)),
    ]

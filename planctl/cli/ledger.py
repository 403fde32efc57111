"""`planctl ledger`: the items, which is next, and what keeps the file in order."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from planctl.cli.evidence import Json
from planctl.cli.formats import Format, FormatOption

if TYPE_CHECKING:
    from planctl.ops.ledger.check import CheckReport
    from planctl.ops.ledger.next_item import NextAnswer

ledger_app = typer.Typer(
    help="The ledger, docs/fix_plan.md.", no_args_is_help=True, rich_markup_mode=None
)


@ledger_app.command("show")
def ledger_show(json_: Json = False) -> None:
    """Print the items of the ledger."""
    from planctl.cli import render
    from planctl.ops.ledger.file import show
    from planctl.workspace import Workspace

    result = show(Workspace.open())
    if json_:
        render.emit_json(result.model_dump(mode="json"))
    else:
        render.ledger(result)


@ledger_app.command("next")
def ledger_next(json_: Json = False) -> None:
    """Print the item to work on, and why those before it are passed over."""
    from planctl.cli import render
    from planctl.ops.ledger.next_item import next_item
    from planctl.workspace import Workspace

    answer = next_item(Workspace.open())
    if json_:
        render.emit_json(answer.as_dict())
    else:
        _print_next(answer)
    if not answer.ok:
        raise typer.Exit(1)


def _print_next(answer: NextAnswer) -> None:
    from planctl.cli import render

    if answer.empty:
        render.line("there is no initiative yet; this makes the first one:")
        render.line(f"  {answer.command}")
    elif answer.item is None:
        render.line("nothing is ready")
    else:
        item = answer.item
        render.line(f"{item.id} ({item.priority}, {item.status}): {item.title}")
        render.line(f"  {answer.command}")
    for one in answer.passed_over:
        render.line(f"passed over: {one.id} ({one.priority}, {one.status}): {one.why}")
        render.line(f"  {one.way_out}")
    later = f"{answer.waiting_turn} more ready, " if answer.ok else ""
    render.talk(f"{later}{answer.finished} done")


@ledger_app.command("set")
def ledger_set(
    item: Annotated[str, typer.Argument(help="Item: the initiative's id.")],
    field: Annotated[str, typer.Argument(help="status, priority, depends_on or title.")],
    value: Annotated[str, typer.Argument(help="New value; of depends_on: ids with commas, none.")],
    json_: Json = False,
) -> None:
    """Set a field of an item; `done` only when every step of the initiative is proven."""
    from planctl.cli import render
    from planctl.ops.ledger.setting import set_field
    from planctl.workspace import Workspace

    result = set_field(Workspace.open(), item, field, value)
    if json_:
        render.emit_json(result.model_dump(mode="json"))
    else:
        depends = ", ".join(result.depends_on) or "none"
        render.line(f"{result.id}: {result.status}, {result.priority}, depends on {depends}")


@ledger_app.command("attempt")
def ledger_attempt(
    initiative: Annotated[str, typer.Argument(help="Initiative.")],
    text: Annotated[str, typer.Argument(help="What was tried and how it went, one line.")],
    json_: Json = False,
) -> None:
    """Add an attempt to an item of the ledger, stamped by planctl's clock."""
    from planctl.cli import render
    from planctl.ops.ledger import items as ledger
    from planctl.workspace import Workspace

    item = ledger.attempt(Workspace.open(), initiative, text)
    if json_:
        render.emit_json(item.model_dump(mode="json"))
    else:
        render.line(f"{item.id}: {len(item.attempts)} attempts")


@ledger_app.command("archive")
def ledger_archive(
    item: Annotated[
        str | None, typer.Option("--item", help="Archive this item, which is done, as a whole.")
    ] = None,
    json_: Json = False,
) -> None:
    """Move the oldest attempts of done items to docs/archive/ until the ledger is in its budget."""
    from planctl.cli import render
    from planctl.ops.ledger.archive import archive
    from planctl.workspace import Workspace

    report = archive(Workspace.open(), item)
    if json_:
        render.emit_json(report.as_dict())
    else:
        for name, moved in report.moved.items():
            render.line(f"{name}: {moved} attempts moved to {', '.join(report.files)}")
        render.line(f"{report.lines} lines, {report.size} bytes")
        if not report.within:
            render.talk("still over budget: `planctl ledger check` says what to do")
    if not report.within:
        raise typer.Exit(1)


@ledger_app.command("check")
def ledger_check(json_: Json = False, form: FormatOption = Format.TABLE) -> None:
    """Look for contradictions in ledger, plans, brief and turns; exit 1 if there are any."""
    from planctl.cli import render
    from planctl.cli.formats import chosen, print_findings
    from planctl.models.contradiction import RULES
    from planctl.ops.ledger.check import check
    from planctl.workspace import Workspace

    form = chosen(form, json_)
    workspace = Workspace.open()
    report = check(workspace)
    if form is Format.JSON:
        render.emit_json(report.as_dict())
    elif form is not Format.TABLE:
        found = [item.annotation() for item in report.contradictions]
        print_findings(form, workspace, found, RULES, "ledger check")
    else:
        _print_check(report)
    if not report.ok:
        raise typer.Exit(1)


def _print_check(report: CheckReport) -> None:
    from planctl.cli import render

    for item in report.contradictions:
        note = "" if item.counts else "note: "
        render.line(f"{item.one.path}:{item.one.line}: {note}{item.kind}: {item.text}")
        for side in (item.one, item.other):
            if side is not None:
                render.line(f"  {side}")
        render.line(f"  way out: {item.way_out}")
    counted = sum(item.counts for item in report.contradictions)
    items = "1 item" if report.items == 1 else f"{report.items} items"
    render.talk(f"{items}, {counted or 'no'} contradiction{'' if counted == 1 else 's'}")


@ledger_app.command("merge")
def ledger_merge(
    base: Annotated[Path, typer.Argument(help="The common version; git's %O.")],
    ours: Annotated[Path, typer.Argument(help="Ours, which gets the result; git's %A.")],
    theirs: Annotated[Path, typer.Argument(help="Theirs; git's %B.")],
    path: Annotated[str, typer.Argument(help="The file's name, for messages; git's %P.")] = "",
    marker_size: Annotated[
        int, typer.Option("--marker-size", min=1, help="Length of conflict markers; git's %L.")
    ] = 7,
    json_: Json = False,
) -> None:
    """Join two versions of the ledger item by item: git's merge driver. Exit 1 with conflicts."""
    from planctl.cli import render
    from planctl.ops.ledger.merge import merge
    from planctl.workspace import LEDGER

    result = merge(base, ours, theirs, path or LEDGER, marker_size)
    if json_:
        render.emit_json(result.as_dict())
    if result.plain:
        render.talk(f"{result.path}: joined line by line: {result.plain}")
    if not result.ok:
        render.talk(f"{result.path}: {result.conflicts} conflicts are left, between markers")
        raise typer.Exit(1)


def sync(
    context: typer.Context,
    initiative: Annotated[
        str | None, typer.Argument(help="Initiative; all of them without it.")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; exit 1 if a row is not right.")
    ] = False,
    staged: Annotated[
        bool, typer.Option("--staged", help="Judge and change what is staged: the pre-commit hook.")
    ] = False,
    json_: Json = False,
) -> None:
    """Let the rows of implementation.md follow the verdicts: ticked when proven, else not."""
    from planctl.cli import render
    from planctl.errors import UsageError
    from planctl.workspace import Workspace

    if staged and initiative:
        hint = "`planctl sync --staged` looks at every initiative that what is staged matters to"
        raise UsageError("`--staged` and an initiative do not go together", hint)
    if staged:
        from planctl.ops.sync_staged import sync_staged

        report = sync_staged(Workspace.open(), context.obj, check)
    else:
        from planctl.ops.sync import sync as follow

        report = follow(Workspace.open(), initiative, check)
    if json_:
        render.emit_json(report.as_dict())
    else:
        for change in report.changes:
            render.line(f"{change.path}:{change.line}")
            render.line(f"-{change.before}")
            render.line(f"+{change.after}")
        if report.ok:
            render.talk("every row says what is proven")
    if check and not report.ok:
        raise typer.Exit(1)

"""`planctl turn`: open one, close it with words that evidence holds, check those of a history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from planctl.cli.evidence import Json

if TYPE_CHECKING:
    from planctl.models.turn.prose import TurnProse
    from planctl.models.turn.record import OpenTurn
    from planctl.ops.turn.closing import ClosedTurn
    from planctl.ops.turn.problems import RefusedTurnError
    from planctl.workspace import Workspace

turn_app = typer.Typer(
    help="Turns of supervisor and engineer.", no_args_is_help=True, rich_markup_mode=None
)
_MAX_TEXT = 1_000_000
_PLACES = "a FILE, `-` for stdin, or `--message TEXT`"


@turn_app.command("open")
def turn_open(
    initiative: Annotated[
        str | None, typer.Argument(help="Initiative; without it what `ledger next` names.")
    ] = None,
    role: Annotated[
        str | None, typer.Option("--role", help="Who works; PLANCTL_ROLE without it.")
    ] = None,
    phase: Annotated[str | None, typer.Option("--phase", help="The phase it works on.")] = None,
    json_: Json = False,
) -> None:
    """Open a turn: note where it starts from, and whose uncommitted files there are."""
    from planctl.cli import render
    from planctl.ops.turn.opening import open_turn
    from planctl.workspace import Workspace

    turn = open_turn(Workspace.open(), role, initiative, phase)
    if json_:
        render.emit_json(turn.as_dict())
    else:
        _print_open(turn, everything=False)


@turn_app.command("show")
def turn_show(json_: Json = False) -> int:
    """Print the open turn; exit 1 if there is none."""
    from planctl.cli import render
    from planctl.ops.turn.state import current_turn
    from planctl.workspace import Workspace

    turn = current_turn(Workspace.open())
    if json_:
        render.emit_json({"open": turn is not None} | (turn.as_dict() if turn else {}))
    elif turn is None:
        render.line("no turn is open")
    else:
        _print_open(turn, everything=True)
    return 0 if turn is not None else 1


def _print_open(turn: OpenTurn, everything: bool) -> None:
    from planctl import clock
    from planctl._text import count
    from planctl.cli import render

    on = f"{turn.focus}, phase {turn.phase}" if turn.phase else turn.focus
    render.line(f"turn {turn.shown} ({turn.id}): {turn.role} on {on}")
    render.line(f"  opened {clock.iso(turn.opened)} at {turn.base[:12]} on {turn.branch}")
    if turn.dirty:
        were = "was" if len(turn.dirty) == 1 else "were"
        said = f"  {count(len(turn.dirty), 'file')} {were} dirty before: not committed with it"
        render.line(said)
    for path in turn.dirty if everything else ():
        render.line(f"    {path}")


@turn_app.command("close")
def turn_close(
    source: Annotated[
        str | None, typer.Argument(metavar="[FILE|-]", help="File with the words; - for stdin.")
    ] = None,
    from_file: Annotated[
        str | None, typer.Option("--from-file", metavar="FILE", help="The same; - for stdin.")
    ] = None,
    message: Annotated[str | None, typer.Option("--message", help="The words themselves.")] = None,
    next_: Annotated[str | None, typer.Option("--next", help="What comes next.")] = None,
    accept: Annotated[
        str | None,
        typer.Option(
            "--accept-unsupported",
            metavar="WHY",
            help="Let claims stand that nothing supports; your name is recorded.",
        ),
    ] = None,
    include: Annotated[
        list[str] | None,
        typer.Option("--include", metavar="PATH", help="Take along what was dirty before."),
    ] = None,
    subject: Annotated[
        str | None, typer.Option("--subject", help="Template of the commit's first line.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Judge and show; write nothing.")
    ] = False,
    no_commit: Annotated[
        bool, typer.Option("--no-commit", help="Write, but leave the commit to you.")
    ] = False,
    json_: Json = False,
) -> int:
    """Close the turn: judge its words, write summary, record and ledger, make one commit."""
    from planctl.cli import render
    from planctl.ops.turn.closing import close_turn
    from planctl.ops.turn.problems import RefusedTurnError
    from planctl.workspace import Workspace

    workspace = Workspace.open()
    prose = _words(workspace, source, from_file, message, next_)
    try:
        closed = close_turn(
            workspace,
            prose,
            accept=accept,
            commit=not no_commit,
            subject=subject,
            include=tuple(include or ()),
            dry_run=dry_run,
        )
    except RefusedTurnError as error:
        if json_:
            render.emit_json(error.as_dict())
        else:
            _print_refused(error)
        return error.exit_code
    if json_:
        render.emit_json(closed.as_dict())
    else:
        _print_closed(closed)
    return 0


def _words(
    workspace: Workspace,
    source: str | None,
    from_file: str | None,
    message: str | None,
    next_: str | None,
) -> TurnProse:
    from dataclasses import replace

    from planctl.errors import UsageError
    from planctl.models.turn.prose import TurnProse
    from planctl.ops.turn.journal import begun

    given = [item for item in (source, from_file, message) if item is not None]
    if len(given) > 1:
        raise UsageError("the words come from one place", _PLACES)
    if not given and begun(workspace) is None:
        raise UsageError("a turn is closed with words: there are none", _PLACES)
    text = message if message is not None else _read(given[0]) if given else ""
    prose = TurnProse.parse(text)
    return prose if next_ is None else replace(prose, next=" ".join(next_.split()))


def _read(name: str) -> str:
    import sys
    from pathlib import Path

    from planctl._files import read_text
    from planctl.errors import BadFileError

    try:
        if name == "-":
            return sys.stdin.buffer.read(_MAX_TEXT).decode("utf-8")
        return read_text(Path(name), _MAX_TEXT)
    except UnicodeDecodeError as error:
        hint = "save it as UTF-8"
        raise BadFileError(name, f"is not UTF-8 at byte {error.start}", hint=hint) from error
    except OSError as error:
        hint = "name a file with the words, `-` for stdin, or give `--message`"
        what = f"cannot be read: {error.strerror or error}"
        raise BadFileError(name, what, hint=hint) from error


def _print_refused(error: RefusedTurnError) -> None:
    import sys

    from planctl._text import count
    from planctl.cli import render

    number = len(error.problems)
    print(f"error: the turn is not closed: {count(number, 'problem')}", file=sys.stderr)
    for problem in error.problems:
        render.line(f"{problem.kind}: {problem.claim}")
        said = f"{problem.answer}: " if problem.answer else ""
        render.line(f"  found: {said}{problem.found}")
        if problem.nearest:
            render.line(f"  nearest: {problem.nearest}")
        if problem.way_out:
            render.line(f"  mend: {problem.way_out}")
        if not problem.acceptable:
            render.line("  cannot be accepted")
    if any(problem.acceptable for problem in error.problems):
        hint = "`--accept-unsupported WHY` lets what can be accepted stand, with your name"
        print(f"hint: {hint}", file=sys.stderr)


def _print_closed(closed: ClosedTurn) -> None:
    from planctl.cli import render

    record = closed.record
    verb = "would be closed" if closed.dry_run else f"is {record.outcome.replace('_', ' ')}"
    render.line(f"turn {record.shown} {verb}: {closed.path}")
    if closed.dry_run or closed.commit is None:
        render.line(closed.block.rstrip("\n"))
        render.line("commit message:")
        render.line(closed.message.rstrip("\n"))
    else:
        render.line(f"commit {closed.commit[:12]}: {closed.message.partition(chr(10))[0]}")
    for item in record.skipped:
        size = "" if item.bytes is None else f", {item.bytes:,} bytes"
        render.line(f"not committed: {item.path} ({item.why}{size})")
    for taken in record.accepted:
        render.line(f"accepted unsupported: {taken.claim} ({taken.found}) by {taken.by}")
    for note in closed.notes:
        render.line(f"note: {note}")


@turn_app.command("abandon")
def turn_abandon(
    reason: Annotated[str, typer.Option("--reason", help="Why it is given up.")],
    no_commit: Annotated[
        bool, typer.Option("--no-commit", help="Write the record, but do not commit it.")
    ] = False,
    json_: Json = False,
) -> None:
    """Give the turn up: nothing is judged, its files stay, a record says why."""
    from planctl.cli import render
    from planctl.ops.turn.abandoning import abandon_turn
    from planctl.workspace import Workspace

    closed = abandon_turn(Workspace.open(), reason, commit=not no_commit)
    if json_:
        render.emit_json(closed.as_dict())
    else:
        _print_closed(closed)


@turn_app.command("check")
def turn_check(
    revisions: Annotated[
        str | None,
        typer.Argument(
            metavar="[FIRST..LAST]", help="Commits; without it all since the first turn."
        ),
    ] = None,
    json_: Json = False,
) -> int:
    """Compare commits that say they are turns with their records; exit 1 if one is not."""
    from planctl._text import count
    from planctl.cli import render
    from planctl.ops.turn.check import check_turns
    from planctl.workspace import Workspace

    result = check_turns(Workspace.open(), revisions)
    if json_:
        render.emit_json(result.as_dict())
        return 0 if result.ok else 1
    seen = f"{count(result.commits, 'commit')}, {count(result.turns, 'turn')}"
    render.line(f"{result.target}: {seen}, {count(len(result.findings), 'finding')}")
    for item in result.findings:
        where = item.commit[:12] if item.commit else item.path
        subject = f" ({item.subject})" if item.subject else ""
        render.line(f"{item.kind}: {where}: {item.text}{subject}")
    for note in result.notes:
        render.talk(f"note: {note}")
    return 0 if result.ok else 1

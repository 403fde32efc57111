"""`planctl at`, `bisect` and `next-green`: what was proven when, and the way back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from planctl.cli.evidence import Json

if TYPE_CHECKING:
    from planctl.models.trail import Trail, Turn
    from planctl.models.way_back import Action, WayBack
    from planctl.ops.bisect import Bisection
    from planctl.ops.past.at import PastReport

_SHOWN = 6


def at(
    revision: Annotated[
        str, typer.Argument(metavar="COMMIT", help="An id, also a short one, a tag, `HEAD~3`.")
    ],
    initiative: Annotated[str | None, typer.Argument(help="Initiative; all without it.")] = None,
    phase: Annotated[str | None, typer.Argument(help="Phase; all without it.")] = None,
    json_: Json = False,
) -> int:
    """Say what was proven at a commit; exit 0 if every step was fresh or waived, else 1.

    Nothing is checked out: the verdicts are those of a clean clone of the commit.
    """
    from planctl.cli import render
    from planctl.ops.past.at import at as look
    from planctl.workspace import Workspace

    result = look(Workspace.open(), revision, initiative, phase)
    if json_:
        render.emit_json(result.as_dict())
    else:
        _past(result)
    return 0 if result.ok else 1


def _past(result: PastReport) -> None:
    from planctl.cli import render

    render.line(f"{result.commit}  {result.subject}")
    render.line(f"authored {result.authored}, committed {result.committed} (the commit says so)")
    for report in result.reports:
        render.report(report)
    for note in result.notes:
        render.line(f"note: {note}")


def bisect(
    target: Annotated[
        str, typer.Argument(help="A checklist row, a step, an artifact or an input.")
    ],
    initiative: Annotated[str | None, typer.Argument(help="Initiative; all without it.")] = None,
    good: Annotated[
        str | None, typer.Option("--good", metavar="COMMIT", help="Start here; proven there.")
    ] = None,
    bad: Annotated[
        str | None, typer.Option("--bad", metavar="COMMIT", help="End here; HEAD without it.")
    ] = None,
    all_: Annotated[
        bool, typer.Option("--all", help="Print every change of the verdict, not just the last.")
    ] = False,
    json_: Json = False,
) -> int:
    """Find the commit where a proof was lost; exit 0 if there is one, else 1.

    Nothing is run again and nothing is checked out: recorded ids tell it.
    """
    from planctl.cli import render
    from planctl.ops.bisect import bisect as find
    from planctl.workspace import Workspace

    result = find(Workspace.open(), target, initiative, good, bad)
    if json_:
        render.emit_json(result.as_dict())
    else:
        _bisection(result, all_)
    return 0 if result.found else 1


def _bisection(result: Bisection, everything: bool) -> None:
    from planctl.cli import render

    for trail in result.trails:
        render.line(f"{trail.step} of {trail.initiative}: {trail.verdict} at {result.bad[:8]}")
        turns = trail.turns if everything else [trail.lost] if trail.lost else []
        for turn in turns:
            _turn(turn)
        if not turns:
            losses = sum(turn.kind == "lost" for turn in trail.turns)
            render.line(f"  {_unlost(trail, losses)}")
    for note in result.notes:
        render.line(f"note: {note}")
    judged = f"{result.judged} of {result.commits} commits moved anything it rests on"
    render.line(f"{judged}; nothing was run again")


def _unlost(trail: Trail, losses: int) -> str:
    if trail.proven:
        again = "" if not losses else f"; {losses} times lost and regained (`--all` lists them)"
        return f"it is proven{again}"
    return "it was never proven" if not losses else "it was proven and lost before"


def _turn(turn: Turn) -> None:
    from planctl.cli import render

    merge = " (a merge)" if turn.merge else ""
    render.line(f"  {turn.kind} by {turn.commit}{merge}: {turn.before} → {turn.after}")
    render.line(f"    {turn.authored}  {turn.subject}")
    if len(turn.chain) > 1:
        render.line(f"    through {' → '.join(turn.chain)}")
    for reason in turn.reasons[:1]:
        render.line(f"    {reason}")
    for item in turn.moved[:_SHOWN]:
        before, then = item.recorded or "nothing", item.now or "nothing"
        render.line(f"    {item.name}: recorded {before}, then {then}")
        if item.commit and item.commit != turn.commit:
            render.line(f"      by {item.commit}  {item.subject}")
    if len(turn.moved) > _SHOWN:
        render.line(f"    and {len(turn.moved) - _SHOWN} more (`--json` lists them)")


def next_green(
    initiatives: Annotated[
        list[str] | None, typer.Argument(metavar="[INITIATIVE]…", help="Initiatives; all without.")
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option("--budget", metavar="TIME", help="At most so long (`30m`): what proves most."),
    ] = None,
    json_: Json = False,
) -> int:
    """Print the cheapest commands back to all-fresh, in order; exit 0 if all is fresh, else 1.

    What is printed is a shell script: everything but the commands is a comment.
    """
    from planctl.cli import render
    from planctl.errors import UsageError
    from planctl.models.plan.plan import parse_duration_s
    from planctl.ops.next_green import next_green as find
    from planctl.workspace import Workspace

    try:
        seconds = parse_duration_s(budget)
    except ValueError as error:
        raise UsageError(f"--budget: {error}") from error
    way = find(Workspace.open(), tuple(initiatives or ()), seconds)
    if json_:
        render.emit_json(way.as_dict())
    else:
        _way_back(way)
    return 0 if way.ok else 1


def _way_back(way: WayBack) -> None:
    from planctl.cli import render

    for name in way.waived:
        render.line(f"# waived: {name}")
    for item in way.blocked:
        render.line(f"# cannot run: {item.initiative}/{item.step}: {_one_line(item.reason)}")
    for action in way.actions:
        render.line(f"# {_one_line(action.reason)}{_cost(action)}")
        render.line(action.command)
    if way.rest:
        choice = "" if way.exact else " (a good choice; there may be a better one)"
        render.line(f"# left out by the budget{choice}:")
    for action in way.rest:
        render.line(f"#   {_one_line(action.command)}{_cost(action)}")
    render.line(f"# {_sum(way)}")


def _one_line(text: str) -> str:
    # A comment ends with its line: what a name holds must not become a command.
    return " ".join(text.splitlines())


def _cost(action: Action) -> str:
    if action.kind != "run":
        return ""
    seconds = "unknown" if action.duration_s is None else spelled(action.duration_s)
    return f"  [{seconds}: {action.basis}]"


def _sum(way: WayBack) -> str:
    if way.ok:
        return "everything is fresh or waived"
    runs = sum(action.kind == "run" for action in way.actions)
    unknown = f", and {way.unknown} of unknown duration" if way.unknown else ""
    return f"{runs} to run, {spelled(way.total_s)} as they took before{unknown}"


def spelled(seconds: float) -> str:
    """Spell a duration: `3.2 s`, `4 min 10 s`, `2 h 5 min`."""
    if seconds < 1:
        return "under 1 s"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"

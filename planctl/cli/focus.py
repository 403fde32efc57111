"""`planctl blocked`, `unblock`, `dwell` and `wait`: what stands in the way, and the way out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from planctl.cli.evidence import Json

if TYPE_CHECKING:
    from planctl.ops.blocking.unblock import Unblocked
    from planctl.ops.blocking.waits import WaitResult, WaitView
    from planctl.ops.dwell import DwellReport
    from planctl.ops.focus import FocusState

Timeout = Annotated[
    str | None,
    typer.Option("--timeout", help="End a condition after this long (`45s`, `10m`, `2h`)."),
]


def _seconds(text: str | None) -> float | None:
    from planctl.errors import UsageError
    from planctl.models.plan.plan import parse_duration_s

    try:
        return parse_duration_s(text)
    except ValueError as error:
        raise UsageError(f"--timeout: {error}") from error


def blocked(
    initiative: Annotated[str | None, typer.Argument(help="Initiative; all without it.")] = None,
    json_: Json = False,
) -> None:
    """Print who is blocked, waiting or locked, on what, and the way out."""
    from planctl.cli import render
    from planctl.ops.blocking.blocked import blocked as look
    from planctl.workspace import Workspace

    states = look(Workspace.open(), initiative)
    if json_:
        render.emit_json([state.as_dict() for state in states])
        return
    for state in states:
        _print_state(state)
    if not states:
        render.talk("nothing is blocked")


def _print_state(state: FocusState) -> None:
    from planctl.cli import render

    words = [word for word in ("locked", "blocked", "waiting", "due") if getattr(state, word)]
    free = "stands still" if state.tier else "free"
    render.line(f"{state.initiative}: {', '.join(words) or free}")
    told_below = state.blocked and not state.locked and state.blockers
    if state.why and not told_below:
        render.line(f"  {state.why}")
    for item in state.blockers:
        told = item.facts
        render.line(f"  {told.reason or told.title} ({told.signature}, {told.in_a_row} in a row)")
        render.line(f"    {item.path}")
        render.line(f"    until: {told.return_condition}")
    if state.way_out:
        render.line(f"  way out: {state.way_out}")


def unblock(
    initiative: Annotated[str, typer.Argument(help="Initiative.")],
    blocker: Annotated[
        str | None, typer.Option("--blocker", help="Only this blocker: path or part of its name.")
    ] = None,
    because: Annotated[
        str | None, typer.Option("--because", help="A person's reason; no condition is run.")
    ] = None,
    dwell: Annotated[
        bool, typer.Option("--dwell", help="Unlock a focus that stood still; needs --because.")
    ] = False,
    timeout: Timeout = None,
    json_: Json = False,
) -> int:
    """Run the return conditions of the open blockers; exit 0 if they hold, else 1."""
    from planctl.cli import render
    from planctl.errors import UsageError
    from planctl.ops.blocking import unblock as operation
    from planctl.workspace import Workspace

    workspace = Workspace.open()
    if dwell:
        if because is None or blocker is not None:
            raise UsageError("`--dwell` goes with `--because`, and without `--blocker`")
        result = operation.unlock(workspace, initiative, because)
    else:
        reporter = render.LiveReporter(prefix=False)
        limit = _seconds(timeout)
        result = operation.unblock(workspace, initiative, reporter, blocker, because, limit)
    if json_:
        render.emit_json(result.as_dict())
    else:
        _print_unblocked(result)
    return 0 if result.ok else 1


def _print_unblocked(result: Unblocked) -> None:
    import shlex

    from planctl.cli import render
    from planctl.workspace import LEDGER

    render.line(f"{result.initiative}: {result.text}")
    for item in result.still:
        render.line(f"  {item.blocker}")
        for line in item.seen:
            render.line(f"    {line}")
        if item.log:
            render.line(f"    log: {item.log}")
    for path in result.written:
        render.line(f"wrote {path}")
    if result.ok and result.written:
        ledger = () if result.status is None else (LEDGER,)
        paths = shlex.join(dict.fromkeys((*ledger, *result.resolved, *result.written)))
        said = shlex.quote(f"{result.initiative}: unblocked")
        render.line(f"to commit: git add {paths} && git commit -m {said} -- {paths}")


def dwell(
    initiative: Annotated[str | None, typer.Argument(help="Initiative; all without it.")] = None,
    below: Annotated[
        int | None, typer.Option("--below", min=1, help="Exit 1 unless the dwell is below this.")
    ] = None,
    json_: Json = False,
) -> int:
    """Print how many turns moved nothing that the rows of a focus depend on."""
    from planctl.cli import render
    from planctl.ops.dwell import dwell_reports
    from planctl.workspace import Workspace

    workspace = Workspace.open()
    names = [initiative] if initiative else workspace.initiatives()
    reports = dwell_reports(workspace, names)
    if json_:
        values = [report.as_dict() for report in reports]
        render.emit_json(values[0] if initiative else values)
    else:
        for report in reports:
            _print_dwell(report)
    return 0 if below is None or all(report.dwell < below for report in reports) else 1


def _print_dwell(report: DwellReport) -> None:
    from planctl._text import count
    from planctl.cli import render

    first, second, third = report.tiers
    tiers = f"tier {report.tier} (tiers at {first}, {second}, {third})"
    render.line(f"{report.initiative}: {count(report.dwell, 'turn')} without progress, {tiers}")
    if report.advice:
        render.line(f"  {report.advice}")
    for turn in report.turns:
        came_to = ", ".join((*turn.touched[:3], *(f"{step} proven" for step in turn.gained)))
        what = f"progress: {came_to}" if turn.progress else f"only {turn.only}"
        note = "" if turn.counted or turn.progress else " (does not count)"
        render.line(f"  {turn.number:05} {turn.role}: {what}{note}")
    for row in report.rows:
        split = f"{row.tools} tools, {row.docs} docs, {row.reruns} re-runs, {row.other} other"
        over = f"; over its budget of {report.budget}" if row.over else ""
        name = " ".join((*row.rows, row.step))
        render.line(f"  {name} ({row.verdict}): {count(row.turns, 'turn')} ({split}){over}")
    if report.unlocked:
        render.line(f"  unlocked {report.unlocked}")
    for text in report.ignored:
        render.line(f"  not counted: {text}")


def wait(
    initiative: Annotated[str | None, typer.Argument(help="Initiative; lists without it.")] = None,
    what: Annotated[
        str | None, typer.Option("--for", help="What it waits for, outside the repository.")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="DAY", help="The day to look again.")
    ] = None,
    check: Annotated[
        str | None, typer.Option("--check", help="A command that succeeds once it is there.")
    ] = None,
    over: Annotated[bool, typer.Option("--over", help="It is there: end the wait.")] = False,
    because: Annotated[
        str | None, typer.Option("--because", help="With --over: a reason; no check is run.")
    ] = None,
    timeout: Timeout = None,
    json_: Json = False,
) -> int:
    """Let a focus wait for something outside, end a wait, or list the waits."""
    from planctl.cli import render
    from planctl.errors import UsageError
    from planctl.ops.blocking import waits
    from planctl.workspace import Workspace

    workspace, asked = Workspace.open(), (what, until, check)
    if initiative is None or (not over and asked == (None, None, None)):
        if over or because is not None or any(asked):
            raise UsageError("which initiative?", "`planctl wait ID --for '…' --until 2026-12-01`")
        return _list_waits(waits.waits_of(workspace, initiative), json_)
    if over and any(asked):
        raise UsageError("`--over` ends a wait; `--for`, `--until` and `--check` begin one")
    if over:
        reporter = render.LiveReporter(prefix=False)
        limit = _seconds(timeout)
        result = waits.end_wait(workspace, initiative, reporter, because, limit)
    elif until is None or because is not None:
        raise UsageError("a wait needs the day to look again", "`--until 2026-12-01`")
    else:
        result = waits.begin_wait(workspace, initiative, what, until, check)
    _print_wait(result, json_)
    return 0 if result.ok else 1


def _print_wait(result: WaitResult, as_json: bool) -> None:
    from planctl.cli import render

    if as_json:
        render.emit_json(result.as_dict())
        return
    render.line(result.text)
    if result.held is not None and not result.ok:
        for line in result.held.seen:
            render.line(f"  {line}")
        if result.held.log:
            render.line(f"  log: {result.held.log}")
    if result.written:
        render.line(f"wrote {result.written}")


def _list_waits(found: tuple[WaitView, ...], as_json: bool) -> int:
    from dataclasses import asdict

    from planctl.cli import render

    if as_json:
        render.emit_json([asdict(item) for item in found])
        return 0
    for item in found:
        when = "look again now" if item.due else f"in {item.days} days"
        render.line(f"{item.initiative}: waits for {item.what} until {item.until} ({when})")
        render.line(f"  {item.over}")
    if not found:
        render.talk("nothing waits")
    return 0


def retro(
    initiative: Annotated[str | None, typer.Argument(help="Initiative; all without it.")] = None,
    last: Annotated[int, typer.Option("-n", "--last", min=1, max=1000, help="Turns.")] = 10,
    json_: Json = False,
) -> None:
    """Look back over the last turns: what they came to, and what to change."""
    from planctl.cli import render, retrospect
    from planctl.ops.retro import retro as look
    from planctl.workspace import Workspace

    result = look(Workspace.open(), initiative, last)
    if json_:
        render.emit_json(result.as_dict())
    else:
        retrospect.show(result)

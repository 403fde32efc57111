"""`planctl verify`, `why` and `status`: what is proven, and why not."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from planctl.cli.formats import Format, FormatOption, chosen

if TYPE_CHECKING:
    from planctl.models.plan.plan import Plan
    from planctl.models.timeline import Timeline
    from planctl.models.verdict import VerifyReport
    from planctl.workspace import Workspace

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Scratch = Annotated[
    Path | None,
    typer.Option("--scratch", help="Judge the runs recorded in this hub instead of the plan's."),
]
SetValue = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Replace a value of the plan's `env`."),
]


class Require(enum.StrEnum):
    """What receipts must carry, weakest first."""

    RECORDED = "recorded"
    SIGNED = "signed"
    OTHER_ROLE = "other-role"


def pairs(values: list[str] | None) -> dict[str, str]:
    """Read `NAME=VALUE` words.

    Raises:
        UsageError: A word without `=`.
    """
    from planctl.errors import UsageError

    found: dict[str, str] = {}
    for word in values or []:
        name, sign, value = word.partition("=")
        if not sign or not name:
            raise UsageError(f"`--set {word}` is not NAME=VALUE")
        found[name] = value
    return found


def verify(
    initiative: Annotated[str | None, typer.Argument(help="Initiative; all without it.")] = None,
    phase: Annotated[str | None, typer.Argument(help="Phase; all without it.")] = None,
    times: Annotated[
        bool, typer.Option("--times", help="List every time of every artifact beside git's.")
    ] = False,
    scratch: Scratch = None,
    set_: SetValue = None,
    signers: Annotated[
        Path | None,
        typer.Option(
            "--allowed-signers", help="Trust the keys of this file, not the repository's."
        ),
    ] = None,
    require: Annotated[
        Require, typer.Option("--require", help="Ask at least this of every phase.")
    ] = Require.RECORDED,
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Read every byte again, whatever git's index says.")
    ] = False,
    form: FormatOption = Format.TABLE,
    json_: Json = False,
) -> int:
    """Decide what the receipts prove now; exit 0 if every step is fresh or waived, else 1."""
    from planctl.models.signing.policy import Requirement
    from planctl.ops.signing.trust import Auditor
    from planctl.ops.together import verify_all
    from planctl.ops.verify import verify as judge
    from planctl.workspace import Workspace

    shape = chosen(form, json_, times)
    auditor = Auditor(signers, Requirement(require.value))
    workspace = Workspace.open()
    names = [initiative] if initiative else workspace.every_initiative()
    plans = [workspace.load_plan_with(name, pairs(set_)) for name in names]
    if scratch:
        hubs = [(plan, workspace.hub(plan, scratch)) for plan in plans]
        reports = [
            judge(workspace, plan, phase, hub, auditor=auditor, cache=not no_cache)
            for plan, hub in hubs
        ]
    else:
        reports = verify_all(workspace, plans, phase, auditor, cache=not no_cache)
    results = [
        (report, _timelines(workspace, plan, report) if times else ())
        for plan, report in zip(plans, reports, strict=True)
    ]
    if shape in (Format.TABLE, Format.JSON):
        _print(results, shape, times, initiative is None)
    else:
        from planctl.cli.formats import print_verdicts

        print_verdicts(shape, workspace, plans, reports)
    return 0 if all(report.ok for report in reports) else 1


def _timelines(workspace: Workspace, plan: Plan, report: VerifyReport) -> tuple[Timeline, ...]:
    from planctl.ops.times import timelines

    return timelines(workspace, plan, report)


def _print(
    results: list[tuple[VerifyReport, tuple[Timeline, ...]]], shape: Format, times: bool, many: bool
) -> None:
    from planctl.cli import render

    if shape is Format.JSON:
        from dataclasses import asdict

        values = [
            r.as_dict() | ({"times": [asdict(item) for item in t]} if times else {})
            for r, t in results
        ]
        render.emit_json(values if many else values[0])
        return
    for report, lines in results:
        render.report(report)
        for item in lines:
            render.timeline(item)


def why(
    target: Annotated[str, typer.Argument(help="A row, a step, a path, a receipt, or a commit.")],
    initiative: Annotated[
        str | None, typer.Option("--id", help="Only look in this initiative.")
    ] = None,
    json_: Json = False,
) -> int:
    """Print what decided, with both ids, and the way back; exit 0 if all is proven, else 1."""
    from planctl.cli import explanation, render
    from planctl.ops.why_commit import why_any
    from planctl.workspace import Workspace

    answers = why_any(Workspace.open(), target, initiative)
    if json_:
        render.emit_json([item.as_dict() for item in answers])
    else:
        for item in answers:
            explanation.explain(item)
    return 0 if all(item.ok for item in answers) else 1


def status(json_: Json = False) -> None:
    """Print one line an initiative: what is proven, what is next."""
    from dataclasses import asdict

    from planctl.cli import render
    from planctl.ops.status import status as look
    from planctl.workspace import Workspace

    rows = look(Workspace.open())
    if json_:
        render.emit_json([asdict(row) for row in rows])
        return
    render.table(
        "initiatives",
        ("initiative", "title", "priority", "proven", "stale", "state", "next"),
        (
            (
                row.initiative,
                row.title,
                row.priority,
                f"{row.proven}/{row.steps}",
                str(row.stale) if row.stale else "–",
                row.state,
                row.next or "–",
            )
            for row in rows
        ),
    )

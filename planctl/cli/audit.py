"""`planctl audit`: what a history claimed, against what its commits hold."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from planctl.models.audit import AuditFinding, AuditReport, AuditTotal

_SHOWN = 5


def audit(
    revisions: Annotated[
        str | None,
        typer.Argument(metavar="[FIRST..LAST]", help="Commits; all that HEAD has without it."),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option("--file", metavar="FILE", help="Read the turns of one file, no history."),
    ] = None,
    summaries: Annotated[
        list[str] | None,
        typer.Option("--summaries", metavar="GLOB", help="Which files are summaries; repeatable."),
    ] = None,
    kind: Annotated[
        list[str] | None,
        typer.Option("--kind", metavar="KIND", help="Show findings of this kind only; repeatable."),
    ] = None,
    all_: Annotated[
        bool, typer.Option("--all", help=f"Show every finding, not the first {_SHOWN} of a kind.")
    ] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> int:
    """Check what a history claimed against what its commits hold; exit 1 if something was found."""
    from planctl.cli import render
    from planctl.cli.claims import require_known
    from planctl.errors import UsageError
    from planctl.ops.audit import audit as look
    from planctl.ops.audit import audit_file
    from planctl.workspace import Workspace

    if file is not None and (revisions or summaries):
        raise UsageError("`--file` takes no revisions and no globs", "give one or the other")
    workspace = Workspace.open()
    if file is not None:
        report = audit_file(workspace, file)
    else:
        report = look(workspace, revisions, tuple(summaries or ()))
    known = {*(total.key for total in report.totals), *(item.kind for item in report.findings)}
    require_known(kind, tuple(sorted(known)))
    if json_:
        render.emit_json(report.as_dict())
    else:
        _show(report, tuple(kind or ()), all_)
    return 0 if report.ok else 1


def _show(report: AuditReport, kinds: tuple[str, ...], everything: bool) -> None:
    from planctl._text import count
    from planctl.cli import render

    where = f"{report.revisions}: {count(report.commits, 'commit')}, {report.texts} with prose"
    title = where if report.commits else report.revisions
    render.table(
        title, ("what", "count", "of", "%"), map(_row, filter(_says_something, report.totals))
    )
    for note in report.notes:
        render.line(f"note: {note}")
    by_kind: dict[str, list[AuditFinding]] = {}
    for item in report.findings:
        if not kinds or any(item.kind == k or item.kind.startswith(f"{k}.") for k in kinds):
            by_kind.setdefault(item.kind, []).append(item)
    for kind, found in by_kind.items():
        render.line("")
        render.line(f"{kind}: {len(found)}")
        for item in found if everything else found[:_SHOWN]:
            render.line(f"  {_spelled(item)}")
        if not everything and len(found) > _SHOWN:
            render.line(f"  and {len(found) - _SHOWN} more (`--all`, `--kind {kind}`, `--json`)")


def _says_something(total: AuditTotal) -> bool:
    """Tell whether a total belongs in the table: `0 of 0` and empty parts are noise."""
    return total.of != 0 and (total.count > 0 or total.part_of is None)


def _row(total: AuditTotal) -> tuple[str, str, str, str]:
    indent = "  " if total.part_of else ""
    percent = "" if total.percent is None else f"{total.percent:.1f}"
    of = "" if total.of is None else f"{total.of:,}"
    return f"{indent}{total.label}", f"{total.count:,}", of, percent


def _spelled(item: AuditFinding) -> str:
    place = item.path if item.line is None else f"{item.path}:{item.line}"
    commit = f"{item.commit[:8]} " if item.commit else ""
    said = "" if item.claim == item.path else f" {item.claim}"
    text = f": {item.text}" if item.text and item.text != item.verdict else ""
    return f"{commit}{place}{said} [{item.verdict}]{text}"

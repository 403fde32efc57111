"""`planctl claims`: what prose says, against receipts, logs, values and git."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from planctl.models.claims.judged import ClaimsReport, JudgedClaim


def claims(
    targets: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FILE…|FIRST..LAST]",
            help="Files of prose, or commits whose added lines are judged; "
            "every summary and ledger without it.",
        ),
    ] = None,
    now: Annotated[
        bool,
        typer.Option("--now", help="Judge files against the work tree, not at their commits."),
    ] = False,
    kind: Annotated[
        list[str] | None,
        typer.Option("--kind", metavar="KIND", help="Show claims of this kind only; repeatable."),
    ] = None,
    all_: Annotated[
        bool, typer.Option("--all", help="Show supported claims and those nobody can check, too.")
    ] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> int:
    """Judge every claim of summaries; exit 1 if one is contradicted or unsupported."""
    from planctl.cli import render
    from planctl.models.claims.judged import KINDS
    from planctl.ops.claims import claims as judge
    from planctl.workspace import Workspace

    require_known(kind, KINDS)
    report = judge(Workspace.open(), tuple(targets or ()), now)
    if json_:
        render.emit_json(report.as_dict())
    else:
        _show(report, tuple(kind or ()), all_)
    return 0 if report.ok else 1


def require_known(kinds: list[str] | None, known: tuple[str, ...]) -> None:
    """Refuse a `--kind` that nothing has: it would read as "nothing found".

    Raises:
        UsageError: It is none of the known ones.
    """
    from planctl.errors import UsageError

    for kind in kinds or ():
        if kind not in known:
            listed = ", ".join(f"`{name}`" for name in known)
            raise UsageError(f"`--kind {kind}` is no kind", f"there is {listed}")


def _show(report: ClaimsReport, kinds: tuple[str, ...], everything: bool) -> None:
    from planctl._text import count
    from planctl.cli import render
    from planctl.models.claims.judged import Answer

    counts = report.counts()
    answers = [answer.value for answer in Answer]
    render.table(
        f"{report.target}: {count(report.turns, 'turn summary').replace('summarys', 'summaries')}",
        ("claims", *answers),
        ([kind, *(str(row[answer]) for answer in answers)] for kind, row in counts.items()),
    )
    for note in report.notes:
        render.line(f"note: {note}")
    for item in report.claims:
        hidden = item.answer in (Answer.SUPPORTED, Answer.NOT_CHECKABLE) and not everything
        if not hidden and (not kinds or item.kind in kinds):
            render.line(_spelled(item))


def _spelled(item: JudgedClaim) -> str:
    at = f" at {item.commit[:8]}" if item.commit else ""
    found = f", {item.found}" if item.found else ""
    claim = " ".join(item.claim.split())
    return f"{item.path}:{item.line}: {item.kind} {claim} [{item.answer}{found}]{at}: {item.why}"

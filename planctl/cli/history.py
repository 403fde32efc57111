"""`planctl at`, `bisect` and `next-green`: what was proven when, and the way back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from planctl.cli.evidence import Json

if TYPE_CHECKING:
    from planctl.ops.past import PastReport


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
    from planctl.ops.past import at as look
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

"""`planctl adopt`: evidence that was there before planctl."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from planctl.cli.evidence import Json

if TYPE_CHECKING:
    from planctl.models.adoption import Adoption, Gap


def adopt(
    target: Annotated[
        str, typer.Argument(metavar="PATH|ID", help="A folder, or an initiative's id.")
    ],
    id_: Annotated[
        str | None, typer.Option("--id", help="Id for the initiative; else from its folder.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the proposed plan; write nothing.")
    ] = False,
    json_: Json = False,
) -> int:
    """Propose a plan for evidence that planctl did not record; no existing byte changes."""
    from planctl.cli import render
    from planctl.ops.adopt import adopt as take_in
    from planctl.workspace import Workspace

    answers = take_in(Workspace.open(), target, id_, dry_run)
    if json_:
        render.emit_json([item.as_dict() for item in answers])
    else:
        for item in answers:
            _show(item, dry_run)
    return 0 if all(item.proposal.plan for item in answers) else 1


def _show(item: Adoption, dry_run: bool) -> None:
    from planctl.cli import render
    from planctl.ops.adopt import summary

    proposal = item.proposal
    if dry_run and proposal.plan is not None:
        render.line(f"# would be {proposal.plan_path}")
        render.line(proposal.plan)
    elif item.known:
        _show_changes(item)
        return
    elif proposal.steps:
        render.table(
            proposal.initiative,
            ("phase", "step", "rows", "log", "command from"),
            ((s.phase, s.id, " ".join(s.rows), s.log, str(s.source)) for s in proposal.steps),
        )
    _show_gaps(proposal.gaps, f"{proposal.found_in}/")
    render.line(summary(item))
    if proposal.plan is None:
        render.line("no log says its command, and nobody wrote one down: there is no step to plan")
    for path in item.written:
        render.line(f"wrote {path}")
    if item.written:
        render.line(f"next: planctl verify {proposal.initiative}")


def _show_changes(item: Adoption) -> None:
    from planctl.cli import render

    proposal = item.proposal
    if not item.changes:
        render.line(f"{proposal.initiative}: adopted before; nothing new")
    for text in item.changes:
        render.line(text)
    if item.changes:
        render.line(f"{proposal.plan_path} and its record stay as they are")


def _show_gaps(found: tuple[Gap, ...], folder: str) -> None:
    from planctl._text import printable
    from planctl.cli import render

    if found:
        render.line(f"gaps; paths without more lie below {folder}")
    kind = None
    for gap in found:
        if gap.kind is not kind:
            kind = gap.kind
            number = sum(other.kind is kind for other in found)
            render.line(f"{kind} ({number}):")
        # A name with a line end must not look like a line of its own.
        where = printable(gap.where.removeprefix(folder))
        render.line(f"  {where}: {printable(gap.text.replace(folder, ''))}")

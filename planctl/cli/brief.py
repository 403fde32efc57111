"""`planctl brief`: write the next turn's order, or check one that somebody wrote."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from planctl.cli.evidence import Json

if TYPE_CHECKING:
    from planctl.models.brief.brief import Brief, BriefCheck, BriefProblem
    from planctl.workspace import Workspace


Target = Annotated[
    str | None,
    typer.Argument(
        metavar="[ID|FILE]",
        help="Initiative, the ledger's next without it; with --check a file, input.md without it.",
    ),
]
Phase = Annotated[
    str | None, typer.Option("--phase", help="Phase; the first that is not proven without it.")
]
Short = Annotated[bool, typer.Option("--short", help="Six sections instead of twelve.")]
Long = Annotated[bool, typer.Option("--long", help="All twelve, as without it.")]
Implement = Annotated[
    list[str] | None,
    typer.Option("--implement", metavar="PATH[::SYMBOL]", help="What must change; repeatable."),
]
Note = Annotated[
    list[str] | None,
    typer.Option("--note", metavar="TEXT", help="A further line for the reader; repeatable."),
]
Out = Annotated[str, typer.Option("--out", metavar="FILE|-", help="Write it there; `-` prints it.")]
Check = Annotated[
    bool, typer.Option("--check", help="Check a brief, whoever wrote it; write none.")
]
Fix = Annotated[
    bool, typer.Option("--fix", help="With --check: write pointers anew whose lines moved.")
]
Because = Annotated[
    str | None,
    typer.Option("--because", metavar="WHY", help="Why a person wants again what is proven."),
]
NoCollect = Annotated[
    bool, typer.Option("--no-collect", help="Do not ask pytest what the selectors collect.")
]


def brief(
    target: Target = None,
    phase: Phase = None,
    short: Short = False,
    long: Long = False,
    implement: Implement = None,
    note: Note = None,
    out: Out = "",
    check: Check = False,
    fix: Fix = False,
    because: Because = None,
    no_collect: NoCollect = False,
    json_: Json = False,
) -> int:
    """Write the next turn's order for what is not proven; exit 1 if all of it is."""
    from planctl.workspace import Workspace

    writing = bool(phase or short or long or implement or note or out)
    _require_fit(check, fix, writing)
    _require_one_form(short, long)
    workspace = Workspace.open()
    if check:
        return _check(workspace, target, because, not no_collect, fix, json_)
    from planctl.cli import render
    from planctl.ops.brief.write import write_brief
    from planctl.workspace import BRIEF

    place = None if out == "-" else _relative(workspace, out) if out else BRIEF
    made = write_brief(
        workspace,
        target,
        phase=phase,
        form="short" if short else "long",
        implement=tuple(implement or ()),
        note=tuple(note or ()),
        out=place,
        because=because,
        count=not no_collect,
    )
    if json_:
        render.emit_json(made.as_dict())
    elif place is None:
        render.emit(made.text)
    else:
        _told(made)
    return 0


def _require_fit(check: bool, fix: bool, writing: bool) -> None:
    from planctl.errors import UsageError

    if check and writing:
        raise UsageError("`--check` writes no brief", "leave out what says how to write one")
    if fix and not check:
        raise UsageError("`--fix` needs `--check`", "`planctl brief --check --fix [FILE]`")


def _require_one_form(short: bool, long: bool) -> None:
    from planctl.errors import UsageError

    if short and long:
        raise UsageError("`--short` and `--long` exclude each other", "give one of them, or none")


def _check(
    workspace: Workspace,
    target: str | None,
    because: str | None,
    collect: bool,
    fix: bool,
    as_json: bool,
) -> int:
    from planctl.cli import render
    from planctl.ops.brief.check import check_brief
    from planctl.workspace import BRIEF

    place = BRIEF if target is None else _relative(workspace, target)
    found = check_brief(workspace, place, because=because, collect=collect, fix=fix)
    if as_json:
        render.emit_json(found.as_dict())
    else:
        _show(found)
    return 0 if found.ok else 1


def _relative(workspace: Workspace, typed: str) -> str:
    """Return a file as typed in the working directory, relative to the root where it lies in it."""
    from pathlib import Path

    return workspace.relative(Path(os.path.normpath(Path.cwd() / typed)))


def _told(made: Brief) -> None:
    from planctl.cli import render

    steps = ", ".join(made.steps)
    render.line(f"{made.path}: {made.focus}, phase {made.phase}: {steps}")


def _show(found: BriefCheck) -> None:
    from planctl._text import count
    from planctl.cli import render

    for problem in found.problems:
        render.line(_spelled(found.path, problem))
    for text in (*(f"note: {item}" for item in found.notes), *(f"fixed: {f}" for f in found.fixed)):
        render.line(text)
    if found.ok:
        tests = count(sum(number for _, number in found.collected), "test")
        steps = ", ".join(found.orders) or "no step of the plan"
        render.line(f"{found.path}: ok: {found.focus}; orders {steps}; collects {tests}")
    else:
        render.line(f"{found.path}: {count(len(found.problems), 'problem')}")


def _spelled(path: str, problem: BriefProblem) -> str:
    value = f" `{problem.value}`" if problem.value else ""
    head = f"{path}:{problem.line}: {problem.kind}: {problem.field}{value}: {problem.text}"
    return f"{head}; {problem.way_out}" if problem.way_out else head

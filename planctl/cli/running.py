"""`planctl run-phase` and `planctl run`: commands run and recorded."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated

import typer

from planctl.cli.evidence import Json, SetValue, pairs


class ExecutorName(enum.StrEnum):
    """Where steps run."""

    LOCAL = "local"
    SLURM = "slurm"


def run_phase(
    initiative: Annotated[str, typer.Argument(help="Initiative.")],
    phase: Annotated[str, typer.Argument(help="Phase.")],
    step: Annotated[
        str | None, typer.Option("--step", help="Only this step, and what it needs.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Run it even if it is fresh.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would run.")] = False,
    jobs: Annotated[
        int, typer.Option("--jobs", min=1, max=64, help="Steps that may run at once.")
    ] = 1,
    executor: Annotated[
        ExecutorName, typer.Option("--executor", help="Where steps run: here or on Slurm.")
    ] = ExecutorName.LOCAL,
    scratch: Annotated[
        Path | None,
        typer.Option("--scratch", help="Record into this folder; the plan's evidence stays."),
    ] = None,
    set_: SetValue = None,
    json_: Json = False,
) -> int:
    """Run the steps that are not proven, record them, and say what is proven now.

    The commands' output goes to stderr and into their logs.
    """
    from planctl.cli import render
    from planctl.ops.run_phase import RunOptions
    from planctl.ops.run_phase import run_phase as carry_out
    from planctl.workspace import Workspace

    options = RunOptions(step, force, dry_run, jobs, scratch, pairs(set_), executor.value)
    reporter = render.LiveReporter(prefix=jobs > 1)
    result = carry_out(Workspace.open(), initiative, phase, options, reporter)
    if json_:
        render.emit_json(result.as_dict())
    else:
        render.phase_result(result)
    return 0 if result.ok else 1


def run(
    command: Annotated[list[str], typer.Argument(help="The command, after `--`.")],
    initiative: Annotated[
        str | None, typer.Option("--id", help="Whose hub; needed if there are several.")
    ] = None,
    log: Annotated[str | None, typer.Option("--log", help="Name of the log in the hub.")] = None,
    inputs: Annotated[
        list[str] | None, typer.Option("--input", help="Glob of files the result depends on.")
    ] = None,
    json_: Json = False,
) -> int:
    """Run any command, logged and with a receipt; the exit code is the command's."""
    from dataclasses import asdict

    from planctl.cli import render
    from planctl.ops.run_once import run_once
    from planctl.workspace import Workspace

    reporter = render.LiveReporter(prefix=False)
    result = run_once(Workspace.open(), command, reporter, initiative, log, tuple(inputs or ()))
    if json_:
        render.emit_json(asdict(result))
    else:
        render.line(f"exit {result.exit_code}, log {result.log}")
        render.line(f"receipt {result.receipt}")
    return result.exit_code

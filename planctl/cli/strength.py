"""`planctl replay` and `planctl lint`: how much the evidence can bear."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from planctl.cli.evidence import Json
from planctl.cli.formats import Format, FormatOption

if TYPE_CHECKING:
    from planctl.models.lint import Finding
    from planctl.ops.lint.run import LintResult
    from planctl.ops.replay.one import StepReplay
    from planctl.ops.replay.run import ReplayResult


def replay(
    initiative: Annotated[str | None, typer.Argument(help="Initiative; all without it.")] = None,
    phase: Annotated[str | None, typer.Argument(help="Phase; all without it.")] = None,
    step: Annotated[str | None, typer.Option("--step", help="Only this step.")] = None,
    sample: Annotated[
        float, typer.Option("--sample", help="Fraction of the receipts, above 0; at least one.")
    ] = 1.0,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="Draws the same sample again.")
    ] = None,
    times: Annotated[int, typer.Option("--times", min=1, max=100, help="Runs of each.")] = 1,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would run.")] = False,
    json_: Json = False,
) -> int:
    """Run recorded steps again in a clean work tree; exit 0 if all agree with their receipts.

    The commands' output goes to stderr.
    """
    import secrets

    from planctl.cli import render
    from planctl.errors import UsageError
    from planctl.ops.replay.one import ReplayOptions
    from planctl.ops.replay.run import replay as carry_out
    from planctl.workspace import Workspace

    if not 0 < sample <= 1:
        raise UsageError(
            f"`--sample {sample:g}` is no fraction above 0", "1 takes all, 0.1 a tenth"
        )
    drawn = secrets.randbelow(2**31) if seed is None else seed
    workspace = Workspace.open()
    names = [initiative] if initiative else workspace.every_initiative()
    options = ReplayOptions(drawn, phase, step, sample, times, dry_run)
    result = carry_out(workspace, names, options, render.LiveReporter(prefix=False))
    if json_:
        render.emit_json(result.as_dict())
    else:
        _show_replay(result)
    return 0 if result.ok else 1


def _show_replay(result: ReplayResult) -> None:
    from planctl._text import count
    from planctl.cli import render

    rows = ((s.phase, s.step, s.outcome, _score(s), s.reason) for s in result.steps)
    title = f"replay of {len(result.steps)} of {count(result.of, 'receipt')}, seed {result.seed}"
    render.table(title, ("phase", "step", "outcome", "determinism", "what was seen"), rows)
    for step in result.steps:
        for text in _details(step):
            render.line(f"{step.step}: {text}")
    for path in result.leftovers:
        render.line(f"removed what an earlier replay left: {path}")


def _score(step: StepReplay) -> str:
    score = None if step.replay is None else step.replay.score
    return "" if score is None else f"{score:.2f}"


def _details(step: StepReplay) -> list[str]:
    if step.replay is None:
        return []
    made = step.replay
    said = [f"needs {need}: {how}" for need, how in made.needs.items()]
    for run in made.runs:
        said += [problem for problem in run.problems if problem != step.reason]
        said += [f"{a.declared}: {a.text}" for a in run.artifacts if a.outcome != "identical"]
    if made.nondeterministic:
        said.append(f"not deterministic: {', '.join(made.nondeterministic)}")
    if made.moved and not made.agreed:
        said.append(f"different from where it was recorded: {'; '.join(made.moved)}")
    return [*dict.fromkeys(said), f"filed {step.path}"]


def lint(
    initiative: Annotated[str | None, typer.Argument(help="Initiative; all without it.")] = None,
    form: FormatOption = Format.TABLE,
    json_: Json = False,
) -> int:
    """Look for what makes evidence weak; exit 1 if a finding is left that nobody has waived."""
    from planctl.cli import render
    from planctl.cli.formats import chosen, print_findings
    from planctl.models.lint import RULES
    from planctl.ops.lint.run import lint as look
    from planctl.workspace import Workspace

    shape = chosen(form, json_)
    workspace = Workspace.open()
    result = look(workspace, initiative)
    if shape is Format.JSON:
        render.emit_json(result.as_dict())
    elif shape is Format.TABLE:
        _show_findings(result)
    else:
        counting = [item.annotation() for item in result.findings if not item.waived]
        print_findings(shape, workspace, counting, RULES, "lint")
    return 0 if result.ok else 1


def _show_findings(result: LintResult) -> None:
    from planctl._text import count
    from planctl.cli import render
    from planctl.models.lint import BY_ID

    for item in result.findings:
        word = "waived" if item.waived else str(item.level)
        rule = BY_ID[item.rule]
        render.line(f"{_place(item)}: {word}: {item.rule} {rule.name}: {item.message}")
        render.line(f"  {item.waived or rule.help}")
    counting = sum(item.counts for item in result.findings)
    waived = sum(bool(item.waived) for item in result.findings)
    said = f"{count(counting, 'finding')}" if counting else "no finding"
    render.line(f"{said}{f', {waived} waived' if waived else ''}")


def _place(item: Finding) -> str:
    where = item.path if item.line is None else f"{item.path}:{item.line}"
    return f"{where}: {item.key}" if item.key else where

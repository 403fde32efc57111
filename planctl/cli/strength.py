"""`planctl replay` and `planctl lint`: how much the evidence can bear."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from planctl.cli.evidence import Json

if TYPE_CHECKING:
    from planctl.ops.replay import ReplayResult, StepReplay


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
    from planctl.ops.replay import ReplayOptions
    from planctl.ops.replay import replay as carry_out
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
    said = [f"{need} {how}" for need, how in made.needs.items()]
    for run in made.runs:
        said += [problem for problem in run.problems if problem != step.reason]
        said += [f"{a.declared}: {a.text}" for a in run.artifacts if a.outcome != "identical"]
    if made.nondeterministic:
        said.append(f"not deterministic: {', '.join(made.nondeterministic)}")
    if made.moved and not made.agreed:
        said.append(f"different from where it was recorded: {'; '.join(made.moved)}")
    return [*dict.fromkeys(said), f"filed {step.path}"]

"""What `planctl retro` prints."""

from __future__ import annotations

from planctl._text import count
from planctl.cli import render
from planctl.models.retro import Retro, RetroTurn

_COLUMNS = ("turn", "role", "focus", "minutes", "lines", "runs", "came to")
_SHOWN = 5


def show(result: Retro) -> None:
    """Print turns, totals and what to change."""
    if result.source == "summaries":
        render.talk("planctl kept no turns here: told from the Turn Summaries that commits brought")
    if result.turns:
        render.table("turns, newest first", _COLUMNS, map(_row, result.turns))
    totals = result.totals
    render.line(
        f"{totals.progress} of {count(totals.turns, 'turn')} made progress ({totals.share:.0%}), "
        f"{totals.trend if totals.trend == 'same' else f'getting {totals.trend}'}"
    )
    again = f"{count(totals.asked_again, 'order')} for what was complete"
    if result.source == "summaries":
        render.line(f"{again}; of runs nothing is known")
    else:
        waste = f"{count(totals.wasted_runs, 'run')} repeated ({totals.wasted_minutes:g} minutes)"
        render.line(f"{waste}, {again}, {totals.gained} steps gained, {totals.lost} lost")
        said = f"{totals.struck} claims struck, {totals.accepted} accepted without support"
        render.line(f"{said}, {count(totals.unfinished, 'turn')} not closed")
    for name, number in totals.signatures.items():
        render.line(f"failure {name}: {number} times")
    longest = sorted(totals.dwell.items(), key=lambda item: -item[1])
    for name, number in longest[:_SHOWN]:
        render.line(f"{name or '(no initiative)'}: {count(number, 'turn')} without progress now")
    if len(longest) > _SHOWN:
        render.line(f"and {len(longest) - _SHOWN} more without progress now")
    for text in result.advice:
        render.line(f"- {text}")


def _row(turn: RetroTurn) -> tuple[str, ...]:
    name = f"{turn.number:05}" if turn.number else (turn.commit or "")[:8]
    minutes = "" if turn.minutes is None else f"{turn.minutes:g}"
    gap = "" if turn.gap_minutes is None else f"{turn.gap_minutes:+g}"
    lines = ", ".join(f"{number} {kind}" for kind, number in turn.lines.items())
    runs = f"{turn.receipts}" if turn.number else ""
    runs += f", {len(turn.reran)} again" if turn.reran else ""
    return name, turn.role, turn.focus, f"{minutes} {gap}".strip(), lines, runs, _came_to(turn)


def _came_to(turn: RetroTurn) -> str:
    parts = [f"gained {', '.join(turn.gained)}"] if turn.gained else []
    parts += [f"lost {', '.join(turn.lost)}"] if turn.lost else []
    parts += [f"failed {', '.join(turn.failed)}"] if turn.failed else []
    parts += [f"asked again ({turn.asked_again})"] if turn.asked_again else []
    if turn.outcome != "closed":
        parts.append(turn.outcome)
    if turn.progress:
        return "; ".join(parts) or "inputs moved"
    return "; ".join([*parts, f"only {turn.only}"])

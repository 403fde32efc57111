"""Closing a turn of the loop: the agent's own words if they hold, never the turn lost."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from planctl._files import atomic_write, read_plain
from planctl._text import count
from planctl.errors import PlanctlError, UsageError
from planctl.models.prose.reading import parse_prose
from planctl.models.turn.prose import TurnProse
from planctl.models.turn.record import Outcome, TurnRecord
from planctl.ops.loop.agent import AgentRun
from planctl.ops.loop.bench import Bench, LoopTurn
from planctl.ops.loop.evidence import take_back
from planctl.ops.loop.turns import Turn, after, is_recorded
from planctl.ops.turn import (
    RefusedTurnError,
    abandon_turn,
    close_turn,
    current_turn,
    turn_records,
)
from planctl.workspace import Workspace

_MAX_PROSE = 1 << 20
_KEPT_WORDS = 4000
_LOOK = "`git status` and `planctl verify` show what; bring it back with `git restore`"

AskAgain = Callable[[Sequence[str]], AgentRun]


@dataclass(frozen=True)
class Closing:
    """How a turn is to be closed.

    Attributes:
        outcome: For the record.
        text: The author's words, or planctl's own.
        refused_orders: What the supervisor ordered and planctl refused.
        ask_again: Runs the agent once more, with what was refused; None when it cannot be asked.
    """

    outcome: Outcome
    text: str
    refused_orders: tuple[str, ...] = ()
    ask_again: AskAgain | None = None


class EvidenceChangedError(PlanctlError):
    """A turn changed what proves other things; it is recorded, and the loop goes no further."""

    slug = "evidence-changed"
    exit_code = 1


def words_of(run: AgentRun) -> str | None:
    """Return what an agent says of its turn, or None.

    Its summary file goes first, then the last Turn Summary in its output.
    """
    return run.summary if run.summary is not None else _last_summary(run.tail)


def _last_summary(text: str) -> str | None:
    blocks = [block for block in parse_prose(text).blocks if block.turn and block.heading]
    if not blocks:
        return None
    last = blocks[-1]
    return "\n".join(text.split("\n")[last.line - 1 : last.end_line])


def silent(turn: Turn, run: AgentRun) -> str:
    """Say for an agent that said nothing how its process ended, and only that."""
    return f"The {turn.role} left no summary of turn {turn.number:05d}. {_ending(run)}\n"


def _ending(run: AgentRun) -> str:
    ended = run.ended
    if ended.timed_out:
        return f"Its process was ended after its time limit, {ended.duration_s:.0f} seconds."
    if ended.interrupted:
        return "A person interrupted the loop, and its process was ended."
    said = f" Its summary file {run.unread}." if run.unread else ""
    return f"Its process ended with exit code {ended.exit_code}.{said}"


def finish(bench: Bench, turn: Turn, closing: Closing) -> LoopTurn:
    """Close a turn: as its author wrote it, else corrected, else with the false words struck out.

    Args:
        bench: The loop.
        turn: The open turn.
        closing: How.

    Raises:
        EvidenceChangedError: Receipts or their evidence were changed in it; it has its record.
        PlanctlError: It cannot be closed now; the state is such that it will be.
    """
    text = closing.text
    ask_again = closing.ask_again
    keep_words(bench, turn, text)
    for left in reversed(range(bench.settings.corrections + 1)):
        if ask_again is None:
            break
        try:
            return _closed(bench, turn, closing, text, strike=False)
        except RefusedTurnError as error:
            problems = _lines(error)
        bench.say(f"its summary is refused, {count(len(problems), 'problem')}")
        for line in problems:
            bench.say(f"refused: {line}")
        if not left:
            break
        run = ask_again(problems)
        if run.failed or bench.stop.requested:
            break
        text = words_of(run) or text
        keep_words(bench, turn, text)
    return _struck(bench, turn, closing, text)


def _struck(bench: Bench, turn: Turn, closing: Closing, text: str) -> LoopTurn:
    """Close a turn without the sentences that cannot stand, and without changes to evidence."""
    try:
        return _closed(bench, turn, closing, text, strike=True)
    except RefusedTurnError as error:
        changed = take_back(after(bench, turn), turn.open, error.problems)
        problems = _lines(error)
    if changed.paths:
        bench.say(changed.told())
        try:
            done = _closed(bench, turn, closing, text, strike=True, more=changed.told())
            return replace(done, evidence_changed=changed.paths)
        except RefusedTurnError as error:
            problems = _lines(error)
    _give_up(bench, turn, problems)
    raise EvidenceChangedError("; ".join(problems), _LOOK)


def _lines(error: RefusedTurnError) -> list[str]:
    return [
        item.told() + (f". Way out: {item.way_out}" if item.way_out else "")
        for item in error.problems
    ]


def keep_words(bench: Bench, turn: Turn, text: str) -> None:
    """Keep the words of a turn that is about to be closed, should planctl be killed meanwhile."""
    atomic_write(bench.file(turn.number, turn.role, "_words.md"), text)


def kept_words(bench: Bench, turn: Turn) -> str | None:
    """Return the words that were kept."""
    path = bench.file(turn.number, turn.role, "_words.md")
    if not os.path.lexists(path):
        return None
    return read_plain(path, _MAX_PROSE).decode("utf-8", "replace")


def _closed(
    bench: Bench, turn: Turn, closing: Closing, text: str, strike: bool, more: str = ""
) -> LoopTurn:
    workspace = after(bench, turn)
    assert bench.state.turn is not None
    if current_turn(workspace) is None and is_recorded(workspace, bench.state.turn):
        return _taken(workspace, turn)
    prose = _prose(text)
    if more:
        prose = replace(prose, sentences=(*prose.sentences, more))
    found = close_turn(
        workspace,
        prose,
        subject=bench.settings.subject,
        prompt=bench.settings.prompt,
        outcome=closing.outcome,
        strike=strike,
        refused_orders=closing.refused_orders,
    )
    return told(found.record, found.commit)


def _prose(text: str) -> TurnProse:
    try:
        return TurnProse.parse(text)
    except UsageError:
        # Several summaries: the last is this turn's.
        last = _last_summary(text)
        return TurnProse.parse(last if last is not None else text[:_KEPT_WORDS])


def _taken(workspace: Workspace, turn: Turn) -> LoopTurn:
    """Return a turn that its agent closed itself."""
    records = turn_records(workspace, turn.open.focus)
    found = next(item for item in records if item.id == turn.open.id)
    return told(found, workspace.repo.head)


def told(record: TurnRecord, commit: str | None) -> LoopTurn:
    """Return what the loop reports of a turn that has its record."""
    return LoopTurn(
        number=record.number,
        id=record.id,
        role="supervisor" if record.role == "supervisor" else "engineer",
        focus=record.focus,
        outcome=record.outcome,
        commit=commit,
        refused_orders=record.refused_orders,
        refused=tuple(f"{item.claim}: {item.found}" for item in record.refused),
        receipts=record.receipts,
    )


def _give_up(bench: Bench, turn: Turn, problems: Sequence[str]) -> None:
    workspace = after(bench, turn)
    abandon_turn(workspace, f"it changed evidence: {'; '.join(problems)}", "abandoned")

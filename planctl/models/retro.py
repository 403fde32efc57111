"""Looking back: what the last turns came to, and what to change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from planctl._text import count
from planctl.models.dwell import Only

_SENTENCES = 3
_HALF = 0.5


@dataclass(frozen=True)
class RetroTurn:
    """One turn, looked back at.

    Attributes:
        number: Of the turn; 0 for one that planctl did not keep.
        minutes: From opening to closing; None where nobody knows.
        gap_minutes: From the end of the turn before to its opening (or to its end).
        lines: Lines added or removed, by kind of file.
        gained: Steps that it proved; `lost` steps whose proof it took away; `failed` likewise.
        receipts: How many runs it recorded; `reran` the steps among them that were proven already.
        wasted_minutes: What those took.
        asked_again: Orders of it that were refused, or that asked for what was complete.
        struck: Claims that were left out because nothing supports them.
        accepted: Claims that somebody let stand although nothing supports them.
        only: What it came to, without progress.
        evidence: `git`, the turn's own `record`, or the `summary` that somebody wrote.
    """

    number: int
    commit: str | None
    role: str
    focus: str
    outcome: str
    ended: str
    minutes: float | None = None
    gap_minutes: float | None = None
    lines: dict[str, int] = field(default_factory=dict)
    gained: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    receipts: int = 0
    reran: tuple[str, ...] = ()
    wasted_minutes: float = 0.0
    asked_again: int = 0
    struck: int = 0
    accepted: int = 0
    progress: bool = False
    only: str = ""
    evidence: str = "git"


@dataclass(frozen=True)
class Totals:
    """Sums over the turns.

    Attributes:
        share: Of the turns that made progress, 0 to 1.
        trend: `better`, `worse` or `same`: the newer half of the turns beside the older.
        signatures: Failure → how often in a row it came back.
        dwell: Focus → turns without progress now.
        backwards: Turns that began before the one before them ended, by their own times.
    """

    turns: int
    progress: int
    share: float
    trend: str
    wasted_runs: int
    wasted_minutes: float
    asked_again: int
    struck: int
    accepted: int
    unfinished: int
    gained: int
    lost: int
    signatures: dict[str, int]
    dwell: dict[str, int]
    backwards: int = 0


@dataclass(frozen=True)
class Retro:
    """The look-back.

    Attributes:
        turns: Newest first.
        source: `turns`, or `summaries` of a history that planctl kept no turns of.
        advice: At most three sentences.
    """

    initiative: str | None
    source: str
    turns: tuple[RetroTurn, ...]
    totals: Totals
    advice: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for `--json`."""
        return asdict(self)


def looked_back(
    initiative: str | None,
    source: str,
    turns: Sequence[RetroTurn],
    signatures: dict[str, int],
    dwell: dict[str, int],
) -> Retro:
    """Sum turns up.

    Args:
        initiative: The focus, or None for all.
        source: Where the turns come from.
        turns: Newest first.
        signatures: Failures that came back.
        dwell: Focus → its dwell now.
    """
    progress = sum(turn.progress for turn in turns)
    totals = Totals(
        turns=len(turns),
        progress=progress,
        share=round(progress / len(turns), 2) if turns else 0.0,
        trend=_trend(turns),
        wasted_runs=sum(len(turn.reran) for turn in turns),
        wasted_minutes=round(sum(turn.wasted_minutes for turn in turns), 1),
        asked_again=sum(turn.asked_again for turn in turns),
        struck=sum(turn.struck for turn in turns),
        accepted=sum(turn.accepted for turn in turns),
        unfinished=sum(turn.outcome != "closed" for turn in turns),
        gained=sum(len(turn.gained) for turn in turns),
        lost=sum(len(turn.lost) for turn in turns),
        signatures={name: number for name, number in signatures.items() if number > 1},
        dwell={name: number for name, number in dwell.items() if number},
        backwards=sum((turn.gap_minutes or 0) < 0 for turn in turns),
    )
    return Retro(initiative, source, tuple(turns), totals, _advice(turns, totals))


def _trend(turns: Sequence[RetroTurn]) -> str:
    half = len(turns) // 2
    if not half:
        return "same"
    newer = sum(turn.progress for turn in turns[:half]) / half
    older = sum(turn.progress for turn in turns[-half:]) / half
    return "better" if newer > older else "worse" if newer < older else "same"


def _advice(turns: Sequence[RetroTurn], totals: Totals) -> tuple[str, ...]:
    """Return what to change, the costliest first."""
    if not turns:
        return ("There is no turn to look back at.",)
    found = [text for text in (*_waste(totals), *_direction(turns, totals)) if text]
    if not found:
        share = f"{totals.progress} of {count(totals.turns, 'turn')} made progress"
        found = [f"Nothing stands out: {share}, and no run was repeated."]
    return tuple(found[:_SENTENCES])


def _waste(totals: Totals) -> tuple[str, ...]:
    """Return a sentence for each kind of waste, empty where there is none."""
    again = f"{count(totals.asked_again, 'order')} asked for what was complete"
    runs = f"{count(totals.wasted_runs, 'run')} repeated what was proven"
    minutes = f" ({totals.wasted_minutes:g} minutes)" if totals.wasted_minutes else ""
    worst = max(totals.signatures.items(), key=lambda item: item[1], default=("", 0))
    return (
        f"{again}: let `planctl brief` write the order from the verdicts."
        if totals.asked_again
        else "",
        f"{runs}{minutes}: ask `planctl verify` before running, and do not use `--force`."
        if totals.wasted_runs
        else "",
        f"`{worst[0]}` came back {worst[1]} times: mend its cause before the step runs again."
        if worst[1]
        else "",
    )


def _direction(turns: Sequence[RetroTurn], totals: Totals) -> tuple[str, ...]:
    """Return a sentence for each way of going nowhere, empty where there is none."""
    idle = Counter(turn.only for turn in turns if not turn.progress)
    aside = idle[Only.TOOLS.value] + idle[Only.DOCS.value]
    stuck = max(totals.dwell.items(), key=lambda item: item[1], default=("", 0))
    said = totals.struck + totals.accepted
    clocks = f"The times of {count(totals.backwards, 'turn')} run backwards"
    return (
        f"{clocks}: let planctl stamp turns (`planctl turn close`), and believe no typed time."
        if totals.backwards
        else "",
        f"`{stuck[0]}` has stood still for {stuck[1]} turns: hand it off, or name what blocks it."
        if stuck[1] > 1
        else "",
        f"{aside} of {count(len(turns), 'turn')} touched only tools or texts: choose a row, and "
        "change what its step depends on."
        if aside >= _HALF * len(turns)
        else "",
        f"{count(said, 'claim')} had no support: write what receipts and files show."
        if said
        else "",
        f"{count(totals.unfinished, 'turn')} ended without being closed: look at the agent's log "
        "and its time limit."
        if totals.unfinished
        else "",
        f"{count(totals.lost, 'proof')} lost and {totals.gained} gained: prove what a change moved "
        "in the turn that moved it."
        if totals.lost > totals.gained
        else "",
    )

"""What an author typed that planctl derives: checklist lines, the heading's time, the form."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime

from planctl import clock
from planctl._text import count, listed
from planctl.models.claims.paths import PathIndex, resolve
from planctl.models.claims.times import SLACK, off
from planctl.models.prose.reading import parse_prose
from planctl.models.turn.prose import TurnProse, imitates, says_none
from planctl.models.turn.record import OpenTurn
from planctl.models.turn.settings import TurnSettings
from planctl.ops.turn.changes import Changes
from planctl.ops.turn.evidence import TurnEvidence
from planctl.ops.turn.problems import Problem
from planctl.ops.turn.telling import Derived

_LEAVE_OUT = "leave the checklist out: planctl derives it"


def form_problems(prose: TurnProse, settings: TurnSettings) -> Iterator[Problem]:
    """Yield what is wrong with how a turn is told."""
    told = len(prose.sentences)
    # `Next:` is a sentence, too: two and what comes next are three.
    if told == 0 or told + bool(prose.next) < settings.min_sentences:
        yield Problem(
            "length",
            count(told, "sentence"),
            f"a turn is told in {settings.min_sentences} to {settings.max_sentences} sentences; "
            "`Next:` may be one of them",
            way_out="say what was done, what was found, and what comes next",
            acceptable=False,
        )
    if told > settings.max_sentences:
        yield Problem(
            "length",
            count(told, "sentence"),
            f"a turn is told in at most {settings.max_sentences}",
            way_out="say less, or set `[turn] max_sentences`",
            acceptable=False,
        )
    for place, sentence in enumerate(prose.sentences):
        if imitates(sentence):
            yield Problem(
                "imitation",
                sentence[:80],
                "begins like a trailer or subject that only planctl writes",
                way_out="begin the sentence otherwise",
                acceptable=False,
                sentence=place,
            )


def stamp_problems(prose: TurnProse, turn: OpenTurn, now: datetime) -> Iterator[Problem]:
    """Yield times in a heading of the author's own that lie outside the turn."""
    for stamp in prose.stamps:
        if stamp.when is None:
            continue
        inside = turn.opened - SLACK <= stamp.when <= now + SLACK
        if not inside and min(off(stamp, now), off(stamp, turn.opened)) > SLACK:
            yield Problem(
                "stamp",
                stamp.text,
                f"the turn was open from {clock.iso(turn.opened)} to {clock.iso(now)}",
                clock.stamp(now),
                "leave the heading out: planctl stamps the turn",
                answer="contradicted",
            )


def checklist_problems(
    prose: TurnProse, derived: Derived, changes: Changes, evidence: TurnEvidence
) -> Iterator[Problem]:
    """Yield typed checklist lines that the derived ones contradict."""
    if prose.files_touched is not None:
        yield from _paths("Files touched", prose.files_touched, changes.touched, evidence)
    if prose.artifacts_updated is not None:
        paths = derived.artifact_paths
        yield from _paths("Artifacts updated", prose.artifacts_updated, paths, evidence)
    if prose.tests_run is not None:
        yield from _tests(prose.tests_run, evidence)


def _paths(
    name: str, typed: str, actual: Sequence[str], evidence: TurnEvidence
) -> Iterator[Problem]:
    if says_none(typed):
        if actual:
            said = f"there are {len(actual)}: {listed(list(actual), 4)}"
            yield Problem("checklist", f"{name}: {typed or 'none'}", said, way_out=_LEAVE_OUT)
        return
    block = parse_prose(f"Artifacts: {typed}").blocks
    hub = evidence.focus.report.hub
    bases = [*([hub] if hub else []), f"plans/active/{evidence.focus.plan.id}"]
    index = PathIndex(actual)
    for claim in block[0].paths if block else ():
        if resolve(claim, index, bases).kind == "absent":
            near = index.ending(claim.path.rsplit("/", 1)[-1])
            yield Problem(
                "checklist",
                f"{name}: {claim.path}",
                "the turn did not change it"
                if name.startswith("Files")
                else "no receipt of the turn recorded it",
                near[0] if near else "",
                _LEAVE_OUT,
                answer="contradicted",
            )


def _tests(typed: str, evidence: TurnEvidence) -> Iterator[Problem]:
    runs = [item.receipt for item in evidence.filed]
    tests = [receipt for receipt in runs if receipt.contract.get("kind") == "pytest"]
    if says_none(typed):
        if tests:
            said = f"{len(tests)} recorded: {listed([item.command for item in tests], 2)}"
            yield Problem("checklist", f"Tests run: {typed or 'none'}", said, way_out=_LEAVE_OUT)
        return
    commands = [" ".join(receipt.command.split()) for receipt in runs]
    for part in re.split(r";\s+|\s*\n", typed):
        wanted = _command(part)
        if wanted and not any(_same(wanted, command) for command in commands):
            yield Problem(
                "checklist",
                f"Tests run: {part.strip()}",
                "no receipt of the turn ran it",
                f"`{commands[-1]}`" if commands else "no run was recorded",
                "`planctl run-phase`, or `planctl run -- CMD`, records a run",
                answer="unsupported",
            )


def _command(part: str) -> str:
    quoted = re.search(r"`([^`]+)`", part)
    text = quoted[1] if quoted else re.sub(r"\s+\([^()]*\)\s*\.?$", "", part)
    return " ".join(text.split())


def _same(typed: str, command: str) -> bool:
    """Tell whether a typed command is one that ran: a part of it, or its selector."""
    if typed in command:
        return True
    named = re.findall(r"[\w./-]+\.py(?:::[\w\[\]:.-]+)?|[\w/]+::[\w\[\]:.-]+", typed)
    return bool(named) and all(name in command for name in named)

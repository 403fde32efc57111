"""Looking back over a history that planctl kept no turns of: the summaries that somebody wrote."""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from planctl import clock
from planctl._git_diffs import Pair, net_lines
from planctl._git_history import BlobReader, HistoryCommit, subjects, walk
from planctl.errors import PlanctlError
from planctl.models.claims.claim import Block
from planctl.models.diff_kinds import Kind, TurnsSettings
from planctl.models.dwell import Only
from planctl.models.paths import matches
from planctl.models.plan.plan import Plan
from planctl.models.prose.reading import parse_prose
from planctl.models.requests import TurnText, requests
from planctl.models.retro import Retro, RetroTurn, looked_back
from planctl.ops.audit.asks import in_time, turn_text
from planctl.ops.retro import by_kind_of, minutes
from planctl.workspace import Workspace

# Commits that are looked at for each turn that is wanted.
_COMMITS_A_TURN = 20
_MOST_COMMITS = 5000
_MAX_BYTES = 4_000_000
# `SUPERVISOR AUTO (…): …`, `engineer: …`, `[engineer] …`: who speaks, by the first word.
_ROLE = re.compile(r"^\W{0,2}([A-Za-z][\w-]{2,20})(?:\]|:| AUTO\b| \()")


@dataclass(frozen=True)
class _Told:
    """A turn as a summary tells it.

    Attributes:
        alone: No other summary came with the same commit: what that changed is the turn's.
    """

    commit: HistoryCommit
    path: str
    block: Block
    text: TurnText
    alone: bool

    @property
    def when(self) -> dt.datetime:
        """When it ended: as its commit says; of several in one commit, as the heading says."""
        stamp = self.block.stamps[0].when if self.block.stamps else None
        return self.commit.committed if self.alone or stamp is None else stamp

    @property
    def pair(self) -> Pair | None:
        """The commits between which it lies, where git can tell."""
        parents = self.commit.parents
        return (parents[0], self.commit.id) if self.alone and parents else None


def from_summaries(workspace: Workspace, initiative: str | None, last: int) -> Retro:
    """Look back over the Turn Summaries that commits brought.

    Args:
        workspace: The repository.
        initiative: Only summaries of this one.
        last: How many.

    Raises:
        BadFileError: The settings cannot be read.
    """
    if workspace.repo.head is None:
        return looked_back(initiative, "summaries", (), {}, {})
    most = f"--max-count={min(last * _COMMITS_A_TURN, _MOST_COMMITS)}"
    with BlobReader(workspace.repo) as blobs:
        told = [
            item
            for commit in walk(workspace.repo, most, workspace.repo.tip)
            for item in _of_commit(workspace, commit, blobs)
            if initiative in (None, item.text.focus)
        ]
    again = _asked_again(told)
    chosen = list(zip(told, again, strict=True))[-last:]
    turns = _turns(workspace, [item for item, _ in chosen], [number for _, number in chosen])
    return looked_back(initiative, "summaries", turns, {}, _dwell(turns))


def _of_commit(workspace: Workspace, commit: HistoryCommit, blobs: BlobReader) -> Iterator[_Told]:
    """Yield the turns that a commit tells of, oldest first; a hub's summary repeats another."""
    settings = workspace.settings().audit
    files: list[tuple[str, list[Block], list[str]]] = []
    for change in commit.changes:
        if change.new is None or change.link or settings.role(change.path) != "summary":
            continue
        known = Counter(block.heading for block in _read(blobs, change.old)[0])
        blocks, lines = _read(blobs, change.new)
        files.append((change.path, [block for block in blocks if _is_new(block, known)], lines))
    seen = set[str]()
    found: list[tuple[str, Block, list[str]]] = []
    for path, blocks, lines in sorted(files, key=lambda item: (-len(item[1]), item[0])):
        unseen = [block for block in blocks if _words(block) not in seen]
        seen.update(map(_words, unseen))
        found += [(path, block, lines) for block in in_time(unseen)]
    for path, block, lines in found:
        text = turn_text(path, block, commit.id[:8], lines)
        yield _Told(commit, path, block, text, len(found) == 1)


def _is_new(block: Block, known: Counter[str]) -> bool:
    """Tell whether a heading stands once more than it did before."""
    known[block.heading] -= 1
    return known[block.heading] < 0


def _words(block: Block) -> str:
    return "\n".join(sentence.text for sentence in block.sentences)


def _read(blobs: BlobReader, blob: str | None) -> tuple[list[Block], list[str]]:
    content = None if blob is None else blobs.read(blob, _MAX_BYTES)
    if content is None:
        return [], []
    text = content.decode("utf-8", "replace")
    return [block for block in parse_prose(text).blocks if block.turn], text.split("\n")


def _asked_again(told: Sequence[_Told]) -> list[int]:
    """Return, for each turn, how many of its orders asked for what was complete."""
    found = [0] * len(told)
    for request in requests([item.text for item in told]):
        found[request.turn] += request.satisfied is not None
    return found


def _turns(
    workspace: Workspace, told: Sequence[_Told], again: Sequence[int]
) -> tuple[RetroTurn, ...]:
    """Return the turns, newest first."""
    lines = net_lines(workspace.repo, [item.pair for item in told if item.pair])
    said = subjects(workspace.repo, [item.commit.id for item in told])
    rules = workspace.settings().turns
    plans = {name: _plan(workspace, name) for name in {item.text.focus for item in told}}
    found: list[RetroTurn] = []
    for index, item in enumerate(told):
        touched = lines.get(item.pair, {}) if item.pair else dict.fromkeys(item.text.touched, 1)
        gap = minutes(item.when - told[index - 1].when) if index else None
        subject, plan = said.get(item.commit.id, ""), plans[item.text.focus]
        found.append(_turn(item, touched, rules, plan, subject, again[index], gap))
    return tuple(reversed(found))


def _turn(
    item: _Told,
    touched: Mapping[str, int],
    rules: TurnsSettings,
    plan: Plan | None,
    subject: str,
    again: int,
    gap: float | None,
) -> RetroTurn:
    kinds = by_kind_of(touched, rules)
    progress = _is_progress(touched, kinds, plan)
    return RetroTurn(
        number=0,
        commit=item.commit.id,
        role=_role(item.block, subject),
        focus=item.text.focus,
        outcome="closed",
        ended=clock.iso(item.when),
        gap_minutes=gap,
        lines=kinds,
        asked_again=again,
        progress=progress,
        only="" if progress else _only(kinds, item.text).value,
        evidence="git" if item.pair else "summary",
    )


def _plan(workspace: Workspace, name: str) -> Plan | None:
    try:
        return workspace.load_plan(name) if name in workspace.initiatives() else None
    except PlanctlError:
        return None  # a plan that cannot be used declares nothing


def _is_progress(touched: Mapping[str, int], kinds: Mapping[str, int], plan: Plan | None) -> bool:
    code = bool(kinds.get(Kind.PRODUCTION.value) or kinds.get(Kind.TEST.value))
    if plan is None:
        return code
    globs = {plan.inputs_of(phase, step) for phase, step in plan.steps()}
    return any(matches(path, g) for path in touched for g in globs if g) or (() in globs and code)


def _only(kinds: Mapping[str, int], text: TurnText) -> Only:
    if kinds.get(Kind.PRODUCTION.value) or kinds.get(Kind.TEST.value):
        return Only.OTHER
    if text.cited and not kinds.get(Kind.TOOL.value):
        return Only.RERUNS
    if kinds.get(Kind.TOOL.value):
        return Only.TOOLS
    return Only.DOCS if kinds else Only.NOTHING


def _role(block: Block, subject: str) -> str:
    if block.roles:
        return block.roles[0]
    found = _ROLE.match(subject)
    return found[1].lower() if found else "?"


def _dwell(turns: Sequence[RetroTurn]) -> dict[str, int]:
    """Return, by focus, the turns since its last progress."""
    found: dict[str, int] = {}
    moved: set[str] = set()
    for turn in turns:
        if turn.progress:
            moved.add(turn.focus)
        elif turn.focus not in moved:
            found[turn.focus] = found.get(turn.focus, 0) + 1
    return found

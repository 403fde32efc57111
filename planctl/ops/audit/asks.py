"""Requests for evidence over a history: those for what was already complete."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from itertools import accumulate, combinations
from operator import or_

from planctl.models.audit import AuditFinding, AuditTotal
from planctl.models.claims.claim import Block, PathClaim
from planctl.models.claims.paths import resolve
from planctl.models.orders import is_code
from planctl.models.requests import Request, TurnText, is_evidence, requests
from planctl.ops.audit.orders import focus_of, orders_in
from planctl.ops.audit.scene import End, Order, Part, Scene, bases
from planctl.ops.audit.texts import Written

_SHOWN = 160
_THERE = ("exists", "deeper")


@dataclass
class _Turn:
    """A turn, and where a history has it.

    Attributes:
        cited: What it cites as evidence, with the folders that is relative to.
        builds_on: The turns before it on its own line of history: bit n for the n-th.
        there: Names of those that are in the tree of its commit.
        worded: Its evidence is in no commit at all: it is taken at its word.
    """

    told: TurnText
    position: int
    commit: str
    path: str
    builds_on: int
    cited: tuple[tuple[PathClaim, tuple[str, ...]], ...] = ()
    there: frozenset[str] = frozenset()
    worded: bool = False


class Asks:
    """Puts the turns of a history in a row and looks for requests that ask again."""

    def __init__(self) -> None:
        self._turns: list[_Turn] = []
        self._code: list[int] = []
        self._reach: dict[str, int] = {}

    def visit(self, scene: Scene) -> None:
        """Take up what a commit reports as complete and what it orders."""
        # A merge changes the code of the line it goes into, whenever the other branch was written.
        paths = [item.path for item in scene.step.commit.changes]
        changed = any(is_code(path) and not path.startswith("plans/") for path in paths)
        self._code.append(int(changed and not scene.step.cut))
        self._reached(scene)
        blocks = [item for item in scene.told("summary", "ledger") if item.block.turn]
        # Several turns in one commit each have their own order; one turn and its brief have one.
        alone = len(blocks) > 1
        for block in in_time([item.block for item in blocks]):
            written = next(item for item in blocks if item.block is block)
            self._add(scene, _turn(scene, written, self._reached(scene), alone))
        if scene.judged:
            self._add_orders(scene, {item.text.path for item in blocks} if alone else set())

    def _reached(self, scene: Scene) -> int:
        """Return the turns that a commit builds on, its own so far included."""
        commit = scene.step.commit
        if commit.id not in self._reach:
            above = (self._reach.get(parent, 0) for parent in commit.parents)
            self._reach[commit.id] = reduce(or_, above, 0)
        return self._reach[commit.id]

    def _add(self, scene: Scene, turn: _Turn) -> None:
        self._reach[scene.commit] = turn.builds_on | 1 << len(self._turns)
        self._turns.append(turn)

    def _add_orders(self, scene: Scene, told: set[str]) -> None:
        asked: dict[str, list[Order]] = {}
        for order in scene.orders:
            if order.path not in told:
                asked.setdefault(order.focus, []).append(order)
        for focus, orders in asked.items():
            texts = tuple((order.line, order.text) for order in orders)
            turn = TurnText(scene.commit[:8], focus, texts, ())
            where = (scene.step.position, scene.commit, orders[0].path, self._reached(scene))
            self._add(scene, _Turn(turn, *where))

    def finish(self, end: End) -> Part:
        """Judge every request."""
        turns = [_with_evidence(item, end) for item in self._turns]
        before = [0, *accumulate(self._code)]

        def changed(earlier: int, later: int) -> bool:
            one, other = self._turns[earlier], self._turns[later]
            apart = not other.builds_on >> earlier & 1
            return apart or before[other.position + 1] > before[one.position + 1]

        found = requests(turns, changed)
        again = [item for item in found if item.satisfied is not None]
        label = "requests for evidence that was complete"
        total = AuditTotal("requests.repeated", label, len(again), len(found))
        return Part((total,), tuple(self._finding(item, turns) for item in again))

    def _finding(self, request: Request, turns: Sequence[TurnText]) -> AuditFinding:
        turn = self._turns[request.turn]
        made = finding(request, turns, turn.commit, turn.path)
        if request.satisfied is None or not self._turns[request.satisfied].worded:
            return made
        return replace(made, text=f"{made.text} (so it was reported; no commit has the evidence)")


def finding(request: Request, turns: Sequence[TurnText], commit: str, path: str) -> AuditFinding:
    """Spell a request that asks again."""
    assert request.satisfied is not None
    flat = " ".join(request.text.split())
    shown = flat if len(flat) <= _SHOWN else flat[: _SHOWN - 1] + "…"
    things = ", ".join(request.targets[:4])
    by = turns[request.satisfied].place
    text = f"complete since {by}" + (f": {things}" if things else "")
    return AuditFinding("requests.repeated", commit, path, request.line, shown, by, text)


def _turn(scene: Scene, written: Written, builds_on: int, with_orders: bool) -> _Turn:
    cited = tuple(
        (item, bases(written, item.line))
        for item in _evidence(written.block)
        if is_evidence(item.path)
    )
    index = scene.step.index
    there = frozenset(i.path for i, folders in cited if resolve(i, index, folders).kind in _THERE)
    lines = written.text.lines if with_orders else ()
    place = scene.commit[:8]
    told = turn_text(written.text.path, written.block, place, lines)
    where = (scene.step.position, scene.commit, written.text.path)
    return _Turn(told, *where, builds_on, cited, there)


def _with_evidence(turn: _Turn, end: End) -> TurnText:
    """Return a turn with that evidence alone which its commit has.

    Evidence that came later was not complete yet. What no commit ever had (it is too large, or
    lies elsewhere) history cannot judge: then the turn's word stands.
    """
    names = turn.there
    if not names:
        ever = end.ever.index
        names = frozenset(i.path for i, f in turn.cited if resolve(i, ever, f).kind not in _THERE)
        turn.worded = bool(names)
    return replace(turn.told, cited=tuple(name for name in turn.told.cited if name in names))


def _evidence(block: Block) -> list[PathClaim]:
    return [item for item in block.paths if item.evidence or "artifact" in item.field.lower()]


def turn_text(path: str, block: Block, place: str, lines: Sequence[str] = ()) -> TurnText:
    """Return a block as a turn.

    Args:
        path: The file it stands in.
        block: The block.
        place: What to call it.
        lines: The file, when the block's orders are wanted too.
    """
    touched = [claim.path for claim in block.paths if "touched" in claim.field.lower()]
    failed = any(
        claim.outcome == "failed" or dict(claim.counts).get("failed") for claim in block.tests
    )
    return TurnText(
        place,
        focus_of(path, (block,)),
        tuple(orders_in(block, lines)) if lines else (),
        tuple(sentence.text for sentence in block.sentences),
        tuple(claim.path for claim in _evidence(block)),
        tuple(touched),
        tuple(_selectors(block)),
        failed,
    )


def _selectors(block: Block) -> Iterator[str]:
    """Yield the tests a block says it ran: beside a result, or under `Tests run`."""
    for claim in block.tests:
        yield from claim.selectors
    for path in block.paths:
        if path.selector and "test" in path.field.lower():
            yield f"{path.path}::{path.selector}"


def in_time(blocks: Sequence[Block]) -> list[Block]:
    """Return the turns of a file from the oldest to the newest.

    Summaries grow at the top, or at the bottom: the stamps of the headings decide by majority,
    since single ones may be wrong. Without stamps the first is the newest.
    """
    told = [block.stamps[0].when for block in blocks if block.stamps]
    times = [when for when in told if when is not None]
    rising = sum(a < b for a, b in combinations(times, 2))
    falling = sum(a > b for a, b in combinations(times, 2))
    return list(blocks) if rising > falling else list(reversed(blocks))

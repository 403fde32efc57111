"""Requests for evidence over a history: those for what was already complete."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, combinations

from planctl.models.audit import AuditFinding, AuditTotal
from planctl.models.claim import Block
from planctl.models.claim_paths import resolve
from planctl.models.orders import is_code
from planctl.models.requests import Request, TurnText, requests
from planctl.ops.audit.orders import focus_of, orders_in, orders_of
from planctl.ops.audit.scene import End, Part, Scene, bases
from planctl.ops.audit.texts import Written

_SHOWN = 160
_THERE = ("exists", "deeper")


class Asks:
    """Puts the turns of a history in a row and looks for requests that ask again."""

    def __init__(self) -> None:
        self._turns: list[TurnText] = []
        self._at: list[tuple[int, str, str]] = []
        self._code: list[int] = []

    def visit(self, scene: Scene) -> None:
        """Take up what a commit reports as complete and what it orders."""
        own = scene.step.own_changes()
        changed = any(is_code(item.path) and not item.path.startswith("plans/") for item in own)
        self._code.append(int(changed and not scene.step.cut))
        blocks = [item for item in scene.told("summary", "ledger") if item.block.turn]
        for item in in_time([written.block for written in blocks]):
            written = next(found for found in blocks if found.block is item)
            self._add(scene, written.text.path, _turn(scene, written))
        if scene.judged:
            self._add_orders(scene)

    def _add(self, scene: Scene, path: str, turn: TurnText) -> None:
        self._turns.append(turn)
        self._at.append((scene.step.position, scene.commit, path))

    def _add_orders(self, scene: Scene) -> None:
        asked: dict[str, list[tuple[str, int, str]]] = {}
        for order in orders_of(scene):
            asked.setdefault(order.focus, []).append((order.path, order.line, order.text))
        for focus, orders in asked.items():
            told = tuple((line, text) for _, line, text in orders)
            self._add(scene, orders[0][0], TurnText(scene.commit[:8], focus, told, ()))

    def finish(self, end: End) -> Part:
        """Judge every request."""
        before = [0, *accumulate(self._code)]

        def changed(earlier: int, later: int) -> bool:
            first, last = self._at[earlier][0], self._at[later][0]
            return before[last + 1] > before[first + 1]

        found = requests(self._turns, changed)
        whole = len({(self._at[item.turn][1], self._turns[item.turn].focus) for item in found})
        again = [item for item in found if item.satisfied is not None]
        total = AuditTotal(
            "requests.repeated", "requests for evidence that was complete", len(again), whole
        )
        return Part((total,), tuple(self._finding(item) for item in again))

    def _finding(self, request: Request) -> AuditFinding:
        _, commit, path = self._at[request.turn]
        return finding(request, self._turns, commit, path)


def finding(request: Request, turns: Sequence[TurnText], commit: str, path: str) -> AuditFinding:
    """Spell a request that asks again."""
    assert request.satisfied is not None
    flat = " ".join(request.text.split())
    shown = flat if len(flat) <= _SHOWN else flat[: _SHOWN - 1] + "…"
    things = ", ".join(request.targets[:4])
    by = turns[request.satisfied].place
    text = f"complete since {by}" + (f": {things}" if things else "")
    return AuditFinding("requests.repeated", commit, path, request.line, shown, by, text)


def _turn(scene: Scene, written: Written) -> TurnText:
    """Return what a block reports; of what it cites only that which is there."""
    there = frozenset(
        claim.path
        for claim in written.block.paths
        if resolve(claim, scene.step.index, bases(written, claim.line)).kind in _THERE
    )
    return turn_text(written.text.path, written.block, scene.commit[:8], there)


def turn_text(
    path: str,
    block: Block,
    place: str,
    there: frozenset[str] | None = None,
    lines: Sequence[str] = (),
) -> TurnText:
    """Return a block as a turn.

    Args:
        path: The file it stands in.
        block: The block.
        place: What to call it.
        there: The cited paths that exist; None takes the block at its word.
        lines: The file, when the block's orders are wanted too.
    """
    cited = [claim for claim in block.paths if claim.evidence or "artifact" in claim.field.lower()]
    touched = [claim.path for claim in block.paths if "touched" in claim.field.lower()]
    failed = any(
        claim.outcome == "failed" or dict(claim.counts).get("failed") for claim in block.tests
    )
    return TurnText(
        place,
        focus_of(path, (block,)),
        tuple(orders_in(block, lines)) if lines else (),
        tuple(sentence.text for sentence in block.sentences),
        tuple(claim.path for claim in cited if there is None or claim.path in there),
        tuple(touched),
        tuple(name for claim in block.tests for name in claim.selectors),
        failed,
    )


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

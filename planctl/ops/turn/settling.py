"""What becomes of the problems: refused, accepted with a name, or struck out with the sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from planctl.models.turn.prose import TurnProse
from planctl.models.turn.record import Accepted, Struck
from planctl.ops.turn.problems import Problem, RefusedTurnError

# What no words can mend: it refuses even where sentences are struck out.
_FIRM = ("receipt", "evidence")
AGAIN = "already-proven"
"""The kind of an order for what is proven."""


@dataclass(frozen=True)
class Words:
    """What is left of a turn's words.

    Attributes:
        keeps_artifacts: The author's `Artifacts:` line stands.
    """

    sentences: tuple[str, ...]
    next: str
    accepted: tuple[Accepted, ...] = ()
    refused: tuple[Struck, ...] = ()
    keeps_artifacts: bool = True


def settled(
    number: str,
    prose: TurnProse,
    problems: Sequence[Problem],
    accept: str | None,
    strike: bool,
    by: str,
) -> Words:
    """Decide what of the words stands.

    Args:
        number: Of the turn, as shown.
        prose: The words.
        problems: What speaks against them.
        accept: Why unsupported claims may stand, or None.
        strike: Leave out what cannot stand.
        by: Who decides: role and git identity.

    Raises:
        RefusedTurnError: Something cannot stand.
    """
    left = list(problems)
    accepted: list[Accepted] = []
    if accept is not None:
        why = " ".join(accept.split())
        accepted = [
            Accepted(claim=item.claim, found=item.found, by=by, why=why)
            for item in left
            if item.acceptable
        ]
        left = [item for item in left if not item.acceptable]
    if left and (not strike or any(item.kind in _FIRM for item in left)):
        raise RefusedTurnError(number, left)
    out = {item.sentence for item in left if item.sentence is not None}
    struck = [_struck(item, prose) for item in left]
    return Words(
        sentences=tuple(s for place, s in enumerate(prose.sentences) if place not in out),
        next="" if any(item.kind == AGAIN for item in left) else prose.next,
        accepted=tuple(accepted),
        refused=tuple(struck),
        keeps_artifacts=all(item.sentence is not None or item.kind == AGAIN for item in left),
    )


def _struck(item: Problem, prose: TurnProse) -> Struck:
    spoken = prose.next if item.kind == AGAIN else ""
    sentence = spoken if item.sentence is None else prose.sentences[item.sentence]
    return Struck(sentence=sentence, claim=item.claim, found=item.found)

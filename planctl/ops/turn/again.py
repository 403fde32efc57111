"""`Next:` against the verdicts: what is proven is not ordered again."""

from __future__ import annotations

from collections.abc import Iterator

from planctl.ops.brief.satisfied import satisfied
from planctl.ops.turn.evidence import TurnEvidence
from planctl.ops.turn.problems import Problem
from planctl.ops.turn.settling import AGAIN
from planctl.workspace import Workspace


def again_problems(workspace: Workspace, order: str, evidence: TurnEvidence) -> Iterator[Problem]:
    """Yield an order for the next turn that asks for evidence which is there.

    A sentence that is read later as a fact sends somebody off to make it all again.

    Args:
        workspace: The repository.
        order: What the turn says comes next.
        evidence: The verdicts of its focus.
    """
    if not order.strip():
        return
    focus = evidence.focus
    judged = satisfied(workspace, focus.plan, order, report=focus.report)
    if judged.refused:
        yield Problem(
            AGAIN,
            f"Next: {order}",
            judged.text(),
            way_out=f"order what is open: `planctl brief {focus.plan.id}` says what that is",
            answer="contradicted",
        )

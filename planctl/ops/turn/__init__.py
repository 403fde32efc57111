"""Turns: opened, closed or given up; what they did is derived, what is said of them is judged."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from planctl.models.turn.prose import TurnProse as TurnProse
    from planctl.ops.turn.abandoning import abandon_turn as abandon_turn
    from planctl.ops.turn.check import check_turns as check_turns
    from planctl.ops.turn.closing import ClosedTurn as ClosedTurn
    from planctl.ops.turn.closing import close_turn as close_turn
    from planctl.ops.turn.opening import TurnOpenError as TurnOpenError
    from planctl.ops.turn.opening import open_turn as open_turn
    from planctl.ops.turn.problems import Problem as Problem
    from planctl.ops.turn.problems import RefusedTurnError as RefusedTurnError
    from planctl.ops.turn.records import turn_records as turn_records
    from planctl.ops.turn.state import current_turn as current_turn
    from planctl.ops.turn.state import next_number as next_number
    from planctl.ops.turn.state import turn_path as turn_path

# Who only reads records must not wait for everything that judges words.
_HOMES = {
    "TurnProse": "planctl.models.turn.prose",
    "abandon_turn": "planctl.ops.turn.abandoning",
    "check_turns": "planctl.ops.turn.check",
    "ClosedTurn": "planctl.ops.turn.closing",
    "close_turn": "planctl.ops.turn.closing",
    "TurnOpenError": "planctl.ops.turn.opening",
    "open_turn": "planctl.ops.turn.opening",
    "Problem": "planctl.ops.turn.problems",
    "RefusedTurnError": "planctl.ops.turn.problems",
    "turn_records": "planctl.ops.turn.records",
    "current_turn": "planctl.ops.turn.state",
    "next_number": "planctl.ops.turn.state",
    "turn_path": "planctl.ops.turn.state",
}


def __getattr__(name: str) -> Any:
    """Return a name from the module that has it, loaded when it is asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)

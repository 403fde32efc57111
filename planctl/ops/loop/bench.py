"""What every part of a running loop works with: repository, settings, lease, state."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from planctl._git import Repository
from planctl._process import Stop
from planctl.models.loop import LoopRole, LoopState, RunningTurn
from planctl.models.loop_settings import LoopSettings
from planctl.ops.loop import guard, state
from planctl.ops.loop.lease import Lease
from planctl.ops.run_phase import Reporter
from planctl.workspace import Workspace


@dataclass(frozen=True)
class LoopTurn:
    """One turn that the loop went through.

    Attributes:
        outcome: As in the turn's record.
        commit: That holds it; None when there was nothing to commit.
        exit_code: Of the agent; None when no agent ran.
        refused_orders: What the supervisor ordered and planctl refused, a line each with receipts.
        refused: Claims of the agent's summary that were struck out.
        brief: Whose text the brief is that holds: `supervisor`, `planctl`, or None.
        evidence_changed: Evidence that the agent changed by hand, and that planctl brought back.
    """

    number: int
    id: str
    role: LoopRole
    focus: str
    outcome: str
    commit: str | None
    exit_code: int | None = None
    duration_s: float = 0.0
    log: str | None = None
    refused_orders: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    receipts: tuple[str, ...] = ()
    brief: str | None = None
    evidence_changed: tuple[str, ...] = ()


@dataclass
class Bench:
    """A running loop.

    Attributes:
        base: The repository as it was opened; ask `workspace()` for it as it is now.
        branch: The branch the loop runs on.
        state: What the state's file holds.
        done: Turns that were closed.
        tidied: Initiatives that had a turn only to close their item.
    """

    base: Workspace
    settings: LoopSettings
    branch: str
    lease: Lease
    stop: Stop
    reporter: Reporter
    state: LoopState
    done: list[LoopTurn] = field(default_factory=list)
    tidied: set[str] = field(default_factory=set)

    def workspace(self, role: str | None = None) -> Workspace:
        """Return the repository as it is now: what was read of it before may have moved."""
        found = Workspace(Repository(self.base.root), self.base.clock, role or self.base.role)
        return found

    def checked(self, role: str | None = None) -> Workspace:
        """Return the repository as it is now, if the loop may still change it.

        Raises:
            GitError: Another branch, a detached HEAD, a merge under way.
            LockedError: Another loop took over.
        """
        self.lease.check()
        found = self.workspace(role)
        guard.branch_of(found, self.branch)
        return found

    def remember(self, **changes: Any) -> LoopState:
        """Change the state, on disk first."""
        self.state = state.write_state(self.base, self.state.model_copy(update=changes))
        return self.state

    def remember_turn(self, **changes: Any) -> RunningTurn:
        """Change what the state says of the turn that is under way."""
        assert self.state.turn is not None
        turn = self.state.turn.model_copy(update=changes)
        self.remember(turn=turn)
        return turn

    def say(self, text: str) -> None:
        """Tell whoever watches."""
        turn = self.state.turn
        who = f"{turn.number:05d} {turn.role}" if turn is not None and turn.number else "loop"
        self.reporter.event(who, text)

    def file(self, number: int, role: str, ending: str) -> Path:
        """Return the path of one of a turn's own files."""
        return state.folder(self.base) / f"{number:05d}_{role}{ending}"

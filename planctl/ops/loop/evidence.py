"""Evidence that an agent changed by hand: kept aside, and as git has it again."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from planctl._text import count, listed
from planctl.models.turn.record import OpenTurn
from planctl.ops.loop.state import folder
from planctl.ops.turn import Problem
from planctl.workspace import Workspace

# Kinds of problems that no words can mend.
_KINDS = ("receipt", "evidence")


@dataclass(frozen=True)
class TakenBack:
    """What was undone: paths that are as git has them, and those that it never had."""

    restored: tuple[str, ...]
    put_aside: tuple[str, ...]

    @property
    def paths(self) -> tuple[str, ...]:
        """All of them."""
        return (*self.restored, *self.put_aside)

    def told(self) -> str:
        """Say it in a sentence that cites only what is there."""
        brought = f", and planctl brought it back: {listed(self.restored)}" if self.restored else ""
        aside = f"; {count(len(self.put_aside), 'file')} put aside" if self.put_aside else ""
        return f"Evidence was changed by hand{brought}{aside}."


def take_back(workspace: Workspace, turn: OpenTurn, problems: Sequence[Problem]) -> TakenBack:
    """Undo what a turn did to evidence that was there before it, or that git never had.

    What the agent made of it is kept below the loop's own folder. Files that were changed before
    the turn are a person's and stay.

    Args:
        workspace: The repository, freshly opened.
        turn: The open turn.
        problems: Why it cannot be closed.
    """
    named = {item.claim for item in problems if item.kind in _KINDS} - set(turn.dirty)
    before = workspace.repo.tree(turn.base)
    known = sorted(named & set(before))
    strange = sorted(path for path in named - set(before) if (workspace.root / path).is_file())
    for path in (*known, *strange):
        _keep_aside(workspace, turn, path)
    if known:
        source = ("restore", f"--source={turn.base}", "--staged", "--worktree", "--")
        workspace.repo.ask(*source, *known)
    return TakenBack(tuple(known), tuple(strange))


def _keep_aside(workspace: Workspace, turn: OpenTurn, path: str) -> None:
    place = workspace.root / path
    if not os.path.lexists(place):
        return
    kept = folder(workspace) / f"{turn.shown}_{turn.role}_changed" / path
    kept.parent.mkdir(parents=True, exist_ok=True)
    os.replace(place, kept)

"""The order between the two roles: `input.md`, checked before anybody works on it."""

from __future__ import annotations

import os
from dataclasses import dataclass

from planctl._files import atomic_write, read_plain
from planctl.errors import BadFileError, PreconditionError
from planctl.models.brief.brief import BriefCheck
from planctl.ops.brief.check import check_brief
from planctl.ops.brief.write import write_brief
from planctl.ops.focus import focus_state
from planctl.workspace import BRIEF, Workspace

_MAX_BYTES = 4_000_000


@dataclass(frozen=True)
class Order:
    """What `input.md` says, judged.

    Attributes:
        focus: The initiative it is for; None when it names none.
        refused: Why it is not handed on, a line each; empty when it is good.
        machine: It is planctl's own, and nobody edited it.
        absent: There is no such file.
    """

    focus: str | None
    refused: tuple[str, ...]
    machine: bool = False
    absent: bool = False

    @property
    def good(self) -> bool:
        """It may be handed on."""
        return not self.refused

    def kept_by(self, supervisor: str | None) -> bool:
        """Tell whether an engineer gets it; planctl's own is written anew without a supervisor."""
        return self.good and not (self.machine and supervisor is None)


def judged(workspace: Workspace, wanted: str | None, collect: bool = True) -> Order:
    """Judge `input.md`.

    Args:
        workspace: The repository, freshly opened.
        wanted: The only initiative it may be for, if the loop was started for one.
        collect: Selectors may be tried with `pytest --collect-only`.
    """
    if not os.path.lexists(workspace.root / BRIEF):
        return Order(None, (f"there is no `{BRIEF}`",), absent=True)
    try:
        found = check_brief(workspace, BRIEF, collect=collect)
    except BadFileError as error:
        return Order(None, (error.message,))
    lines = list(dict.fromkeys(_told(found)))
    if wanted is not None and found.focus not in (None, wanted):
        lines.append(f"its focus is `{found.focus}`, but the loop was started for `{wanted}`")
    elif found.focus is not None:
        state = focus_state(workspace, found.focus)
        if not state.workable:
            lines.append(f"its focus cannot be worked on: {state.why} Way out: {state.way_out}")
    return Order(found.focus, tuple(lines), found.by_planctl and not found.edited)


def _told(check: BriefCheck) -> list[str]:
    return [
        f"{item.kind}: {check.path}:{item.line or 1}: {item.text}"
        + (f" Way out: {item.way_out}" if item.way_out else "")
        for item in check.problems
    ]


def write(workspace: Workspace, focus: str) -> str:
    """Write planctl's own brief to `input.md` and return its text.

    Raises:
        PlanctlError: Everything is proven, or the focus is blocked, waits or is locked.
    """
    return write_brief(workspace, focus, closes=False).text


def text_of(workspace: Workspace) -> str:
    """Return what `input.md` holds."""
    return _content(workspace).decode("utf-8", "replace")


def kept(workspace: Workspace) -> bytes | None:
    """Return the bytes of `input.md`, to bring back; None when there is none."""
    return _content(workspace) if os.path.lexists(workspace.root / BRIEF) else None


def bring_back(workspace: Workspace, content: bytes | None) -> None:
    """Make `input.md` what it was."""
    path = workspace.root / BRIEF
    if content is not None:
        if not path.is_file() or _content(workspace) != content:
            atomic_write(path, content)
    elif os.path.lexists(path):
        path.unlink()


def _content(workspace: Workspace) -> bytes:
    try:
        return read_plain(workspace.root / BRIEF, _MAX_BYTES)
    except OSError as error:
        raise BadFileError(BRIEF, f"cannot be read: {error.strerror or error}") from error


def require_ours(workspace: Workspace) -> None:
    """Make sure that writing `input.md` takes nothing from a person.

    Raises:
        PreconditionError: It has changes that nobody committed.
    """
    if BRIEF in workspace.repo.changed_paths():
        raise PreconditionError(
            f"`{BRIEF}` has changes that nobody committed, and the loop would write over them",
            f"commit it (`git add {BRIEF} && git commit -m Brief -- {BRIEF}`) or take them back",
        )

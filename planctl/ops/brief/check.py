"""`planctl brief --check`: whether an order can be handed on, whoever wrote it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from planctl._files import read_plain
from planctl.errors import BadFileError
from planctl.models.brief import INPUT, BriefCheck, BriefProblem
from planctl.models.brief_reading import read_brief
from planctl.ops.brief import rules, words
from planctl.ops.brief.focus import focus_of
from planctl.ops.brief.scene import Scene
from planctl.ops.brief.tests_named import tests_named
from planctl.workspace import Workspace

_MAX_BYTES = 1_000_000


def check_brief(
    workspace: Workspace,
    path: str = INPUT,
    *,
    because: str | None = None,
    collect: bool = True,
) -> BriefCheck:
    """Check a brief: one focus, an order that can be followed, nothing that is proven already.

    Args:
        workspace: The repository.
        path: The brief, relative to the root or absolute.
        because: Why a person wants again what is proven; then that is no problem.
        collect: Ask pytest how many tests the selectors collect; it runs none.

    Returns:
        All that is wrong with it, not only the first.

    Raises:
        BadFileError: There is no such file, or it is no text.
        PlanError: The plan of its focus cannot be used.
    """
    shown, text = read_text_of(workspace, path)
    brief = read_brief(text)
    focus, problems = focus_of(workspace, brief)
    if focus is None:
        return BriefCheck(shown, None, False, False, "free", problems)
    scene = Scene(workspace, shown, text, brief, workspace.load_plan(focus))
    counted: dict[str, int] = {}
    ask = collect and workspace.settings().brief.collect
    found = [*problems, *_found(scene, counted, ask, because)]
    found.sort(key=lambda item: (item.line, item.kind))
    return BriefCheck(
        shown,
        focus,
        False,
        False,
        "free",
        tuple(found),
        scene.judged.remaining,
        tuple(counted.items()),
    )


def _found(
    scene: Scene, counted: dict[str, int], ask: bool, because: str | None
) -> Iterator[BriefProblem]:
    yield from rules.structure(scene)
    yield from rules.branch(scene)
    yield from rules.implement(scene)
    yield from tests_named(scene, counted, ask)
    yield from rules.artifacts(scene)
    yield from rules.findings(scene)
    yield from words.paths(scene)
    yield from words.times(scene)
    if because is None:
        yield from rules.proven(scene)


def read_text_of(workspace: Workspace, path: str) -> tuple[str, str]:
    """Return a brief's name and text.

    Raises:
        BadFileError: There is no such file, or it is no text.
    """
    place = workspace.root / path
    shown = workspace.relative(Path(os.path.normpath(place)))
    try:
        return shown, read_plain(place, _MAX_BYTES).decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise BadFileError(shown, f"is not UTF-8 at byte {error.start}") from error
    except OSError as error:
        hint = "`planctl brief` writes one" if shown == INPUT else None
        raise BadFileError(shown, f"cannot be read: {error.strerror}", hint=hint) from error

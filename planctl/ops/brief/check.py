"""`planctl brief --check`: whether an order can be handed on, whoever wrote it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from planctl._files import atomic_write, read_plain
from planctl.errors import BadFileError
from planctl.models.brief.block import BriefBlock, anchored, digest_of, parted, with_block
from planctl.models.brief.brief import BriefCheck, BriefProblem
from planctl.models.brief.reading import read_brief
from planctl.ops.actor import trusted
from planctl.ops.brief import rules, words
from planctl.ops.brief.anchors import Pointer, current, mended, pointers
from planctl.ops.brief.anchors import problems as anchor_problems
from planctl.ops.brief.focus import focus_of
from planctl.ops.brief.refusals import PERSON, require_person
from planctl.ops.brief.scene import Scene
from planctl.ops.brief.tests_named import tests_named
from planctl.workspace import BRIEF, Workspace

_MAX_BYTES = 256 << 10


def check_brief(
    workspace: Workspace,
    path: str = BRIEF,
    *,
    because: str | None = None,
    collect: bool = True,
    fix: bool = False,
) -> BriefCheck:
    """Check a brief: one focus, an order that can be followed, nothing that is proven already.

    Args:
        workspace: The repository.
        path: The brief, relative to the root or absolute.
        because: Why a person wants again what is proven; then that is no problem.
        collect: Ask pytest how many tests the selectors collect; it runs none.
        fix: Write pointers anew whose lines stand elsewhere now.

    Returns:
        All that is wrong with it, not only the first.

    Raises:
        BadFileError: There is no such file, or it is no text.
        PlanError: The plan of its focus cannot be used.
        NotAPersonError: `because` by an agent.
    """
    require_person(workspace, because)
    shown, whole = read_text_of(workspace, path)
    text, block = parted(whole)
    edited = block is not None and digest_of(text) != block.sha256
    form = "free" if block is None else block.form
    brief = read_brief(text)
    focus, problems = focus_of(workspace, brief)
    if focus is None:
        return BriefCheck(shown, None, block is not None, edited, form, problems)
    scene = Scene(workspace, shown, text, brief, workspace.load_plan(focus))
    followed = pointers(scene, () if block is None else block.anchors, _base(scene, block))
    fixed: tuple[str, ...] = ()
    if fix:
        text, fixed = mended(text, followed)
        if fixed:
            atomic_write(workspace.root / path, _rewritten(scene, text, block, edited))
            return replace(
                check_brief(workspace, path, because=because, collect=collect), fixed=fixed
            )
    counted: dict[str, int] = {}
    ask = collect and workspace.settings().brief.collect
    signed = because or ("" if block is None or edited else _wanted_again(workspace, block))
    # What became of a line says more than that it is not there.
    told = list(_pointers(scene, followed))
    known = {(item.line, item.value) for item in told}
    rest = [item for item in _found(scene, counted, ask) if not _is_told(item, known)]
    found = [*problems, *rest, *told]
    if not signed:
        found += rules.proven(scene)
    found.sort(key=lambda item: (item.line, item.kind))
    return BriefCheck(
        path=shown,
        focus=focus,
        by_planctl=block is not None,
        edited=edited,
        form=form,
        problems=tuple(found),
        orders=scene.judged.remaining,
        collected=tuple(counted.items()),
        notes=(f"proven evidence is wanted again: {signed}",) if signed else (),
    )


def _wanted_again(workspace: Workspace, block: BriefBlock) -> str:
    """Return why a person had proven evidence ordered again, if a block may say so.

    Where the repository lists keys a word is not enough, and a block carries no signature.
    """
    if not block.because or block.by != PERSON or trusted(workspace) is not None:
        return ""
    return block.because


def _found(scene: Scene, counted: dict[str, int], ask: bool) -> Iterator[BriefProblem]:
    yield from rules.structure(scene)
    yield from rules.branch(scene)
    yield from rules.implement(scene)
    yield from tests_named(scene, counted, ask)
    yield from rules.artifacts(scene)
    yield from rules.findings(scene)
    yield from words.paths(scene)
    yield from words.times(scene)


def _is_told(problem: BriefProblem, known: set[tuple[int, str]]) -> bool:
    return problem.kind in ("path", "pointer") and (problem.line, problem.value) in known


def _pointers(scene: Scene, followed: tuple[Pointer, ...]) -> Iterator[BriefProblem]:
    labels = {line: label for line, (_, label) in words.fields(scene).items()}
    yield from anchor_problems(followed, labels)


def _base(scene: Scene, block: BriefBlock | None) -> str | None:
    """Return the commit that a brief was written on: what its pointers meant stands there."""
    if block is not None:
        return block.head or None
    repo = scene.workspace.repo
    if repo.head is None or scene.path in scene.view.changed:
        return None
    found = repo.last_changes([scene.path]).get(scene.path)
    return None if found is None else found.id


def _rewritten(scene: Scene, text: str, block: BriefBlock | None, edited: bool) -> str:
    """Return a brief with its pointers mended, and planctl's block to fit it."""
    if block is None:
        return text
    moved = anchored(tuple(current(scene, read_brief(text), text)))
    made = block.model_copy(update={"pointers": moved, "head": scene.workspace.repo.head or ""})
    return with_block(text, made) if not edited else with_block(text, made, keep_digest=True)


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
        hint = "save it as UTF-8"
        raise BadFileError(shown, f"is not UTF-8 at byte {error.start}", hint=hint) from error
    except OSError as error:
        hint = "`planctl brief` writes one" if shown == BRIEF else "name a file that can be read"
        raise BadFileError(shown, f"cannot be read: {error.strerror}", hint=hint) from error

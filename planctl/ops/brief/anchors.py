"""The pointers of a brief: what became of the lines they were written for."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from planctl._files import read_plain
from planctl._git import Repository
from planctl.errors import GitError
from planctl.models.anchor import Anchor, Found, anchor_at, cited, reanchor
from planctl.models.brief.brief import BriefProblem
from planctl.models.brief.reading import BriefText
from planctl.models.claims.paths import resolve
from planctl.ops.brief.scene import Scene

_MAX_BYTES = 4_000_000


@dataclass(frozen=True)
class Pointer:
    """A pointer of a brief and what became of it.

    Attributes:
        number: Line of the brief that it stands on, from 1.
        spelled: As it stands there: `path:12-20`.
    """

    number: int
    spelled: str
    anchor: Anchor
    found: Found


def pointers(scene: Scene, known: Sequence[Anchor], base: str | None) -> tuple[Pointer, ...]:
    """Follow the pointers of a brief.

    Args:
        scene: The brief.
        known: Anchors that were written down with it.
        base: The commit it was written on; where no anchor was written down, the lines are looked
            up there.
    """
    made = list(_anchored(scene, known, base))
    missing = {item.anchor.path for item in made if item.found.fate == "no-file"}
    names = renames(scene.workspace.repo, base, missing) if missing and base else {}
    return tuple(_followed(scene, item, names) for item in made)


def _anchored(scene: Scene, known: Sequence[Anchor], base: str | None) -> Iterator[Pointer]:
    by_name = {item.name: item for item in known}
    found = list(_cited(scene))
    unknown = {path for _, path, first, last, _ in found if cited(path, first, last) not in by_name}
    then = _texts_at(scene.workspace.repo, base, unknown) if base and unknown else {}
    for number, path, first, last, spelled in found:
        lines = then.get(path)
        anchor = by_name.get(cited(path, first, last))
        if anchor is None and lines is not None:
            anchor = anchor_at(path, lines, first, last)
        if anchor is not None:
            yield Pointer(number, spelled, anchor, _look(scene, anchor, anchor.path))


def _cited(scene: Scene) -> Iterator[tuple[int, str, int, int, str]]:
    """Yield line, path, first and last line, and spelling of each pointer in the text."""
    bases = tuple(filter(None, (scene.hub, scene.home)))
    seen: set[tuple[int, str]] = set()
    for block in scene.blocks:
        for claim in block.paths:
            for first, last in claim.lines:
                placed = resolve(claim, scene.view.index, bases)
                path = placed.path if placed.kind in ("exists", "deeper") else claim.path
                spelled = cited(claim.path, first, last)
                if (claim.line, spelled) not in seen:
                    seen.add((claim.line, spelled))
                    yield claim.line, path, first, last, spelled


def _texts_at(repo: Repository, commit: str, paths: set[str]) -> dict[str, list[str]]:
    """Return the lines of files as they were at a commit; of those that it has."""
    if repo.resolve(commit) is None:
        return {}  # not in this clone: there is nothing to compare with
    tree = repo.tree(commit)
    wanted = {path: tree[path].blob for path in paths if path in tree}
    data = repo.blobs(wanted.values())
    return {
        path: _split(data[blob])
        for path, blob in wanted.items()
        if blob in data and len(data[blob]) <= _MAX_BYTES
    }


def lines_now(scene: Scene, path: str) -> list[str] | None:
    """Return the lines of a file as it is on disk; None when it is not there."""
    place = scene.workspace.root / path
    if os.path.isabs(path) or ".." in path.split("/") or not place.is_file():
        return None
    try:
        return _split(read_plain(place, _MAX_BYTES))
    except OSError:
        return None  # too large, or no plain file: nothing can be compared


def _split(data: bytes) -> list[str]:
    text = data.decode("utf-8", "replace")
    return text.removesuffix("\n").split("\n")


def _look(scene: Scene, anchor: Anchor, path: str) -> Found:
    lines = lines_now(scene, path)
    return (
        Found("no-file", path=path)
        if lines is None
        else replace(reanchor(anchor, lines), path=path)
    )


def _followed(scene: Scene, item: Pointer, names: Mapping[str, str]) -> Pointer:
    path = item.anchor.path
    if item.found.fate != "no-file" or path not in names:
        return item
    found = _look(scene, item.anchor, names[path])
    kept = found.fate if found.fate in ("deleted", "ambiguous", "no-file") else "renamed"
    return replace(item, found=replace(found, fate=kept))


def renames(repo: Repository, base: str, wanted: set[str]) -> dict[str, str]:
    """Return what files are called now that were renamed since a commit; one git process."""
    words = ("log", "--reverse", "--format=", "-M", "--diff-filter=R", "--name-status", "-z")
    try:
        told = repo.ask(*words, f"{base}..HEAD").decode("utf-8", "surrogateescape")
    except GitError:
        return {}  # the commit is not in this clone: nothing is known of what came after it
    fields = [item.lstrip("\n") for item in told.split("\0") if item.strip("\n")]
    now = {path: path for path in wanted}
    for at in range(0, len(fields) - 2, 3):
        _, old, new = fields[at : at + 3]
        now |= {first: new for first, last in now.items() if last == old}
    return {old: new for old, new in now.items() if old != new}


def current(scene: Scene, brief: BriefText, text: str) -> Iterator[Anchor]:
    """Yield anchors for the pointers of a brief, to the lines as they are now."""
    fresh = Scene(scene.workspace, scene.path, text, brief, scene.plan)
    for _, path, first, last, _ in _cited(fresh):
        lines = lines_now(fresh, path)
        anchor = None if lines is None else anchor_at(path, lines, first, last)
        if anchor is not None:
            yield anchor


_TEXT = {
    "changed": "the line reads otherwise now ({:.0%} like it was)",
    "deleted": "the line is gone",
    "ambiguous": "the line stands in several places now: {}",
    "no-file": "the file is gone",
}


def problems(found: Sequence[Pointer], labels: Mapping[int, str]) -> Iterator[BriefProblem]:
    """Tell what is wrong with pointers.

    Args:
        labels: Line of the brief → the section it lies in.
    """
    for item in found:
        fate, now = item.found.fate, item.found
        if fate == "there":
            continue
        where = (
            cited(now.path, now.line, now.line + item.anchor.last - item.anchor.line)
            if now.line
            else ""
        )
        fix = "`planctl brief --check --fix` writes that"
        if fate in ("moved", "renamed"):
            text, way = f"the line stands at `{where}` now", fix
        else:
            text = _TEXT[fate].format(now.ratio if fate == "changed" else _places(now))
            way = f"look at `{where}`; {fix}" if where else f"it read: {item.anchor.text[:80]!r}"
        field = labels.get(item.number, "text")
        yield BriefProblem(f"pointer-{fate}", item.number, field, item.spelled, text, way)


def _places(found: Found) -> str:
    return ", ".join(map(str, found.candidates[:6]))


def mended(text: str, found: Sequence[Pointer]) -> tuple[str, tuple[str, ...]]:
    """Return a brief whose pointers stand where their lines are now.

    Moved, renamed and changed lines are followed; what is gone or ambiguous stays as it is.

    Returns:
        The text, and what was written, one line each.
    """
    lines, told = text.split("\n"), []
    for item in found:
        now, size = item.found, item.anchor.last - item.anchor.line
        if now.line is None or now.fate not in ("moved", "renamed", "changed"):
            continue
        path = now.path if now.fate == "renamed" else item.spelled.rpartition(":")[0]
        new = cited(path, now.line, now.line + size)
        old = lines[item.number - 1]
        pattern = re.escape(item.spelled) + r"(?![\d-])"
        lines[item.number - 1] = re.sub(pattern, new.replace("\\", r"\\"), old, count=1)
        if lines[item.number - 1] != old:
            told.append(f"{item.spelled} → {new}")
    return "\n".join(lines), tuple(told)

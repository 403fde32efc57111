"""Orders for the next turn, wherever a commit writes them: briefs, `Next:` lines, `Do Now`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from planctl.models.claims.claim import Block
from planctl.models.prose.reading import parse_prose
from planctl.models.statuses import items_in
from planctl.ops.audit.scene import Order, Scene, initiative_of
from planctl.ops.audit.texts import Text

_KEY = re.compile(r"\W*(?:do now|next(?: actions?| steps?| moves?| tasks?| turn)?)\b(?! up)", re.I)
_FENCE = re.compile(r"\s{0,3}(`{3,}|~{3,})")
_MARKS = re.compile(r"^\s*(?:[-*+]|\d+[.)])\s+|\*\*|__|^#+\s*")


def orders_of(scene: Scene) -> Iterator[Order]:
    """Yield the orders that a commit writes; a brief that it touches counts as a whole."""
    for item in scene.written:
        if item.text.role == "brief":
            continue
        for line, text in orders_in(item.block, item.text.lines):
            if item.new(line):
                yield Order(item.text.path, line, text, focus_of(item.text.path, (item.block,)))
    for brief in scene.texts:
        if brief.role == "brief" and brief.added:
            yield from _of_brief(brief)


def _of_brief(text: Text) -> Iterator[Order]:
    blocks = parse_prose("\n".join(text.lines)).blocks
    focus = focus_of(text.path, blocks)
    for block in blocks:
        for line, order in orders_in(block, text.lines):
            yield Order(text.path, line, order, focus)


def orders_in(block: Block, lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Yield line and text of each order in a block."""
    if not block.turn and _KEY.match(block.title):
        below = lines[block.line : block.end_line]
        told = [_MARKS.sub("", line) for line in _unfenced(below) or below]
        head = re.split(r"[—:–]", block.title, maxsplit=1)[1:]
        yield block.line, "\n".join((*head, *told))
        return
    for field in block.fields:
        if _KEY.fullmatch(field.key.strip(" *")):
            yield field.line, "\n".join((field.text, *(item.text for item in field.items)))


def _unfenced(lines: Sequence[str]) -> list[str]:
    """Return the words of an order: the commands in its fences are not read as words."""
    kept: list[str] = []
    fence = ""
    for line in lines:
        mark = _FENCE.match(line)
        if fence:
            fence = "" if mark and mark[1].startswith(fence) else fence
        elif mark:
            fence = mark[1]
        elif line.strip():
            kept.append(line)
    return kept


def focus_of(path: str, blocks: Sequence[Block]) -> str:
    """Return the initiative that prose is about: by its folder, its `Focus:`, what it cites."""
    if initiative_of(path):
        return initiative_of(path)
    for block in blocks:
        field = block.field("focus")
        names = items_in(field.text) if field else ()
        if names:
            return names[0]
    for block in blocks:
        if names := items_in(block.title):
            return names[0]
    cited = (initiative_of(claim.path) for block in blocks for claim in block.paths)
    return next((name for name in cited if name), "")

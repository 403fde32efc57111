"""Markdown as a flat list of pieces with their source lines: headings, paragraphs, items, code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Literal

from markdown_it import MarkdownIt
from markdown_it.token import Token

_WORDS = re.compile(r"\w")
_FENCE = re.compile(r"[\s>*+\d.-]*(?:```|~~~)")
# What looks like a blank, a hyphen or a line end and is another character; one for one.
_PLAIN = {0x0D: " ", 0x00: "\ufffd", 0xA0: " ", 0x202F: " ", 0x2007: " ", 0x2011: "-", 0x2010: "-"}
_NOT_NEWLINE = re.compile(r"[^\n]")
# Deeper lists and quotes are read as text, so that no input can exhaust the stack.
_NESTING = 40
# A setext underline below several lines is a rule that somebody drew right under a paragraph.
_RULE = re.compile(r"\n {0,3}(-+|=+)[ \t]*$")


@dataclass(frozen=True)
class Piece:
    """One leaf of a document.

    Attributes:
        kind: What it is.
        line: First source line of `text`, counted from 1; its lines follow one another.
        text: The source without markers of headings, lists, quotes and fences.
        level: 1 to 6 for a heading.
        depth: How many lists it lies in.
        opens: It begins a list item.
    """

    kind: Literal["heading", "paragraph", "code"]
    line: int
    text: str
    level: int = 0
    depth: int = 0
    opens: bool = False


def normalised(text: str) -> str:
    """Return a text whose lines end as git counts them, with comments blanked out."""
    plain = text.replace("\r\n", "\n").translate(_PLAIN)
    parts, done = [], 0
    while (start := plain.find("<!--", done)) >= 0 and (end := plain.find("-->", start)) >= 0:
        parts += [plain[done:start], _NOT_NEWLINE.sub(" ", plain[start : end + 3])]
        done = end + 3
    return "".join([*parts, plain[done:]])


def pieces(text: str) -> list[Piece]:
    """Split a normalised text into its pieces, in source order.

    Only blocks are parsed. Links, emphasis and code spans stay as they are written; HTML is text.
    Lines that the parser gives up on (nested too deep) come as paragraphs: nothing is lost.
    """
    found = list(_walk(_parser().parse(text)))
    seen = {line for piece in found for line in range(piece.line, _after(piece))}
    lost = [
        Piece("paragraph", number, line)
        for number, line in enumerate(text.split("\n"), 1)
        if number not in seen and _WORDS.search(line) and not _FENCE.match(line)
    ]
    return sorted([*found, *lost], key=lambda piece: piece.line) if lost else found


@cache
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"maxNesting": _NESTING})
    parser.core.ruler.enableOnly(["normalize", "block"])
    # A reference definition would swallow `[A1]: path`; raw HTML would swallow what it surrounds.
    return parser.disable(["reference", "html_block"])


def _after(piece: Piece) -> int:
    return piece.line + piece.text.rstrip("\n").count("\n") + 1


def _walk(tokens: list[Token]) -> Iterator[Piece]:
    depth, opens, heading = 0, False, 0
    for token in tokens:
        if token.type in ("bullet_list_open", "ordered_list_open"):
            depth += 1
        elif token.type in ("bullet_list_close", "ordered_list_close"):
            depth -= 1
        elif token.type == "list_item_open":
            opens = True
        elif token.type == "heading_open":
            heading = _level(token)
        elif token.map is not None and token.type in ("inline", "fence", "code_block"):
            yield from _leaf(token, heading, depth, opens)
            opens, heading = False, 0


def _level(token: Token) -> int:
    return int(token.tag[1]) if token.tag[1:].isdigit() else 0


def _leaf(token: Token, heading: int, depth: int, opens: bool) -> Iterator[Piece]:
    first = (token.map or [0])[0] + 1
    if token.type == "fence":
        yield Piece("code", first + 1, token.content, 0, depth, opens)
    elif token.type == "code_block":
        yield Piece("code", first, token.content, 0, depth, opens)
    elif heading and "\n" not in token.content:
        yield Piece("heading", first, token.content, heading, depth, opens)
    else:
        yield Piece("paragraph", first, _RULE.sub("", token.content), 0, depth, opens)
